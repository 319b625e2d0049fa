//! The activation `exponential`.

use brolga_ir::Var;

/// `f(x) = eˣ`.
///
/// Keras: `keras.activations.exponential`.
#[track_caller]
#[must_use]
pub fn exponential(x: &Var) -> Var {
    x.exp()
}
