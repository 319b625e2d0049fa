//! The activation `soft_shrink`.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::ActivationFunction;
use crate::registry::object;

/// `f(x) = x − threshold` where `x > threshold`, `x + threshold` where `x < −threshold`, 0 between.
///
/// Keras: `keras.activations.soft_shrink`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SoftShrink {
    /// The largest magnitude that becomes 0; ½ by default.
    pub threshold: f64,
}

object!(SoftShrink { threshold: AtLeast(0.0) });

impl Default for SoftShrink {
    fn default() -> Self {
        Self { threshold: 0.5 }
    }
}

impl ActivationFunction for SoftShrink {
    fn apply(&self, x: &Var) -> Var {
        let threshold = self.threshold;
        let (upper, lower) =
            (x.gt(&x.constant_like(threshold)), x.lt(&x.constant_like(-threshold)));
        let below = lower.select(&(x + threshold), &x.constant_like(0.0));
        upper.select(&(x - threshold), &below)
    }
}
