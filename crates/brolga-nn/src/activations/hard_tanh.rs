//! The activation `hard_tanh`.

use brolga_ir::Var;

/// `f(x) = min(max(x, −1), 1)`, with gradient 1 at both bounds.
///
/// Keras: `keras.activations.hard_tanh`.
#[track_caller]
#[must_use]
pub fn hard_tanh(x: &Var) -> Var {
    let (lower, upper) = (x.constant_like(-1.0), x.constant_like(1.0));
    x.gt(&upper).select(&upper, &x.lt(&lower).select(&lower, x))
}
