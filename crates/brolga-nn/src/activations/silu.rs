//! The activation `silu`.

use brolga_ir::Var;

/// The sigmoid linear unit `f(x) = x·σ(x)`, also known as swish.
///
/// Hendrycks and Gimpel, "Gaussian error linear units" (2016).
///
/// Keras: `keras.activations.silu`.
#[track_caller]
#[must_use]
pub fn silu(x: &Var) -> Var {
    x * x.sigmoid()
}
