//! The exponential linear unit.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Base, Layer, layer};
use crate::setters::setters;
use crate::trace::Call;

/// `y = x` where `x > 0`, `alpha · (eˣ − 1)` elsewhere. `y` has the shape of `x`.
///
/// Clevert et al., "Fast and accurate deep network learning by exponential linear units" (2016).
/// Keras: <https://keras.io/api/layers/activation_layers/elu/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ELU {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "one")]
    alpha: f64,
}

fn one() -> f64 {
    1.0
}

layer!(ELU { alpha: Finite });

impl Default for ELU {
    fn default() -> Self {
        Self { base: Base::default(), alpha: one() }
    }
}

impl ELU {
    /// The unit whose values go down to −1.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The negative of the value that the unit approaches; 1 by default.
        alpha: f64,
    }
}

impl Layer for ELU {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |_, x| {
            let zero = x.constant_like(0.0);
            let positive = x.gt(&zero);
            // Where x is positive the exponential is that of 0, so that neither it nor its gradient
            // overflows.
            let exponential = (positive.select(&zero, &x).exp() - 1.0) * self.alpha;
            positive.select(&x, &exponential)
        })
    }
}
