//! Arguments out of their range, and configs that Keras would not write.

use brolga_nn::losses::Loss;
use brolga_nn::optimizers::Optimizer;
use brolga_nn::prelude::*;
use brolga_nn::registry::from_config;
use ndarray::{Array1, Array2};
use serde_json::json;

use crate::{classifier, compile, message, ones};

#[test]
fn arguments_that_make_no_sense() {
    let mut model = classifier("sparse_categorical_crossentropy");
    let mut twice = Sequential::new();
    twice.add(Dense::new(3).name("a")).add(Dense::new(3).name("a"));
    insta::assert_snapshot!(message(twice.build(&[4])), @"
    layer `a`: another layer has this name already
      at crates/brolga-nn/tests/errors/arguments.rs:[line]
      help: give one of them another name
    ");
    let mut two = Sequential::new();
    two.add(Input::new([4]));
    two.add(Dense::new(3));
    two.add(Input::new([2, 2]));
    insta::assert_snapshot!(message(two.build(&[4])), @"
    layer `input_layer_1`: the input is declared as (None, 2, 2), given (None, 3)
      at crates/brolga-nn/tests/errors/arguments.rs:[line]
      help: a model has one Input, and it is the first layer
    ");
    insta::assert_snapshot!(message(model.set_weights(&[])), @"
    set_weights: the model has 2 weights, 0 were given
      help: the weights must come from a model of the same layers
    ");
    let weights = [ones(&[3, 4]), ones(&[3])];
    insta::assert_snapshot!(message(model.set_weights(&weights)), @"set_weights: weight `kernel` of layer `dense` is f32[4,3], f32[3,4] was given");
}

#[test]
fn arguments_of_compile_that_make_no_sense() {
    let mut model = Sequential::new();
    model.add(Input::new([4]));
    let mut with = |arguments: Compile| message(model.compile(arguments.loss("mse")));
    insta::assert_snapshot!(with(compile().metrics(["mae", "mae"])), @r#"
    compile: two metrics have the name `mae`
      help: leave one of them out, or give it a name of its own: MeanAbsoluteError::new().name("..")
    "#);
    let loss = metrics::MeanSquaredError::new().name("loss");
    insta::assert_snapshot!(with(compile().metrics([loss])), @r#"
    compile: a metric has the name `loss`, under which the loss is reported
      help: leave one of them out, or give it a name of its own: MeanSquaredError::new().name("..")
    "#);
    insta::assert_snapshot!(with(compile().optimizer(Adam::new(0.1).clipnorm(1.0).clipvalue(0.5))), @"
    Adam: `clipnorm` and `clipvalue` are both set
      help: gradients are bounded in one way
    ");
    model.compile(compile().metrics(["mae", "mse"]).loss("mse")).expect("the names differ");
}

#[test]
fn configs_that_are_not_keras() {
    let layer = |value| message(from_config::<dyn Layer>(&value));
    insta::assert_snapshot!(layer(json!({"class_name": "Dence", "config": {"units": 3}})), @r"
    there is no layer `Dence`; did you mean `Dense`?
      help: there are Activation, ActivityRegularization, AdaptiveAveragePooling1D, AdaptiveAveragePooling2D, AdaptiveAveragePooling3D, AdaptiveMaxPooling1D, AdaptiveMaxPooling2D, AdaptiveMaxPooling3D, Add, AdditiveAttention, AlphaDropout, Attention, Average, AveragePooling1D, AveragePooling2D, AveragePooling3D, BatchNormalization, Bidirectional, CategoryEncoding, CenterCrop, Concatenate, Conv1D, Conv1DTranspose, Conv2D, Conv2DTranspose, Conv3D, Conv3DTranspose, ConvLSTM1D, ConvLSTM2D, ConvLSTM3D, Cropping1D, Cropping2D, Cropping3D, Dense, DepthwiseConv1D, DepthwiseConv2D, Discretization, Dot, Dropout, ELU, EinsumDense, Embedding, Flatten, GRU, GaussianDropout, GaussianNoise, GlobalAveragePooling1D, GlobalAveragePooling2D, GlobalAveragePooling3D, GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D, GroupNormalization, GroupQueryAttention, Identity, Input, IntegerLookup, LSTM, LayerNormalization, LeakyReLU, Masking, MaxPooling1D, MaxPooling2D, MaxPooling3D, Maximum, MelSpectrogram, Minimum, MultiHeadAttention, Multiply, Normalization, PReLU, Permute, PositionEmbedding, RMSNormalization, RNN, RandomContrast, RandomCrop, RandomFlip, RandomRotation, RandomTranslation, RandomZoom, ReLU, RepeatVector, Rescaling, Reshape, Resizing, ReversibleEmbedding, RotaryEmbedding, STFTSpectrogram, SeparableConv1D, SeparableConv2D, SimpleRNN, SinePositionEncoding, Softmax, SpatialDropout1D, SpatialDropout2D, SpatialDropout3D, Subtract, TimeDistributed, TokenAndPositionEmbedding, UnitNormalization, UpSampling1D, UpSampling2D, UpSampling3D, ZeroPadding1D, ZeroPadding2D, ZeroPadding3D
    ");
    insta::assert_snapshot!(layer(json!({"class_name": "Dense", "config": {}})), @"Dense: missing field `units`");
    insta::assert_snapshot!(layer(json!({"class_name": "Dense", "config": {"units": "3"}})), @r#"Dense: `units`: invalid type: string "3", expected usize"#);
    insta::assert_snapshot!(layer(json!({"class_name": "Conv2D", "config": {"filters": 1, "kernel_size": [3, 3, 3]}})), @"Conv2D: `kernel_size`: expected one or two numbers, given [3, 3, 3]");
    insta::assert_snapshot!(layer(json!({"class_name": "Dense", "config": {"units": 3, "lora_rank": 2}})), @"Dense: `lora_rank` = 2 is not supported");
    insta::assert_snapshot!(layer(json!({"class_name": "Dense", "config": {"units": 3, "kernel_regularizer": {"class_name": "L2", "config": {"l1": 0.5}}}})), @"Dense: `kernel_regularizer`: L2: `l1` = 0.5 is not supported");
    insta::assert_snapshot!(layer(json!({"class_name": "Dense", "config": {"units": 3, "dtype": "float16"}})), @r#"Dense: `dtype` = "float16" is not supported"#);
    insta::assert_snapshot!(layer(json!({"class_name": "Flatten", "config": {"data_format": "channels_first"}})), @r#"
    Flatten: `data_format` = "channels_first" is not supported
      help: layouts are "channels_last": put a layer Permute before and after it
    "#);
    insta::assert_snapshot!(layer(json!(3)), @"layer: expected a name or an object with `class_name` and `config`, given 3");
    let optimizer =
        json!({"class_name": "Adam", "config": {"learning_rate": {"class_name": "CosineDecay"}}});
    insta::assert_snapshot!(message(from_config::<dyn Optimizer>(&optimizer)), @"Adam: `learning_rate`: CosineDecay: missing field `initial_learning_rate`");
    insta::assert_snapshot!(message(Sequential::from_config(&json!({"class_name": "Functional"}))), @"Sequential: expected the class `Sequential`, given `Functional`");
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
    insta::assert_snapshot!(message(model.evaluate(&x, &y)), @"
    layer `loss`: the loss is f32[5], not one number
      at crates/brolga-nn/src/model/step.rs:[line]
      help: let its reduction be sum_over_batch_size, mean_with_sample_weight or sum
    ");
}
