//! Activations: functions of one tensor, one file each.
//!
//! A new activation is a new file and one line in the list below.

mod axis;
mod function;

use std::fmt;
use std::sync::Arc;

use brolga_ir::Var;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::NnError;
use crate::registry::{Choice, Object, Value, by_name, family, snake_case, to_keras};

pub use function::Function;

/// A function of one tensor, applied to what a layer computes.
pub trait ActivationFunction: Object {
    /// Adds the function to the graph.
    fn apply(&self, x: &Var) -> Var;

    /// The logits of the result, if it consists of probabilities.
    fn logits(&self, x: &Var) -> Option<Logits> {
        let _ = x;
        None
    }
}

/// The logits that probabilities were computed from. Losses take them, where they are known,
/// instead of rounded probabilities.
#[derive(Debug, Clone)]
pub enum Logits {
    /// The probabilities are the softmax of this, along the last axis.
    Softmax(Var),
    /// The probabilities are the sigmoid of this.
    Sigmoid(Var),
}

/// Declares the files of all activations and the table of their classes: files with a function of
/// this name, for which a class without arguments is declared, and files with a class.
macro_rules! activations {
    (
        functions { $($function:ident: $plain:ident $([$($plain_alias:literal),*])?,)* }
        classes { $($file:ident: $class:ident,)* }
    ) => {
        $(
            mod $function;
            pub use $function::$function;

            #[doc = concat!("The activation [`", stringify!($function), "`], which has no arguments.")]
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
            pub struct $plain {}

            crate::registry::object!($plain);

            impl ActivationFunction for $plain {
                fn apply(&self, x: &Var) -> Var {
                    $function(x)
                }
            }
        )*
        $(mod $file; pub use $file::$class;)*

        family! {
            "activation" ActivationFunction(snake_case) of "keras.activations" {
                $($plain $([$($plain_alias),*])?,)*
                $($class,)*
            }
        }
    };
}

activations! {
    functions {
        exponential: Exponential,
        hard_sigmoid: HardSigmoid,
        hard_silu: HardSilu ["hard_swish"],
        hard_tanh: HardTanh,
        linear: Linear,
        log_sigmoid: LogSigmoid,
        mish: Mish,
        relu6: Relu6,
        selu: Selu,
        silu: Silu ["swish"],
        softplus: Softplus,
        softsign: Softsign,
        sparse_plus: SparsePlus,
        sparse_sigmoid: SparseSigmoid,
        tanh: Tanh,
        tanh_shrink: TanhShrink,
    }
    classes {
        celu: Celu,
        elu: Elu,
        gelu: Gelu,
        glu: Glu,
        hard_shrink: HardShrink,
        leaky_relu: LeakyRelu,
        log_softmax: LogSoftmax,
        relu: Relu,
        sigmoid: Sigmoid,
        soft_shrink: SoftShrink,
        softmax: Softmax,
        sparsemax: Sparsemax,
        squareplus: Squareplus,
        threshold: Threshold,
    }
}

/// The argument `activation` of layers: a name, `"relu"`, or a value, `Elu { alpha: 0.5 }`.
///
/// In a config an activation with its default arguments is its name, as in Keras; one with other
/// arguments, which Keras cannot write, is `{"class_name": .., "config": ..}`.
#[derive(Clone)]
pub struct Activation(Choice<dyn ActivationFunction>);

impl Activation {
    /// The function.
    ///
    /// # Errors
    /// If there is no activation of this name, or an argument is out of its range.
    pub fn resolve(&self) -> Result<Arc<dyn ActivationFunction>, NnError> {
        self.0.resolve()
    }

    /// Adds the function to the graph.
    ///
    /// A mistake if there is no activation of this name, or an argument is out of its range.
    #[track_caller]
    #[must_use]
    pub fn apply(&self, x: &Var) -> Var {
        match self.resolve() {
            Ok(function) => function.apply(x),
            Err(error) => x.tracer().fail(error.into_mistake()),
        }
    }
}

/// No function: `linear`.
impl Default for Activation {
    fn default() -> Self {
        Linear::default().into()
    }
}

impl fmt::Debug for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: ActivationFunction + 'static> From<T> for Activation {
    fn from(function: T) -> Self {
        Self(Choice::Object(Arc::new(function)))
    }
}

impl From<Arc<dyn ActivationFunction>> for Activation {
    fn from(function: Arc<dyn ActivationFunction>) -> Self {
        Self(function.into())
    }
}

impl From<&str> for Activation {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for Activation {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl Serialize for Activation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = match &self.0 {
            Choice::Named(name) => match by_name::<dyn ActivationFunction>(name) {
                Ok(function) => name_or_config(&*function),
                Err(_) => Ok(Value::from(name.as_str())),
            },
            Choice::Object(function) => name_or_config(&**function),
        };
        written.map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

/// The name of an activation with its default arguments; the config of another one.
fn name_or_config(function: &(dyn ActivationFunction + 'static)) -> Result<Value, NnError> {
    let class = function.class_name();
    let default = by_name::<dyn ActivationFunction>(class);
    match default.and_then(|default| default.config()) {
        Ok(default) if default == function.config()? => Ok(snake_case(class).into()),
        _ => to_keras(function),
    }
}

impl<'de> Deserialize<'de> for Activation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map(Self).unwrap_or_default())
    }
}
