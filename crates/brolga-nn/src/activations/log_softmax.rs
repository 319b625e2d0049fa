//! The activation `log_softmax`.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::ActivationFunction;
use super::softmax::shifted;
use crate::registry::object;

/// `f(x)ᵢ = xᵢ − ln Σⱼ exp(xⱼ)` along an axis, computed with `x − max x`: finite wherever `x` is;
/// of `bf16` and `f16` in f32.
///
/// Keras: `keras.activations.log_softmax`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogSoftmax {
    /// The axis; −1, the last, by default.
    pub axis: i64,
}

object!(LogSoftmax);

impl Default for LogSoftmax {
    fn default() -> Self {
        Self { axis: -1 }
    }
}

impl ActivationFunction for LogSoftmax {
    fn apply(&self, x: &Var) -> Var {
        match shifted("log_softmax", self.axis, x) {
            Ok((shifted, axis)) => {
                let sum = shifted.exp().reduce_sum(&[axis], true);
                (shifted - sum.log()).cast(x.dtype())
            }
            Err(void) => void,
        }
    }
}
