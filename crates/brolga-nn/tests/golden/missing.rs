//! The part that a case needs and that does not exist: a class, an activation.

use std::sync::Arc;

use brolga_nn::NnError;
use brolga_nn::activations::ActivationFunction;
use brolga_nn::initializers::Initializer;
use brolga_nn::layers::Layer;
use brolga_nn::losses::Loss;
use brolga_nn::metrics::Metric;
use brolga_nn::optimizers::Optimizer;
use brolga_nn::optimizers::schedules::Schedule;
use brolga_nn::registry::{Family, by_name};
use serde_json::Value;

use crate::case::Case;

/// The first thing that a case needs and that does not exist.
pub(crate) fn missing(case: &Case) -> Option<String> {
    let config = &case.config;
    match case.kind.as_str() {
        "activation" => activation(config),
        "layer" => layer(config),
        "loss" => class::<dyn Loss>(config),
        "metric" => class::<dyn Metric>(config),
        "optimizer" => optimizer(config),
        "schedule" => class::<dyn Schedule>(config),
        "model" => model(case),
        other => Some(format!("kind {other}")),
    }
}

fn model(case: &Case) -> Option<String> {
    let layers = case.config.pointer("/config/layers").and_then(Value::as_array);
    let mut layers = layers.into_iter().flatten();
    layers.find_map(layer).or_else(|| optimizer(&case.extra["optimizer"]))
}

fn layer(config: &Value) -> Option<String> {
    let arguments = &config["config"];
    let initializers = arguments.as_object().into_iter().flatten();
    let mut initializers = initializers.filter(|(key, _)| key.ends_with("_initializer"));
    class::<dyn Layer>(config)
        .or_else(|| activation(&arguments["activation"]))
        .or_else(|| initializers.find_map(|(_, value)| class::<dyn Initializer>(value)))
}

fn optimizer(config: &Value) -> Option<String> {
    let schedule = &config["config"]["learning_rate"];
    class::<dyn Optimizer>(config).or_else(|| class::<dyn Schedule>(schedule))
}

fn activation(name: &Value) -> Option<String> {
    class::<dyn ActivationFunction>(name)
}

fn class<T: Family + ?Sized>(config: &Value) -> Option<String> {
    let class = config.as_str().or_else(|| config["class_name"].as_str())?;
    let found: Result<Arc<T>, NnError> = by_name(class);
    matches!(found, Err(NnError::UnknownName { .. })).then(|| format!("{} {class}", T::KIND))
}
