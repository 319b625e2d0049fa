//! The activation `leaky_relu`.

use brolga_ir::Var;

/// `f(x) = x` where `x ≥ 0`, `0.2·x` elsewhere.
#[track_caller]
#[must_use]
pub fn leaky_relu(x: &Var) -> Var {
    x.ge(&x.constant_like(0.0)).select(x, &(x * 0.2))
}
