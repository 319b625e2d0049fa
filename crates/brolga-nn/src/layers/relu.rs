//! The rectified linear unit with all of its arguments.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Base, Layer, layer};
use crate::setters::setters;
use crate::trace::Call;

/// `y = min(x, max_value)` where `x > threshold`, `negative_slope · (x − threshold)` elsewhere;
/// `max(x, 0)` by default. `y` has the shape of `x`.
///
/// Keras: <https://keras.io/api/layers/activation_layers/relu/>
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ReLU {
    #[serde(flatten)]
    base: Base,
    #[serde(default)]
    max_value: Option<f64>,
    #[serde(default)]
    negative_slope: f64,
    #[serde(default)]
    threshold: f64,
}

layer!(ReLU { max_value: AtLeast(0.0), negative_slope: AtLeast(0.0), threshold: AtLeast(0.0) });

impl ReLU {
    /// `max(x, 0)`.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The greatest value; none by default.
        max_value: opt f64,
        /// The slope below the threshold; 0 by default.
        negative_slope: f64,
        /// Where the unit begins; 0 by default.
        threshold: f64,
    }
}

impl Layer for ReLU {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |_, x| {
            let threshold = x.constant_like(self.threshold);
            let active = if self.threshold == 0.0 {
                x.relu()
            } else {
                x.gt(&threshold).select(&x, &x.constant_like(0.0))
            };
            let bounded = match self.max_value {
                Some(greatest) => active.minimum(&x.constant_like(greatest)),
                None => active,
            };
            if self.negative_slope == 0.0 {
                return bounded;
            }
            bounded - (threshold - x).relu() * self.negative_slope
        })
    }
}
