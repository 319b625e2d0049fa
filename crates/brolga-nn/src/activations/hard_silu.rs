//! The activation `hard_silu`.

use brolga_ir::Var;

use super::hard_sigmoid;

/// `f(x) = x·hard_sigmoid(x)`, also known as hard swish.
///
/// Howard et al., "Searching for MobileNetV3" (2019).
///
/// Keras: `keras.activations.hard_silu`.
#[track_caller]
#[must_use]
pub fn hard_silu(x: &Var) -> Var {
    x * hard_sigmoid(x)
}
