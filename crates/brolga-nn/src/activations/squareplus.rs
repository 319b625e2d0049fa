//! The activation `squareplus`.

use brolga_ir::Var;

/// `f(x) = (x + √(x² + 4)) / 2`.
///
/// Barron, "Squareplus: a softplus-like algebraic rectifier" (2021).
#[track_caller]
#[must_use]
pub fn squareplus(x: &Var) -> Var {
    (x + (x * x + 4.0).sqrt()) * 0.5
}
