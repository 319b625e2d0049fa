//! The activation `mish`.

use brolga_ir::Var;

use super::softplus;

/// `f(x) = x·tanh(softplus(x))`.
///
/// Misra, "Mish: a self regularized non-monotonic activation function" (2020).
///
/// Keras: `keras.activations.mish`.
#[track_caller]
#[must_use]
pub fn mish(x: &Var) -> Var {
    x * softplus(x).tanh()
}
