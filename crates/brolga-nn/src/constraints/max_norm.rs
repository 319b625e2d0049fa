//! Norms up to a bound.

use brolga_ir::{Mistake, Shape, Var};
use serde::{Deserialize, Serialize};

use super::{Constraint, with_norms};
use crate::config::Axes;
use crate::registry::object;

/// `w · min(n, max_value) / (n + 10⁻⁷)` with the norm n along `axis`.
///
/// The inputs of a unit of `Dense` lie along axis 0, those of a filter of `Conv2D` along axes 0, 1
/// and 2.
///
/// Keras: `keras.constraints.MaxNorm`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MaxNorm {
    /// The largest norm; 2 by default.
    pub max_value: f64,
    /// The axes along which norms are taken; 0 by default.
    pub axis: Axes,
}

object!(MaxNorm { max_value: AtLeast(0.0) });

impl Default for MaxNorm {
    fn default() -> Self {
        Self { max_value: 2.0, axis: 0.into() }
    }
}

impl Constraint for MaxNorm {
    fn check(&self, shape: &Shape) -> Result<(), Mistake> {
        self.axis.of(shape).map(drop)
    }

    fn apply(&self, weight: &Var) -> Var {
        let bound = weight.constant_like(self.max_value);
        with_norms(weight, &self.axis, |norms| norms.minimum(&bound))
    }
}
