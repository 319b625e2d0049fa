//! The activation `hard_shrink`.

use brolga_ir::Var;

/// `f(x) = x` where `|x| > ½`, 0 elsewhere.
#[track_caller]
#[must_use]
pub fn hard_shrink(x: &Var) -> Var {
    x.abs().gt(&x.constant_like(0.5)).select(x, &x.constant_like(0.0))
}
