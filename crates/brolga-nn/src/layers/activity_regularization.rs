//! A penalty for large values.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Base, Layer, layer};
use crate::setters::setters;
use crate::trace::Call;

/// `y = x`, with `(l1 · Σ|x| + l2 · Σx²) / batch` added to the loss.
///
/// Keras: <https://keras.io/api/layers/regularization_layers/activity_regularization/>
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ActivityRegularization {
    #[serde(flatten)]
    base: Base,
    #[serde(default)]
    l1: f64,
    #[serde(default)]
    l2: f64,
}

layer!(ActivityRegularization { l1: AtLeast(0.0), l2: AtLeast(0.0) });

impl ActivityRegularization {
    /// A layer without penalty, until a factor is set.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The factor of the absolute values; 0 by default.
        l1: f64,
        /// The factor of the squares; 0 by default.
        l2: f64,
    }
}

impl Layer for ActivityRegularization {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let axes: Vec<usize> = (0..x.shape().rank()).collect();
            let batch = x.shape().first().map_or(1.0, |&batch| batch as f64);
            let mut penalize = |factor: f64, sizes: &dyn Fn() -> Var| {
                if factor > 0.0 {
                    call.add_loss(&(sizes().reduce_sum(&axes, false) * (factor / batch)));
                }
            };
            penalize(self.l1, &|| x.abs());
            penalize(self.l2, &|| &x * &x);
            x
        })
    }
}
