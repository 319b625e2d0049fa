//! The average of tensors.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::merging::merged;
use super::{Base, Layer, layer};
use crate::trace::Call;

/// `y = (x₀ + x₁ + … ) / n` of n inputs, element by element.
///
/// Inputs broadcast to each other; one of a lower rank gets axes of extent 1 behind the batch.
///
/// A mistake if they do not broadcast.
///
/// Keras: <https://keras.io/api/layers/merging_layers/average/>
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Average {
    #[serde(flatten)]
    base: Base,
}

layer!(Average);

impl Average {
    /// A layer that averages its inputs.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Layer for Average {
    fn base(&self) -> &Base {
        &self.base
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        merged(call, "Average", inputs, |inputs| {
            let sum = inputs.iter().cloned().reduce(|a, b| a + b)?;
            Some(sum / inputs.len() as f64)
        })
    }
}
