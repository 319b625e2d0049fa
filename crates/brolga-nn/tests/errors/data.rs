//! Samples and labels that do not fit the model, and methods called too early.

use brolga_nn::prelude::*;
use ndarray::{Array1, Array2, ArrayD, array};

use crate::{classifier, compile, message, ones};

fn fit(loss: &str, y: &ArrayD<f32>) -> String {
    let x = Array2::<f32>::zeros((y.shape()[0], 4));
    message(classifier(loss).fit(&x, y, Fit::new().verbose(false)))
}

#[test]
fn labels_that_do_not_fit_the_loss() {
    insta::assert_snapshot!(fit("sparse_categorical_crossentropy", &ones(&[5, 3])), @r#"
    sparse_categorical_crossentropy expects labels of shape (None,), y has shape (None, 3)
      help: these look like one-hot labels: use the loss "categorical_crossentropy", or give class numbers (the index of the 1 in each row)
    "#);
    insta::assert_snapshot!(fit("categorical_crossentropy", &ones(&[5])), @r#"
    categorical_crossentropy expects labels of shape (None, 3), y has shape (None,)
      help: these look like class numbers: use the loss "sparse_categorical_crossentropy", or give one-hot labels (to_categorical)
    "#);
    insta::assert_snapshot!(fit("categorical_crossentropy", &ones(&[5, 2])), @r"
    categorical_crossentropy expects labels of shape (None, 3), y has shape (None, 2)
      help: labels must have the shape of the model's output
    ");
    insta::assert_snapshot!(fit("mse", &ones(&[5])), @r"
    mean_squared_error expects labels of shape (None, 3), y has shape (None,)
      help: labels must have the shape of the model's output
    ");
    insta::assert_snapshot!(fit("sparse_categorical_crossentropy", &ones(&[5, 2, 2])), @r"
    sparse_categorical_crossentropy expects labels of shape (None,), y has shape (None, 2, 2)
      help: give one class number for each vector of the model's output
    ");
}

#[test]
fn class_numbers_out_of_range() {
    let loss = "sparse_categorical_crossentropy";
    insta::assert_snapshot!(fit(loss, &array![0.0, 2.0, 3.0, 1.0].into_dyn()), @r"
    y has the label 3 at row 2, but the model's output `dense` has 3 classes: labels go from 0 to 2
      help: labels that start at 1 must be lowered by 1; for 4 classes the last layer needs 4 units
    ");
    insta::assert_snapshot!(fit(loss, &array![0.0, -1.0].into_dyn()), @r"
    y has the label -1 at row 1, but the model's output `dense` has 3 classes: labels go from 0 to 2
      help: correct the labels, let the last layer have more units, or exclude them with ignore_class
    ");
    insta::assert_snapshot!(fit(loss, &array![0.5].into_dyn()), @r"
    y has the label 0.5 at row 0, but the model's output `dense` has 3 classes: labels go from 0 to 2
      help: class numbers are integers
    ");
    insta::assert_snapshot!(fit(loss, &array![0.0, f32::NAN].into_dyn()), @r"
    y has the label NaN at row 1, but the model's output `dense` has 3 classes: labels go from 0 to 2
      help: class numbers are integers
    ");
}

#[test]
fn data_of_different_length() {
    let (x, y) = (Array2::<f32>::zeros((5, 4)), Array1::<u8>::zeros(4));
    let mut model = classifier("sparse_categorical_crossentropy");
    insta::assert_snapshot!(message(model.fit(&x, &y, Fit::new())), @r"
    x has 5 samples, but y has 4
      help: the first axis counts the samples; both need the same number
    ");
    let (good, weights) = (Array1::<u8>::zeros(5), Array1::<f32>::zeros(6));
    let weighted = Fit::new().sample_weight(&weights);
    insta::assert_snapshot!(message(model.fit(&x, &good, weighted)), @r"
    x has 5 samples, but sample_weight has 6
      help: the first axis counts the samples; both need the same number
    ");
    let validated = Fit::new().validation_data(&x, &y);
    insta::assert_snapshot!(message(model.fit(&x, &good, validated)), @r"
    validation x has 5 samples, but validation y has 4
      help: the first axis counts the samples; both need the same number
    ");
}

#[test]
fn samples_of_another_shape() {
    let mut model = Sequential::new();
    model.add(Input::new([28, 28, 1]));
    model.add(Conv2D::new(2, 3));
    let mut predict = |shape: &[usize]| message(model.predict(&ones(shape)));
    insta::assert_snapshot!(predict(&[2, 28, 28]), @r"
    layer `input_layer` expects samples of shape [28, 28, 1], x of shape [2, 28, 28] has samples of shape [28, 28]
      help: the axis of channels is missing: append one of extent 1, such as x.insert_axis(Axis(3))
    ");
    insta::assert_snapshot!(predict(&[28, 28, 1]), @r"
    layer `input_layer` expects samples of shape [28, 28, 1], x of shape [28, 28, 1] has samples of shape [28, 1]
      help: this is one sample: give it a first axis of extent 1, which counts the samples
    ");
    insta::assert_snapshot!(predict(&[2, 784]), @r"
    layer `input_layer` expects samples of shape [28, 28, 1], x of shape [2, 784] has samples of shape [784]
      help: the number of elements is the same: reshape x, or add a layer Reshape or Flatten
    ");
    insta::assert_snapshot!(predict(&[2, 32, 32, 3]), @"layer `input_layer` expects samples of shape [28, 28, 1], x of shape [2, 32, 32, 3] has samples of shape [32, 32, 3]");
    insta::assert_snapshot!(predict(&[0, 28, 28, 1]), @r"
    x is empty: its shape is [0, 28, 28, 1]
      help: there must be at least one sample, and no axis of extent 0
    ");
    insta::assert_snapshot!(predict(&[]), @"layer `input_layer` expects samples of shape [28, 28, 1], x of shape [] has samples of shape []");
}

#[test]
fn methods_in_the_wrong_order() {
    let (x, y) = (Array2::<f32>::zeros((5, 4)), Array1::<u8>::zeros(5));
    let mut model = Sequential::new();
    model.add(Dense::new(3));
    insta::assert_snapshot!(message(model.train_on_batch(&x, &y)), @r#"
    train_on_batch: the model is not compiled: it has no optimizer and no loss
      help: call `model.compile(Compile::new().optimizer("adam").loss(..))?` first
    "#);
    insta::assert_snapshot!(message(model.test_on_batch(&x, &y)), @r"
    test_on_batch: the model is not built: it does not know the shape of its input
      help: let the first layer be `Input::new([..])`, or train the model first
    ");
    insta::assert_snapshot!(message(model.predict_on_batch(&x)), @r"
    predict: the model is not built: it does not know the shape of its input
      help: let the first layer be `Input::new([..])`, or train the model first
    ");
    insta::assert_snapshot!(message(model.fit(&x, &y, Fit::new())), @r#"
    fit: the model is not compiled: it has no optimizer and no loss
      help: call `model.compile(Compile::new().optimizer("adam").loss(..))?` first
    "#);
    model.compile(compile().loss("mse")).expect("the shape may come later");
    insta::assert_snapshot!(message(model.evaluate(&x, &y)), @r"
    evaluate: the model is not built: it does not know the shape of its input
      help: let the first layer be `Input::new([..])`, or train the model first
    ");
    insta::assert_snapshot!(message(model.predict(&x)), @r"
    predict: the model is not built: it does not know the shape of its input
      help: let the first layer be `Input::new([..])`, or train the model first
    ");
    insta::assert_snapshot!(message(model.get_weights()), @r"
    get_weights: the model is not built: it does not know the shape of its input
      help: let the first layer be `Input::new([..])`, or train the model first
    ");
    model.build(&[4]).expect("four inputs");
    model.compile(compile()).expect("a loss may be missing");
    insta::assert_snapshot!(message(model.fit(&x, &y, Fit::new())), @r#"
    fit: the model is not compiled: it has no loss
      help: call `model.compile(Compile::new().optimizer("adam").loss(..))?` first
    "#);
    insta::assert_snapshot!(message(Sequential::new().build(&[4])), @r"
    the model has no layers
      help: add some: model.add(Dense::new(10))
    ");
}
