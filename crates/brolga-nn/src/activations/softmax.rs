//! The activation `softmax`.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::axis::axis;
use super::{ActivationFunction, Logits};
use crate::registry::object;

/// `f(x)ᵢ = exp(xᵢ) / Σⱼ exp(xⱼ)` along an axis, computed with `x − max x`, which overflows
/// nowhere; of `bf16` and `f16` in f32.
///
/// Keras: `keras.activations.softmax`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Softmax {
    /// The axis; −1, the last, by default.
    pub axis: i64,
}

object!(Softmax);

impl Default for Softmax {
    fn default() -> Self {
        Self { axis: -1 }
    }
}

impl ActivationFunction for Softmax {
    fn apply(&self, x: &Var) -> Var {
        match shifted("softmax", self.axis, x) {
            Ok((shifted, axis)) => {
                let exponentials = shifted.exp();
                let sum = exponentials.reduce_sum(&[axis], true);
                (exponentials / sum).cast(x.dtype())
            }
            Err(void) => void,
        }
    }

    fn logits(&self, x: &Var) -> Option<Logits> {
        let last = self.axis == -1 || self.axis == x.shape().rank() as i64 - 1;
        last.then(|| Logits::Softmax(x.clone()))
    }
}

/// `x − max x` along an axis, in the type in which exponentials are summed, and the axis's index.
///
/// The maximum is a constant to differentiation: what it adds to the gradient sums up to zero.
pub(super) fn shifted(name: &str, along: i64, x: &Var) -> Result<(Var, usize), Var> {
    let axis = axis(name, along, x)?;
    let x = x.cast(x.dtype().accumulator());
    let maximum = x.reduce_max(&[axis], true).stop_gradient();
    Ok((x - maximum, axis))
}
