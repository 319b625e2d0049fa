//! The activation `hard_shrink`.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::ActivationFunction;
use crate::registry::object;

/// `f(x) = x` where `|x| > threshold`, 0 elsewhere.
///
/// Keras: `keras.activations.hard_shrink`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HardShrink {
    /// The largest magnitude that becomes 0; ½ by default.
    pub threshold: f64,
}

object!(HardShrink { threshold: AtLeast(0.0) });

impl Default for HardShrink {
    fn default() -> Self {
        Self { threshold: 0.5 }
    }
}

impl ActivationFunction for HardShrink {
    fn apply(&self, x: &Var) -> Var {
        x.abs().gt(&x.constant_like(self.threshold)).select(x, &x.constant_like(0.0))
    }
}
