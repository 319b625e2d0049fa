//! Functional models in Keras's own format: layers with the calls that are made of them.

use std::collections::HashMap;

use brolga_ir::{DType, Type};
use serde_json::{Map, Value, json};

use super::arguments::CallArguments;
use super::operation::Operation;
use super::symbolic::{Apply, Shared, Symbolic, Unit};
use super::{Functional, Named, Wire, Wiring};
use crate::error::NnError;
use crate::keywords::{Keyword, Keywords};
use crate::layers::Layer;
use crate::model::config::{layer_config, model_config};
use crate::model::{Model, Sequential};
use crate::network::sample;
use crate::registry::Registry;

const CLASS: &str = "Functional";

impl Functional {
    /// The model that Keras serialized as `{"class_name": "Functional", "config": {"name": ..,
    /// "layers": [..], "input_layers": .., "output_layers": ..}}`.
    ///
    /// # Errors
    /// If it is another class, a layer is not known or has unknown arguments, or a call takes what
    /// no call before it gives.
    pub fn from_config(value: &Value) -> Result<Self, NnError> {
        Self::from_config_with(value, &Registry::default())
    }

    /// As [`Functional::from_config`], with classes of the user's own.
    ///
    /// # Errors
    /// As [`Functional::from_config`].
    pub fn from_config_with(value: &Value, registry: &Registry) -> Result<Self, NnError> {
        let config = model_config(value, &[CLASS, "Model"])?;
        let layers = config.get("layers").and_then(Value::as_array);
        let layers = layers.ok_or_else(|| error("`config` needs a list `layers`"))?;
        let calls = Calls::read(layers, registry)?;
        let inputs = calls.tensors(config.get("input_layers"), "input_layers")?;
        let outputs = calls.tensors(config.get("output_layers"), "output_layers")?;
        let name = config.get("name").and_then(Value::as_str).unwrap_or("functional");
        let mut model = Self::of(Wiring::new(name, inputs, outputs)?);
        if config.get("trainable") == Some(&Value::Bool(false)) {
            model.set_trainable(false);
        }
        Ok(model)
    }
}

fn error(message: &str) -> NnError {
    NnError::Config { class: CLASS.to_owned(), message: message.to_owned() }
}

/// The calls of a config, by layer and number.
struct Calls {
    made: HashMap<(String, usize), Vec<Symbolic>>,
}

/// A call that is not made yet: its layer, which of its calls it is, and what it takes.
struct Waiting {
    layer: String,
    unit: Shared,
    number: usize,
    given: Taken,
}

/// What a call takes: its inputs, and its other arguments.
#[derive(Default)]
struct Taken {
    inputs: Vec<Reference>,
    keywords: Keywords<Reference>,
}

/// A tensor: layer, call, result.
type Reference = (String, usize, usize);

impl Calls {
    fn read(layers: &[Value], registry: &Registry) -> Result<Self, NnError> {
        let mut waiting = vec![];
        for layer in layers {
            let name = layer.get("name").and_then(Value::as_str);
            let name = name.or_else(|| layer.pointer("/config/name").and_then(Value::as_str));
            let name = name.ok_or_else(|| error("a layer has no name"))?.to_owned();
            let unit = unit(layer, registry)?;
            let nodes = layer.get("inbound_nodes").and_then(Value::as_array);
            let nodes = nodes.map(Vec::as_slice).unwrap_or_default();
            if nodes.is_empty() {
                let (layer, given) = (name, Taken::default());
                waiting.push(Waiting { layer, unit, number: 0, given });
                continue;
            }
            for (number, node) in nodes.iter().enumerate() {
                let given = Taken::read(node).map_err(|message| {
                    error(&format!("layer `{name}`, call {number}: {message}"))
                })?;
                waiting.push(Waiting { layer: name.clone(), unit: unit.clone(), number, given });
            }
        }
        let mut calls = Self { made: HashMap::new() };
        // Mostly in order; calls of shared layers may take what comes later in the list.
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut left = vec![];
            for call in waiting {
                match calls.arguments(&call.given) {
                    Ok(arguments) => calls.make(call, arguments),
                    Err(_) => left.push(call),
                }
            }
            if left.len() == before {
                let Waiting { layer, given, .. } = &left[0];
                let missing = calls.arguments(given).err();
                let (of, number, result) = missing.unwrap_or_default();
                let message = format!(
                    "layer `{layer}` takes result {result} of call {number} of `{of}`, which is not there"
                );
                return Err(error(&message));
            }
            waiting = left;
        }
        Ok(calls)
    }

    fn make(&mut self, Waiting { layer, unit, number, .. }: Waiting, arguments: CallArguments) {
        let node = Symbolic::call_at(unit, arguments, None);
        // No layer has more results; one that is not there is an error when the model is built.
        let results = (0..RESULTS).map(|port| Symbolic::of(&node, port)).collect();
        self.made.insert((layer, number), results);
    }

    fn one(&self, (layer, number, result): &Reference) -> Option<Symbolic> {
        self.made.get(&(layer.clone(), *number))?.get(*result).cloned()
    }

    /// What a call takes, or the first tensor that is not there.
    fn arguments(&self, given: &Taken) -> Result<CallArguments, Reference> {
        let one = |reference: &Reference| self.one(reference).ok_or_else(|| reference.clone());
        let inputs = given.inputs.iter().map(one).collect::<Result<_, _>>()?;
        Ok(CallArguments { inputs, keywords: given.keywords.map(one)? })
    }

    /// The tensors that `input_layers` or `output_layers` names: one, or a list or table of them.
    fn tensors(&self, value: Option<&Value>, key: &str) -> Result<Vec<Symbolic>, NnError> {
        let mut found = vec![];
        let mut stack: Vec<&Value> = value.into_iter().collect();
        while let Some(value) = stack.pop() {
            if let Some(reference) = reference(value) {
                let tensor = self.one(&reference);
                let missing = || error(&format!("`{key}`: there is no tensor {value}"));
                found.push(tensor.ok_or_else(missing)?);
                continue;
            }
            match value {
                Value::Array(values) => stack.extend(values.iter().rev()),
                Value::Object(values) => stack.extend(values.values().rev()),
                other => return Err(error(&format!("`{key}`: expected tensors, given {other}"))),
            }
        }
        Ok(found)
    }
}

/// The most results of a call that can be named.
const RESULTS: usize = 16;

/// A layer of a config, which may be a model.
fn unit(layer: &Value, registry: &Registry) -> Result<Shared, NnError> {
    match layer.get("class_name").and_then(Value::as_str) {
        Some("Functional" | "Model") => {
            Model::<Wiring>::from_config_with(layer, registry)?.into_shared()
        }
        Some("Sequential") => Sequential::from_config_with(layer, registry)?.into_shared(),
        _ => match Operation::read(layer) {
            Some(operation) => Ok(operation.shared()),
            None => Ok(Shared::of_layer(registry.object::<dyn Layer>(layer)?)),
        },
    }
}

/// `["dense", 0, 0]`.
fn reference(value: &Value) -> Option<Reference> {
    match value.as_array()?.as_slice() {
        [layer, call, result, ..] => Some((
            layer.as_str()?.to_owned(),
            usize::try_from(call.as_u64()?).ok()?,
            usize::try_from(result.as_u64()?).ok()?,
        )),
        _ => None,
    }
}

/// Arguments by which a layer is told what is one of its inputs here.
const INPUTS: [&str; 4] = ["inputs", "query", "value", "key"];

impl Taken {
    /// What a call takes, as Keras writes it: `{"args": [..], "kwargs": {..}}`.
    fn read(node: &Value) -> Result<Self, String> {
        let mut taken = Self::default();
        let arguments = node.get("args").ok_or("a call needs its arguments, `args`")?;
        taken.add_inputs(arguments)?;
        let keywords = node.get("kwargs").and_then(Value::as_object);
        let keywords = || keywords.into_iter().flatten();
        for name in INPUTS {
            for (_, value) in keywords().filter(|(key, _)| *key == name) {
                taken.add_inputs(value)?;
            }
        }
        for (key, value) in keywords().filter(|(key, _)| !INPUTS.contains(&key.as_str())) {
            // What is false in Keras is so here without a word, but for `training`.
            if value.is_null() || (value == &Value::Bool(false) && key != "training") {
                continue;
            }
            let keyword = keyword(value)?;
            if key == "mask" && matches!(keyword, Keyword::Value(_)) {
                return Err(format!("the argument `mask` is no tensor: {value}"));
            }
            taken.keywords.set(key, keyword);
        }
        Ok(taken)
    }

    /// Adds the tensors of a positional argument, one or lists of them.
    fn add_inputs(&mut self, value: &Value) -> Result<(), String> {
        let mut stack = vec![value];
        while let Some(value) = stack.pop() {
            match (value, tensor(value)?) {
                (_, Some(reference)) => self.inputs.push(reference),
                (Value::Array(values), _) => stack.extend(values.iter().rev()),
                (Value::Null, _) => {}
                // The constant of an operation, `x == 0`.
                (Value::Number(number), _) => {
                    let name = format!("x{}", self.inputs.len() + 1);
                    self.keywords.set(&name, Keyword::Value(number.clone().into()));
                }
                (other, _) => return Err(format!("an argument is no tensor: {other}")),
            }
        }
        Ok(())
    }
}

/// The tensor that Keras writes as `{"class_name": "__keras_tensor__", ..}`, if it is one.
fn tensor(value: &Value) -> Result<Option<Reference>, &'static str> {
    if value.get("class_name") != Some(&json!("__keras_tensor__")) {
        return Ok(None);
    }
    let history = value.pointer("/config/keras_history").and_then(reference);
    history.map(Some).ok_or("a tensor has no `keras_history`")
}

/// A keyword argument: a tensor, a list of them, or a value.
fn keyword(value: &Value) -> Result<Keyword<Reference>, String> {
    if let Some(reference) = tensor(value)? {
        return Ok(Keyword::Tensor(reference));
    }
    let Value::Array(values) = value else { return Ok(Keyword::Value(value.clone())) };
    let one = |value: &Value| match (tensor(value)?, value) {
        (None, Value::Null) => Ok(None),
        (None, other) => Err(format!("a list holds what is no tensor: {other}")),
        (tensor, _) => Ok(tensor),
    };
    Ok(Keyword::Tensors(values.iter().map(one).collect::<Result<_, _>>()?))
}

/// What Keras writes of a tensor between layers.
fn tensor_config(batch: &Type, history: Value) -> Value {
    let extents = sample(batch).shape;
    let shape: Vec<Option<usize>> =
        [None].into_iter().chain(extents.iter().map(|&n| Some(n))).collect();
    let dtype = if batch.dtype == DType::F32 { "float32" } else { "int32" };
    json!({ "shape": shape, "dtype": dtype, "keras_history": history })
}

impl Wiring {
    /// The model in Keras's format.
    ///
    /// # Errors
    /// If a layer does not fit what it is called on, or an argument cannot be written.
    pub(super) fn to_config(&self) -> Result<Value, NnError> {
        let numbers = self.call_numbers();
        let values = self.traced()?.values;
        let name = |call: usize| self.units[self.calls[call].unit].name.as_str();
        let history = |call: usize, port: usize| json!([name(call), numbers[call], port]);
        let mut layers = vec![];
        for (number, Named { unit, name, .. }) in self.units.iter().enumerate() {
            let mut layer = match &*unit.0 {
                Unit::Layer(layer) => {
                    let mut config = layer_config(&**layer, name)?;
                    Operation::write(&mut config);
                    config
                }
                Unit::Network(nested) => {
                    let mut config = nested.network.config()?;
                    if let Some(config) = config.get_mut("config").and_then(Value::as_object_mut) {
                        config.insert("name".to_owned(), json!(name));
                    }
                    config
                }
            };
            let calls = self.calls.iter().filter(|wire| wire.unit == number);
            let node = |wire: &Wire| {
                let tensor = |&(call, port): &(usize, usize)| {
                    json!({
                        "class_name": "__keras_tensor__",
                        "config": tensor_config(values[call][port].ty(), history(call, port)),
                    })
                };
                let tensors: Vec<Value> = wire.inputs.iter().map(tensor).collect();
                let is_list = tensors.len() > 1 && !unit.takes_separate_inputs();
                let args = if is_list { json!([tensors]) } else { json!(tensors) };
                let keyword = |keyword: &Keyword<(usize, usize)>| match keyword {
                    Keyword::Value(value) => value.clone(),
                    Keyword::Tensor(of) => tensor(of),
                    Keyword::Tensors(all) => {
                        all.iter().map(|of| of.as_ref().map_or(Value::Null, tensor)).collect()
                    }
                };
                let keywords: Map<String, Value> =
                    wire.keywords.iter().map(|(key, k)| (key.to_owned(), keyword(k))).collect();
                json!({ "args": args, "kwargs": keywords })
            };
            let nodes = calls.filter(|wire| !wire.inputs.is_empty()).map(node);
            let nodes: Vec<Value> = nodes.collect();
            let fields = layer.as_object_mut().into_iter();
            fields.for_each(|fields: &mut Map<String, Value>| {
                fields.insert("name".to_owned(), json!(name));
                fields.insert("inbound_nodes".to_owned(), json!(nodes));
            });
            layers.push(layer);
        }
        let tensors = |tensors: &[Symbolic]| -> Vec<Value> {
            tensors.iter().map(|x| history(self.call_of(x), x.port)).collect()
        };
        let config = json!({
            "name": self.name,
            "trainable": true,
            "layers": layers,
            "input_layers": tensors(&self.inputs),
            "output_layers": tensors(&self.outputs),
        });
        Ok(json!({
            "module": "keras.src.models.functional",
            "class_name": CLASS,
            "config": config,
            "registered_name": CLASS,
        }))
    }
}
