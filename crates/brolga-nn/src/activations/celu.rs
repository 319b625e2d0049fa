//! The activation `celu`.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::ActivationFunction;
use super::elu::exponential_below;
use crate::registry::object;

/// The continuously differentiable exponential linear unit `f(x) = x` where `x > 0`,
/// `alpha · (exp(x / alpha) − 1)` elsewhere.
///
/// Barron, "Continuously differentiable exponential linear units" (2017).
///
/// Keras: `keras.activations.celu`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Celu {
    /// The negative of the limit at −∞; 1 by default.
    pub alpha: f64,
}

object!(Celu { alpha: Positive });

impl Default for Celu {
    fn default() -> Self {
        Self { alpha: 1.0 }
    }
}

impl ActivationFunction for Celu {
    fn apply(&self, x: &Var) -> Var {
        let positive = x.gt(&x.constant_like(0.0));
        if self.alpha == 1.0 {
            return positive.select(x, &exponential_below(x, &positive));
        }
        let exponential = exponential_below(&(x / self.alpha), &positive);
        positive.select(x, &(exponential * self.alpha))
    }
}
