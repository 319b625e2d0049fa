//! The activation `sigmoid`.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{ActivationFunction, Logits};
use crate::registry::object;

/// `f(x) = 1 / (1 + e⁻ˣ)`.
///
/// Keras: `keras.activations.sigmoid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sigmoid {}

object!(Sigmoid);

impl ActivationFunction for Sigmoid {
    fn apply(&self, x: &Var) -> Var {
        x.sigmoid()
    }

    fn logits(&self, x: &Var) -> Option<Logits> {
        Some(Logits::Sigmoid(x.clone()))
    }
}
