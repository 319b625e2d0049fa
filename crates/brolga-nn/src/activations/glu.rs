//! The activation `glu`.

use brolga_ir::{Mistake, Var};
use serde::{Deserialize, Serialize};

use super::ActivationFunction;
use super::axis::axis;
use crate::registry::object;

/// The gated linear unit `f([a, b]) = a·σ(b)` on the halves of an axis, whose extent must be even
/// and is halved.
///
/// Dauphin et al., "Language modeling with gated convolutional networks" (2017).
///
/// Keras: `keras.activations.glu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Glu {
    /// The axis; −1, the last, by default.
    pub axis: i64,
}

object!(Glu);

impl Default for Glu {
    fn default() -> Self {
        Self { axis: -1 }
    }
}

impl ActivationFunction for Glu {
    fn apply(&self, x: &Var) -> Var {
        let axis = match axis("glu", self.axis, x) {
            Ok(axis) => axis,
            Err(void) => return void,
        };
        let width = x.shape()[axis];
        if !width.is_multiple_of(2) {
            let message = format!("`glu` halves axis {axis}, which {} does not allow", x.ty());
            return x.tracer().fail(Mistake::new(message).help("its extent must be even"));
        }
        let half = |start: usize| {
            let (mut starts, mut limits) = (vec![0; x.shape().rank()], x.shape().to_vec());
            (starts[axis], limits[axis]) = (start, start + width / 2);
            x.slice(&starts, &limits, &vec![1; x.shape().rank()])
        };
        half(0) * half(width / 2).sigmoid()
    }
}
