//! The sums of magnitudes and of squares.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{L1, L2, Regularizer};
use crate::registry::object;

/// `l1 · Σ |x| + l2 · Σ x²`. Both factors are 0 by default, also for the name `"l1_l2"`.
///
/// Keras: `keras.regularizers.L1L2`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct L1L2 {
    /// The factor of the magnitudes; 0 by default.
    pub l1: f64,
    /// The factor of the squares; 0 by default.
    pub l2: f64,
}

object!(L1L2 { l1: AtLeast(0.0), l2: AtLeast(0.0) });

impl L1L2 {
    /// With these factors of magnitudes and of squares.
    pub fn new(l1: f64, l2: f64) -> Self {
        Self { l1, l2 }
    }
}

impl Regularizer for L1L2 {
    fn penalty(&self, x: &Var) -> Var {
        match (self.l1, self.l2) {
            (0.0, 0.0) => x.tracer().scalar(x.dtype(), 0.0),
            (l1, 0.0) => L1 { l1 }.penalty(x),
            (0.0, l2) => L2 { l2 }.penalty(x),
            (l1, l2) => L1 { l1 }.penalty(x) + L2 { l2 }.penalty(x),
        }
    }
}
