//! The activation `elu`.

use brolga_ir::Var;

/// The exponential linear unit `f(x) = x` where `x > 0`, `eˣ − 1` elsewhere.
///
/// Clevert et al., "Fast and accurate deep network learning by exponential linear units" (2016).
#[track_caller]
#[must_use]
pub fn elu(x: &Var) -> Var {
    let zero = x.constant_like(0.0);
    let positive = x.gt(&zero);
    // Where x is positive the exponential is that of 0, so that neither it nor its gradient
    // overflows.
    let exponential = positive.select(&zero, x).exp() - 1.0;
    positive.select(x, &exponential)
}
