//! The activation `sigmoid`.

use brolga_ir::Var;

/// `f(x) = 1 / (1 + e⁻ˣ)`.
#[track_caller]
#[must_use]
pub fn sigmoid(x: &Var) -> Var {
    x.sigmoid()
}
