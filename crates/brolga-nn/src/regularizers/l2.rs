//! The sum of squares.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Regularizer, sum};
use crate::registry::object;

/// `l2 · Σ x²`.
///
/// Keras: `keras.regularizers.L2`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct L2 {
    /// The factor; 0.01 by default.
    pub l2: f64,
}

object!(L2 { l2: AtLeast(0.0) });

impl Default for L2 {
    fn default() -> Self {
        Self::new(0.01)
    }
}

impl L2 {
    /// With this factor.
    pub fn new(l2: f64) -> Self {
        Self { l2 }
    }
}

impl Regularizer for L2 {
    fn penalty(&self, x: &Var) -> Var {
        sum(&(x * x)) * self.l2
    }
}
