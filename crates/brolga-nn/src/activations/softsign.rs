//! The activation `softsign`.

use brolga_ir::Var;

/// `f(x) = x / (1 + |x|)`.
///
/// Keras: `keras.activations.softsign`.
#[track_caller]
#[must_use]
pub fn softsign(x: &Var) -> Var {
    x / (x.abs() + 1.0)
}
