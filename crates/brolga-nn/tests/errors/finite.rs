//! Numbers that are NaN or infinite.

use brolga_nn::Session;
use brolga_nn::optimizers::Optimizer;
use brolga_nn::prelude::*;
use brolga_nn::registry::from_config;
use brolga_runtime::Backend;
use ndarray::{Array1, Array2, ArrayD, array};
use serde_json::json;

use crate::{classifier_with, compile, message, on_both, ones};

#[test]
fn numbers_that_are_not_finite() {
    on_both(numbers_that_are_not_finite_on);
}

fn numbers_that_are_not_finite_on(backend: Backend) {
    let y = array![0u8, 1, 2, 0, 1];
    let mut x = Array2::<f32>::ones((5, 4));
    x[[3, 2]] = f32::NAN;
    let mut model =
        classifier_with(compile().loss("sparse_categorical_crossentropy").backend(backend));
    let before = model.get_weights().expect("a built model");
    let fit = Fit::new().batch_size(2).shuffle(false);
    insta::assert_snapshot!(message(model.fit(&x, &y, fit)), @r"
    epoch 1, step 2: the loss is NaN
      `x` has NaN in sample 3, at element 2 of the sample
      help: every number of the data must be finite
    ");

    insta::assert_snapshot!(message(model.evaluate(&x, &y)), @r"
    x has NaN in sample 3, at element 2 of the sample
      help: every number of the data must be finite
    ");
    let weights = model.get_weights().expect("a built model");
    insta::assert_snapshot!(message(model.train_on_batch(&x, &y)), @r"
    train_on_batch: the loss is NaN
      `x` has NaN in sample 3, at element 2 of the sample
      help: every number of the data must be finite
    ");
    insta::assert_snapshot!(message(model.test_on_batch(&x, &y)), @r"
    x has NaN in sample 3, at element 2 of the sample
      help: every number of the data must be finite
    ");
    assert_eq!(model.get_weights().expect("a built model"), weights);

    let good = Array2::<f32>::ones((5, 4));
    let fit = Fit::new().validation_data(&x, &y).verbose(false);
    insta::assert_snapshot!(message(model.fit(&good, &y, fit)), @r"
    validation x has NaN in sample 3, at element 2 of the sample
      help: every number of the data must be finite
    ");

    x.fill(1.0);
    let after = model.get_weights().expect("a built model");
    assert_ne!(before, after, "the first step went well, and stays");
    assert!(after.iter().flatten().all(|w| w.is_finite()), "the step that went wrong is undone");

    let mut linear = Sequential::new();
    linear.add(Input::new([4]));
    linear.add(Dense::new(1));
    linear
        .compile(compile().backend(backend).optimizer(SGD::new(1e30)).loss("mse"))
        .expect("the model is right");
    let fit = Fit::new().batch_size(2).shuffle(false);
    insta::assert_snapshot!(message(linear.fit(&x, &y, fit)), @r"
    epoch 1, step 2: the loss is inf
      first made by `mul`: f32[2,1] of layer `loss` (forward), at crates/brolga-nn/src/losses/mean_squared_error.rs:[line]
        of f32[2,1] from -3.460e30 to -3.460e30
        of f32[2,1] from -3.460e30 to -3.460e30
      help: lower the learning rate, or bound the gradients with clipnorm; the weights are those before this step
    ");

    let mut weights = linear.get_weights().expect("a built model");
    weights[1][0] = f32::INFINITY;
    linear.set_weights(&weights).expect("weights of the right shape");
    insta::assert_snapshot!(message(linear.fit(&x, &y, Fit::new())), @r"
    epoch 1, step 1: the loss is inf
      the state `dense/bias` was not finite before the step
      help: set or load other weights
    ");
}

#[test]
fn losses_of_an_evaluation_that_are_not_finite() {
    on_both(losses_of_an_evaluation_that_are_not_finite_on);
}

fn losses_of_an_evaluation_that_are_not_finite_on(backend: Backend) {
    let (x, y) = (Array2::<f32>::ones((5, 4)), Array1::<f32>::zeros(5));
    let mut model = Sequential::new();
    model.add(Input::new([4]));
    model.add(Dense::new(1));
    model.compile(compile().backend(backend).loss("mse")).expect("the model is right");
    let mut with = |kernel: f32, fit: Option<Fit<'_>>| {
        let weights = [ArrayD::from_elem(vec![4, 1], kernel), ones(&[1])];
        model.set_weights(&weights).expect("weights of the right shape");
        match fit {
            Some(fit) => message(model.fit(&x, &y, fit.verbose(false))),
            None => message(model.evaluate(&x, &y)),
        }
    };
    insta::assert_snapshot!(with(f32::INFINITY, None), @r"
    evaluation, step 1: the loss is inf
      the state `dense/kernel` was not finite before the step
      help: set or load other weights
    ");
    insta::assert_snapshot!(with(f32::NAN, None), @r"
    evaluation, step 1: the loss is NaN
      the state `dense/kernel` was not finite before the step
      help: set or load other weights
    ");
    insta::assert_snapshot!(with(1e30, None), @r"
    evaluation, step 1: the loss is inf
      first made by `mul`: f32[5,1] of layer `loss` (forward), at crates/brolga-nn/src/losses/mean_squared_error.rs:[line]
        of f32[5,1] from 4.000e30 to 4.000e30
        of f32[5,1] from 4.000e30 to 4.000e30
      help: weights or data are too large: train with a lower learning rate, or bound the gradients with clipnorm
    ");
    let huge = Array2::<f32>::from_elem((5, 4), 1e30);
    insta::assert_snapshot!(with(0.1, Some(Fit::new().validation_data(&huge, &y))), @r"
    evaluation, step 1: the loss is inf
      first made by `mul`: f32[5,1] of layer `loss` (forward), at crates/brolga-nn/src/losses/mean_squared_error.rs:[line]
        of f32[5,1] from 2.880e29 to 2.880e29
        of f32[5,1] from 2.880e29 to 2.880e29
      help: weights or data are too large: train with a lower learning rate, or bound the gradients with clipnorm
    ");
}

#[test]
fn states_of_an_optimizer_that_are_not_finite() {
    on_both(states_of_an_optimizer_that_are_not_finite_on);
}

fn states_of_an_optimizer_that_are_not_finite_on(backend: Backend) {
    let (x, y) = (Array2::<f32>::ones((5, 4)), Array1::<f32>::zeros(5));
    let mut linear = Sequential::new();
    linear.add(Input::new([4]));
    linear.add(Dense::new(1));
    linear.compile(compile().backend(backend).loss("mse")).expect("the model is right");
    break_state(linear.session().expect("a built model"), "optimizer/learning_rate", 0);
    insta::assert_snapshot!(message(linear.fit(&x, &y, Fit::new().verbose(false))), @r"
    epoch 1, step 1: the next value of `dense/kernel` is not finite
      the state `optimizer/learning_rate` was not finite before the step
      help: the learning rate must be a number that f32 can hold; look at the optimizer's, and at callbacks that set it
    ");

    let adam = compile().backend(backend).optimizer("adam").loss("mse");
    linear.compile(adam).expect("the model is right");
    break_state(linear.session().expect("a built model"), "adam/dense/kernel/velocity", 2);
    insta::assert_snapshot!(message(linear.fit(&x, &y, Fit::new().verbose(false))), @r"
    epoch 1, step 1: the next value of `dense/kernel` is not finite
      the state `adam/dense/kernel/velocity` was not finite before the step
      help: compile the model again: the optimizer starts anew, the weights stay
    ");
}

/// Writes NaN into a state.
fn break_state(session: &mut Session, name: &str, element: usize) {
    let mut state = session.snapshot().expect("there is memory");
    state.slice_mut::<f32>(name).expect("a state of floats")[element] = f32::NAN;
    session.restore(state).expect("the same model");
}

/// Breaks the learning rate after so many epochs.
struct Epochs(usize);

impl Callback for Epochs {
    fn on_epoch_end(
        &mut self,
        epoch: usize,
        _: &mut Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        if epoch + 1 == self.0 {
            break_state(training.session, "optimizer/learning_rate", 0);
        }
        Ok(())
    }
}

#[test]
fn a_training_that_fails_keeps_its_history() {
    on_both(a_training_that_fails_keeps_its_history_on);
}

fn a_training_that_fails_keeps_its_history_on(backend: Backend) {
    let (x, y) = (Array2::<f32>::ones((5, 4)), Array1::<f32>::zeros(5));
    let mut model = classifier_with(compile().loss("mse").backend(backend));
    let wide = Array2::<f32>::zeros((5, 3));
    let fit = Fit::new().epochs(20).verbose(false).callback(Epochs(8));
    let error = model.fit(&x, &wide, fit).expect_err("the learning rate breaks");
    let history = error.history().expect("the training had begun");
    assert_eq!(history.epoch, (0..8).collect::<Vec<_>>());
    assert!(history.get("loss").is_some_and(|losses| losses.iter().all(|loss| loss.is_finite())));
    insta::assert_snapshot!(message(Err::<(), _>(error)), @r"
    epoch 9, step 1: the next value of `dense/kernel` is not finite
      the state `optimizer/learning_rate` was not finite before the step
      help: the learning rate must be a number that f32 can hold; look at the optimizer's, and at callbacks that set it
    ");

    let error = model.fit(&x, &y, Fit::new()).expect_err("labels of the wrong shape");
    assert!(error.history().is_none(), "the training had not begun");
}

#[test]
fn weights_that_break_in_the_last_step() {
    on_both(weights_that_break_in_the_last_step_on);
}

fn weights_that_break_in_the_last_step_on(backend: Backend) {
    let zero_by_zero = json!({"class_name": "RMSprop", "config": {"epsilon": 0.0}});
    let optimizer: std::sync::Arc<dyn Optimizer> =
        from_config(&zero_by_zero).expect("Keras has it");
    let mut model = Sequential::new();
    model.add(Input::new([4]));
    model.add(Dense::new(1));
    let compile = Compile::new().optimizer(optimizer).loss("mse").backend(backend);
    model.compile(compile).expect("the model is right");
    let (x, y) = (Array2::<f32>::zeros((5, 4)), Array1::<f32>::ones(5));
    let before = model.get_weights().expect("a built model");
    insta::assert_snapshot!(message(model.fit(&x, &y, Fit::new().verbose(false))), @r"
    epoch 1, step 1: the next value of `dense/kernel` is not finite
      first made by `div`: f32[4,1] of layer `dense` (update), at crates/brolga-nn/tests/errors/finite.rs:[line]
        of f32[4,1] from 0.000e0 to 0.000e0
        of f32[4,1] from 0.000e0 to 0.000e0
      help: lower the learning rate, or bound the gradients with clipnorm; the weights are those before this step
    ");
    assert_eq!(model.get_weights().expect("a built model"), before);
}

/// Breaks the weights after a step.
struct Saboteur(usize);

impl Callback for Saboteur {
    fn on_batch_end(
        &mut self,
        batch: usize,
        _: &Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        let mut weights = training.session.get_weights()?;
        if batch == self.0 {
            weights[0].fill(f32::NAN);
            training.session.set_weights(&weights)?;
        }
        Ok(())
    }
}

#[test]
fn weights_that_a_callback_breaks() {
    on_both(weights_that_a_callback_breaks_on);
}

fn weights_that_a_callback_breaks_on(backend: Backend) {
    let mut model = Sequential::new();
    model.add(Input::new([1]));
    model.add(Dense::new(1));
    model.compile(compile().backend(backend).loss("mse")).expect("the model is right");
    let (x, y) = (Array2::<f32>::zeros((300, 1)), Array1::<f32>::ones(300));
    let fit = Fit::new().batch_size(1).verbose(false).callback(Saboteur(200));
    insta::assert_snapshot!(message(model.fit(&x, &y, fit)), @r"
    epoch 1, step 202: the loss is NaN
      the state `dense/kernel` was not finite before the step
      help: set or load other weights
    ");
}

/// What went wrong in a loop is told with the step in which it did so first.
#[test]
fn numbers_in_loops_that_are_not_finite() {
    on_both(numbers_in_loops_that_are_not_finite_on);
}

fn numbers_in_loops_that_are_not_finite_on(backend: Backend) {
    let (x, y) = (ndarray::Array3::<f32>::ones((2, 9, 1)), Array2::<f32>::zeros((2, 1)));
    let model = |recurrent: f32, bidirectional: bool| {
        let mut model = Sequential::new();
        model.add(Input::new([9, 1]));
        let layer = SimpleRNN::new(1).activation("linear");
        match bidirectional {
            true => model.add(Bidirectional::new(layer.name("rnn")).merge_mode("sum")),
            false => model.add(layer),
        };
        let compile = compile().backend(backend).optimizer(SGD::new(1e-3)).loss("mse");
        model.compile(compile).expect("the model is right");
        let mut weights = model.get_weights().expect("a built model");
        for of_layer in weights.chunks_mut(3) {
            (of_layer[0], of_layer[1]) = (ones(&[1, 1]), ones(&[1, 1]) * recurrent);
        }
        model.set_weights(&weights).expect("weights of the right shape");
        model
    };
    // h = 1, 1e10, 1e20, 1e30, ∞: the fifth step.
    insta::assert_snapshot!(message(model(1e10, false).evaluate(&x, &y)), @"
    evaluation, step 1: the loss is inf
      first made by `matmul`: f32[2,1] of layer `simple_rnn` (forward), at crates/brolga-nn/src/cells/simple_rnn_cell.rs:[line]
        in step 4 of `simple_rnn_cell`, counted from 0
        of f32[2,1] from 1.000e30 to 1.000e30
        of f32[1,1] from 1.000e10 to 1.000e10
      help: weights or data are too large: train with a lower learning rate, or bound the gradients with clipnorm
    ");
    insta::assert_snapshot!(message(model(1e10, true).evaluate(&x, &y)), @"
    evaluation, step 1: the loss is inf
      first made by `matmul`: f32[2,1] of layer `bidirectional` (forward), at crates/brolga-nn/src/cells/simple_rnn_cell.rs:[line]
        in step 4 of `simple_rnn_cell`, counted from 0
        of f32[2,1] from 1.000e30 to 1.000e30
        of f32[1,1] from 1.000e10 to 1.000e10
      help: weights or data are too large: train with a lower learning rate, or bound the gradients with clipnorm
    ");
    let fit = Fit::new().verbose(false);
    insta::assert_snapshot!(message(model(1e10, false).fit(&x, &y, fit)), @"
    epoch 1, step 1: the loss is inf
      first made by `matmul`: f32[2,1] of layer `simple_rnn` (forward), at crates/brolga-nn/src/cells/simple_rnn_cell.rs:[line]
        in step 4 of `simple_rnn_cell`, counted from 0
        of f32[2,1] from 1.000e30 to 1.000e30
        of f32[1,1] from 1.000e10 to 1.000e10
      help: lower the learning rate, or bound the gradients with clipnorm; the weights are those before this step
    ");
}
