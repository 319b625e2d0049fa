//! Layers and models that are frozen after they were made: Keras's `trainable` as an attribute.

use std::error::Error;

use brolga_nn::model::{Model as Trained, Network};
use brolga_nn::prelude::*;
use ndarray::{Array2, ArrayD};

type Outcome = Result<(), Box<dyn Error>>;

fn compile() -> Compile {
    Compile::new().optimizer(Adam::new(0.1)).loss("mse").warnings(false)
}

fn samples() -> (Array2<f32>, Array2<f32>) {
    let x = Array2::from_shape_fn((8, 2), |(i, j)| (i as f32 - 3.0) * (j as f32 + 0.5));
    let y = x.mapv(|x| 2.0 * x + 1.0);
    (x, y)
}

/// Which weights a training changes.
fn changed<N: Network>(model: &mut Trained<N>) -> Result<Vec<bool>, NnError> {
    let (x, y) = samples();
    let before: Vec<ArrayD<f32>> = model.get_weights()?;
    model.fit(&x, &y, Fit::new().verbose(false))?;
    Ok(before.iter().zip(model.get_weights()?).map(|(before, after)| *before != after).collect())
}

fn normalized() -> Result<Model, NnError> {
    let x = Input::new([2]).tensor();
    let y = BatchNormalization::new().name("norm").on(Dense::new(3).name("hidden").on(&x));
    Model::new(&x, Dense::new(2).name("head").on(&y))
}

/// Kernel and bias; gamma, beta, mean, variance; kernel and bias.
const ALL: [bool; 8] = [true; 8];

#[test]
fn a_layer_is_frozen_from_the_next_compile_on() -> Outcome {
    let mut model = normalized()?;
    model.compile(compile())?;
    // The bias before a normalization has no effect, and its gradient is a rounding error or 0.
    assert_eq!(changed(&mut model)?[2..], ALL[2..]);
    model.get_layer("hidden")?.set_trainable(false);
    model.get_layer("norm")?.set_trainable(false);
    let kept = model.get_weights()?;
    model.compile(compile())?;
    assert_eq!(model.get_weights()?, kept, "compile keeps weights");
    let head = [false, false, false, false, false, false, true, true];
    assert_eq!(changed(&mut model)?, head);
    model.get_layer("norm")?.set_trainable(true);
    model.compile(compile())?;
    assert_eq!(changed(&mut model)?, [false, false, true, true, true, true, true, true]);
    insta::assert_snapshot!(model.get_layer("nom").err().ok_or("an error")?, @"
    there is no layer `nom`; did you mean `norm`?
      help: there are input_layer, hidden, norm, head
    ");
    Ok(())
}

#[test]
fn a_sequential_is_frozen_as_a_whole_and_in_parts() -> Outcome {
    let mut model = Sequential::new();
    model.add(Dense::new(3).name("hidden"));
    model.add(Dense::new(2).name("head"));
    // No layer says the type of the samples: what was built keeps it.
    model.build(&[2])?;
    model.compile(compile())?;
    assert_eq!(changed(&mut model)?, [true; 4]);
    model.set_trainable(false);
    model.get_layer("head")?.set_trainable(true);
    model.compile(compile())?;
    assert_eq!(changed(&mut model)?, [false, false, true, true]);
    insta::assert_snapshot!(model.get_layer("heat").err().ok_or("an error")?, @"
    there is no layer `heat`; did you mean `head`?
      help: there are hidden, head
    ");
    Ok(())
}

#[test]
fn a_frozen_model_stays_frozen_inside_of_another_and_in_its_config() -> Outcome {
    let mut base = normalized()?;
    base.set_trainable(false);
    let mut config: serde_json::Value = serde_json::from_str(&base.to_json()?)?;
    assert_eq!(config.pointer("/config/layers/1/config/trainable"), Some(&false.into()));
    let x = Input::new([2]).tensor();
    let y = base.into_shared()?.on(&x);
    let mut model = Model::new(&x, Dense::new(2).on(&y))?;
    model.compile(compile())?;
    let head = [false, false, false, false, false, false, false, false, true, true];
    assert_eq!(changed(&mut model)?, head);
    model.set_trainable(true);
    model.compile(compile())?;
    assert_eq!(changed(&mut model)?[2..], [true; 8]);

    // Keras writes that of a model beside those of its layers.
    for layer in
        config.pointer_mut("/config/layers").and_then(|l| l.as_array_mut()).ok_or("layers")?
    {
        layer["config"]["trainable"] = true.into();
    }
    config["config"]["trainable"] = false.into();
    let mut frozen = Model::from_config(&config)?;
    frozen.compile(compile())?;
    assert_eq!(changed(&mut frozen)?, [false; 8]);
    Ok(())
}
