//! Objects by class name: what Keras serializes as `{"class_name": .., "config": ..}`.
//!
//! Layers, losses, metrics, optimizers and initializers are [`Object`]s. Each family has one table
//! of its classes, from which [`by_name`] takes what users name (`"adam"`, `"mse"`) and
//! [`from_config`] what Keras wrote. A [`Registry`] has the user's own classes besides.

mod choice;
mod closure;
mod config;

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use brolga_ir::Mistake;
use serde_json::{Map, json};

pub use choice::Choice;
pub(crate) use closure::OfTwo;
pub use closure::{AsFunction, AsValue, Closure, IntoArgument};
pub use config::{read, to_value};
pub use serde_json::Value;

use crate::arguments::{self, Argument};
use crate::error::NnError;

/// An object that is known by a class name and a config with Keras's keys.
pub trait Object: fmt::Debug + Send + Sync {
    /// The class name, such as `Conv2D`.
    fn class_name(&self) -> &'static str;

    /// The arguments under Keras's names.
    ///
    /// # Errors
    /// If they cannot be written as JSON.
    fn config(&self) -> Result<Value, NnError>;

    /// The arguments that are numbers, and which they may be; checked when the object is used.
    fn arguments(&self) -> Vec<Argument> {
        vec![]
    }
}

/// Fails if an argument of an object is out of its range.
///
/// # Errors
/// The first such argument, with its range.
pub fn check_arguments(object: &(impl Object + ?Sized)) -> Result<(), Mistake> {
    arguments::check(object.class_name(), &object.arguments())
}

/// Implements [`Object`] for a type that serde writes under Keras's keys. A table says which
/// numbers its arguments may be.
///
/// ```
/// use brolga_nn::initializers::{Initializer, Random};
/// use serde::{Deserialize, Serialize};
///
/// /// `start`, `start + 1`, ..
/// #[derive(Debug, Serialize, Deserialize)]
/// struct Ramp {
///     start: f64,
/// }
///
/// brolga_nn::object!(Ramp { start: Finite });
///
/// impl Initializer for Ramp {
///     fn fill(&self, _: &brolga_ir::Shape, _: Random, start: usize, values: &mut [f32]) {
///         let first = self.start as f32 + start as f32;
///         (0..).zip(values).for_each(|(index, value)| *value = first + index as f32);
///     }
/// }
/// ```
#[macro_export]
macro_rules! object {
    ($type:ident and $more:ident) => {
        impl $crate::registry::Object for $type {
            fn class_name(&self) -> &'static str {
                stringify!($type)
            }

            fn config(&self) -> Result<$crate::registry::Value, $crate::NnError> {
                $crate::registry::to_value(stringify!($type), self)
            }

            fn arguments(&self) -> Vec<$crate::arguments::Argument> {
                self.$more.arguments()
            }
        }
    };
    ($type:ident $({ $($argument:ident: $range:expr),* $(,)? } $(and $more:ident)?)?) => {
        impl $crate::registry::Object for $type {
            fn class_name(&self) -> &'static str {
                stringify!($type)
            }

            fn config(&self) -> Result<$crate::registry::Value, $crate::NnError> {
                $crate::registry::to_value(stringify!($type), self)
            }

            $(fn arguments(&self) -> Vec<$crate::arguments::Argument> {
                use $crate::arguments::{Argument, Range::*};
                let own = [$(Argument::new(stringify!($argument), &self.$argument, $range)),*];
                own.into_iter()$(.chain(self.$more.arguments()))?.collect()
            })?
        }
    };
}
pub use object;

/// The [`Class`] of an [`Object`] that serde reads, with other names for it: `class!(Ramp
/// ["steps"])`.
#[macro_export]
macro_rules! class {
    ($class:ident $([$($alias:literal),* $(,)?])?) => {
        $crate::registry::Class {
            name: stringify!($class),
            aliases: &[$($($alias),*)?],
            build: |config| {
                let object: $class = $crate::registry::read(stringify!($class), config)?;
                Ok(std::sync::Arc::new(object))
            },
        }
    };
}
pub use class;

/// Declares the files of a family and its table of classes: `file: Class [aliases]`.
macro_rules! classes {
    ($kind:literal $family:ident($($style:tt)*) of $module:literal {
        $($file:ident: $class:ident $([$($alias:literal),*])?,)*
    }) => {
        $(mod $file; pub use $file::$class;)*

        crate::registry::family! {
            $kind $family($($style)*) of $module { $($class $([$($alias),*])?,)* }
        }
    };
}
pub(crate) use classes;

/// Declares the table of classes of a family whose types are in scope.
macro_rules! family {
    ($kind:literal $family:ident($name_of:path) of $module:literal {
        $($class:ident $([$($alias:literal),*])?,)*
    }) => {
        impl crate::registry::Family for dyn $family {
            const KIND: &'static str = $kind;
            const MODULE: &'static str = $module;

            fn name_of(class: &str) -> String {
                $name_of(class)
            }

            fn classes() -> &'static [crate::registry::Class<Self>] {
                &[$(crate::registry::class!($class $([$($alias),*])?),)*]
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

impl<T: ?Sized> Clone for Class<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Class<T> {}

/// A family of classes, such as all losses.
pub trait Family: Object + 'static {
    /// The word for one of them in messages.
    const KIND: &'static str;
    /// The module in which Keras has them, such as `keras.losses`.
    const MODULE: &'static str;

    /// All classes.
    fn classes() -> &'static [Class<Self>];

    /// The name that users write for a class.
    fn name_of(class: &str) -> String;
}

/// The classes that names and configs stand for: those of Brolga, and the user's own.
///
/// ```
/// # use brolga_nn::initializers::{Initializer, Random};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Serialize, Deserialize)]
/// # struct Ramp { start: f64 }
/// # brolga_nn::object!(Ramp { start: Finite });
/// # impl Initializer for Ramp {
/// #     fn fill(&self, _: &brolga_ir::Shape, _: Random, _: usize, _: &mut [f32]) {}
/// # }
/// use brolga_nn::prelude::*;
/// use brolga_nn::registry::Registry;
///
/// let mut registry = Registry::default();
/// registry.add::<dyn Initializer>(brolga_nn::class!(Ramp));
/// let config = serde_json::json!({
///     "class_name": "Dense",
///     "config": {
///         "units": 3,
///         "kernel_initializer": { "class_name": "Ramp", "config": { "start": 2.0 } },
///     },
/// });
/// let layer = registry.object::<dyn Layer>(&config)?;
/// # Ok::<(), NnError>(())
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    /// A `Vec<Class<T>>` for each family `T` with classes of the user's own, the last one first.
    own: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

thread_local! {
    /// The registry of the config that is being read: serde cannot pass it on to the
    /// objects inside of an object.
    static READING: RefCell<Registry> = RefCell::default();
}

/// Puts the registry back that was there before.
struct Outer(Registry);

impl Drop for Outer {
    fn drop(&mut self) {
        READING.set(std::mem::take(&mut self.0));
    }
}

impl Registry {
    /// The registry of the config that is being read.
    fn reading() -> Self {
        READING.with_borrow(Self::clone)
    }

    /// Adds a class of the user's own. It goes before one of the same name that is there already,
    /// as Keras's `custom_objects` do.
    pub fn add<T: Family + ?Sized>(&mut self, class: Class<T>) -> &mut Self {
        let classes: Vec<Class<T>> = [class].iter().chain(self.own()).copied().collect();
        self.own.insert(TypeId::of::<T>(), Arc::new(classes));
        self
    }

    fn own<T: Family + ?Sized>(&self) -> &[Class<T>] {
        let classes = self.own.get(&TypeId::of::<T>());
        classes
            .and_then(|classes| classes.downcast_ref::<Vec<Class<T>>>())
            .map_or(&[], Vec::as_slice)
    }

    /// The object of this class with its default arguments.
    ///
    /// Case and underscores do not matter: `glorot_uniform` is `GlorotUniform`.
    ///
    /// # Errors
    /// If there is no such class; the message lists those that exist.
    pub fn by_name<T: Family + ?Sized>(&self, name: &str) -> Result<Arc<T>, NnError> {
        self.build(name, &Value::Object(Map::new()))
    }

    /// The object that Keras serialized as `{"class_name": .., "config": ..}`, or named by a
    /// string. Objects inside of it are of classes of this registry too.
    ///
    /// # Errors
    /// If the class does not exist, or an argument is missing, malformed or not supported.
    pub fn object<T: Family + ?Sized>(&self, value: &Value) -> Result<Arc<T>, NnError> {
        if let Some(name) = value.as_str() {
            return self.by_name(name);
        }
        let class = value.get("class_name").and_then(Value::as_str);
        // A class of the user's own may have its package in front, as `Custom>Scale`.
        let class = class.map(|class| class.rsplit('>').next().unwrap_or(class));
        let Some(class) = class else {
            return Err(NnError::Config {
                class: T::KIND.to_owned(),
                message: format!(
                    "expected a name or an object with `class_name` and `config`, given {value}"
                ),
            });
        };
        self.build(class, value.get("config").unwrap_or(&Value::Object(Map::new())))
    }

    fn build<T: Family + ?Sized>(&self, name: &str, config: &Value) -> Result<Arc<T>, NnError> {
        let wanted = normal(name);
        let fits = |class: &&Class<T>| {
            normal(class.name) == wanted
                || class.aliases.iter().any(|alias| normal(alias) == wanted)
        };
        let mut classes = self.own().iter().chain(T::classes());
        let Some(class) = classes.find(fits) else { return Err(self.unknown::<T>(name)) };
        let _outer = Outer(READING.replace(self.clone()));
        (class.build)(config)
    }

    /// The error of a name that no class has. Classes are listed as the user writes: `Adam` or
    /// `adam`.
    fn unknown<T: Family + ?Sized>(&self, name: &str) -> NnError {
        let classes = T::classes().iter().chain(self.own()).map(|class| class.name);
        let mut known: Vec<String> = if name.contains(char::is_uppercase) {
            classes.map(str::to_owned).collect()
        } else {
            classes.map(T::name_of).collect()
        };
        known.sort_unstable();
        NnError::unknown(T::KIND, name, &known)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("families", &self.own.len()).finish()
    }
}

/// As [`Registry::by_name`], without classes of the user's own.
///
/// # Errors
/// As [`Registry::by_name`].
pub fn by_name<T: Family + ?Sized>(name: &str) -> Result<Arc<T>, NnError> {
    Registry::default().by_name(name)
}

/// As [`Registry::object`], without classes of the user's own.
///
/// # Errors
/// As [`Registry::object`].
pub fn from_config<T: Family + ?Sized>(value: &Value) -> Result<Arc<T>, NnError> {
    Registry::default().object(value)
}

/// The form that [`from_config`] reads.
///
/// # Errors
/// If the arguments cannot be written as JSON.
pub fn to_config(object: &(impl Object + ?Sized)) -> Result<Value, NnError> {
    Ok(json!({ "class_name": object.class_name(), "config": object.config()? }))
}

/// The object as Keras serializes it: `{"module": .., "class_name": .., "config": ..,
/// "registered_name": ..}`, which Keras reads too. A class of the user's own is named as one that
/// `keras.saving.register_keras_serializable()` has registered there.
///
/// # Errors
/// If the arguments cannot be written as JSON.
pub fn to_keras<T: Family + ?Sized>(object: &T) -> Result<Value, NnError> {
    let class = object.class_name();
    let (module, registered) = if KERAS_HUB.contains(&class) {
        (json!("keras_hub.layers"), json!(format!("keras_hub>{class}")))
    } else if T::classes().iter().any(|known| known.name == class) {
        (json!(T::MODULE), Value::Null)
    } else {
        (Value::Null, json!(format!("Custom>{class}")))
    };
    Ok(json!({
        "module": module,
        "class_name": class,
        "config": object.config()?,
        "registered_name": registered,
    }))
}

/// The layers that Keras has in its library KerasHub.
const KERAS_HUB: [&str; 4] =
    ["PositionEmbedding", "RotaryEmbedding", "SinePositionEncoding", "TokenAndPositionEmbedding"];

fn normal(name: &str) -> String {
    name.chars().filter(|&c| c != '_').flat_map(char::to_lowercase).collect()
}

/// Keras's name for an object of a class: `MaxPooling2D` becomes `max_pooling2d`.
pub fn snake_case(class: &str) -> String {
    let chars: Vec<char> = class.chars().collect();
    let mut name = String::new();
    for (index, &c) in chars.iter().enumerate() {
        let word = c.is_uppercase()
            && index > 0
            && (chars.get(index + 1).is_some_and(|c| c.is_lowercase())
                || chars[index - 1].is_lowercase());
        if word {
            name.push('_');
        }
        name.extend(c.to_lowercase());
    }
    name
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
