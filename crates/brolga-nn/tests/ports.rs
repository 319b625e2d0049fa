//! The abilities of layers and networks beside computing one value of another: update weights, add
//! to the loss, ask whether they are in training, take and give lists.

use brolga_ir::{DType, Mistake, Origin, Role, Tracer, Type, Var};
use brolga_nn::Kind;
use brolga_nn::initializers::Zeros;
use brolga_nn::layers::{Base, Layer, WeightSpec};
use brolga_nn::model::{Built, BuiltLayer, Model, Network, Port, call};
use brolga_nn::prelude::*;
use brolga_nn::registry::Object;
use brolga_nn::trace::{Call, Context, Weights};
use ndarray::{Array2, ArrayD, array};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A layer with a weight `mean` of the inputs' width that is not trained.
#[derive(Debug)]
struct Own(Base, fn(&mut Call<'_>, &[Var]) -> Vec<Var>);

impl Object for Own {
    fn class_name(&self) -> &'static str {
        "Own"
    }

    fn config(&self) -> Result<serde_json::Value, NnError> {
        Ok(serde_json::json!({}))
    }
}

impl Layer for Own {
    fn base(&self) -> &Base {
        &self.0
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let width = inputs[0].shape.last().copied().unwrap_or(1);
        Ok(vec![WeightSpec::non_trainable("mean", [width], &Zeros::default().into())])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        self.1(call, inputs)
    }
}

fn own(call: fn(&mut Call<'_>, &[Var]) -> Vec<Var>) -> Own {
    Own(Base::default(), call)
}

/// `x − mean`, where the mean moves half of the way to the batch's mean with each step.
fn centered(call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
    call.map(inputs, |call, x| {
        let mean = call.weight("mean");
        if call.training() {
            call.update("mean", &((&mean + x.reduce_mean(&[0], false)) * 0.5));
        }
        x - mean
    })
}

/// `x`, with the mean of its squares as a part of the loss.
fn small(call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
    call.map(inputs, |call, x| {
        call.add_loss(&(&x * &x).reduce_mean(&[0, 1], false));
        x
    })
}

fn model(layers: Vec<Own>) -> Result<Sequential, NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([2]));
    layers.into_iter().for_each(|layer| {
        model.add(layer);
    });
    model.add(Dense::new(1).use_bias(false).kernel_initializer("ones"));
    model.compile(Compile::new().optimizer(SGD::new(0.125)).loss("mse").threads(1))?;
    Ok(model)
}

fn fit() -> Fit<'static> {
    Fit::new().batch_size(2).shuffle(false).verbose(false)
}

fn quiet() -> Evaluate<'static> {
    Evaluate::new().verbose(false)
}

const X: [[f32; 2]; 4] = [[1.0, 2.0], [3.0, 6.0], [1.0, 0.0], [1.0, 0.0]];

#[test]
fn an_update_is_the_next_state_of_a_training_step_alone() -> Outcome {
    let (x, y) = (ndarray::arr2(&X), array![0.0_f32, 0.0, 0.0, 0.0]);
    let mut model = model(vec![own(centered)])?;
    assert_eq!(model.summarize()?.non_trainable.params, 2);
    model.evaluate_with(&x, &y, quiet())?;
    model.predict_with(&x, Predict::new().verbose(false))?;
    assert_eq!(model.get_weights()?[0], array![0.0, 0.0].into_dyn());
    model.fit(&x, &y, fit())?;
    // Means of the batches: (2, 4), (1, 0).
    let mean = array![1.0, 1.0].into_dyn();
    assert_eq!(model.get_weights()?[0], mean);
    model.evaluate_with(&x, &y, quiet())?;
    assert_eq!(model.get_weights()?[0], mean);
    let kernel = model.get_weights()?[1].clone();
    let expected = (&x - &array![1.0, 1.0]).dot(&kernel.into_dimensionality::<ndarray::Ix2>()?);
    assert_eq!(model.predict_with(&x, Predict::new().verbose(false))?, expected.into_dyn());
    for kind in [Kind::Evaluate, Kind::Predict] {
        let graph = model.trace(kind, 2)?;
        assert!(graph.outputs().iter().all(|output| output.replaces.is_none()));
    }
    Ok(())
}

#[test]
fn updated_weights_are_part_of_the_state() -> Outcome {
    let (x, y) = (ndarray::arr2(&X), array![0.0_f32, 1.0, 2.0, 3.0]);
    let folder = tempfile::tempdir()?;
    let (weights, state) = (folder.path().join("weights"), folder.path().join("state"));
    let mut whole = model(vec![own(centered)])?;
    whole.fit(&x, &y, fit())?;
    whole.save_weights(&weights)?;
    whole.save_state(&state)?;
    let first = whole.get_weights()?;
    whole.fit(&x, &y, fit())?;
    let mut resumed = model(vec![own(centered)])?;
    resumed.load_weights(&weights)?;
    assert_eq!(resumed.get_weights()?, first);
    resumed.set_weights(&[ArrayD::zeros(vec![2]), ArrayD::zeros(vec![2, 1])])?;
    resumed.load_state(&state)?;
    resumed.fit(&x, &y, fit())?;
    assert_eq!(resumed.get_weights()?, whole.get_weights()?);
    Ok(())
}

#[test]
fn a_second_update_goes_on_from_the_first() -> Outcome {
    let mut model = model(vec![own(|call, inputs| {
        for _ in 0..3 {
            let next = call.weight("mean") * 2.0 + 1.0;
            call.update("mean", &next);
        }
        inputs.to_vec()
    })])?;
    model.fit(&array![[1.0_f32, 1.0]], &array![0.0_f32], fit())?;
    assert_eq!(model.get_weights()?[0], array![7.0, 7.0].into_dyn());
    Ok(())
}

/// Labels are what the model predicts, so that all of the gradient is the added loss's.
#[test]
fn an_added_loss_is_trained_and_evaluated() -> Outcome {
    let mut model = Sequential::new();
    model.add(Input::new([2]));
    model.add(Dense::new(1).use_bias(false).kernel_initializer("ones"));
    model.add(own(small));
    model.compile(Compile::new().optimizer(SGD::new(0.125)).loss("mse").threads(1))?;
    let (x, y) = (array![[1.0_f32, 2.0]], array![3.0_f32]);
    assert_eq!(model.evaluate_with(&x, &y, quiet())?.get("loss"), Some(9.0));
    let history = model.fit(&x, &y, fit())?;
    assert_eq!(history.get("loss"), Some([9.0].as_slice()));
    // The gradient of (k·x)² is 2·(k·x)·x = (6, 12).
    assert_eq!(model.get_weights()?[0], array![[0.25], [-0.5]].into_dyn());
    Ok(())
}

#[test]
fn losses_of_several_layers_add_up() -> Outcome {
    let mut model = model(vec![own(small), own(small)])?;
    let loss = model.evaluate_with(&array![[1.0_f32, 2.0]], &array![3.0_f32], quiet())?.get("loss");
    assert_eq!(loss, Some(5.0));
    assert_eq!(model.trace(Kind::Predict, 2)?.outputs().len(), 1);
    Ok(())
}

#[test]
fn a_layer_knows_whether_it_is_in_training() -> Outcome {
    let mut model = model(vec![own(|call, inputs| {
        let training = call.training();
        call.map(inputs, |_, x| if training { x * 0.0 } else { x })
    })])?;
    let (x, y) = (array![[1.0_f32, 2.0]], array![3.0_f32]);
    assert_eq!(model.evaluate_with(&x, &y, quiet())?.get("loss"), Some(0.0));
    assert_eq!(model.fit(&x, &y, fit())?.get("loss"), Some([9.0].as_slice()));
    Ok(())
}

/// The message of a model with a layer that does this, without the line of this file.
fn mistake(call: fn(&mut Call<'_>, &[Var]) -> Vec<Var>) -> String {
    let error = model(vec![own(call)]).map(drop).expect_err("a mistake").to_string();
    error.lines().filter(|line| !line.contains(" at ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn mistakes_name_the_layer() {
    insta::assert_snapshot!(mistake(|call, inputs| {
        call.update("variance", &inputs[0]);
        inputs.to_vec()
    }), @"layer `own`: the layer has no weight `variance`; `build` declares the weights");
    insta::assert_snapshot!(mistake(|call, inputs| {
        call.update("mean", &inputs[0]);
        inputs.to_vec()
    }), @r"
    layer `own`: the layer updates its weight `mean`: f32[2] with a value f32[2,2]
      help: both must have the same type
    ");
    insta::assert_snapshot!(mistake(|call, inputs| {
        call.add_loss(&inputs[0]);
        inputs.to_vec()
    }), @r"
    layer `own`: the layer adds f32[2,2] to the loss, which is f32[]
      help: reduce it to one number: x.reduce_mean(&axes, false)
    ");
    insta::assert_snapshot!(mistake(|_, inputs| vec![inputs[0].clone(), inputs[0].clone()]), @r"
    layer `own`: the layer makes 2 tensors
      help: a layer of a Sequential takes one and makes one
    ");
    insta::assert_snapshot!(mistake(|_, _| vec![]), @r"
    layer `own`: the layer makes 0 tensors
      help: a layer of a Sequential takes one and makes one
    ");
}

/// A layer that updates a weight which is trained, of elements of this type.
#[derive(Debug)]
struct Greedy(Base, DType);

impl Object for Greedy {
    fn class_name(&self) -> &'static str {
        "Greedy"
    }

    fn config(&self) -> Result<serde_json::Value, NnError> {
        Ok(serde_json::json!({}))
    }
}

impl Layer for Greedy {
    fn base(&self) -> &Base {
        &self.0
    }

    fn build(&self, _: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let scale = WeightSpec::trainable("scale", [1], &Zeros::default().into());
        Ok(vec![WeightSpec { ty: Type::new(self.1, [1]), ..scale }])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        let scale = call.weight("scale");
        call.update("scale", &scale);
        call.map(inputs, |_, x| x * scale)
    }
}

#[test]
fn a_trained_weight_is_the_optimizers() {
    let message = |dtype| {
        let mut model = Sequential::new();
        model.add(Greedy(Base::default(), dtype));
        let error = model.build(&[2]).expect_err("a mistake").to_string();
        error.lines().filter(|line| !line.contains(" at ")).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(message(DType::F64), @"
    layer `greedy`: the weight `scale` is f64[1]
      help: weights are f32
    ");
    insta::assert_snapshot!(message(DType::F32), @r"
    layer `greedy`: the layer updates its weight `scale`, which the optimizer trains
      help: declare it with `WeightSpec::non_trainable`
    ");
}

/// A layer that cannot be called with every batch: what `build` accepted does not fit here.
#[test]
fn a_mistake_of_one_size_of_batch_ends_the_trace() -> Outcome {
    let mut model = model(vec![own(|call, inputs| {
        call.map(inputs, |call, x| match x.shape()[0] {
            3 => call.tracer().fail(Mistake::new("three are too many")),
            _ => x,
        })
    })])?;
    model.trace(Kind::Train, 2)?;
    for kind in [Kind::Train, Kind::Evaluate, Kind::Predict] {
        let error = model.trace(kind, 3).expect_err("three").to_string();
        assert!(error.starts_with("layer `own`: three are too many\n"), "{error}");
    }
    Ok(())
}

/// Two inputs through one and the same layer, and two outputs: their difference and their sum.
#[derive(Debug)]
struct Siamese(Own);

fn twin() -> Origin {
    Origin::layer("twin", Role::Forward)
}

impl Network for Siamese {
    fn name(&self) -> &str {
        "siamese"
    }

    fn set_trainable(&self, trainable: bool) {
        self.0.set_trainable(trainable);
    }

    fn layer_names(&self) -> Vec<(String, &'static str)> {
        vec![("twin".to_owned(), "Own")]
    }

    fn build(&self, _: Option<&[Type]>) -> Result<Built, NnError> {
        let tracer = Tracer::new("siamese");
        let mut context = Context::inference(&tracer);
        let (left, x) = Port::input(&tracer, "left", Type::f32([2]))?;
        let (right, z) = Port::input(&tracer, "right", Type::f32([2]))?;
        let (layer, mut weights, x) = BuiltLayer::new(&mut context, &self.0, &twin(), &[x])?;
        let z = call(&mut context, &self.0, &twin(), &mut weights, &[z])?;
        let difference = Port::output(&context, "difference", &(&x[0] - &z[0]));
        let sum = Port::output(&context, "sum", &(&x[0] + &z[0]));
        Ok(Built { inputs: vec![left, right], layers: vec![layer], outputs: vec![difference, sum] })
    }

    fn forward(
        &self,
        context: &mut Context,
        weights: &mut [Weights],
        inputs: &[Var],
    ) -> Result<Vec<Var>, NnError> {
        let x = call(context, &self.0, &twin(), &mut weights[0], &inputs[..1])?;
        let z = call(context, &self.0, &twin(), &mut weights[0], &inputs[1..])?;
        Ok(vec![&x[0] - &z[0], &x[0] + &z[0]])
    }
}

#[test]
fn a_network_has_named_ports_and_shares_layers() -> Outcome {
    let mut model = Model::of(Siamese(own(centered)));
    insta::assert_snapshot!(model.trace(Kind::Predict, 3)?, @r"
    graph predict(%x/left: f32[3,2], %x/right: f32[3,2], state %twin/mean: f32[2] @twin) {
      %0: f32[3,2] = sub %x/left, %twin/mean   @twin
      %1: f32[3,2] = sub %x/right, %twin/mean   @twin
      %2: f32[3,2] = sub %0, %1
      %3: f32[3,2] = add %0, %1
      return %2, %3
    }
    ");
    assert_eq!(model.count_params()?, 2);
    insta::assert_snapshot!(model.summarize()?, @r#"
    Model: "siamese"
    ┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
    ┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
    ┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
    │ twin (Own)                      │ (None, 2)              │             2 │
    └─────────────────────────────────┴────────────────────────┴───────────────┘
     Total params: 2 (8.00 B)
     Trainable params: 0 (0.00 B)
     Non-trainable params: 2 (8.00 B)
    "#);
    Ok(())
}

#[test]
fn a_network_of_the_users_own_is_trained_on_lists() -> Outcome {
    let mut model = Model::of(Siamese(own(centered)));
    let x = Array2::<f32>::ones((3, 2));
    let error = model.predict(&x).expect_err("two outputs");
    insta::assert_snapshot!(error, @r"
    the model has 2 outputs: `difference`, `sum`
      help: take all of them: predict_all
    ");
    model.compile(Compile::new().optimizer("sgd").loss("mse").threads(1))?;
    let error = model.fit(&x, &x, fit()).map(drop).expect_err("two inputs");
    insta::assert_snapshot!(error, @r"
    x: 1 array was given
      help: the model has 2 inputs: `left`, `right`; give an array for each, in this order or as pairs of name and array
    ");
    let history = model.fit([&x, &x], [("sum", &x), ("difference", &x)], fit())?;
    // The mean is 0, 0.5, 0.75, 0.875 in the four calls, so differences are 0.5 twice and 0.125.
    assert_eq!(history.last("difference_loss"), Some((2.0 * 0.25 + 0.765625) / 3.0));
    Ok(())
}

/// A layer that is called with what it gives itself.
#[derive(Debug)]
struct Twice(Own);

impl Network for Twice {
    fn name(&self) -> &str {
        "twice"
    }

    fn set_trainable(&self, trainable: bool) {
        self.0.set_trainable(trainable);
    }

    fn layer_names(&self) -> Vec<(String, &'static str)> {
        vec![("twin".to_owned(), "Own")]
    }

    fn build(&self, _: Option<&[Type]>) -> Result<Built, NnError> {
        let tracer = Tracer::new("twice");
        let mut context = Context::inference(&tracer);
        let (input, x) = Port::input(&tracer, "input", Type::f32([1]))?;
        let (layer, mut weights, x) = BuiltLayer::new(&mut context, &self.0, &twin(), &[x])?;
        let x = call(&mut context, &self.0, &twin(), &mut weights, &x)?;
        let output = Port::output(&context, "twin", &x[0]);
        Ok(Built { inputs: vec![input], layers: vec![layer], outputs: vec![output] })
    }

    fn forward(
        &self,
        context: &mut Context,
        weights: &mut [Weights],
        inputs: &[Var],
    ) -> Result<Vec<Var>, NnError> {
        let x = call(context, &self.0, &twin(), &mut weights[0], inputs)?;
        call(context, &self.0, &twin(), &mut weights[0], &x)
    }
}

/// As in Keras, where an update assigns the weight at once.
#[test]
fn a_layer_that_is_called_twice_goes_on_from_its_first_update() -> Outcome {
    let mut model = Model::of(Twice(own(centered)));
    model.compile(Compile::new().optimizer("sgd").loss("mse").threads(1))?;
    let x = array![[8.0_f32]];
    // The first call moves the mean to 4 and gives 8; the second moves it to 6 and gives 8 − 4.
    model.fit(&x, &x, fit())?;
    assert_eq!(model.get_weights()?[0], array![6.0].into_dyn());
    assert_eq!(model.predict_with(&x, Predict::new().verbose(false))?, array![[-4.0]].into_dyn());
    Ok(())
}

#[test]
fn a_layer_inside_of_another_keeps_the_outer_path() -> Outcome {
    let tracer = Tracer::new("outer");
    let mut context = Context::inference(&tracer);
    let x = tracer.input("x", Type::f32([3, 2]));
    let block = tracer.enter("block1");
    let inner = own(centered);
    let (layer, mut weights, x) = BuiltLayer::new(&mut context, &inner, &twin(), &[x])?;
    let x = call(&mut context, &inner, &twin(), &mut weights, &x)?;
    drop(block);
    tracer.output(&x[0]);
    assert_eq!(layer.name, "block1/twin");
    insta::assert_snapshot!(tracer.finish()?, @"
    graph outer(%x: f32[3,2], state %block1/twin/mean: f32[2] @block1/twin) {
      %0: f32[3,2] = sub %x, %block1/twin/mean   @block1/twin
      %1: f32[3,2] = sub %0, %block1/twin/mean   @block1/twin
      return %1
    }
    ");
    Ok(())
}
