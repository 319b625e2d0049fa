//! The activation `sparsemax`.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::ActivationFunction;
use super::softmax::shifted;
use crate::registry::object;

/// The probabilities nearest to x along an axis: `f(x)ᵢ = max(xᵢ − τ, 0)` with the τ for which they
/// sum up to 1; of `bf16` and `f16` in f32.
///
/// Martins and Astudillo, "From softmax to sparsemax" (2016).
///
/// Keras: `keras.activations.sparsemax`, whose results, up to version 3.15, sum up to 1 only where
/// one of them is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sparsemax {
    /// The axis; −1, the last, by default.
    pub axis: i64,
}

object!(Sparsemax);

impl Default for Sparsemax {
    fn default() -> Self {
        Self { axis: -1 }
    }
}

impl ActivationFunction for Sparsemax {
    fn apply(&self, x: &Var) -> Var {
        let (z, axis) = match shifted("sparsemax", self.axis, x) {
            Ok(shifted) => shifted,
            Err(void) => return void,
        };
        let support = support(&z.stop_gradient(), axis);
        let sum = support.select(&z, &z.constant_like(0.0)).reduce_sum(&[axis], true);
        let count = support.cast(z.dtype()).reduce_sum(&[axis], true);
        (&z - (sum - 1.0) / count).relu().cast(x.dtype())
    }
}

/// Which elements are not 0 in the result: those at least as great as the last one, in descending
/// order, that is above the mean, less its share of 1, of all down to it.
fn support(z: &Var, axis: usize) -> Var {
    let (sorted, _) = z.sort(axis, true);
    let number = z.tracer().iota(sorted.ty().clone(), axis) + 1.0;
    let mean = (sorted.cumsum(axis, false, false) - 1.0) / number;
    let above = sorted.gt(&mean);
    let least = above.select(&sorted, &sorted.constant_like(f64::INFINITY));
    z.ge(&least.reduce_min(&[axis], true))
}
