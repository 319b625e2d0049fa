//! Arguments out of their range: each class, each argument.

use brolga_nn::initializers::{
    Constant, Initializer, RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling,
};
use brolga_nn::losses::Loss;
use brolga_nn::metrics::Metric;
use brolga_nn::optimizers::Optimizer;
use brolga_nn::prelude::*;
use brolga_nn::registry::{Choice, from_config};
use ndarray::{Array1, Array2};
use serde_json::json;

use crate::{built, classifier, compile, message};

/// The messages, one a line.
pub(crate) fn all(messages: impl IntoIterator<Item = String>) -> String {
    let place = |line: &&str| !line.starts_with("  at ");
    let line = |message: String| message.lines().filter(place).collect::<Vec<_>>().join(";") + "\n";
    messages.into_iter().map(line).collect()
}

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

#[test]
fn optimizers_out_of_range() {
    let refused = |optimizer: Choice<dyn Optimizer>| {
        message(Sequential::new().compile(Compile::new().optimizer(optimizer)))
    };
    let sgd = || SGD::new(0.1);
    let (adam, rmsprop) = (|| Adam::new(0.1), || RMSprop::new(0.1));
    let optimizers: Vec<Choice<dyn Optimizer>> = vec![
        SGD::new(NAN).into(),
        SGD::new(1e39).into(),
        AdamW::new(-0.1).into(),
        sgd().momentum(1.5).into(),
        sgd().momentum(NAN).into(),
        sgd().weight_decay(-0.1).into(),
        sgd().clipnorm(0.0).into(),
        sgd().clipnorm(1e-50).into(),
        sgd().global_clipnorm(-1.0).into(),
        sgd().global_clipnorm(INF).into(),
        sgd().clipvalue(NAN).into(),
        adam().beta_1(1.0).into(),
        adam().beta_2(1.0 - 1e-9).into(),
        adam().epsilon(-1e-7).into(),
        rmsprop().rho(1.5).into(),
        rmsprop().momentum(-0.1).into(),
        rmsprop().epsilon(INF).into(),
        AdamW::from(adam().beta_1(NAN)).into(),
    ];
    insta::assert_snapshot!(all(optimizers.into_iter().map(refused)), @"
    SGD: `learning_rate` is NaN;  help: it must be a number from 0 on that f32 can hold
    SGD: `learning_rate` is 1e39;  help: it must be a number from 0 on that f32 can hold
    AdamW: `learning_rate` is -0.1;  help: it must be a number from 0 on that f32 can hold
    SGD: `momentum` is 1.5;  help: it must be a number from 0 to 1
    SGD: `momentum` is NaN;  help: it must be a number from 0 to 1
    SGD: `weight_decay` is -0.1;  help: it must be a number from 0 on that f32 can hold
    SGD: `clipnorm` is 0;  help: it must be a number above 0 that f32 can hold
    SGD: `clipnorm` is 1e-50;  help: it must be a number above 0 that f32 can hold
    SGD: `global_clipnorm` is -1;  help: it must be a number above 0 that f32 can hold
    SGD: `global_clipnorm` is inf;  help: it must be a number above 0 that f32 can hold
    SGD: `clipvalue` is NaN;  help: it must be a number above 0 that f32 can hold
    Adam: `beta_1` is 1;  help: it must be a number from 0 up to, but not including, 1
    Adam: `beta_2` is 0.999999999;  help: it must be a number from 0 up to, but not including, 1
    Adam: `epsilon` is -1e-7;  help: it must be a number from 0 on that f32 can hold
    RMSprop: `rho` is 1.5;  help: it must be a number from 0 to 1
    RMSprop: `momentum` is -0.1;  help: it must be a number from 0 to 1
    RMSprop: `epsilon` is inf;  help: it must be a number from 0 on that f32 can hold
    AdamW: `beta_1` is NaN;  help: it must be a number from 0 up to, but not including, 1
    ");
    for allowed in [sgd().momentum(1.0), sgd().clipnorm(1e-30), SGD::new(0.0)] {
        let mut model = Sequential::new();
        model.add(Input::new([4]));
        model.compile(compile().optimizer(allowed)).expect("at the end of the range");
    }
}

#[test]
fn losses_and_metrics_out_of_range() {
    let loss =
        |loss: Choice<dyn Loss>| message(Sequential::new().compile(Compile::new().loss(loss)));
    let metric = |config| {
        from_config::<dyn Metric>(&config).expect("arguments are checked when they are used")
    };
    let metric =
        |config| message(Sequential::new().compile(Compile::new().metrics([metric(config)])));
    insta::assert_snapshot!(all([
        loss(losses::BinaryCrossentropy::new().label_smoothing(1.5).into()),
        loss(losses::CategoricalCrossentropy::new().label_smoothing(NAN).into()),
        metric(json!({"class_name": "BinaryCrossentropy", "config": {"label_smoothing": -0.5}})),
        metric(json!({"class_name": "CategoricalCrossentropy", "config": {"label_smoothing": 2}})),
        metric(json!({"class_name": "BinaryAccuracy", "config": {"threshold": 1e50}})),
    ]), @"
    BinaryCrossentropy: `label_smoothing` is 1.5;  help: it must be a number from 0 to 1
    CategoricalCrossentropy: `label_smoothing` is NaN;  help: it must be a number from 0 to 1
    BinaryCrossentropy: `label_smoothing` is -0.5;  help: it must be a number from 0 to 1
    CategoricalCrossentropy: `label_smoothing` is 2;  help: it must be a number from 0 to 1
    BinaryAccuracy: `threshold` is 1e50;  help: it must be a number that f32 can hold
    ");
}

#[test]
fn layers_out_of_range() {
    let image = [4, 4, 1];
    insta::assert_snapshot!(all([
        built(&[4], Dense::new(0)),
        built(&image, Conv2D::new(0, 3)),
        built(&image, Conv2D::new(2, (3, 0))),
        built(&image, Conv2D::new(2, 3).strides((0, 1))),
        built(&image, Conv2D::new(2, 3).dilation_rate(0)),
        built(&image, Conv2D::new(2, 3).groups(0)),
        built(&image, MaxPooling2D::new(0)),
        built(&image, MaxPooling2D::new(2).strides((1, 0))),
        built(&image, AveragePooling2D::new((2, 0))),
        built(&[4], Dropout::new(1.5)),
        built(&[4], Dropout::new(-0.5)),
        built(&[4], Dropout::new(NAN)),
        built(&[4], Rescaling::new(INF)),
        built(&[2], Rescaling::new([1.0, NAN])),
        built(&[2], Rescaling::new(1.0).offset(1e39)),
    ]), @"
    layer `dense`: Dense: `units` is 0;  help: it must be a whole number from 1 on
    layer `conv2d`: Conv2D: `filters` is 0;  help: it must be a whole number from 1 on
    layer `conv2d`: Conv2D: `kernel_size` is [3, 0];  help: it must be a whole number from 1 on
    layer `conv2d`: Conv2D: `strides` is [0, 1];  help: it must be a whole number from 1 on
    layer `conv2d`: Conv2D: `dilation_rate` is [0, 0];  help: it must be a whole number from 1 on
    layer `conv2d`: Conv2D: `groups` is 0;  help: it must be a whole number from 1 on
    layer `max_pooling2d`: MaxPooling2D: `pool_size` is [0, 0];  help: it must be a whole number from 1 on
    layer `max_pooling2d`: MaxPooling2D: `strides` is [1, 0];  help: it must be a whole number from 1 on
    layer `average_pooling2d`: AveragePooling2D: `pool_size` is [2, 0];  help: it must be a whole number from 1 on
    layer `dropout`: Dropout: `rate` is 1.5;  help: it must be a number from 0 to 1
    layer `dropout`: Dropout: `rate` is -0.5;  help: it must be a number from 0 to 1
    layer `dropout`: Dropout: `rate` is NaN;  help: it must be a number from 0 to 1
    layer `rescaling`: Rescaling: `scale` is inf;  help: it must be a number that f32 can hold
    layer `rescaling`: Rescaling: `scale` is [1, NaN];  help: it must be a number that f32 can hold
    layer `rescaling`: Rescaling: `offset` is 1e39;  help: it must be a number that f32 can hold
    ");
}

/// Sizes at the end of `usize` are errors of the ops, never an overflow.
#[test]
fn layers_of_sizes_beyond_every_tensor() {
    let (image, huge) = ([4, 4, 1], usize::MAX);
    insta::assert_snapshot!(all([
        built(&[4], Dense::new(huge)),
        built(&image, Conv2D::new(huge, 3)),
        built(&image, Conv2D::new(2, huge)),
        built(&image, Conv2D::new(2, huge).padding("same")),
        built(&image, Conv2D::new(2, 3).dilation_rate(huge).padding("same")),
        built(&image, Conv2D::new(2, 3).groups(huge)),
        built(&image, MaxPooling2D::new(huge)),
        built(&image, MaxPooling2D::new(huge).padding("same")),
        built(&image, AveragePooling2D::new(huge).padding("same")),
        built(&[4], Reshape::new([isize::MAX, 4])),
        built(&[4], Reshape::new([isize::MIN])),
        built(&[huge, 0], Dense::new(1)),
    ]), @"
    layer `dense`: `parameter`: a tensor of type f32[4,18446744073709551615] is larger than the limit of 64 TiB
    layer `conv2d`: `parameter`: a tensor of type f32[3,3,1,18446744073709551615] is larger than the limit of 64 TiB
    layer `conv2d`: `parameter`: a tensor of type f32[18446744073709551615,18446744073709551615,1,2] is larger than the limit of 64 TiB
    layer `conv2d`: `parameter`: a tensor of type f32[18446744073709551615,18446744073709551615,1,2] is larger than the limit of 64 TiB
    layer `conv2d`: `conv`: padding 9223372036854775805 + 9223372036854775806 or a window of 3 with dilation 18446744073709551615 is too large
    layer `conv2d`: 18446744073709551615 groups cannot share 1 channels and 2 filters evenly;  help: both must be multiples of the number of groups
    layer `max_pooling2d`: `max_pool`: a window of height 18446744073709551615 is larger than its input of height 4;  help: make the window smaller, the input larger, or use padding
    layer `max_pooling2d`: `max_pool`: a window of 18446744073709551615×18446744073709551615 is too large
    layer `average_pooling2d`: `avg_pool`: a window of 18446744073709551615×18446744073709551615 is too large
    layer `reshape`: a sample of 4 elements cannot have the shape [9223372036854775807, 4];  help: the product of the extents must be the same; one extent may be -1
    layer `reshape`: a sample of 4 elements cannot have the shape [-9223372036854775808];  help: the product of the extents must be the same; one extent may be -1
    layer `input_layer`: `parameter`: a tensor of type f32[2,18446744073709551615,0] is larger than the limit of 64 TiB
    ");
    let mut model = Sequential::new();
    model.add(Input::new(image));
    model.add(MaxPooling2D::new(2).strides(huge)).add(Conv2D::new(1, 1).strides(huge));
    model.build(&image).expect("one window");
}

#[test]
fn initializers_out_of_range() {
    let first = |initializer: Choice<dyn Initializer>| {
        built(&[4], Dense::new(2).kernel_initializer(initializer))
    };
    let normal = |mean, stddev| RandomNormal { mean, stddev, seed: None };
    let truncated = TruncatedNormal { stddev: NAN, ..TruncatedNormal::default() };
    let scaling = |scale| VarianceScaling { scale, ..VarianceScaling::default() };
    insta::assert_snapshot!(all([
        first(Constant::new(NAN).into()),
        first(RandomUniform::new(1.0, -1.0).into()),
        first(RandomUniform::new(NAN, 1.0).into()),
        first(RandomUniform::new(0.0, INF).into()),
        first(normal(INF, 1.0).into()),
        first(normal(0.0, -1.0).into()),
        first(truncated.into()),
        first(scaling(0.0).into()),
        first(scaling(-1.0).into()),
    ]), @"
    layer `dense`: Constant: `value` is NaN;  help: it must be a number that f32 can hold
    layer `dense`: RandomUniform: `maxval` is -1;  help: it must be a number from 1 on that f32 can hold
    layer `dense`: RandomUniform: `minval` is NaN;  help: it must be a number that f32 can hold
    layer `dense`: RandomUniform: `maxval` is inf;  help: it must be a number from 0 on that f32 can hold
    layer `dense`: RandomNormal: `mean` is inf;  help: it must be a number that f32 can hold
    layer `dense`: RandomNormal: `stddev` is -1;  help: it must be a number from 0 on that f32 can hold
    layer `dense`: TruncatedNormal: `stddev` is NaN;  help: it must be a number from 0 on that f32 can hold
    layer `dense`: VarianceScaling: `scale` is 0;  help: it must be a number above 0 that f32 can hold
    layer `dense`: VarianceScaling: `scale` is -1;  help: it must be a number above 0 that f32 can hold
    ");
}

#[test]
fn methods_and_callbacks_out_of_range() {
    let (x, y) = (Array2::<f32>::zeros((5, 4)), Array1::<u8>::zeros(5));
    let model = || classifier("sparse_categorical_crossentropy");
    let fit = |fit: Fit<'_>| message(model().fit(&x, &y, fit.verbose(false)));
    let stopping = || EarlyStopping::new().monitor("loss");
    let checkpoint = ModelCheckpoint::new("w.safetensors").save_weights_only(true);
    let rate = |rate| message(model().session().expect("a built model").set_learning_rate(rate));
    insta::assert_snapshot!(all([
        fit(Fit::new().batch_size(0)),
        fit(Fit::new().steps_per_epoch(0)),
        fit(Fit::new().validation_freq(0)),
        fit(Fit::new().validation_batch_size(0)),
        fit(Fit::new().validation_steps(0)),
        fit(Fit::new().validation_split(1.5)),
        fit(Fit::new().validation_split(NAN)),
        fit(Fit::new().validation_split(-0.1)),
        fit(Fit::new().validation_split(1e-20)),
        fit(Fit::new().callback(stopping().min_delta(NAN))),
        fit(Fit::new().callback(stopping().baseline(INF))),
        fit(Fit::new().callback(checkpoint.initial_value_threshold(NAN))),
        message(model().evaluate_with(&x, &y, Evaluate::new().batch_size(0).verbose(false))),
        message(model().evaluate_with(&x, &y, Evaluate::new().steps(0).verbose(false))),
        message(model().predict_with(&x, Predict::new().batch_size(0).verbose(false))),
        message(model().predict_with(&x, Predict::new().steps(0).verbose(false))),
        rate(-1.0),
        rate(f32::NAN),
    ]), @r"
    fit: `batch_size` is 0;  help: it must be a whole number from 1 on
    fit: `steps_per_epoch` is 0;  help: it must be a whole number from 1 on
    fit: `validation_freq` is 0;  help: it must be a whole number from 1 on
    fit: `validation_batch_size` is 0;  help: it must be a whole number from 1 on
    fit: `validation_steps` is 0;  help: it must be a whole number from 1 on
    fit: `validation_split` is 1.5;  help: it must be a number from 0 up to, but not including, 1
    fit: `validation_split` is NaN;  help: it must be a number from 0 up to, but not including, 1
    fit: `validation_split` is -0.1;  help: it must be a number from 0 up to, but not including, 1
    fit: a validation_split of 1e-20 leaves one part of 5 samples empty;  help: give more samples, or validation_data
    EarlyStopping: `min_delta` is NaN;  help: it must be a number that f32 can hold
    EarlyStopping: `baseline` is inf;  help: it must be a number that f32 can hold
    ModelCheckpoint: `initial_value_threshold` is NaN;  help: it must be a number that f32 can hold
    evaluate: `batch_size` is 0;  help: it must be a whole number from 1 on
    evaluate: `steps` is 0;  help: it must be a whole number from 1 on
    predict: `batch_size` is 0;  help: it must be a whole number from 1 on
    predict: `steps` is 0;  help: it must be a whole number from 1 on
    set_learning_rate: `learning_rate` is -1;  help: it must be a number from 0 on that f32 can hold
    set_learning_rate: `learning_rate` is NaN;  help: it must be a number from 0 on that f32 can hold
    ");
}
