//! The activation `gelu`.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::ActivationFunction;
use crate::registry::object;

/// The Gaussian error linear unit `f(x) = x·Φ(x)`, where Φ is the distribution function of the
/// standard normal distribution: `f(x) = x · (1 + erf(x / √2)) / 2`.
///
/// With `approximate`, `f(x) = x · (1 + tanh(√(2/π) · (x + 0.044715·x³))) / 2`.
///
/// Hendrycks and Gimpel, "Gaussian error linear units" (2016).
///
/// Keras: `keras.activations.gelu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Gelu {
    /// Whether Φ is approximated with a hyperbolic tangent; false by default.
    pub approximate: bool,
}

object!(Gelu);

/// From here on the approximation of Φ is 0 or 1 in every element type.
const SATURATED: f64 = 10.0;

impl ActivationFunction for Gelu {
    fn apply(&self, x: &Var) -> Var {
        let sign = if self.approximate {
            // The cube of larger numbers may overflow.
            let (lower, upper) = (x.constant_like(-SATURATED), x.constant_like(SATURATED));
            let bounded = x.maximum(&lower).minimum(&upper);
            let cube = &bounded * &bounded * &bounded;
            ((bounded + cube * 0.044_715) * (FRAC_2_SQRT_PI / SQRT_2)).tanh()
        } else {
            (x * FRAC_1_SQRT_2).erf()
        };
        x * 0.5 * (sign + 1.0)
    }
}
