//! What bad input gets: each message as a whole.

use std::fs;

use brolga_nn::config::Padding;
use brolga_nn::layers;
use brolga_nn::losses::Loss;
use brolga_nn::optimizers::Optimizer;
use brolga_nn::prelude::*;
use brolga_nn::registry::from_config;
use brolga_runtime::Backend;
use ndarray::{Array, Array1, Array2, Array4, ArrayD, array};
use serde_json::json;

/// The message of an error, without what differs between machines and with every change of this file.
fn message<T: std::fmt::Debug, E: std::fmt::Display>(result: Result<T, E>) -> String {
    let folder = std::env::temp_dir().display().to_string();
    let text = result.map_err(|error| error.to_string()).expect_err("an error");
    let without_lines = |line: &str| match line.rsplit_once(".rs:") {
        Some((before, _)) => format!("{before}.rs:[line]"),
        None => line.to_owned(),
    };
    let lines: Vec<_> = text.lines().map(without_lines).collect();
    lines.join("\n").replace(&folder, "[tmp]")
}

fn compile() -> Compile {
    Compile::new().optimizer("sgd").backend(Backend::Interpreter)
}

/// Four inputs, three classes.
fn classifier(loss: &str) -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([4]));
    model.add(Dense::new(3).activation("softmax"));
    model.compile(compile().loss(loss)).expect("the model is right");
    model
}

fn fit(loss: &str, y: &ArrayD<f32>) -> String {
    let x = Array2::<f32>::zeros((y.shape()[0], 4));
    message(classifier(loss).fit(&x, y, Fit::new().verbose(false)))
}

fn ones(shape: &[usize]) -> ArrayD<f32> {
    ArrayD::ones(shape)
}

#[test]
fn labels_that_do_not_fit_the_loss() {
    insta::assert_snapshot!(fit("sparse_categorical_crossentropy", &ones(&[5, 3])), @r#"
    sparse_categorical_crossentropy expects labels of shape (None,), y has shape (None, 3)
      help: these look like one-hot labels: use the loss "categorical_crossentropy", or give class numbers (the place of the 1 in each row)
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

/// The message of a model with this layer behind an input of this shape.
fn built(shape: &[usize], layer: impl Layer + 'static) -> String {
    let mut model = Sequential::new();
    model.add(Input::new(shape.iter().copied()));
    model.add(layer);
    message(model.build(shape))
}

#[test]
fn layers_that_do_not_fit_their_input() {
    insta::assert_snapshot!(built(&[usize::MAX, 2], Flatten::new()), @r"
    layer `input_layer`: `parameter`: a tensor of type f32[2,18446744073709551615,2] is larger than the limit of 64 TiB
      at crates/brolga-nn/tests/errors.rs:[line]
    ");
    insta::assert_snapshot!(built(&[4], Dense::new(usize::MAX)), @r"
    layer `dense`: `parameter`: a tensor of type f32[4,18446744073709551615] is larger than the limit of 64 TiB
      at crates/brolga-nn/tests/errors.rs:[line]
    ");
    insta::assert_snapshot!(built(&[4, 4, 1], MaxPooling2D::new(0)), @r"
    layer `max_pooling2d`: `max_pool`: strides [0, 0], dilation [1, 1] and window [0, 0] must be at least 1
      at crates/brolga-nn/tests/errors.rs:[line]
    ");
    insta::assert_snapshot!(built(&[4, 4, 1], Conv2D::new(2, 5)), @r"
    layer `conv2d`: `conv2d`: a window of height 5 is larger than its input of height 4
      at crates/brolga-nn/tests/errors.rs:[line]
      help: make the window smaller, the input larger, or use padding
    ");
    insta::assert_snapshot!(built(&[4, 4, 1], Conv2D::new(2, 3).dilation_rate(2)), @r"
    layer `conv2d`: `conv2d`: a window of height 5 (dilated from 3) is larger than its input of height 4
      at crates/brolga-nn/tests/errors.rs:[line]
      help: make the window smaller, the input larger, or use padding
    ");
    insta::assert_snapshot!(built(&[4, 4, 1], MaxPooling2D::new((5, 2))), @r"
    layer `max_pooling2d`: `max_pool`: a window of height 5 is larger than its input of height 4
      at crates/brolga-nn/tests/errors.rs:[line]
      help: make the window smaller, the input larger, or use padding
    ");
    insta::assert_snapshot!(built(&[28, 28], Conv2D::new(2, 3)), @r"
    layer `conv2d`: Conv2D takes images [batch, height, width, channels], given f32[2,28,28]
      at crates/brolga-nn/tests/errors.rs:[line]
      help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    ");
    insta::assert_snapshot!(built(&[28, 28, 3], Conv2D::new(4, 3).groups(2)), @r"
    layer `conv2d`: 2 groups cannot share 3 channels and 4 filters evenly
      at crates/brolga-nn/tests/errors.rs:[line]
      help: both must be multiples of the number of groups
    ");
    insta::assert_snapshot!(built(&[28], AveragePooling2D::new(2)), @r"
    layer `average_pooling2d`: AveragePooling2D takes images [batch, height, width, channels], given f32[2,28]
      at crates/brolga-nn/tests/errors.rs:[line]
    ");
    insta::assert_snapshot!(built(&[], Dense::new(3)), @r"
    layer `dense`: Dense takes [batch, .., inputs], given f32[2]
      at crates/brolga-nn/tests/errors.rs:[line]
    ");
    insta::assert_snapshot!(built(&[4], Dense::new(0)), @r"
    layer `dense`: units is 0: the layer would give nothing
      at crates/brolga-nn/tests/errors.rs:[line]
      help: units must be at least 1
    ");
    insta::assert_snapshot!(built(&[4, 4, 1], Conv2D::new(0, 3)), @r"
    layer `conv2d`: filters is 0: the layer would give nothing
      at crates/brolga-nn/tests/errors.rs:[line]
      help: filters must be at least 1
    ");
    insta::assert_snapshot!(built(&[10], Reshape::new([3, -1])), @r"
    layer `reshape`: a sample of 10 elements cannot have the shape [3, -1]
      at crates/brolga-nn/tests/errors.rs:[line]
      help: the product of the extents must be the same; one extent may be -1
    ");
    insta::assert_snapshot!(built(&[10], Dropout::new(1.5)), @r"
    layer `dropout`: a rate of 1.5 is not a probability
      at crates/brolga-nn/tests/errors.rs:[line]
      help: the rate is a number from 0 to 1
    ");
    insta::assert_snapshot!(built(&[10], Dense::new(3).name("my layer")), @r"
    layer `my layer`: this is not a name for a layer
      at crates/brolga-nn/tests/errors.rs:[line]
      help: names consist of letters, digits and _ . - and do not start with a digit
    ");
}

#[test]
fn names_that_do_not_exist() {
    insta::assert_snapshot!(built(&[4], Dense::new(3).activation("rleu")), @r"
    layer `dense`: there is no activation `rleu`; did you mean `relu`?
      at crates/brolga-nn/tests/errors.rs:[line]
      help: there are celu, elu, exponential, glu, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, leaky_relu, linear, log_sigmoid, log_softmax, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softmax, softplus, softsign, sparse_plus, sparse_sigmoid, squareplus, tanh, tanh_shrink
    ");
    insta::assert_snapshot!(built(&[4], layers::Activation::new("softmin")), @r"
    layer `activation`: there is no activation `softmin`; did you mean `softmax`?
      at crates/brolga-nn/tests/errors.rs:[line]
      help: there are celu, elu, exponential, glu, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, leaky_relu, linear, log_sigmoid, log_softmax, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softmax, softplus, softsign, sparse_plus, sparse_sigmoid, squareplus, tanh, tanh_shrink
    ");
    insta::assert_snapshot!(built(&[4, 4, 1], Conv2D::new(2, 3).padding("full")), @r#"
    layer `conv2d`: there is no padding `full`
      at crates/brolga-nn/tests/errors.rs:[line]
      help: padding is "valid" or "same"
    "#);
    assert_eq!(Padding::from("same"), Padding::Same);
    let mut model = Sequential::new();
    insta::assert_snapshot!(message(model.compile(compile().optimizer("adamm"))), @r"
    there is no optimizer `adamm`; did you mean `adam`?
      help: there are adam, adamw, rmsprop, sgd
    ");
    insta::assert_snapshot!(message(model.compile(compile().loss("cross_entropy"))), @r"
    there is no loss `cross_entropy`
      help: there are binary_crossentropy, categorical_crossentropy, mean_absolute_error, mean_squared_error, sparse_categorical_crossentropy
    ");
    insta::assert_snapshot!(message(model.compile(compile().loss("mse").metrics(["acuracy"]))), @r"
    there is no metric `acuracy`; did you mean `accuracy`?
      help: there are accuracy, binary_accuracy, binary_crossentropy, categorical_accuracy, categorical_crossentropy, mean_absolute_error, mean_squared_error, root_mean_squared_error, sparse_categorical_accuracy, sparse_categorical_crossentropy
    ");
    model.add(Input::new([4]));
    model.add(Dense::new(3).kernel_initializer("glorot"));
    insta::assert_snapshot!(message(model.get_weights()), @r"
    layer `dense`: there is no initializer `glorot`
      at crates/brolga-nn/tests/errors.rs:[line]
      help: there are glorot_uniform, glorot_normal, he_uniform, he_normal, lecun_uniform, lecun_normal, variance_scaling, zeros, ones, constant, random_uniform, random_normal, truncated_normal
    ");
    insta::assert_snapshot!(message(brolga_nn::builtin::by_name("resnet")), @r"
    there is no model `resnet`
      help: there are mnist_cnn, mlp
    ");
}

#[test]
fn arguments_that_make_no_sense() {
    let (x, y) = (Array2::<f32>::zeros((5, 4)), Array1::<u8>::zeros(5));
    let mut model = classifier("sparse_categorical_crossentropy");
    insta::assert_snapshot!(message(model.fit(&x, &y, Fit::new().batch_size(0))), @r"
    fit: a batch size of 0
      help: batch_size must be at least 1
    ");
    insta::assert_snapshot!(message(model.fit(&x, &y, Fit::new().validation_split(1.5))), @r"
    fit: a validation_split of 1.5 leaves one part of 5 samples empty
      help: the share is a number between 0 and 1
    ");
    let mut twice = Sequential::new();
    twice.add(Dense::new(3).name("a")).add(Dense::new(3).name("a"));
    insta::assert_snapshot!(message(twice.build(&[4])), @r"
    layer `a`: another layer has this name already
      at crates/brolga-nn/tests/errors.rs:[line]
      help: give one of them another name
    ");
    insta::assert_snapshot!(message(model.set_weights(&[])), @r"
    set_weights: the model has 2 weights, 0 were given
      help: the weights must come from a model of the same layers
    ");
    let weights = [ones(&[3, 4]), ones(&[3])];
    insta::assert_snapshot!(message(model.set_weights(&weights)), @"set_weights: weight `kernel` of layer `dense` is f32[4,3], f32[3,4] was given");
}

#[test]
fn configs_that_are_not_keras() {
    let layer = |value| message(from_config::<dyn Layer>(&value));
    insta::assert_snapshot!(layer(json!({"class_name": "Dence", "config": {"units": 3}})), @r"
    there is no layer `Dence`; did you mean `Dense`?
      help: there are Activation, AveragePooling2D, Conv2D, Dense, Dropout, Flatten, GlobalAveragePooling2D, Input, MaxPooling2D, Reshape
    ");
    insta::assert_snapshot!(layer(json!({"class_name": "Dense", "config": {}})), @"Dense: missing field `units`");
    insta::assert_snapshot!(layer(json!({"class_name": "Dense", "config": {"units": "3"}})), @r#"Dense: `units`: invalid type: string "3", expected usize"#);
    insta::assert_snapshot!(layer(json!({"class_name": "Conv2D", "config": {"filters": 1, "kernel_size": [3, 3, 3]}})), @"Conv2D: `kernel_size`: expected one or two numbers, given [3, 3, 3]");
    insta::assert_snapshot!(layer(json!({"class_name": "Dense", "config": {"units": 3, "kernel_regularizer": {"class_name": "L2"}}})), @r#"Dense: `kernel_regularizer` = {"class_name":"L2"} is not supported"#);
    insta::assert_snapshot!(layer(json!({"class_name": "Dense", "config": {"units": 3, "dtype": "float16"}})), @r#"Dense: `dtype` = "float16" is not supported"#);
    insta::assert_snapshot!(layer(json!(3)), @"layer: expected a name or an object with `class_name` and `config`, given 3");
    let loss = json!({"class_name": "CategoricalCrossentropy", "config": {"axis": 1}});
    insta::assert_snapshot!(message(from_config::<dyn Loss>(&loss)), @"CategoricalCrossentropy: `axis`: classes are expected on the last axis, -1, not on 1");
    let optimizer =
        json!({"class_name": "Adam", "config": {"learning_rate": {"class_name": "CosineDecay"}}});
    insta::assert_snapshot!(message(from_config::<dyn Optimizer>(&optimizer)), @"Adam: `learning_rate`: expected a number, the schedule `CosineDecay` is not supported");
    insta::assert_snapshot!(message(Sequential::from_config(&json!({"class_name": "Functional"}))), @"Sequential: expected the class `Sequential`, given `Functional`");
}

#[test]
fn numbers_that_are_not_finite() {
    let y = array![0u8, 1, 2, 0, 1];
    let mut x = Array2::<f32>::ones((5, 4));
    x[[3, 2]] = f32::NAN;
    let mut model = classifier("sparse_categorical_crossentropy");
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
    linear.compile(compile().optimizer(SGD::new(1e30)).loss("mse")).expect("the model is right");
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
fn weights_files_that_do_not_fit() {
    let folder = tempfile::tempdir_in(std::env::temp_dir()).expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let hide = |text: String| {
        let name = folder.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        text.replace(&name, "folder")
    };
    let mut model = classifier("mse");
    model.save_weights(path("whole.safetensors")).expect("a folder that can be written");
    let whole = fs::read(path("whole.safetensors")).expect("it was written");
    fs::write(path("truncated.safetensors"), &whole[..whole.len() - 5]).expect("a folder");
    fs::write(path("foreign.safetensors"), b"PK\x03\x04 this is a zip file, and a long one")
        .expect("a folder");
    let load = |model: &mut Sequential, name: &str| hide(message(model.load_weights(path(name))));
    insta::assert_snapshot!(load(&mut model, "truncated.safetensors"), @r"
    [tmp]/folder/truncated.safetensors: this is no complete safetensors file (incomplete metadata, file not fully covered)
      help: it must be a file that save_weights or save_state has written
    ");
    insta::assert_snapshot!(load(&mut model, "foreign.safetensors"), @r"
    [tmp]/folder/foreign.safetensors: this is no complete safetensors file (header too large)
      help: it must be a file that save_weights or save_state has written
    ");
    insta::assert_snapshot!(load(&mut model, "missing.safetensors"), @"[tmp]/folder/missing.safetensors: No such file or directory (os error 2)");

    let mut wider = Sequential::new();
    wider.add(Input::new([4]));
    wider.add(Dense::new(5));
    insta::assert_snapshot!(load(&mut wider, "whole.safetensors"), @"[tmp]/folder/whole.safetensors: weight `kernel` of layer `dense` is f32[4,5], f32[4,3] was given");
    let mut deeper = Sequential::new();
    deeper.add(Input::new([4]));
    deeper.add(Dense::new(3)).add(Dense::new(3));
    insta::assert_snapshot!(load(&mut deeper, "whole.safetensors"), @"[tmp]/folder/whole.safetensors: weight `kernel` of layer `dense_1` is f32[3,3], nothing of the name `dense_1/kernel` was given");
    let mut unbiased = Sequential::new();
    unbiased.add(Input::new([4]));
    unbiased.add(Dense::new(3).use_bias(false));
    insta::assert_snapshot!(load(&mut unbiased, "whole.safetensors"), @r"
    [tmp]/folder/whole.safetensors: the file has a weight `dense/bias`, the model has none of this name
      help: the weights must come from a model of the same layers
    ");
    insta::assert_snapshot!(hide(message(model.load_state(path("whole.safetensors")))), @r"
    [tmp]/folder/whole.safetensors: the file has no state `optimizer/learning_rate`: f32[]
      help: the weights must come from a model of the same layers
    ");
    let nowhere = hide(message(model.save_weights(path("nowhere/weights.safetensors"))));
    let nowhere = nowhere.split(" at path").next().unwrap_or_default();
    insta::assert_snapshot!(nowhere, @r#"[tmp]/folder/nowhere/weights.safetensors: No such file or directory (os error 2)"#);
}

#[test]
fn more_memory_than_allowed() {
    let mut model = Sequential::new();
    model.add(Input::new([28, 28, 1]));
    model.add(Conv2D::new(8, 3).activation("relu"));
    model.add(Flatten::new());
    model.add(Dense::new(10));
    let compile = compile().loss("sparse_categorical_crossentropy").memory_limit(100_000);
    model.compile(compile).expect("the model is right");
    let (x, y) = (Array4::<f32>::zeros((4, 28, 28, 1)), Array::<u8, _>::zeros(4));
    insta::assert_snapshot!(message(model.fit(&x, &y, Fit::new())), @r"
    graph `train_step` needs 648.0 KiB of memory, 97.7 KiB are allowed

    layer   role         states     values  at the peak
    conv2d  forward       384 B  253.5 KiB          0 B
    dense   forward   211.3 KiB      384 B          0 B
    -       forward       128 B        0 B          0 B
    sgd     update        128 B      192 B          0 B
    loss    forward         0 B    1.4 KiB         64 B
    loss    backward        0 B    3.1 KiB          0 B
    dense   backward        0 B  295.8 KiB    211.3 KiB
    conv2d  backward        0 B  106.0 KiB          0 B
    conv2d  update          0 B      768 B        384 B
    dense   update          0 B  422.6 KiB    211.2 KiB
    -       update          0 B       64 B          0 B

    part                             memory
    constants                         768 B
    inputs                         12.3 KiB
    results, outputs, workspaces  423.0 KiB
    scratch of the workers              0 B
    arena                         436.1 KiB
    arena, at least               436.1 KiB
    states                        211.9 KiB
    total                         648.0 KiB

      help: a smaller batch needs less
    ");
}

#[test]
fn a_loss_that_is_not_one_number() {
    let loss: std::sync::Arc<dyn Loss> =
        from_config(&json!({"class_name": "MeanSquaredError", "config": {"reduction": "none"}}))
            .expect("Keras has it");
    let mut model = Sequential::new();
    model.add(Input::new([4]));
    model.add(Dense::new(1));
    model.compile(compile().loss(loss)).expect("the shapes come later");
    let (x, y) = (Array2::<f32>::zeros((5, 4)), Array1::<f32>::zeros(5));
    insta::assert_snapshot!(message(model.evaluate(&x, &y)), @r"
    layer `loss`: the loss is f32[5], not one number
      at crates/brolga-nn/src/model/step.rs:[line]
      help: let its reduction be sum_over_batch_size, mean_with_sample_weight or sum
    ");
}

#[test]
fn weights_that_break_in_the_last_step() {
    let zero_by_zero = json!({"class_name": "RMSprop", "config": {"epsilon": 0.0}});
    let optimizer: std::sync::Arc<dyn Optimizer> =
        from_config(&zero_by_zero).expect("Keras has it");
    let mut model = Sequential::new();
    model.add(Input::new([4]));
    model.add(Dense::new(1));
    let compile = Compile::new().optimizer(optimizer).loss("mse").backend(Backend::Interpreter);
    model.compile(compile).expect("the model is right");
    let (x, y) = (Array2::<f32>::zeros((5, 4)), Array1::<f32>::ones(5));
    let before = model.get_weights().expect("a built model");
    insta::assert_snapshot!(message(model.fit(&x, &y, Fit::new().verbose(false))), @r"
    epoch 1, step 1: the next value of `dense/kernel` is not finite
      first made by `div`: f32[4,1] of layer `dense` (update), at crates/brolga-nn/tests/errors.rs:[line]
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
    let mut model = Sequential::new();
    model.add(Input::new([1]));
    model.add(Dense::new(1));
    model.compile(compile().loss("mse")).expect("the model is right");
    let (x, y) = (Array2::<f32>::zeros((300, 1)), Array1::<f32>::ones(300));
    let fit = Fit::new().batch_size(1).verbose(false).callback(Saboteur(200));
    insta::assert_snapshot!(message(model.fit(&x, &y, fit)), @r"
    epoch 1, step 202: the loss is NaN
      the state `dense/kernel` was not finite before the step
      help: set or load other weights
    ");
}
