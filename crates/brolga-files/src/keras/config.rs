//! Configs of models as older versions of Keras wrote them, in the form of Keras 3.

use std::collections::HashMap;

use brolga_ir::Mistake;
use serde_json::{Map, Value, json};

use crate::error::{Content, damaged};

/// The model's config in the form that the frontend reads.
///
/// # Errors
/// If it holds code, or a part is not what it must be.
pub(crate) fn model(mut value: Value) -> Content<Value> {
    refuse_code(&value)?;
    clean(&mut value);
    structure(&mut value)?;
    Ok(value)
}

/// The classes of models.
pub(crate) fn is_model(value: &Value) -> bool {
    matches!(class(value), "Functional" | "Model" | "Sequential")
}

pub(crate) fn class(value: &Value) -> &str {
    value.get("class_name").and_then(Value::as_str).unwrap_or_default()
}

/// The name of a layer.
pub(crate) fn name(layer: &Value) -> &str {
    let own = layer.pointer("/config/name").or_else(|| layer.get("name"));
    own.and_then(Value::as_str).unwrap_or_default()
}

/// Fails if there is code in a config: functions in Python's bytecode, or names of functions in
/// modules that would have to be imported.
fn refuse_code(value: &Value) -> Content<()> {
    let mut stack = vec![(value, String::new())];
    while let Some((value, inside)) = stack.pop() {
        match value {
            Value::Array(values) => stack.extend(values.iter().map(|v| (v, inside.clone()))),
            Value::Object(fields) => {
                let inside = match name(value) {
                    "" => inside,
                    name => format!(" in the layer `{name}`"),
                };
                let module = value.get("module").and_then(Value::as_str).unwrap_or_default();
                let what = match class(value) {
                    "Lambda" => "a Lambda, whose function is code of Python",
                    "__lambda__" => "a lambda of Python, as bytecode",
                    "function" if !is_known(module) => "the name of a function of Python",
                    _ => {
                        stack.extend(fields.values().map(|v| (v, inside.clone())));
                        continue;
                    }
                };
                return Err(Mistake::new(format!("the file holds{inside} {what}")).help(
                    "code in files is never run: write the model with a layer of your own, and load the weights by name",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_known(module: &str) -> bool {
    module == "builtins" || module == "keras" || module.starts_with("keras.")
}

/// Arguments of Keras 2 that say how something is computed, or repeat what follows from the rest.
const SILENT: [&str; 6] =
    ["implementation", "input_length", "key_shape", "query_shape", "value_shape", "keras_api"];

/// Renames and leaves out arguments of layers, at any depth.
fn clean(value: &mut Value) {
    let mut stack = vec![value];
    while let Some(value) = stack.pop() {
        let class = class(value).to_owned();
        match value {
            Value::Array(values) => stack.extend(values),
            Value::Object(fields) => {
                if let Some(config) = fields.get_mut("config").and_then(Value::as_object_mut) {
                    clean_arguments(&class, config);
                }
                stack.extend(fields.values_mut());
            }
            _ => {}
        }
    }
}

fn clean_arguments(class: &str, config: &mut Map<String, Value>) {
    SILENT.iter().for_each(|key| drop(config.remove(*key)));
    let mut rename = |old: &str, new: &str| {
        if let Some(value) = config.remove(old) {
            config.entry(new).or_insert(value);
        }
    };
    match class {
        "InputLayer" => {
            rename("batch_input_shape", "batch_shape");
            if let Some(dtype) = config.get("dtype").and_then(|dtype| dtype.pointer("/config/name"))
            {
                let dtype = dtype.clone();
                config.insert("dtype".to_owned(), dtype);
            }
        }
        "LeakyReLU" => rename("alpha", "negative_slope"),
        "BatchNormalization" => {
            if let Some([axis]) = config.get("axis").and_then(Value::as_array).map(Vec::as_slice) {
                let axis = axis.clone();
                config.insert("axis".to_owned(), axis);
            }
        }
        _ => {}
    }
}

/// Brings models, the outer one and those inside of it, into the form of Keras 3.
fn structure(value: &mut Value) -> Content<()> {
    match class(value) {
        "Sequential" => sequential(value),
        "Functional" | "Model" => functional(value),
        "" => Err(damaged("the config has no `class_name`")),
        other => {
            let message = format!("the model is of the class `{other}`");
            Err(Mistake::new(message)
                .help("Sequential and Functional models are read; how a class of Python computes is not in the file"))
        }
    }
}

fn layers(config: &mut Value) -> Content<&mut Vec<Value>> {
    let layers = config.get_mut("layers").and_then(Value::as_array_mut);
    layers.ok_or_else(|| damaged("the config of a model has no list `layers`"))
}

fn input(shape: &Value, name: &str) -> Value {
    json!({
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": { "batch_shape": shape, "dtype": "float32", "name": name },
        "registered_name": null,
    })
}

/// The shape that a layer of Keras 2 declares for its input.
fn declared(layer: &mut Value) -> Option<Value> {
    layer.get_mut("config")?.as_object_mut()?.remove("batch_input_shape")
}

/// The shape of the input that a nested model declares.
fn input_of(model: &Value) -> Option<Value> {
    let layers = model.pointer("/config/layers")?.as_array()?;
    let first = layers.iter().find(|layer| class(layer) == "InputLayer")?;
    first.pointer("/config/batch_shape").cloned()
}

fn sequential(value: &mut Value) -> Content<()> {
    let built = value.pointer("/build_config/input_shape").cloned();
    let config = value.get_mut("config").ok_or_else(|| damaged("a model has no `config`"))?;
    // A list of layers alone, as in Keras 1 and 2.1.
    if let Value::Array(layers) = config {
        let layers = std::mem::take(layers);
        *config = json!({ "name": "sequential", "layers": layers });
    }
    let shape = config.get("build_input_shape").cloned().filter(|shape| !shape.is_null());
    let layers = layers(config)?;
    let mut first = None;
    for (number, layer) in layers.iter_mut().enumerate() {
        let declared = declared(layer);
        if number == 0 {
            first = declared;
        }
        if is_model(layer) {
            structure(layer)?;
        }
    }
    let has_models = layers.iter().any(is_model);
    let starts = layers.first().is_some_and(|layer| class(layer) == "InputLayer");
    if !starts && !layers.is_empty() {
        let nested = || layers.first().filter(|layer| is_model(layer)).and_then(input_of);
        let shape = first.or(shape).or(built).or_else(nested).filter(Value::is_array);
        if let Some(shape) = shape {
            let dtype = match layers.first().map(class) {
                Some("Embedding") => "int32",
                _ => "float32",
            };
            let mut input = input(&shape, "input_layer");
            input["config"]["dtype"] = json!(dtype);
            layers.insert(0, input);
        } else if has_models {
            return Err(damaged("a Sequential of models does not tell the shape of its input"));
        }
    }
    if has_models {
        *value = chain(config)?;
    }
    Ok(())
}

/// A Sequential that has models among its layers as a Functional.
fn chain(config: &mut Value) -> Content<Value> {
    let mut before: Option<String> = None;
    let mut first = String::new();
    for (number, layer) in layers(config)?.iter_mut().enumerate() {
        let own = match name(layer) {
            "" => format!("{}_{number}", brolga_nn::registry::snake_case(class(layer))),
            name => name.to_owned(),
        };
        let nodes = match &before {
            Some(before) => json!([{ "args": [tensor(json!([before, 0, 0]))], "kwargs": {} }]),
            None => json!([]),
        };
        if before.is_none() {
            first.clone_from(&own);
        }
        let fields = layer.as_object_mut().ok_or_else(|| damaged("a layer is no object"))?;
        fields.insert("name".to_owned(), json!(own));
        fields.insert("inbound_nodes".to_owned(), nodes);
        before = Some(own);
    }
    let mut config = config.take();
    config["input_layers"] = json!([[first, 0, 0]]);
    config["output_layers"] = json!([[before, 0, 0]]);
    Ok(json!({ "module": "keras", "class_name": "Functional", "config": config }))
}

fn tensor(history: Value) -> Value {
    json!({ "class_name": "__keras_tensor__", "config": { "keras_history": history } })
}

fn functional(value: &mut Value) -> Content<()> {
    value["class_name"] = json!("Functional");
    let config = value.get_mut("config").ok_or_else(|| damaged("a model has no `config`"))?;
    let mut models = HashMap::new();
    for layer in layers(config)? {
        drop(declared(layer));
        let nodes = layer.get_mut("inbound_nodes").and_then(Value::as_array_mut);
        let calls = match nodes {
            Some(nodes) => {
                for node in nodes.iter_mut() {
                    *node = call(node.take())?;
                }
                nodes.len() as u64
            }
            None => 0,
        };
        if is_model(layer) {
            models.insert(name(layer).to_owned(), (calls, None));
            structure(layer)?;
        }
    }
    shift(config, &mut models);
    Ok(())
}

/// For each nested model how often it is called, and the least and the largest number of a call that
/// is referred to.
type Calls = HashMap<String, (u64, Option<(u64, u64)>)>;

/// Numbers of calls of nested models: older files count the call with which the nested model was
/// made.
fn shift(config: &mut Value, models: &mut Calls) {
    if models.is_empty() {
        return;
    }
    references(config, &mut |history| {
        let number = history.get(1).and_then(Value::as_u64).unwrap_or(0);
        let name = history.first().and_then(Value::as_str).unwrap_or_default();
        if let Some((_, range)) = models.get_mut(name) {
            let (low, high) = range.unwrap_or((number, number));
            *range = Some((low.min(number), high.max(number)));
        }
    });
    references(config, &mut |history| {
        let name = history.first().and_then(Value::as_str).unwrap_or_default();
        if let Some((calls, Some((low, high)))) = models.get(name)
            && *low >= 1
            && high >= calls
            && let Some(number) = history.get(1).and_then(Value::as_u64)
        {
            history[1] = json!(number - 1);
        }
    });
}

/// Goes through all references to results of calls, `["dense", 0, 0]`, of one model.
fn references(config: &mut Value, visit: &mut dyn FnMut(&mut Vec<Value>)) {
    let Some(config) = config.as_object_mut() else { return };
    let mut stack: Vec<&mut Value> = vec![];
    for (key, value) in config {
        match (key.as_str(), value) {
            ("input_layers" | "output_layers", value) => stack.push(value),
            ("layers", Value::Array(layers)) => {
                stack.extend(layers.iter_mut().filter_map(|layer| layer.get_mut("inbound_nodes")));
            }
            _ => {}
        }
    }
    while let Some(value) = stack.pop() {
        match value {
            Value::Array(values) if is_reference(values) => visit(values),
            Value::Array(values) => stack.extend(values),
            Value::Object(fields) => stack.extend(fields.values_mut()),
            _ => {}
        }
    }
}

fn is_reference(values: &[Value]) -> bool {
    matches!(values, [Value::String(_), Value::Number(_), Value::Number(_)])
}

/// A call of a layer: that of Keras 2, `[["dense", 0, 0, {..}], ..]`, becomes one of Keras 3.
fn call(node: Value) -> Content<Value> {
    let Value::Array(inputs) = node else { return Ok(node) };
    let inputs = match inputs.first() {
        Some(Value::String(_)) => vec![Value::Array(inputs)],
        _ => inputs,
    };
    let (mut args, mut kwargs) = (vec![], Map::new());
    for given in inputs {
        let Value::Array(given) = given else {
            return Err(damaged(format!("a call of a layer takes {given}")));
        };
        match given.as_slice() {
            [Value::String(layer), _, value, rest @ ..] if layer == "_CONSTANT_VALUE" => {
                args.push(value.clone());
                kwargs.extend(arguments(rest));
            }
            [layer, number, result, rest @ ..] => {
                args.push(tensor(json!([layer, number, result])));
                kwargs.extend(arguments(rest));
            }
            _ => return Err(damaged(format!("a call of a layer takes {}", json!(given)))),
        }
    }
    let args = if args.len() > 1 { json!([args]) } else { json!(args) };
    Ok(json!({ "args": args, "kwargs": kwargs }))
}

/// Keyword arguments of a call of Keras 2, in which tensors are references.
fn arguments(rest: &[Value]) -> Map<String, Value> {
    let one = |value: &Value| match value {
        Value::Array(values) if is_reference(values) => tensor(json!(values)),
        other => other.clone(),
    };
    let argument = |(key, value): (&String, &Value)| {
        let value = match value {
            Value::Array(values) if !is_reference(values) => values.iter().map(one).collect(),
            other => one(other),
        };
        (key.clone(), value)
    };
    rest.first().and_then(Value::as_object).into_iter().flatten().map(argument).collect()
}
