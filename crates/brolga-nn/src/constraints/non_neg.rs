//! No negative numbers.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::Constraint;
use crate::registry::object;

/// `max(w, 0)`.
///
/// Keras: `keras.constraints.NonNeg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NonNeg {}

object!(NonNeg);

impl Constraint for NonNeg {
    fn apply(&self, weight: &Var) -> Var {
        weight.maximum(&weight.constant_like(0.0))
    }
}
