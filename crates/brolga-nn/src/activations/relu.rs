//! The activation `relu`.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::ActivationFunction;
use crate::registry::object;

/// The rectified linear unit `f(x) = max(x, 0)` by default.
///
/// With all arguments: `f(x) = max_value` where `x ≥ max_value`, `x` where `x > threshold`, and
/// `negative_slope · (x − threshold)` elsewhere. The gradient is 0 at `max_value`; at the threshold
/// it is that of below, except for a leaky unit without other arguments, where it is 1.
///
/// Keras: `keras.activations.relu`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Relu {
    /// The slope below the threshold; 0 by default.
    pub negative_slope: f64,
    /// The largest value; none by default.
    pub max_value: Option<f64>,
    /// The value up to which `x` counts as negative; 0 by default.
    pub threshold: f64,
}

object!(Relu { negative_slope: AtLeast(0.0), max_value: AtLeast(0.0), threshold: AtLeast(0.0) });

impl ActivationFunction for Relu {
    fn apply(&self, x: &Var) -> Var {
        let Self { negative_slope, max_value, threshold } = *self;
        if negative_slope != 0.0 && max_value.is_none() && threshold == 0.0 {
            return super::LeakyRelu { negative_slope }.apply(x);
        }
        let mut y = match threshold {
            0.0 => x.relu(),
            _ => x.gt(&x.constant_like(threshold)).select(x, &x.constant_like(0.0)),
        };
        if let Some(max_value) = max_value {
            let bound = x.constant_like(max_value);
            y = y.lt(&bound).select(&y, &bound);
        }
        if negative_slope == 0.0 { y } else { y - (threshold - x).relu() * negative_slope }
    }
}
