//! The activation `elu`.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::ActivationFunction;
use crate::registry::object;

/// The exponential linear unit `f(x) = x` where `x > 0`, `alpha · (eˣ − 1)` elsewhere.
///
/// Clevert et al., "Fast and accurate deep network learning by exponential linear units" (2016).
///
/// Keras: `keras.activations.elu`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Elu {
    /// The negative of the limit at −∞; 1 by default.
    pub alpha: f64,
}

object!(Elu { alpha: Finite });

impl Default for Elu {
    fn default() -> Self {
        Self { alpha: 1.0 }
    }
}

impl ActivationFunction for Elu {
    fn apply(&self, x: &Var) -> Var {
        let positive = x.gt(&x.constant_like(0.0));
        let exponential = exponential_below(x, &positive);
        let scaled = if self.alpha == 1.0 { exponential } else { exponential * self.alpha };
        positive.select(x, &scaled)
    }
}

/// `eˣ − 1` where x is not positive. Elsewhere the exponential is that of 0, so that neither it nor
/// its gradient overflows.
pub(super) fn exponential_below(x: &Var, positive: &Var) -> Var {
    positive.select(&x.constant_like(0.0), x).exp() - 1.0
}
