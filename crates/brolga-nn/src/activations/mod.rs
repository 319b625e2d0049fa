//! Activations: functions of one tensor, one file each.
//!
//! A new activation is a new file and one line in the list below.

use std::fmt;

use brolga_ir::{Mistake, Var};
use serde::{Deserialize, Serialize};

use crate::error::known_names;

/// Declares the files and the enum of all activations.
macro_rules! activations {
    ($($file:ident: $variant:ident $(= $default:ident)?,)*) => {
        $(mod $file; pub use $file::$file;)*

        /// An activation function, by Keras's name: `"relu"` or `Activation::Relu`.
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        #[expect(missing_docs, reason = "each variant is documented at the function of its name")]
        pub enum Activation {
            $($(#[$default])? $variant,)*
            /// A name that there is no activation for: an error when the layer is built.
            #[doc(hidden)]
            Unknown(String),
        }

        impl Activation {
            /// The names of all activations.
            pub const NAMES: &[&str] = &[$(stringify!($file)),*];

            /// Keras's name.
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => stringify!($file),)*
                    Self::Unknown(name) => name,
                }
            }

            /// Applies the function.
            #[track_caller]
            #[must_use]
            pub fn apply(&self, x: &Var) -> Var {
                match self {
                    $(Self::$variant => $file(x),)*
                    Self::Unknown(name) => x.tracer().fail(unknown(name)),
                }
            }
        }

        impl From<&str> for Activation {
            fn from(name: &str) -> Self {
                match name {
                    $(stringify!($file) => Self::$variant,)*
                    "swish" => Self::Silu,
                    "hard_swish" => Self::HardSilu,
                    other => Self::Unknown(other.to_owned()),
                }
            }
        }
    };
}

activations! {
    celu: Celu,
    elu: Elu,
    exponential: Exponential,
    glu: Glu,
    hard_shrink: HardShrink,
    hard_sigmoid: HardSigmoid,
    hard_silu: HardSilu,
    hard_tanh: HardTanh,
    leaky_relu: LeakyRelu,
    linear: Linear = default,
    log_sigmoid: LogSigmoid,
    log_softmax: LogSoftmax,
    mish: Mish,
    relu: Relu,
    relu6: Relu6,
    selu: Selu,
    sigmoid: Sigmoid,
    silu: Silu,
    soft_shrink: SoftShrink,
    softmax: Softmax,
    softplus: Softplus,
    softsign: Softsign,
    sparse_plus: SparsePlus,
    sparse_sigmoid: SparseSigmoid,
    squareplus: Squareplus,
    tanh: Tanh,
    tanh_shrink: TanhShrink,
}

fn unknown(name: &str) -> Mistake {
    let (message, help) = known_names("activation", name, Activation::NAMES);
    Mistake::new(message).help(help)
}

impl From<String> for Activation {
    fn from(name: String) -> Self {
        name.as_str().into()
    }
}

impl From<Activation> for String {
    fn from(activation: Activation) -> Self {
        activation.name().to_owned()
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
