//! Closures where Keras takes functions.

use brolga_nn::initializers::{Constant, Function};
use brolga_nn::losses::{Labels, LossFunctionWrapper};
use brolga_nn::metrics::{Direction, MeanMetricWrapper};
use brolga_nn::prelude::*;
use brolga_nn::{activations, arrays};
use ndarray::array;

use crate::{Outcome, bits, classes, data, fit};

fn squared(y_true: &Var, y_pred: &Var) -> Var {
    let error = y_pred - y_true;
    (&error * &error).reduce_mean(&[1], false)
}

fn absolute(y_true: &Var, y_pred: &Var) -> Var {
    (y_pred - y_true).abs().reduce_mean(&[1], false)
}

/// A model of ours, and the same one of closures.
fn models() -> Result<[Sequential; 2], NnError> {
    let mut ours = Sequential::new();
    ours.add(Input::new([3]));
    ours.add(Rescaling::new(2.0).offset(1.0));
    ours.add(Dense::new(4).activation("tanh").bias_initializer(Constant::new(0.25)));
    ours.add(Activation::new("relu"));
    ours.add(Dense::new(2));
    ours.compile(Compile::new().optimizer("adam").loss("mse").metrics(["mae"]))?;

    let mut closures = Sequential::new();
    closures.add(Input::new([3]));
    closures.add(Lambda::new(|x| x * 2.0 + 1.0));
    let dense = Dense::new(4).activation(|x: &Var| x.tanh());
    closures.add(dense.bias_initializer(|_: &[usize], _: &[usize]| 0.25));
    closures.add(Activation::new(activations::Function::new(|x| x.relu())));
    closures.add(Dense::new(2));
    let compile = Compile::new().optimizer("adam").loss(squared);
    closures.compile(compile.metrics([MeanMetricWrapper::new(absolute).name("mae")]))?;
    Ok([ours, closures])
}

#[test]
fn closures_are_trained_as_classes_of_the_same_formulas() -> Outcome {
    let (x, y) = data();
    let [mut ours, mut closures] = models()?;
    let histories = [ours.fit(&x, &y, fit(3))?, closures.fit(&x, &y, fit(3))?];
    assert_eq!(histories[0].get("loss"), histories[1].get("loss"));
    assert_eq!(histories[0].get("mae"), histories[1].get("mae"));
    assert_eq!(bits(&ours.get_weights()?), bits(&closures.get_weights()?));
    let outputs = [ours.predict(&x)?, closures.predict(&x)?];
    assert_eq!(bits(&outputs[..1]), bits(&outputs[1..]));
    Ok(())
}

#[test]
fn closures_count_samples_by_their_weights() -> Outcome {
    let (x, y) = data();
    let weights = array![0.5_f32, 0.0, 2.0, 1.0, 1.0, 0.25, 0.0, 3.0];
    let [mut ours, mut closures] = models()?;
    let with = || fit(2).sample_weight(&weights);
    let histories = [ours.fit(&x, &y, with())?, closures.fit(&x, &y, with())?];
    assert_eq!(histories[0].get("loss"), histories[1].get("loss"));
    assert_eq!(bits(&ours.get_weights()?), bits(&closures.get_weights()?));
    Ok(())
}

#[test]
fn a_lambda_takes_several_tensors() -> Outcome {
    let (x, _) = data();
    let models = [false, true].map(|closure| {
        let [a, b] = ["a", "b"].map(|name| Input::new([3]).name(name).tensor());
        let gap = match closure {
            false => Subtract::new().name("gap").on([&a, &b]),
            true => Lambda::list(|x| vec![&x[0] - &x[1]]).name("gap").on([&a, &b]),
        };
        Model::new([&a, &b], &gap)
    });
    let [ours, closure] = models;
    let other = x.mapv(|x| x * x);
    let outputs = [ours?.predict(arrays![&x, &other])?, closure?.predict(arrays![&x, &other])?];
    assert_eq!(outputs[0], outputs[1]);
    let input = Input::new([3]).tensor();
    let both = Lambda::list(|x| vec![x[0].exp(), &x[0] * 2.0]);
    let [exp, double] = both.on_all(&input);
    let outputs = Model::new(&input, [&exp, &double])?.predict_all(&x)?;
    assert_eq!(outputs[1], (&x * 2.0).into_dyn());
    Ok(())
}

#[test]
fn a_loss_of_class_numbers_says_so() -> Outcome {
    let (x, _) = data();
    // The squared probability that the class is missed.
    let missed = LossFunctionWrapper::new(|y_true, y_pred| {
        let hit = y_true.one_hot(2, y_pred.dtype()) * y_pred;
        let missed = 1.0 - hit.reduce_sum(&[1], false);
        &missed * &missed
    });
    let mut model = Sequential::new();
    model.add(Input::new([3]));
    model.add(Dense::new(2).activation("softmax"));
    let compile = Compile::new().optimizer(SGD::new(0.5));
    model.compile(compile.loss(
        missed.labels(Labels::Classes { ignored: None, axis: brolga_nn::config::Axis::default() }),
    ))?;
    let losses = model.fit(&x, &classes(), fit(20))?;
    let losses = losses.get("loss").ok_or("a loss")?;
    assert!(losses[19] < losses[0], "{losses:?}");
    Ok(())
}

#[test]
fn metrics_have_the_names_of_functions() -> Outcome {
    let (x, y) = data();
    let mut model = Sequential::new();
    model.add(Input::new([3]));
    model.add(Dense::new(2));
    let near = MeanMetricWrapper::new(|t, y| (t - y).abs().lt(&y.constant_like(0.5)));
    let near = near.direction(Direction::Max);
    let compile = Compile::new().loss("mse").metrics([absolute]).metrics([near]);
    model
        .compile(compile.metrics([|t: &Var, y: &Var| t * y]))
        .expect_err("two metrics of one name");
    let near = MeanMetricWrapper::new(|t, y| (t - y).abs().lt(&y.constant_like(0.5)));
    model.compile(Compile::new().loss("mse").metrics([absolute]).metrics([near]))?;
    let logs = model.evaluate_with(&x, &y, Evaluate::new().verbose(false))?;
    let prediction = model.predict(&x)?;
    let errors: Vec<f32> = prediction.iter().zip(&y).map(|(y, t)| (y - t).abs()).collect();
    let share = errors.iter().filter(|&&error| error < 0.5).count() as f64 / 16.0;
    assert_eq!(logs.get("closure"), Some(share));
    assert!(logs.get("absolute").is_some());
    Ok(())
}

#[test]
fn an_initializer_is_given_indices_and_shape() -> Outcome {
    let mut model = Sequential::new();
    model.add(Input::new([3]));
    let place = Function::new(|index, shape| (index[0] * shape[1] + index[1]) as f32);
    model.add(Dense::new(2).kernel_initializer(place));
    assert_eq!(model.get_weights()?[0], array![[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]].into_dyn());
    Ok(())
}
