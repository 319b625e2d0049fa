//! The activation `squareplus`.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::ActivationFunction;
use crate::registry::object;

/// `f(x) = (x + √(x² + b)) / 2`.
///
/// Barron, "Squareplus: a softplus-like algebraic rectifier" (2021).
///
/// Keras: `keras.activations.squareplus`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Squareplus {
    /// The width of the bend; 4 by default.
    pub b: f64,
}

object!(Squareplus { b: Positive });

impl Default for Squareplus {
    fn default() -> Self {
        Self { b: 4.0 }
    }
}

impl ActivationFunction for Squareplus {
    fn apply(&self, x: &Var) -> Var {
        (x + (x * x + self.b).sqrt()) * 0.5
    }
}
