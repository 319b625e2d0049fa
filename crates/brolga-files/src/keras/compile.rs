//! What a model was compiled with, as Keras writes it.

use std::sync::Arc;

use brolga_ir::Mistake;
use brolga_nn::losses::Loss;
use brolga_nn::metrics::Metric;
use brolga_nn::model::{Compile, Compiled, Reported};
use brolga_nn::optimizers::Optimizer;
use brolga_nn::registry::{Choice, Registry, by_name, to_keras};
use serde_json::{Map, Value, json};

use super::state::mistake;
use crate::error::{Content, damaged};

/// The `compile_config` of a model with outputs of these names.
pub(crate) fn write(compiled: &Compiled, outputs: &[String]) -> Content<Value> {
    let losses = compiled.losses.iter();
    let losses = losses.map(|(output, loss)| Ok((output.clone(), to_keras(&**loss)?)));
    let losses: Vec<(Option<String>, Value)> =
        losses.collect::<Result<_, brolga_nn::NnError>>().map_err(mistake)?;
    let loss = match losses.as_slice() {
        [] => Value::Null,
        [(None, loss)] => loss.clone(),
        _ => {
            let mut of_outputs = Map::new();
            for (output, loss) in losses {
                let named = output.map_or_else(|| outputs.to_vec(), |output| vec![output]);
                for output in named {
                    of_outputs.insert(output, loss.clone());
                }
            }
            Value::Object(of_outputs)
        }
    };
    let weights = match compiled.loss_weights.as_slice() {
        [] => Value::Null,
        weights => weights.iter().map(|(name, weight)| (name.clone(), json!(weight))).collect(),
    };
    Ok(json!({
        "optimizer": to_keras(&*compiled.optimizer).map_err(mistake)?,
        "loss": loss,
        "loss_weights": weights,
        "metrics": metrics(compiled, outputs, false)?,
        "weighted_metrics": metrics(compiled, outputs, true)?,
        "run_eagerly": false,
        "steps_per_execution": compiled.steps_per_execution,
        "jit_compile": "auto",
    }))
}

fn metrics(compiled: &Compiled, outputs: &[String], weighted: bool) -> Content<Value> {
    let asked: Vec<&Reported> =
        compiled.metrics.iter().filter(|reported| reported.weighted == weighted).collect();
    if asked.is_empty() {
        return Ok(Value::Null);
    }
    if outputs.len() == 1 {
        return asked.into_iter().map(metric).collect();
    }
    let of_output = |output: &String| -> Content<(String, Value)> {
        let of = |reported: &&&Reported| reported.output.as_ref().is_none_or(|own| own == output);
        let list: Content<Vec<Value>> =
            asked.iter().filter(of).map(|&reported| metric(reported)).collect();
        Ok((output.clone(), Value::Array(list?)))
    };
    outputs.iter().map(of_output).collect()
}

/// A metric by the name that the user wrote, where that stands for the same.
fn metric(reported: &Reported) -> Content<Value> {
    let config = reported.metric.config().map_err(mistake)?;
    // What "accuracy" stands for depends on the output.
    if config.is_null() {
        return Ok(json!(reported.name));
    }
    let same = by_name::<dyn Metric>(&reported.name).is_ok_and(|named| {
        named.class_name() == reported.metric.class_name()
            && named.config().is_ok_and(|named| named == config)
    });
    if same {
        return Ok(json!(reported.name));
    }
    let mut value = to_keras(&*reported.metric).map_err(mistake)?;
    if let Some(config) = value.get_mut("config").and_then(Value::as_object_mut) {
        config.entry("name").or_insert(json!(reported.name));
    }
    Ok(value)
}

/// Reads a `compile_config`, or the `training_config` of an older file, of a model with outputs of
/// these names. `None`: the model was not compiled.
pub(crate) fn read(
    config: &Value,
    outputs: &[String],
    registry: &Registry,
) -> Content<Option<Compile>> {
    let optimizer = config.get("optimizer").or_else(|| config.get("optimizer_config"));
    let Some(optimizer) = optimizer.filter(|optimizer| !optimizer.is_null()) else {
        return Ok(None);
    };
    let mut compile = Compile::new().optimizer(read_optimizer(optimizer, registry)?);
    if let Some(loss) = config.get("loss") {
        compile = of_outputs(loss, outputs, compile, &|compile, output, loss| {
            let loss = object::<dyn Loss>(loss, registry)?;
            Ok(match output {
                Some(output) => compile.output_loss(output, loss),
                None => compile.loss(loss),
            })
        })?;
    }
    match config.get("loss_weights") {
        None | Some(Value::Null) => {}
        Some(Value::Object(weights)) => {
            let weight = |(name, weight): (&String, &Value)| Some((name.clone(), weight.as_f64()?));
            compile = compile.loss_weights(weights.iter().filter_map(weight).collect::<Vec<_>>());
        }
        Some(Value::Array(weights)) => {
            let weights = outputs.iter().zip(weights);
            let weight = |(name, weight): (&String, &Value)| Some((name.clone(), weight.as_f64()?));
            compile = compile.loss_weights(weights.filter_map(weight).collect::<Vec<_>>());
        }
        Some(other) => return Err(damaged(format!("`loss_weights` is {other}"))),
    }
    for (key, weighted) in [("metrics", false), ("weighted_metrics", true)] {
        if let Some(metrics) = config.get(key) {
            compile = read_metrics(metrics, outputs, weighted, compile, registry)?;
        }
    }
    if let Some(steps) = config.get("steps_per_execution").and_then(Value::as_u64) {
        compile = compile.steps_per_execution(usize::try_from(steps).unwrap_or(usize::MAX));
    }
    Ok(Some(compile))
}

/// Compiles with an object for all outputs, or for the one of this name.
type One<'a> = &'a dyn Fn(Compile, Option<String>, &Value) -> Content<Compile>;

/// Goes through what is one object for all outputs, or a list or table of objects of each.
fn of_outputs(
    value: &Value,
    outputs: &[String],
    mut compile: Compile,
    one: One<'_>,
) -> Content<Compile> {
    let is_object = value.get("class_name").is_some();
    match value {
        Value::Null => Ok(compile),
        Value::Array(values) => {
            if values.len() > outputs.len() {
                let message =
                    format!("there are {} losses for {} outputs", values.len(), outputs.len());
                return Err(damaged(message));
            }
            for (output, value) in outputs.iter().zip(values).filter(|(_, value)| !value.is_null())
            {
                let output = (outputs.len() > 1).then(|| output.clone());
                compile = one(compile, output, value)?;
            }
            Ok(compile)
        }
        Value::Object(table) if !is_object => {
            for (output, value) in table.iter().filter(|(_, value)| !value.is_null()) {
                let output = (outputs.len() > 1).then(|| output.clone());
                compile = one(compile, output, value)?;
            }
            Ok(compile)
        }
        one_for_all => one(compile, None, one_for_all),
    }
}

fn read_metrics(
    value: &Value,
    outputs: &[String],
    weighted: bool,
    mut compile: Compile,
    registry: &Registry,
) -> Content<Compile> {
    // A list of lists, or a table, has those of each output.
    let mut asked: Vec<(Option<&String>, &Value)> = vec![];
    let several = outputs.len() > 1;
    let of_output = |output| Some(output).filter(|_| several);
    match value {
        Value::Null => {}
        Value::Array(values) if several || values.iter().any(Value::is_array) => {
            let flat = !values.iter().any(Value::is_array);
            for (number, value) in values.iter().enumerate() {
                let output = outputs.get(number).and_then(of_output);
                match value {
                    Value::Array(inside) => {
                        asked.extend(inside.iter().map(|value| (output, value)))
                    }
                    value if flat && values.len() != outputs.len() => asked.push((None, value)),
                    value => asked.push((output, value)),
                }
            }
        }
        Value::Array(values) => asked.extend(values.iter().map(|value| (None, value))),
        Value::Object(table) if value.get("class_name").is_none() => {
            for (output, value) in table {
                let output = of_output(output);
                match value {
                    Value::Array(inside) => {
                        asked.extend(inside.iter().map(|value| (output, value)))
                    }
                    value => asked.push((output, value)),
                }
            }
        }
        one => asked.push((None, one)),
    }
    for (output, value) in asked.into_iter().filter(|(_, value)| !value.is_null()) {
        let metric = read_metric(value, registry)?;
        compile = match (output, weighted) {
            (Some(output), false) => compile.output_metrics(output.clone(), [metric]),
            (None, false) => compile.metrics([metric]),
            (_, true) => compile.weighted_metrics([metric]),
        };
    }
    Ok(compile)
}

/// A metric: by name, as an object, or as the function that a wrapper has.
fn read_metric(value: &Value, registry: &Registry) -> Content<Choice<dyn Metric>> {
    if let Some(name) = value.as_str() {
        return Ok(name.into());
    }
    let config = value.get("config");
    let wrapped = config.and_then(|config| config.get("fn"));
    let wrapped = wrapped.and_then(|function| match function {
        Value::String(name) => Some(name.as_str()),
        other => other.get("config").and_then(Value::as_str),
    });
    let name = config.and_then(|config| config.get("name")).and_then(Value::as_str);
    if let Some(function) = wrapped {
        // Keras chose the function by the shapes of the output, as is done here again.
        let chosen = matches!(name, Some("accuracy" | "acc"));
        return Ok(if chosen { "accuracy".into() } else { function.into() });
    }
    object::<dyn Metric>(value, registry)
}

fn read_optimizer(value: &Value, registry: &Registry) -> Content<Choice<dyn Optimizer>> {
    let mut value = value.clone();
    // It scales the loss of half precision, and holds the optimizer that is meant.
    while let Some(inner) = value.pointer("/config/inner_optimizer") {
        value = inner.clone();
    }
    if let Some(config) = value.get_mut("config").and_then(Value::as_object_mut) {
        ["jit_compile", "is_legacy_optimizer"].iter().for_each(|key| drop(config.remove(*key)));
    }
    object::<dyn Optimizer>(&value, registry)
}

/// An object that is named, serialized, or the function of this name.
fn object<T: brolga_nn::registry::Family + ?Sized>(
    value: &Value,
    registry: &Registry,
) -> Content<Choice<T>> {
    let value = match value.get("class_name").and_then(Value::as_str) {
        Some("function") => value.get("config").unwrap_or(value),
        _ => value,
    };
    let object: Arc<T> = registry.object::<T>(value).map_err(mistake)?;
    Ok(object.into())
}

/// The mistake of what a model was compiled with, with the advice to do without.
pub(crate) fn without(mistake: Mistake) -> Mistake {
    let message = format!("what the model was compiled with: {}", mistake.message);
    Mistake::new(message).help("load the model without it: Load::new().compile(false)")
}
