//! The activation `threshold`.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::ActivationFunction;
use crate::registry::object;

/// `f(x) = x` where `x > threshold`, `default_value` elsewhere. Both must be given.
///
/// Keras: `keras.activations.threshold`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The largest number that is replaced.
    pub threshold: f64,
    /// The number that replaces it.
    pub default_value: f64,
}

object!(Threshold { threshold: Finite, default_value: Finite });

impl ActivationFunction for Threshold {
    fn apply(&self, x: &Var) -> Var {
        let above = x.gt(&x.constant_like(self.threshold));
        above.select(x, &x.constant_like(self.default_value))
    }
}
