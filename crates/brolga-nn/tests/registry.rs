//! Objects and the configs they are made of.

use brolga_nn::activations::ActivationFunction;
use brolga_nn::cells::Cell;
use brolga_nn::constraints::Constraint;
use brolga_nn::initializers::Initializer;
use brolga_nn::losses::{Loss, MeanSquaredError, Reduction};
use brolga_nn::metrics::Metric;
use brolga_nn::optimizers::Optimizer;
use brolga_nn::prelude::*;
use brolga_nn::registry::{Family, Object, from_config, to_config};
use brolga_nn::regularizers::Regularizer;
use serde_json::{Value, json};

/// Arguments that a class needs, and others than its defaults where it has some.
fn arguments(kind: &str, class: &str) -> Value {
    match class {
        // A layer and an initializer have this name.
        "Identity" if kind == "layer" => json!({}),
        "Activation" => json!({ "activation": "tanh" }),
        "ActivityRegularization" => json!({ "l1": 0.5, "l2": 0.25 }),
        "AveragePooling1D" | "MaxPooling1D" => {
            json!({ "pool_size": [3], "strides": [1], "padding": "same" })
        }
        "AveragePooling2D" | "MaxPooling2D" => {
            json!({ "pool_size": [3, 2], "strides": [1, 2], "padding": "same" })
        }
        "AveragePooling3D" | "MaxPooling3D" => {
            json!({ "pool_size": [3, 2, 1], "strides": [1, 2, 2] })
        }
        "BatchNormalization" => json!({
            "axis": 1, "momentum": 0.5, "epsilon": 0.25, "center": false,
            "moving_mean_initializer": "ones", "trainable": false, "renorm": true,
            "renorm_clipping": { "rmax": 2.0, "dmax": 0.5 }, "renorm_momentum": 0.75,
        }),
        "Celu" | "Elu" => json!({ "alpha": 0.5 }),
        "Gelu" => json!({ "approximate": true }),
        "Glu" | "LogSoftmax" | "Softmax" | "Sparsemax" => json!({ "axis": 1 }),
        "HardShrink" | "SoftShrink" => json!({ "threshold": 0.25 }),
        "LeakyRelu" => json!({ "negative_slope": 0.5 }),
        "Relu" => json!({ "negative_slope": 0.5, "max_value": 6.0, "threshold": 1.0 }),
        "Squareplus" => json!({ "b": 1.0 }),
        "Threshold" => json!({ "threshold": 0.5, "default_value": -1.0 }),
        "AUC" => json!({
            "num_thresholds": 50, "curve": "PR", "summation_method": "minoring",
            "multi_label": true, "num_labels": 2, "label_weights": [1.0, 2.0],
        }),
        "Circle" => json!({ "gamma": 20.0, "margin": 0.25, "remove_diagonal": false }),
        "SparseCategoricalCrossentropy" => json!({ "axis": 1 }),
        "GlorotNormal" | "HeUniform" => json!({ "input_axes": [0], "output_axes": [1, -1] }),
        "BinaryFocalCrossentropy" => json!({ "apply_class_balancing": true, "gamma": 1.0 }),
        "BinaryIoU" => json!({ "target_class_ids": [1], "threshold": 0.25 }),
        "CategoricalFocalCrossentropy" => json!({ "alpha": [0.5, 0.25], "from_logits": true }),
        "CategoricalGeneralizedCrossEntropy" => json!({ "q": 0.75 }),
        "CosineSimilarity" | "PearsonCorrelation" => json!({ "axis": 1 }),
        "Dice" => json!({ "axis": [1, 2] }),
        "F1Score" => json!({ "average": "micro", "threshold": 0.5 }),
        "FBetaScore" => json!({ "average": "weighted", "beta": 2.0 }),
        "FalsePositives" | "TruePositives" => json!({ "thresholds": [0.25, 0.5] }),
        "Huber" => json!({ "delta": 2.0 }),
        "IoU" => json!({ "num_classes": 3, "target_class_ids": [0, 2], "sparse_y_pred": false }),
        "MeanIoU" | "OneHotMeanIoU" => json!({ "num_classes": 3, "ignore_class": 1 }),
        "OneHotIoU" => json!({ "num_classes": 3, "target_class_ids": [1] }),
        "Precision" | "Recall" => json!({ "thresholds": 0.25, "top_k": 2, "class_id": 1 }),
        "PrecisionAtRecall" => json!({ "recall": 0.5, "num_thresholds": 20 }),
        "RecallAtPrecision" => json!({ "precision": 0.5, "class_id": 0 }),
        "R2Score" => {
            json!({ "class_aggregation": "variance_weighted_average", "num_regressors": 2 })
        }
        "SensitivityAtSpecificity" => json!({ "specificity": 0.5 }),
        "SpecificityAtSensitivity" => json!({ "sensitivity": 0.5 }),
        "SparseTopKCategoricalAccuracy" => json!({ "k": 2, "from_sorted_ids": true }),
        "TopKCategoricalAccuracy" => json!({ "k": 2 }),
        "Tversky" => json!({ "alpha": 0.25, "beta": 0.75, "axis": 1 }),
        "BinaryAccuracy" => json!({ "name": "right", "threshold": 0.25 }),
        "BinaryCrossentropy" => json!({ "from_logits": true, "label_smoothing": 0.1 }),
        "CategoricalCrossentropy" => {
            json!({ "from_logits": true, "label_smoothing": 0.1, "axis": 1 })
        }
        "CategoryEncoding" => json!({ "num_tokens": 3, "output_mode": "count" }),
        "CenterCrop" | "RandomCrop" => json!({ "height": 3, "width": 4 }),
        "Concatenate" => json!({ "axis": 1 }),
        "Constant" => json!({ "value": 0.5 }),
        "Conv1D" => json!({
            "filters": 4, "kernel_size": [3], "strides": [2], "padding": "causal", "dilation_rate": [2],
        }),
        "Conv1DTranspose" => json!({
            "filters": 4, "kernel_size": [3], "strides": [2], "output_padding": [1], "padding": "same",
        }),
        "Identity" | "Orthogonal" => json!({ "gain": 2.0 }),
        "L1" => json!({ "l1": 0.5 }),
        "L2" => json!({ "l2": 0.5 }),
        "L1L2" => json!({ "l1": 0.5, "l2": 0.25 }),
        "OrthogonalRegularizer" => json!({ "factor": 0.5, "mode": "columns" }),
        "MaxNorm" => json!({ "max_value": 3.0, "axis": [0, 1] }),
        "MinMaxNorm" => json!({ "min_value": 0.5, "max_value": 2.0, "rate": 0.5, "axis": -1 }),
        "UnitNorm" => json!({ "axis": 1 }),
        "Conv2D" => json!({
            "filters": 4, "kernel_size": [3, 2], "strides": [2, 1], "padding": "same", "groups": 2,
            "activation": "relu", "use_bias": false, "kernel_initializer": "he_normal",
            "kernel_regularizer": "l2", "bias_constraint": "non_neg", "activity_regularizer": "l1",
        }),
        "Conv2DTranspose" => {
            json!({ "filters": 4, "kernel_size": [3, 2], "dilation_rate": [2, 1] })
        }
        "Conv3D" | "Conv3DTranspose" => {
            json!({ "filters": 4, "kernel_size": [3, 2, 1], "activation": "tanh", "use_bias": false })
        }
        "Cropping1D" => json!({ "cropping": [1, 2] }),
        "Cropping2D" => json!({ "cropping": [[1, 2], [3, 4]] }),
        "Cropping3D" => json!({ "cropping": [[1, 2], [3, 4], [5, 6]] }),
        "Dense" => {
            json!({ "units": 3, "activation": "relu", "bias_initializer": "ones", "trainable": false })
        }
        "DepthwiseConv1D" => json!({ "kernel_size": [3], "depth_multiplier": 2, "strides": [2] }),
        "DepthwiseConv2D" => json!({ "kernel_size": [3, 2], "depthwise_initializer": "he_normal" }),
        "Dot" => json!({ "axes": [2, 1], "normalize": true }),
        "Dropout" => json!({ "rate": 0.25, "name": "sometimes" }),
        "ELU" => json!({ "alpha": 0.5 }),
        "EinsumDense" => json!({
            "equation": "abc,cde->abde", "output_shape": [null, 3, 4], "bias_axes": "de", "activation": "relu",
        }),
        "Embedding" => json!({
            "input_dim": 5, "output_dim": 3, "embeddings_initializer": "ones", "mask_zero": true,
        }),
        "AlphaDropout" => json!({ "rate": 0.25, "noise_shape": [null, 1] }),
        "GaussianDropout" | "SpatialDropout1D" | "SpatialDropout2D" | "SpatialDropout3D" => {
            json!({ "rate": 0.25 })
        }
        "GaussianNoise" => json!({ "stddev": 0.5 }),
        "GlobalAveragePooling1D"
        | "GlobalAveragePooling2D"
        | "GlobalAveragePooling3D"
        | "GlobalMaxPooling1D"
        | "GlobalMaxPooling2D"
        | "GlobalMaxPooling3D" => json!({ "keepdims": true }),
        "GroupNormalization" => json!({ "groups": 2, "axis": 1, "scale": false }),
        "Input" => json!({ "batch_shape": [null, 28, null, 1] }),
        "LayerNormalization" => {
            json!({ "axis": [1, 2], "epsilon": 0.5, "gamma_initializer": "zeros", "rms_scaling": true })
        }
        "LeakyReLU" => json!({ "negative_slope": 0.5 }),
        "Normalization" => {
            json!({ "axis": [-1], "mean": [1.0, 2.0], "variance": [3.0, 4.0], "invert": true })
        }
        "PReLU" => {
            json!({ "shared_axes": [1, 2], "alpha_initializer": "ones", "alpha_constraint": "non_neg" })
        }
        "Permute" => json!({ "dims": [2, 1] }),
        "RMSNormalization" => json!({ "axis": [1], "epsilon": 0.5 }),
        "ReLU" => json!({ "max_value": 2.0, "negative_slope": 0.5, "threshold": 1.0 }),
        "RepeatVector" => json!({ "n": 3 }),
        "UnitNormalization" => json!({ "axis": [1, 2] }),
        "Rescaling" => json!({ "scale": [0.5, 2.0], "offset": -1.0 }),
        "Reshape" => json!({ "target_shape": [2, -1] }),
        _ => match of_sequence_layer(class) {
            Value::Null => of_image_layer(class),
            arguments => arguments,
        },
    }
}

/// The same of attention, masks and positions; null of another class.
fn of_sequence_layer(class: &str) -> Value {
    match class {
        "AdditiveAttention" => json!({ "use_scale": false, "dropout": 0.25 }),
        "Attention" => json!({ "use_scale": true, "score_mode": "concat", "dropout": 0.25 }),
        "GroupQueryAttention" => json!({
            "head_dim": 4, "num_query_heads": 4, "num_key_value_heads": 2, "use_gate": true,
            "kernel_initializer": "he_normal", "sliding_window": 3,
        }),
        "Masking" => json!({ "mask_value": -1.0 }),
        "SimpleRNN" => json!({ "units": 3, "return_sequences": true, "dropout": 0.25 }),
        "LSTM" => json!({ "units": 3, "go_backwards": true, "recurrent_initializer": "ones" }),
        "GRU" => json!({ "units": 3, "reset_after": false, "return_state": true }),
        "SimpleRNNCell" => json!({ "units": 3, "activation": "relu" }),
        "LSTMCell" => json!({ "units": 3, "unit_forget_bias": false }),
        "GRUCell" => json!({ "units": 3, "reset_after": false, "recurrent_dropout": 0.5 }),
        "StackedRNNCells" => json!({ "cells": [cell()] }),
        "ConvLSTM1D" => json!({ "filters": 2, "kernel_size": [3], "dropout": 0.5 }),
        "ConvLSTM2D" => json!({ "filters": 2, "kernel_size": [3, 2], "padding": "same" }),
        "ConvLSTM3D" => json!({ "filters": 2, "kernel_size": [3, 2, 1], "return_state": true }),
        "RNN" => json!({ "cell": cell(), "return_sequences": true }),
        "Bidirectional" => json!({ "layer": simple_rnn(), "merge_mode": "sum" }),
        "TimeDistributed" => json!({ "layer": simple_rnn() }),
        "MultiHeadAttention" => json!({
            "num_heads": 2, "key_dim": 4, "value_dim": 3, "dropout": 0.25, "use_bias": false,
            "use_gate": true, "output_shape": [3, 2], "attention_axes": [1, -2],
            "sliding_window": 3, "flash_attention": false, "kernel_regularizer": "l2",
        }),
        "PositionEmbedding" => json!({ "sequence_length": 9, "initializer": "ones" }),
        "ReversibleEmbedding" => json!({
            "input_dim": 5, "output_dim": 3, "tie_weights": false, "mask_zero": true,
            "logit_soft_cap": 30.0,
        }),
        "RotaryEmbedding" => json!({
            "max_wavelength": 500.0, "scaling_factor": 2.0, "rope_type": "yarn",
            "beta_fast": 16.0, "truncate": false, "sequence_axis": 2, "denominator_dim": 6,
        }),
        "SinePositionEncoding" => json!({ "max_wavelength": 500.0 }),
        "TokenAndPositionEmbedding" => json!({
            "vocabulary_size": 5, "sequence_length": 9, "embedding_dim": 4, "tie_weights": false,
            "embeddings_initializer": "ones", "mask_zero": true,
        }),
        _ => Value::Null,
    }
}

/// The same of layers for sequences, images and volumes.
fn of_image_layer(class: &str) -> Value {
    match class {
        "AdaptiveMaxPooling1D" | "AdaptiveAveragePooling1D" => json!({ "output_size": [3] }),
        "AdaptiveMaxPooling2D" | "AdaptiveAveragePooling2D" => json!({ "output_size": [3, 2] }),
        "AdaptiveMaxPooling3D" | "AdaptiveAveragePooling3D" => json!({ "output_size": [3, 2, 1] }),
        "AveragePooling1D" | "MaxPooling1D" => {
            json!({ "pool_size": [3], "strides": [1], "padding": "same" })
        }
        "AveragePooling2D" | "MaxPooling2D" => {
            json!({ "pool_size": [3, 2], "strides": [1, 2], "padding": "same" })
        }
        "AveragePooling3D" | "MaxPooling3D" => {
            json!({ "pool_size": [3, 2, 1], "strides": [1, 2, 2] })
        }
        "Conv1D" => json!({
            "filters": 4, "kernel_size": [3], "strides": [2], "padding": "causal", "dilation_rate": [2],
        }),
        "Conv1DTranspose" => json!({
            "filters": 4, "kernel_size": [3], "strides": [2], "output_padding": [1], "padding": "same",
        }),
        "Conv2D" => json!({
            "filters": 4, "kernel_size": [3, 2], "strides": [2, 1], "padding": "same", "groups": 2,
            "activation": "relu", "use_bias": false, "kernel_initializer": "he_normal",
        }),
        "Conv2DTranspose" => {
            json!({ "filters": 4, "kernel_size": [3, 2], "dilation_rate": [2, 1] })
        }
        "Conv3D" | "Conv3DTranspose" => {
            json!({ "filters": 4, "kernel_size": [3, 2, 1], "activation": "tanh", "use_bias": false })
        }
        "Cropping1D" => json!({ "cropping": [1, 2] }),
        "Cropping2D" => json!({ "cropping": [[1, 2], [3, 4]] }),
        "Cropping3D" => json!({ "cropping": [[1, 2], [3, 4], [5, 6]] }),
        "DepthwiseConv1D" => json!({ "kernel_size": [3], "depth_multiplier": 2, "strides": [2] }),
        "DepthwiseConv2D" => json!({ "kernel_size": [3, 2], "depthwise_initializer": "he_normal" }),
        "Dropout" => json!({ "rate": 0.25, "name": "sometimes" }),
        "AlphaDropout" | "GaussianDropout" | "SpatialDropout1D" | "SpatialDropout2D"
        | "SpatialDropout3D" => json!({ "rate": 0.25 }),
        "GaussianNoise" => json!({ "stddev": 0.5 }),
        "GlobalAveragePooling1D"
        | "GlobalAveragePooling2D"
        | "GlobalAveragePooling3D"
        | "GlobalMaxPooling1D"
        | "GlobalMaxPooling2D"
        | "GlobalMaxPooling3D" => json!({ "keepdims": true }),
        "SeparableConv1D" => json!({ "filters": 4, "kernel_size": [3], "depth_multiplier": 2 }),
        "SeparableConv2D" => json!({
            "filters": 4, "kernel_size": [3, 2], "pointwise_initializer": "ones", "padding": "same",
        }),
        "UpSampling1D" => json!({ "size": 3 }),
        "UpSampling2D" => json!({ "size": [3, 2], "interpolation": "bilinear" }),
        "UpSampling3D" => json!({ "size": [3, 2, 1] }),
        "ZeroPadding1D" => json!({ "padding": [1, 2] }),
        "ZeroPadding2D" => json!({ "padding": [[1, 2], [3, 4]] }),
        "ZeroPadding3D" => json!({ "padding": [[1, 2], [3, 4], [5, 6]] }),
        _ => of_preprocessing(class),
    }
}

fn cell() -> Value {
    json!({ "class_name": "GRUCell", "config": { "units": 3 } })
}

fn simple_rnn() -> Value {
    json!({ "class_name": "SimpleRNN", "config": { "units": 3 } })
}

/// The same of layers that change images before a model sees them.
fn of_preprocessing(class: &str) -> Value {
    match class {
        "CenterCrop" | "RandomCrop" => json!({ "height": 3, "width": 4 }),
        "Discretization" => {
            json!({ "bin_boundaries": [0.5, 1.0], "num_bins": 3, "epsilon": 0.1, "output_mode": "count" })
        }
        "IntegerLookup" => json!({
            "vocabulary": [3, -1], "mask_token": 0, "oov_token": 7, "num_oov_indices": 2, "max_tokens": 9,
            "output_mode": "tf_idf", "idf_weights": [0.5, 2.0], "pad_to_max_tokens": true,
            "oov_method": "farmhash", "salt": [1, 2],
        }),
        "MelSpectrogram" => json!({
            "fft_length": 64, "sequence_length": 48, "window": null, "max_freq": 100.0, "top_db": 20.0,
        }),
        "STFT" => {
            json!({ "side": "imag", "window": [0.5, 1.0], "scaling": null, "periodic": true })
        }
        "STFTSpectrogram" => json!({
            "mode": "psd", "frame_length": 12, "frame_step": 3, "fft_length": 20, "window": null,
            "scaling": "spectrum", "padding": "same", "expand_dims": true,
        }),
        "RandomContrast" => json!({ "factor": [0.25, 0.5], "value_range": [0.0, 1.0] }),
        "RandomFlip" => json!({ "mode": "vertical" }),
        "RandomRotation" => {
            json!({ "factor": [-0.25, 0.5], "fill_mode": "wrap", "interpolation": "nearest" })
        }
        "RandomTranslation" => json!({ "height_factor": 0.25, "width_factor": [-0.5, 0.0] }),
        "RandomZoom" => {
            json!({ "height_factor": 0.25, "fill_mode": "constant", "fill_value": 2.0 })
        }
        "ReLU" => json!({ "max_value": 2.0, "negative_slope": 0.5, "threshold": 1.0 }),
        "RepeatVector" => json!({ "n": 3 }),
        "Resizing" => json!({
            "height": 3, "width": 4, "interpolation": "bicubic", "antialias": true,
            "pad_to_aspect_ratio": true, "fill_value": 2.0,
        }),
        "SeparableConv1D" => json!({ "filters": 4, "kernel_size": [3], "depth_multiplier": 2 }),
        "SeparableConv2D" => json!({
            "filters": 4, "kernel_size": [3, 2], "pointwise_initializer": "ones", "padding": "same",
        }),
        "UnitNormalization" => json!({ "axis": [1, 2] }),
        "UpSampling1D" => json!({ "size": 3 }),
        "UpSampling2D" => json!({ "size": [3, 2], "interpolation": "bilinear" }),
        "UpSampling3D" => json!({ "size": [3, 2, 1] }),
        "ZeroPadding1D" => json!({ "padding": [1, 2] }),
        "ZeroPadding2D" => json!({ "padding": [[1, 2], [3, 4]] }),
        "ZeroPadding3D" => json!({ "padding": [[1, 2], [3, 4], [5, 6]] }),
        "Rescaling" => json!({ "scale": [0.5, 2.0], "offset": -1.0 }),
        "Reshape" => json!({ "target_shape": [2, -1] }),
        "MeanAbsoluteError" | "MeanSquaredError" => json!({}),
        "RandomNormal" | "TruncatedNormal" => json!({ "mean": 0.5, "stddev": 0.25 }),
        "RandomUniform" => json!({ "minval": -0.5, "maxval": 0.25 }),
        "VarianceScaling" => json!({ "scale": 2.0, "mode": "fan_out", "distribution": "uniform" }),
        _ => match of_optimizer(class) {
            Value::Null => json!({}),
            arguments => arguments,
        },
    }
}

/// The arguments of an optimizer or a schedule; null of another class.
fn of_optimizer(class: &str) -> Value {
    match class {
        "Adam" => json!({ "learning_rate": 0.1, "beta_1": 0.5, "amsgrad": true, "clipnorm": 1.0 }),
        "Adadelta" => json!({ "rho": 0.5, "use_ema": true, "ema_momentum": 0.5 }),
        "Adafactor" => json!({ "beta_2_decay": -0.5, "relative_step": false }),
        "Adagrad" => json!({ "initial_accumulator_value": 0.5, "loss_scale_factor": 8.0 }),
        "Adamax" | "Lamb" | "Lion" | "Nadam" => json!({ "beta_1": 0.5, "weight_decay": 0.5 }),
        "CosineDecay" => json!({ "initial_learning_rate": 0.5, "decay_steps": 9.0, "alpha": 0.1 }),
        "CosineDecayRestarts" => {
            json!({ "initial_learning_rate": 0.5, "first_decay_steps": 9.0, "t_mul": 3.0 })
        }
        "ExponentialDecay" | "InverseTimeDecay" => json!({
            "initial_learning_rate": 0.5, "decay_steps": 9.0, "decay_rate": 0.5, "staircase": true,
        }),
        "Ftrl" => json!({ "beta": 0.5, "gradient_accumulation_steps": 2 }),
        "Muon" => json!({ "rms_rate": null, "exclude_layers": ["head"], "ns_steps": 3 }),
        "PiecewiseConstantDecay" => json!({ "boundaries": [5.0], "values": [0.5, 0.25] }),
        "PolynomialDecay" => {
            json!({ "initial_learning_rate": 0.5, "decay_steps": 9.0, "power": 2.0, "cycle": true })
        }
        "AdamW" => json!({ "learning_rate": 0.1, "weight_decay": 0.01 }),
        "RMSprop" => json!({ "momentum": 0.5, "centered": true, "clipvalue": 0.5 }),
        "SGD" => json!({ "momentum": 0.5, "nesterov": true, "global_clipnorm": 2.0 }),
        _ => Value::Null,
    }
}

/// Whether a config says at least what was given: an object by its name or by some arguments.
fn says(written: &Value, given: &Value) -> bool {
    let named = || written["class_name"].as_str().map(brolga_nn::registry::snake_case);
    match (written, given) {
        (Value::Object(written), Value::Object(given)) => {
            given.iter().all(|(key, given)| says(&written[key], given))
        }
        (Value::Array(written), Value::Array(given)) => {
            written.len() == given.len() && written.iter().zip(given).all(|(w, g)| says(w, g))
        }
        _ => {
            written == given || given.as_str().is_some_and(|name| named().as_deref() == Some(name))
        }
    }
}

/// Builds each class of a family, and builds it again from what it says of itself.
fn round_trip<T: Family + ?Sized>() {
    for class in T::classes() {
        let given = arguments(T::KIND, class.name);
        let object = (class.build)(&given).unwrap_or_else(|error| panic!("{error}"));
        let config = to_config(&*object).expect("a config");
        assert_eq!(config["class_name"], class.name);
        for (key, value) in given.as_object().into_iter().flatten() {
            let written = &config["config"][key];
            assert!(says(written, value), "{}: {key} = {value} became {written}", class.name);
        }
        let again = from_config::<T>(&config).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(to_config(&*again).expect("a config"), config);
        assert_eq!(format!("{again:?}"), format!("{object:?}"), "{}", class.name);
    }
}

#[test]
fn every_class_is_made_again_of_its_config() {
    round_trip::<dyn ActivationFunction>();
    round_trip::<dyn Layer>();
    round_trip::<dyn Cell>();
    round_trip::<dyn Loss>();
    round_trip::<dyn Metric>();
    round_trip::<dyn Optimizer>();
    round_trip::<dyn Initializer>();
    round_trip::<dyn Regularizer>();
    round_trip::<dyn Constraint>();
}

#[test]
fn builders_write_the_arguments_of_configs() -> Result<(), NnError> {
    let loss = MeanSquaredError::new().reduction(Reduction::Sum);
    assert_eq!(loss.config()?["reduction"], "sum");
    assert_eq!(metrics::BinaryAccuracy::new().name("right").config()?["name"], "right");
    assert_eq!(MaxPooling2D::default().config()?["pool_size"], json!([2, 2]));
    assert_eq!(AveragePooling2D::default().config()?["pool_size"], json!([2, 2]));
    Ok(())
}
