//! The sum of magnitudes.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Regularizer, sum};
use crate::registry::object;

/// `l1 · Σ |x|`, whose gradient at 0 is `l1`, as Keras has it with JAX.
///
/// Keras: `keras.regularizers.L1`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct L1 {
    /// The factor; 0.01 by default.
    pub l1: f64,
}

object!(L1 { l1: AtLeast(0.0) });

impl Default for L1 {
    fn default() -> Self {
        Self::new(0.01)
    }
}

impl L1 {
    /// With this factor.
    pub fn new(l1: f64) -> Self {
        Self { l1 }
    }
}

impl Regularizer for L1 {
    fn penalty(&self, x: &Var) -> Var {
        let positive = x.ge(&x.constant_like(0.0));
        sum(&positive.select(x, &-x)) * self.l1
    }
}
