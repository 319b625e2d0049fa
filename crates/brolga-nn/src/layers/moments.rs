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

/// What Keras adds to the number of steps that count.
const EPSILON: f64 = 1e-7;

/// As [`moments`], of the steps that count: `mask` has all axes of `x` but the last.
pub(super) fn masked_moments(x: &Var, mask: &Var, axes: &[usize]) -> (Var, Var) {
    let shape: Vec<usize> = mask.shape().iter().copied().chain([1]).collect();
    let mask = mask.reshape(shape).broadcast(x.shape().clone());
    let zero = x.constant_like(0.0);
    let count = mask.cast(x.dtype()).reduce_sum(axes, true) + EPSILON;
    let mean = mask.select(x, &zero).reduce_sum(axes, true) / &count;
    let centered = mask.select(&(x - &mean), &zero);
    let variance = (&centered * &centered).reduce_sum(axes, true) / count;
    (mean, variance)
}
