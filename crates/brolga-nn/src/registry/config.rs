//! The arguments of a class as Keras's configs have them.

use brolga_ir::spelling::nearest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Map;

use super::{Object, Value};
use crate::error::NnError;

/// The arguments of an object as serde writes them: [`Object::config`] of
/// [`object!`](crate::object).
///
/// # Errors
/// If serde cannot write them as JSON.
pub fn to_value(class: &str, object: &impl Serialize) -> Result<Value, NnError> {
    let error = |e: serde_json::Error| config_error(class, e.to_string());
    serde_json::to_value(object).map_err(error)
}

fn config_error(class: &str, message: String) -> NnError {
    NnError::Config { class: class.to_owned(), message }
}

/// Reads the arguments of a class.
///
/// # Errors
/// If an argument is missing or malformed, or one that is not known here is set to something.
pub fn read<T: DeserializeOwned + Object>(class: &str, config: &Value) -> Result<T, NnError> {
    let parse = |config: Value| serde_json::from_value::<T>(config).map_err(|e| e.to_string());
    let config = without_arrays(config);
    match parse(config.clone()) {
        Ok(object) => check_rest(class, &config, &object.config()?).map(|()| object),
        Err(message) => Err(unreadable(class, &config, message, &|rest| parse(rest).map(drop))),
    }
}

/// The config with lists of numbers where Keras writes arrays.
fn without_arrays(config: &Value) -> Value {
    let Some(map) = config.as_object() else { return config.clone() };
    let plain = |(key, value): (&String, &Value)| {
        let array = match value["class_name"].as_str() {
            Some("__tensor__" | "__numpy__") => value.pointer("/config/value"),
            _ => None,
        };
        (key.clone(), array.unwrap_or(value).clone())
    };
    Value::Object(map.iter().map(plain).collect())
}

/// The error of a config that cannot be read, with the key that is to blame.
fn unreadable(
    class: &str,
    config: &Value,
    message: String,
    reads: &dyn Fn(Value) -> Result<(), String>,
) -> NnError {
    // A field that is missing may be there under a name that is nearly its own.
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    if let (Some(field), Some(given)) = (missing, config.as_object())
        && let Some((key, value)) = given.iter().find(|(key, _)| nearest(key, [field]).is_some())
    {
        return unsupported(class, key, value, [field]);
    }
    match culprit(config, &message, reads) {
        Some(key) => config_error(class, format!("`{key}`: {message}")),
        None => config_error(class, message),
    }
}

/// An error if a key that is not among the known ones is set to something.
fn check_rest(class: &str, config: &Value, known: &Value) -> Result<(), NnError> {
    for (key, value) in config.as_object().into_iter().flatten() {
        let says_nothing = value.is_null() || value == &Value::Bool(false);
        if known.get(key).is_some() || says_nothing {
            continue;
        }
        let accepted = match key.as_str() {
            "data_format" => value == "channels_last",
            "dtype" => is_dtype(class, value.pointer("/config/name").unwrap_or(value)),
            "name" => true,
            // What Keras says of the vocabulary of a lookup.
            "encoding" => value == "utf-8",
            "vocabulary_dtype" => value == "int64",
            "vocabulary_size" => value.is_u64(),
            _ => false,
        };
        if !accepted {
            let known = known.as_object().into_iter().flat_map(Map::keys).map(String::as_str);
            return Err(unsupported(class, key, value, known));
        }
    }
    Ok(())
}

/// Whether a dtype is what the class computes in. Keras counts overlaps of classes in integers, and
/// gives bins as integers.
fn is_dtype(class: &str, dtype: &Value) -> bool {
    let whole = ["int", "int32", "int64"].iter().any(|&whole| dtype == whole);
    dtype == "float32" || (whole && (class.ends_with("IoU") || class == "Hashing"))
}

fn unsupported<'k>(
    class: &str,
    key: &str,
    value: &Value,
    known: impl IntoIterator<Item = &'k str>,
) -> NnError {
    let nearest = nearest(key, known).map(str::to_owned);
    let (class, key, value) = (class.to_owned(), key.to_owned(), value.to_string());
    NnError::Unsupported { class, key, value, nearest }
}

/// The key whose value makes a config unreadable: the one without which the message changes.
fn culprit(
    config: &Value,
    message: &str,
    reads: &dyn Fn(Value) -> Result<(), String>,
) -> Option<String> {
    let map = config.as_object()?;
    let blamed = |key: &&String| {
        let mut rest = map.clone();
        rest.remove(*key);
        reads(Value::Object(rest)).err().is_none_or(|other| other != message)
    };
    map.keys().find(blamed).cloned()
}
