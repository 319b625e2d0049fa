//! The activation `log_sigmoid`.

use brolga_ir::Var;

use super::softplus;

/// `f(x) = ln σ(x) = −softplus(−x)`, finite for every finite `x`.
///
/// Keras: `keras.activations.log_sigmoid`.
#[track_caller]
#[must_use]
pub fn log_sigmoid(x: &Var) -> Var {
    -softplus(&-x)
}
