//! Objects by class name: what Keras serializes as `{"class_name": .., "config": ..}`.
//!
//! Layers, losses, metrics, optimizers and initializers are [`Object`]s. Each family has one table of its classes, from which
//! [`by_name`] takes what users name (`"adam"`, `"mse"`) and [`from_config`] what Keras wrote.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::arguments::{self, Argument};
use crate::error::NnError;

/// An object that is known by a class name and a config with Keras's keys.
pub trait Object: fmt::Debug + Send + Sync {
    /// The class name, such as `Conv2D`.
    fn class_name(&self) -> &'static str;

    /// The arguments under Keras's names.
    fn config(&self) -> Value;

    /// The arguments that are numbers, and which they may be; checked when the object is used.
    fn arguments(&self) -> Vec<Argument> {
        vec![]
    }
}

/// Implements [`Object`] for a type that serde writes with Keras's keys. A table says which numbers its arguments may be.
macro_rules! object {
    ($type:ident $({ $($argument:ident: $range:expr),* $(,)? } $(and $more:ident)?)?) => {
        impl crate::registry::Object for $type {
            fn class_name(&self) -> &'static str {
                stringify!($type)
            }

            fn config(&self) -> serde_json::Value {
                crate::registry::to_value(self)
            }

            $(fn arguments(&self) -> Vec<crate::arguments::Argument> {
                use crate::arguments::{Argument, Range::*};
                let own = [$(Argument::new(stringify!($argument), &self.$argument, $range)),*];
                own.into_iter()$(.chain(self.$more.arguments()))?.collect()
            })?
        }
    };
}
pub(crate) use object;

/// Declares the files of a family and its table of classes: `file: Class [aliases]`.
macro_rules! classes {
    ($kind:literal $family:ident($($style:tt)*) {
        $($file:ident: $class:ident $([$($alias:literal),*])?,)*
    }) => {
        $(mod $file; pub use $file::$class;)*

        crate::registry::family! { $kind $family($($style)*) { $($class $([$($alias),*])?,)* } }
    };
}
pub(crate) use classes;

/// Declares the table of classes of a family whose types are in scope.
macro_rules! family {
    ($kind:literal $family:ident($name_of:path $(, $also:literal)*) {
        $($class:ident $([$($alias:literal),*])?,)*
    }) => {
        impl crate::registry::Family for dyn $family {
            const KIND: &'static str = $kind;
            const ALSO: &'static [&'static str] = &[$($also),*];

            fn name_of(class: &str) -> String {
                $name_of(class)
            }

            fn classes() -> &'static [crate::registry::Class<Self>] {
                &[$(crate::registry::Class {
                    name: stringify!($class),
                    aliases: &[$($($alias),*)?],
                    build: |config| {
                        let object: $class = crate::registry::read(stringify!($class), config)?;
                        Ok(std::sync::Arc::new(object))
                    },
                },)*]
            }
        }
    };
}
pub(crate) use family;

/// A class of a family of objects.
pub struct Class<T: ?Sized> {
    /// The class name.
    pub name: &'static str,
    /// Other names that [`by_name`] accepts.
    pub aliases: &'static [&'static str],
    /// Makes an object of a config.
    pub build: fn(&Value) -> Result<Arc<T>, NnError>,
}

/// A family of classes, such as all losses.
pub trait Family: Object + 'static {
    /// What one of them is called in messages.
    const KIND: &'static str;

    /// Names that users may write besides those of classes.
    const ALSO: &'static [&'static str];

    /// All classes.
    fn classes() -> &'static [Class<Self>];

    /// The name that users write for a class.
    fn name_of(class: &str) -> String;
}

/// The object of this class with its default arguments.
///
/// Case and underscores do not matter: `glorot_uniform` is `GlorotUniform`.
///
/// # Errors
/// If there is no such class; the message lists those that exist.
pub fn by_name<T: Family + ?Sized>(name: &str) -> Result<Arc<T>, NnError> {
    build(name, &Value::Object(Map::new()))
}

/// The object that Keras serialized as `{"class_name": .., "config": ..}`, or named by a string.
///
/// # Errors
/// If the class does not exist, or an argument is missing, malformed or not supported.
pub fn from_config<T: Family + ?Sized>(value: &Value) -> Result<Arc<T>, NnError> {
    if let Some(name) = value.as_str() {
        return by_name(name);
    }
    let Some(class) = value.get("class_name").and_then(Value::as_str) else {
        return Err(NnError::Config {
            class: T::KIND.to_owned(),
            message: format!(
                "expected a name or an object with `class_name` and `config`, given {value}"
            ),
        });
    };
    build(class, value.get("config").unwrap_or(&Value::Object(Map::new())))
}

/// The form that [`from_config`] reads.
pub fn to_config(object: &(impl Object + ?Sized)) -> Value {
    json!({ "class_name": object.class_name(), "config": object.config() })
}

fn build<T: Family + ?Sized>(name: &str, config: &Value) -> Result<Arc<T>, NnError> {
    let wanted = normal(name);
    let fits = |class: &&Class<T>| {
        normal(class.name) == wanted || class.aliases.iter().any(|alias| normal(alias) == wanted)
    };
    match T::classes().iter().find(fits) {
        Some(class) => (class.build)(config),
        None => {
            // Names are listed as the user writes them: `Adam` or `adam`.
            let classes = T::classes().iter().map(|class| class.name);
            let known: Vec<String> = if name.contains(char::is_uppercase) {
                classes.map(str::to_owned).collect()
            } else {
                T::ALSO.iter().map(ToString::to_string).chain(classes.map(T::name_of)).collect()
            };
            Err(NnError::unknown(T::KIND, name, &known))
        }
    }
}

fn normal(name: &str) -> String {
    name.chars().filter(|&c| c != '_').flat_map(char::to_lowercase).collect()
}

/// Keras's name for an object of a class: `MaxPooling2D` becomes `max_pooling2d`.
pub fn snake_case(class: &str) -> String {
    let chars: Vec<char> = class.chars().collect();
    let mut name = String::new();
    for (place, &c) in chars.iter().enumerate() {
        let word = c.is_uppercase()
            && place > 0
            && (chars.get(place + 1).is_some_and(|c| c.is_lowercase())
                || chars[place - 1].is_lowercase());
        if word {
            name.push('_');
        }
        name.extend(c.to_lowercase());
    }
    name
}

/// The arguments of an object as serde writes them.
pub(crate) fn to_value(object: &impl Serialize) -> Value {
    serde_json::to_value(object)
        .expect("configs consist of strings, numbers, truth values and lists")
}

/// Keys of Keras's configs that say nothing as long as another one, which is refused, is not set.
const INERT: [&str; 1] = ["ema_momentum"];

/// Reads the arguments of a class.
///
/// # Errors
/// If an argument is missing or malformed, or one that is not known here is set to something.
pub(crate) fn read<T: DeserializeOwned + Object>(
    class: &str,
    config: &Value,
) -> Result<T, NnError> {
    let parse = |config: Value| serde_json::from_value::<T>(config).map_err(|e| e.to_string());
    match parse(config.clone()) {
        Ok(object) => check_rest(class, config, &object.config()).map(|()| object),
        Err(message) => Err(unreadable(class, config, message, &|rest| parse(rest).map(drop))),
    }
}

/// The error of a config that cannot be read, with the key that is to blame.
fn unreadable(
    class: &str,
    config: &Value,
    message: String,
    reads: &dyn Fn(Value) -> Result<(), String>,
) -> NnError {
    let message = match culprit(config, &message, reads) {
        Some(key) => format!("`{key}`: {message}"),
        None => message,
    };
    NnError::Config { class: class.to_owned(), message }
}

/// An error if a key that is not among the known ones is set to something.
fn check_rest(class: &str, config: &Value, known: &Value) -> Result<(), NnError> {
    for (key, value) in config.as_object().into_iter().flatten() {
        let says_nothing =
            value.is_null() || value == &Value::Bool(false) || INERT.contains(&key.as_str());
        if known.get(key).is_some() || says_nothing {
            continue;
        }
        let accepted = match key.as_str() {
            "data_format" => value == "channels_last",
            "dtype" => value.pointer("/config/name").unwrap_or(value) == "float32",
            "name" => true,
            _ => false,
        };
        if !accepted {
            let (class, key, value) = (class.to_owned(), key.clone(), value.to_string());
            return Err(NnError::Unsupported { class, key, value });
        }
    }
    Ok(())
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

/// An object, or the name of one that is looked up when it is needed.
pub enum Choice<T: ?Sized> {
    /// The name of a class.
    Named(String),
    /// The object.
    Object(Arc<T>),
}

impl<T: Family + ?Sized> Choice<T> {
    /// The object.
    ///
    /// # Errors
    /// If there is no class of this name, or an argument is out of its range.
    pub fn resolve(&self) -> Result<Arc<T>, NnError> {
        match self {
            Self::Named(name) => by_name(name),
            Self::Object(object) => {
                arguments::check(&**object)?;
                Ok(object.clone())
            }
        }
    }
}

impl<T: ?Sized> Clone for Choice<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Named(name) => Self::Named(name.clone()),
            Self::Object(object) => Self::Object(object.clone()),
        }
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for Choice<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => name.fmt(f),
            Self::Object(object) => object.fmt(f),
        }
    }
}

impl<T: ?Sized> From<&str> for Choice<T> {
    fn from(name: &str) -> Self {
        Self::Named(name.to_owned())
    }
}

impl<T: ?Sized> From<String> for Choice<T> {
    fn from(name: String) -> Self {
        Self::Named(name)
    }
}

impl<T: ?Sized> From<Arc<T>> for Choice<T> {
    fn from(object: Arc<T>) -> Self {
        Self::Object(object)
    }
}

impl<T: Family + ?Sized> Serialize for Choice<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Named(name) => serializer.serialize_str(name),
            Self::Object(object) => to_config(&**object).serialize(serializer),
        }
    }
}

impl<'de, T: Family + ?Sized> Deserialize<'de> for Choice<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        from_config(&value).map(Self::Object).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_keras_has_them() {
        for (class, name) in [
            ("Conv2D", "conv2d"),
            ("MaxPooling2D", "max_pooling2d"),
            ("GlobalAveragePooling2D", "global_average_pooling2d"),
            ("Dense", "dense"),
            ("SparseCategoricalAccuracy", "sparse_categorical_accuracy"),
            ("ReLU", "re_lu"),
            ("RMSprop", "rm_sprop"),
        ] {
            assert_eq!(snake_case(class), name);
        }
    }
}
