//! Vectors of length 1.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::axes::{Axes, last_axis};
use super::{Base, Layer, layer};
use crate::setters::setters;
use crate::trace::Call;

/// `y = x / max(√Σx², 1e-12)` with the sum over `axis`, which may be several axes: vectors of
/// length 1. `y` has the shape of `x`.
///
/// A mistake if the input has no such axis, or it is the batch.
///
/// Keras: <https://keras.io/api/layers/normalization_layers/unit_normalization/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UnitNormalization {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "last_axis")]
    axis: Axes,
}

layer!(UnitNormalization);

/// A norm below this one divides as this one does.
const LEAST_NORM: f64 = 1e-12;

impl Default for UnitNormalization {
    fn default() -> Self {
        Self { base: Base::default(), axis: last_axis() }
    }
}

impl UnitNormalization {
    /// A normalization along the last axis.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The axis or axes normalized; −1, the last one, by default.
        axis: into Axes,
    }
}

impl Layer for UnitNormalization {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match self.axis.of(x.ty()) {
            Ok(axes) => unit(&x, &axes, LEAST_NORM),
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}

/// A tensor divided by its Euclidean norm over axes, but never by less than `least`.
///
/// The square is bounded, not the root, so that the gradient of a vector of zeros is finite.
pub(super) fn unit(x: &Var, axes: &[usize], least: f64) -> Var {
    let squares = (x * x).reduce_sum(axes, true);
    x * squares.maximum(&squares.constant_like(least * least)).rsqrt()
}
