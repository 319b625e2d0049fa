//! Objects and the configs they are made of.

use brolga_nn::initializers::Initializer;
use brolga_nn::losses::{Loss, MeanSquaredError, Reduction};
use brolga_nn::metrics::Metric;
use brolga_nn::optimizers::Optimizer;
use brolga_nn::prelude::*;
use brolga_nn::registry::{Family, Object, from_config, to_config};
use serde_json::{Value, json};

/// Arguments that a class needs, and others than its defaults where it has some.
fn arguments(class: &str) -> Value {
    match class {
        "Activation" => json!({ "activation": "tanh" }),
        "AveragePooling2D" | "MaxPooling2D" => {
            json!({ "pool_size": [3, 2], "strides": [1, 2], "padding": "same" })
        }
        "BinaryAccuracy" => json!({ "name": "right", "threshold": 0.25 }),
        "BinaryCrossentropy" => json!({ "from_logits": true, "label_smoothing": 0.1 }),
        "CategoricalCrossentropy" => json!({ "from_logits": true, "label_smoothing": 0.1 }),
        "Constant" => json!({ "value": 0.5 }),
        "Conv2D" => json!({
            "filters": 4, "kernel_size": [3, 2], "strides": [2, 1], "padding": "same", "groups": 2,
            "activation": "relu", "use_bias": false, "kernel_initializer": "he_normal",
        }),
        "Dense" => {
            json!({ "units": 3, "activation": "relu", "bias_initializer": "ones", "trainable": false })
        }
        "Dropout" => json!({ "rate": 0.25, "name": "sometimes" }),
        "GlobalAveragePooling2D" => json!({ "keepdims": true }),
        "Input" => json!({ "batch_shape": [null, 28, null, 1] }),
        "Rescaling" => json!({ "scale": [0.5, 2.0], "offset": -1.0 }),
        "Reshape" => json!({ "target_shape": [2, -1] }),
        "MeanAbsoluteError" | "MeanSquaredError" => json!({}),
        "RandomNormal" | "TruncatedNormal" => json!({ "mean": 0.5, "stddev": 0.25 }),
        "RandomUniform" => json!({ "minval": -0.5, "maxval": 0.25 }),
        "VarianceScaling" => json!({ "scale": 2.0, "mode": "fan_out", "distribution": "uniform" }),
        "Adam" => json!({ "learning_rate": 0.1, "beta_1": 0.5, "amsgrad": true, "clipnorm": 1.0 }),
        "AdamW" => json!({ "learning_rate": 0.1, "weight_decay": 0.01 }),
        "RMSprop" => json!({ "momentum": 0.5, "centered": true, "clipvalue": 0.5 }),
        "SGD" => json!({ "momentum": 0.5, "nesterov": true, "global_clipnorm": 2.0 }),
        _ => json!({}),
    }
}

/// Builds each class of a family, and builds it again from what it says of itself.
fn round_trip<T: Family + ?Sized>() {
    for class in T::classes() {
        let given = arguments(class.name);
        let object = (class.build)(&given).unwrap_or_else(|error| panic!("{error}"));
        let config = to_config(&*object).expect("a config");
        assert_eq!(config["class_name"], class.name);
        for (key, value) in given.as_object().into_iter().flatten() {
            let written = &config["config"][key];
            let named = written["class_name"].as_str().map(brolga_nn::registry::snake_case);
            assert!(
                written == value || named.as_deref() == value.as_str(),
                "{}: {key} = {value} became {written}",
                class.name
            );
        }
        let again = from_config::<T>(&config).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(to_config(&*again).expect("a config"), config);
        assert_eq!(format!("{again:?}"), format!("{object:?}"), "{}", class.name);
    }
}

#[test]
fn every_class_is_made_again_of_its_config() {
    round_trip::<dyn Layer>();
    round_trip::<dyn Loss>();
    round_trip::<dyn Metric>();
    round_trip::<dyn Optimizer>();
    round_trip::<dyn Initializer>();
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
