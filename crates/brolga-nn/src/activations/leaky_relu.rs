//! The activation `leaky_relu`.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::ActivationFunction;
use crate::registry::object;

/// `f(x) = x` where `x ≥ 0`, `negative_slope · x` elsewhere.
///
/// Keras: `keras.activations.leaky_relu`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeakyRelu {
    /// The slope of the negative half; 0.2 by default.
    pub negative_slope: f64,
}

object!(LeakyRelu { negative_slope: Finite });

impl Default for LeakyRelu {
    fn default() -> Self {
        Self { negative_slope: 0.2 }
    }
}

impl ActivationFunction for LeakyRelu {
    fn apply(&self, x: &Var) -> Var {
        x.ge(&x.constant_like(0.0)).select(x, &(x * self.negative_slope))
    }
}
