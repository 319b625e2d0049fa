//! The activation `relu`.

use brolga_ir::Var;

/// The rectified linear unit `f(x) = max(x, 0)`.
#[track_caller]
#[must_use]
pub fn relu(x: &Var) -> Var {
    x.relu()
}
