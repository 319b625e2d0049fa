//! The activation `celu`.

use brolga_ir::Var;

use super::elu;

/// The continuously differentiable exponential linear unit with `α = 1`, which is [`elu`].
///
/// Barron, "Continuously differentiable exponential linear units" (2017).
#[track_caller]
#[must_use]
pub fn celu(x: &Var) -> Var {
    elu(x)
}
