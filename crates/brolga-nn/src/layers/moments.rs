//! What the normalization layers share.

use brolga_ir::Var;

use crate::initializers::{Initializer, Ones};
use crate::registry::Choice;

/// The default initializer of factors.
pub(super) fn ones() -> Choice<dyn Initializer> {
    Ones::default().into()
}

/// The default of what is added to a variance.
pub(super) fn thousandth() -> f64 {
    1e-3
}

/// Mean and variance over axes, which stay with extent 1; the variance is the mean of
/// `(x − mean)²`.
pub(super) fn moments(x: &Var, axes: &[usize]) -> (Var, Var) {
    let mean = x.reduce_mean(axes, true);
    let centered = x - &mean;
    let variance = (&centered * &centered).reduce_mean(axes, true);
    (mean, variance)
}
