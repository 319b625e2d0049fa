//! The activation `tanh`.

use brolga_ir::Var;

/// The hyperbolic tangent.
///
/// Keras: `keras.activations.tanh`.
#[track_caller]
#[must_use]
pub fn tanh(x: &Var) -> Var {
    x.tanh()
}
