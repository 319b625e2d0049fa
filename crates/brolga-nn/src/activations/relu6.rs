//! The activation `relu6`.

use brolga_ir::Var;

/// `f(x) = min(max(x, 0), 6)`, with gradient 0 at both bounds.
///
/// Keras: `keras.activations.relu6`.
#[track_caller]
#[must_use]
pub fn relu6(x: &Var) -> Var {
    let bound = x.constant_like(6.0);
    x.lt(&bound).select(&x.relu(), &bound)
}
