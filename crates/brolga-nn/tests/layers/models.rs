//! What layers do in a model that is trained.

use brolga_ir::{DType, Data, Tensor, Tracer, Type, interpret};
use brolga_nn::prelude::*;
use brolga_nn::trace::{Call, Context, Weights};
use ndarray::{Array2, array};

type Outcome = Result<(), NnError>;

/// A model of one layer and a sum with weights of 1.
fn model(layer: impl Layer + 'static) -> Result<Sequential, NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([2]));
    model.add(layer);
    model.add(Dense::new(1).use_bias(false).kernel_initializer("ones").trainable(false));
    model.compile(Compile::new().optimizer(SGD::new(0.125)).loss("mse").threads(1))?;
    Ok(model)
}

fn fit() -> Fit<'static> {
    Fit::new().batch_size(4).shuffle(false).verbose(false)
}

const X: [[f32; 2]; 4] = [[1.0, 2.0], [3.0, 6.0], [5.0, 2.0], [-1.0, -2.0]];

#[test]
fn moving_statistics_follow_the_batch_unless_the_layer_is_frozen() -> Outcome {
    let (x, y) = (ndarray::arr2(&X), array![0.0_f32, 0.0, 0.0, 0.0]);
    for trainable in [true, false] {
        let layer = BatchNormalization::new().momentum(0.5).scale(false).center(false);
        let mut model = model(layer.trainable(trainable))?;
        model.fit(&x, &y, fit())?;
        let weights = model.get_weights()?;
        let expected = match trainable {
            // The batch has the means 2 and 2, and the variances 20/4 and 32/4: the biased ones.
            true => [array![1.0, 1.0], array![3.0, 4.5]],
            false => [array![0.0, 0.0], array![1.0, 1.0]],
        };
        assert_eq!(weights[..2], expected.map(|values| values.into_dyn()));
    }
    Ok(())
}

/// Of x·k the loss has |x·k| and (x·k)² for each sample, divided by the number of samples.
#[test]
fn a_penalty_for_activity_is_trained() -> Outcome {
    let mut model = Sequential::new();
    model.add(Input::new([1]));
    model.add(Dense::new(1).use_bias(false).kernel_initializer("ones"));
    model.add(ActivityRegularization::new().l1(0.5).l2(0.25));
    model.compile(Compile::new().optimizer(SGD::new(0.125)).loss("mse").threads(1))?;
    let (x, y) = (array![[2.0_f32], [-4.0]], array![2.0_f32, -4.0]);
    let history = model.fit(&x, &y, fit())?;
    assert_eq!(history.get("loss"), Some([0.5 * 3.0 + 0.25 * 10.0].as_slice()));
    // The gradient is 0.5·(2 + 4)/2 + 0.25·2·(4 + 16)/2.
    assert_eq!(model.get_weights()?[0], array![[1.0 - 0.125 * (1.5 + 5.0)]].into_dyn());
    Ok(())
}

/// What a layer gives in training for ones of this shape, under a seed.
pub(crate) fn drawn(layer: &dyn Layer, x: &Tensor, seed: i32) -> Vec<f64> {
    let tracer = Tracer::new("layer");
    let input = tracer.input("x", x.ty());
    let seeds = tracer.input("seed", Type::new(DType::I32, [2]));
    let step = tracer.input("step", Type::scalar(DType::I32));
    let mut context = Context::training(&tracer, &seeds, &step);
    let y = layer.call(&mut Call::new(&mut context, &mut Weights::default()), &[input]);
    tracer.output(&y[0]);
    let graph = tracer.finish().expect("a graph");
    let seeds = Tensor::new([2], Data::I32(vec![seed, 0])).expect("two words");
    let inputs = [x.clone(), seeds, Tensor::scalar(DType::I32, 0.0)];
    interpret(&graph, &inputs).expect("the graph's inputs")[0].data().to_f64()
}

fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count)
}

#[test]
fn noise_has_the_moments_of_its_formula() {
    // Standard deviations of the estimates: about 0.003 of the mean, 0.005 of the variance.
    let shape = [400, 250];
    let (zeros, ones) =
        (Tensor::full(&Type::f32(shape), 0.0), Tensor::full(&Type::f32(shape), 1.0));
    let near = |given: (f64, f64), mean: f64, variance: f64| {
        let (m, v) = given;
        assert!((m - mean).abs() < 0.02 && (v - variance).abs() < 0.03 * variance, "{given:?}");
    };
    near(moments(&drawn(&GaussianNoise::new(0.5), &zeros, 1)), 0.0, 0.25);
    near(moments(&drawn(&GaussianDropout::new(0.2), &ones, 1)), 1.0, 0.25);
    let normal = drawn(&GaussianNoise::new(1.0), &zeros, 2);
    near(moments(&drawn(&Dropout::new(0.2), &ones, 1)), 1.0, 0.25);
    let values = normal.iter().map(|&x| x as f32).collect();
    let normal = Tensor::f32(shape, values).expect("as many as the shape has");
    near(moments(&drawn(&AlphaDropout::new(0.3), &normal, 3)), 0.0, 1.0);
    let other = drawn(&GaussianNoise::new(0.5), &zeros, 2);
    assert_ne!(other, drawn(&GaussianNoise::new(0.5), &zeros, 1), "the seed decides");
}

#[test]
fn channels_are_dropped_as_a_whole() {
    let ones = Tensor::full(&Type::f32([40, 3, 2, 5]), 1.0);
    let values = drawn(&SpatialDropout2D::new(0.25), &ones, 1);
    let samples: Vec<&[f64]> = values.chunks(3 * 2 * 5).collect();
    let dropped = samples.iter().flat_map(|sample| {
        (0..5).map(move |channel| {
            let pixels: Vec<f64> = sample.iter().skip(channel).step_by(5).copied().collect();
            assert!(pixels.iter().all(|&x| x == pixels[0]), "{pixels:?}");
            pixels[0] == 0.0
        })
    });
    let dropped = dropped.filter(|&dropped| dropped).count();
    assert!((20..80).contains(&dropped), "{dropped} of 200");
    assert!(values.iter().all(|&x| x == 0.0 || (x - 4.0 / 3.0).abs() < 1e-6));
}

#[test]
fn noise_is_for_training_alone() -> Outcome {
    let x = Array2::from_shape_fn((3, 2), |(i, j)| (i + 2 * j) as f32);
    let expected = x.sum_axis(ndarray::Axis(1)).insert_axis(ndarray::Axis(1)).into_dyn();
    let quiet = || Predict::new().verbose(false);
    assert_eq!(model(GaussianNoise::new(1.0))?.predict_with(&x, quiet())?, expected);
    assert_eq!(model(GaussianDropout::new(0.5))?.predict_with(&x, quiet())?, expected);
    assert_eq!(model(AlphaDropout::new(0.5))?.predict_with(&x, quiet())?, expected);
    Ok(())
}
