//! The rectified linear unit with a slope below 0.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Base, Layer, layer};
use crate::setters::setters;
use crate::trace::Call;

/// `y = x` where `x ≥ 0`, `negative_slope · x` elsewhere. `y` has the shape of `x`.
///
/// Keras: <https://keras.io/api/layers/activation_layers/leaky_relu/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LeakyReLU {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "slope")]
    negative_slope: f64,
}

fn slope() -> f64 {
    0.3
}

layer!(LeakyReLU { negative_slope: AtLeast(0.0) });

impl Default for LeakyReLU {
    fn default() -> Self {
        Self { base: Base::default(), negative_slope: slope() }
    }
}

impl LeakyReLU {
    /// A slope of 0.3 below 0.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The slope below 0; 0.3 by default.
        negative_slope: f64,
    }
}

impl Layer for LeakyReLU {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |_, x| x.ge(&x.constant_like(0.0)).select(&x, &(&x * self.negative_slope)))
    }
}
