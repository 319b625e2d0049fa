//! Models in Keras's own format.

use brolga_ir::{Origin, Role, TraceError};
use serde_json::{Map, Value, json};

use super::Model;
use super::functional::Functional;
use super::sequential::Sequential;
use crate::error::NnError;
use crate::layers::Layer;
use crate::network::Network;
use crate::registry::{Registry, to_keras};

impl<N: Network> Model<N> {
    /// The architecture as Keras's `model.to_json()` writes it: layers and how they are wired, not
    /// the values of weights.
    ///
    /// # Errors
    /// If an argument cannot be written as JSON, as of a layer that is a closure.
    pub fn to_json(&self) -> Result<String, NnError> {
        Ok(self.network().config()?.to_string())
    }
}

impl Sequential {
    /// The model that `to_json`, ours or Keras's, has written.
    ///
    /// # Errors
    /// If it is not JSON, or as [`Sequential::from_config`].
    pub fn from_json(text: &str) -> Result<Self, NnError> {
        Self::from_config(&parse(text)?)
    }

    /// As [`Sequential::from_json`], with classes of the user's own.
    ///
    /// # Errors
    /// As [`Sequential::from_json`].
    pub fn from_json_with(text: &str, registry: &Registry) -> Result<Self, NnError> {
        Self::from_config_with(&parse(text)?, registry)
    }
}

impl Functional {
    /// The model that `to_json`, ours or Keras's, has written.
    ///
    /// # Errors
    /// If it is not JSON, or as [`Functional::from_config`].
    pub fn from_json(text: &str) -> Result<Self, NnError> {
        Self::from_config(&parse(text)?)
    }

    /// As [`Functional::from_json`], with classes of the user's own.
    ///
    /// # Errors
    /// As [`Functional::from_json`].
    pub fn from_json_with(text: &str, registry: &Registry) -> Result<Self, NnError> {
        Self::from_config_with(&parse(text)?, registry)
    }
}

fn parse(text: &str) -> Result<Value, NnError> {
    serde_json::from_str(text).map_err(|error| NnError::Config {
        class: "model".to_owned(),
        message: format!("the text is not JSON: {error}"),
    })
}

/// The `config` of a serialized model of one of these classes.
pub(super) fn model_config<'v>(value: &'v Value, classes: &[&str]) -> Result<&'v Value, NnError> {
    let error = |message: String| NnError::Config { class: classes[0].to_owned(), message };
    let class = value.get("class_name").and_then(Value::as_str).unwrap_or_default();
    if !classes.contains(&class) {
        return Err(error(format!("expected the class `{}`, given `{class}`", classes[0])));
    }
    value.get("config").ok_or_else(|| error("a model needs a `config`".to_owned()))
}

/// A layer in Keras's format, under the name that it has in the model.
pub(super) fn layer_config(layer: &(dyn Layer + 'static), name: &str) -> Result<Value, NnError> {
    let error = |error: NnError| {
        let (mistake, origin) = (error.into_mistake(), Origin::layer(name, Role::Forward));
        NnError::from(TraceError { mistake, origin })
    };
    let mut value = to_keras(layer).map_err(error)?;
    if let Some(config) = value.get_mut("config").and_then(Value::as_object_mut) {
        config.insert("name".to_owned(), json!(name));
    }
    if let Some(fields) = value.as_object_mut() {
        rename_input(fields, layer);
    }
    Ok(value)
}

/// Keras's class of inputs is `InputLayer`.
fn rename_input(fields: &mut Map<String, Value>, layer: &dyn Layer) {
    if layer.input_type().is_some() {
        fields.insert("class_name".to_owned(), json!("InputLayer"));
    }
}
