//! The activation `linear`.

use brolga_ir::Var;

/// `f(x) = x`.
///
/// Keras: `keras.activations.linear`.
#[track_caller]
#[must_use]
pub fn linear(x: &Var) -> Var {
    x.clone()
}
