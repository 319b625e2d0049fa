//! The activation `tanh_shrink`.

use brolga_ir::Var;

/// `f(x) = x − tanh x`.
///
/// Keras: `keras.activations.tanh_shrink`.
#[track_caller]
#[must_use]
pub fn tanh_shrink(x: &Var) -> Var {
    x - x.tanh()
}
