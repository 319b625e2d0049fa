//! Norms of 1.

use brolga_ir::{Mistake, Shape, Var};
use serde::{Deserialize, Serialize};

use super::{Constraint, with_norms};
use crate::config::Axes;
use crate::registry::object;

/// `w / (n + 10⁻⁷)` with the norm n along `axis`.
///
/// The inputs of a unit of `Dense` lie along axis 0, those of a filter of `Conv2D` along axes 0, 1
/// and 2.
///
/// Keras: `keras.constraints.UnitNorm`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnitNorm {
    /// The axes along which norms are taken; 0 by default.
    pub axis: Axes,
}

object!(UnitNorm);

impl Default for UnitNorm {
    fn default() -> Self {
        Self { axis: 0.into() }
    }
}

impl Constraint for UnitNorm {
    fn check(&self, shape: &Shape) -> Result<(), Mistake> {
        self.axis.of(shape).map(drop)
    }

    fn apply(&self, weight: &Var) -> Var {
        with_norms(weight, &self.axis, |norms| norms.constant_like(1.0))
    }
}
