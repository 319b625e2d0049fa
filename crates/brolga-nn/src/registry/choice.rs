//! Objects that are given as values, by name or in a config.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Family, Registry, Value, by_name, check_arguments, to_keras};
use crate::error::NnError;

/// An object, or the name of one of Brolga's classes that is looked up when it is needed.
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
                check_arguments(&**object)?;
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
            Self::Object(object) => {
                to_keras(&**object).map_err(serde::ser::Error::custom)?.serialize(serializer)
            }
        }
    }
}

impl<'de, T: Family + ?Sized> Deserialize<'de> for Choice<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Registry::reading().object(&value).map(Self::Object).map_err(serde::de::Error::custom)
    }
}
