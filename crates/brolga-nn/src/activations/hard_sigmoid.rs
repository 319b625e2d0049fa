//! The activation `hard_sigmoid`.

use brolga_ir::Var;

use super::relu6;

/// `f(x) = relu6(x + 3) / 6`.
///
/// Keras: `keras.activations.hard_sigmoid`.
#[track_caller]
#[must_use]
pub fn hard_sigmoid(x: &Var) -> Var {
    relu6(&(x + 3.0)) / 6.0
}
