//! The activation `sparse_sigmoid`.

use brolga_ir::Var;

/// `f(x) = min(max(x + 1, 0), 2) / 2`, with half the gradient at both bounds.
///
/// Keras: `keras.activations.sparse_sigmoid`.
#[track_caller]
#[must_use]
pub fn sparse_sigmoid(x: &Var) -> Var {
    let (lower, upper) = (x.constant_like(0.0), x.constant_like(2.0));
    (x + 1.0).maximum(&lower).minimum(&upper) * 0.5
}
