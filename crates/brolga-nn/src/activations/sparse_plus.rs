//! The activation `sparse_plus`.

use brolga_ir::Var;

/// `f(x) = 0` where `x ≤ −1`, `(x + 1)² / 4` where `x < 1`, `x` elsewhere.
///
/// Keras: `keras.activations.sparse_plus`.
#[track_caller]
#[must_use]
pub fn sparse_plus(x: &Var) -> Var {
    let (lower, upper) = (x.le(&x.constant_like(-1.0)), x.lt(&x.constant_like(1.0)));
    let shifted = x + 1.0;
    let middle = &shifted * &shifted * 0.25;
    lower.select(&x.constant_like(0.0), &upper.select(&middle, x))
}
