//! The activation `soft_shrink`.

use brolga_ir::Var;

/// `f(x) = x − ½` where `x > ½`, `x + ½` where `x < −½`, 0 between.
#[track_caller]
#[must_use]
pub fn soft_shrink(x: &Var) -> Var {
    let (upper, lower) = (x.gt(&x.constant_like(0.5)), x.lt(&x.constant_like(-0.5)));
    upper.select(&(x - 0.5), &lower.select(&(x + 0.5), &x.constant_like(0.0)))
}
