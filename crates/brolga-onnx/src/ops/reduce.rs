//! Reductions over axes.

use brolga_ir::{DType, Var};

use crate::call::{Call, Outs, Sound, mistake, one};
use crate::error::Fault;

/// A reduction: its axes from an attribute or an operand, all of them where there are none.
fn reduce(call: &Call<'_>, function: impl Fn(&Var, &[usize], bool) -> Var) -> Outs {
    let x = call.var(0)?;
    let rank = x.shape().rank();
    let axes = call.axes(1, rank)?.filter(|axes| !axes.is_empty());
    let axes = match axes {
        Some(mut axes) => {
            axes.sort_unstable();
            axes.dedup();
            axes
        }
        None if call.flag("noop_with_empty_axes", false) => vec![],
        None => (0..rank).collect(),
    };
    one(function(&x, &axes, call.flag("keepdims", true)))
}

/// Reductions of the IR, or made of them.
macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident: |$x:ident, $axes:ident, $keep:ident| $body:expr;)*) => {
        $($(#[$doc])* pub(crate) fn $name(call: &Call<'_>) -> Outs {
            reduce(call, |$x, $axes, $keep| $body)
        })*
    };
}

reductions! {
    /// Σ x.
    sum: |x, axes, keep| x.reduce_sum(axes, keep);
    /// Σ x / n.
    mean: |x, axes, keep| mean_of(x, axes, keep);
    /// The greatest element.
    max: |x, axes, keep| extremum(x, axes, keep, Var::reduce_max);
    /// The least element.
    min: |x, axes, keep| extremum(x, axes, keep, Var::reduce_min);
    /// Π x.
    prod: |x, axes, keep| product(x, axes, keep);
    /// Σ |x|.
    l1: |x, axes, keep| x.abs().reduce_sum(axes, keep);
    /// √Σ x².
    l2: |x, axes, keep| root(&(x * x).reduce_sum(axes, keep));
    /// Σ x².
    sum_square: |x, axes, keep| (x * x).reduce_sum(axes, keep);
    /// ln Σ x.
    log_sum: |x, axes, keep| logarithm(&x.reduce_sum(axes, keep));
    /// ln Σ eˣ, with the maximum taken off first.
    log_sum_exp: |x, axes, keep| log_sum_exp_of(x, axes, keep);
}

fn mean_of(x: &Var, axes: &[usize], keep: bool) -> Var {
    if x.dtype().is_float() {
        return x.reduce_mean(axes, keep);
    }
    let count: usize = axes.iter().filter_map(|&axis| x.shape().get(axis)).product();
    let sum = x.reduce_sum(axes, keep);
    super::integers::divide(&sum, &sum.constant_like(count as f64))
}

/// A maximum or minimum; of truth values that of 0 and 1.
fn extremum(x: &Var, axes: &[usize], keep: bool, of: fn(&Var, &[usize], bool) -> Var) -> Var {
    match x.dtype() {
        DType::Bool => of(&x.cast(DType::U8), axes, keep).cast(DType::Bool),
        _ => of(x, axes, keep),
    }
}

fn root(x: &Var) -> Var {
    if x.dtype().is_float() { x.sqrt() } else { x.cast(DType::F64).sqrt().cast(x.dtype()) }
}

fn logarithm(x: &Var) -> Var {
    if x.dtype().is_float() { x.log() } else { x.cast(DType::F64).log().cast(x.dtype()) }
}

fn log_sum_exp_of(x: &Var, axes: &[usize], keep: bool) -> Var {
    if !x.dtype().is_float() {
        return log_sum_exp_of(&x.cast(DType::F64), axes, keep).cast(x.dtype());
    }
    let greatest = x.reduce_max(axes, true).stop_gradient();
    // Where all are −∞, or one is ∞, the maximum itself is the result.
    let finite = greatest.abs().lt(&greatest.constant_like(f64::INFINITY));
    let shift = finite.select(&greatest, &greatest.constant_like(0.0));
    let sum = (x - &shift).exp().reduce_sum(axes, true).log() + shift;
    if keep {
        return sum;
    }
    let dropped = |axis: &usize| !axes.contains(axis);
    let shape = (0..x.shape().rank()).filter(dropped).map(|axis| x.shape()[axis]);
    sum.reshape(shape.collect::<Vec<_>>())
}

/// The product over axes: halves multiplied with each other until one is left.
fn product(x: &Var, axes: &[usize], keep: bool) -> Var {
    let shape = x.shape().clone();
    let rank = shape.rank();
    let kept: Vec<usize> = (0..rank).filter(|axis| !axes.contains(axis)).collect();
    let order: Vec<usize> = kept.iter().chain(axes).copied().collect();
    let outer: Vec<usize> = kept.iter().map(|&axis| shape[axis]).collect();
    let count: usize = axes.iter().map(|&axis| shape[axis]).product();
    let rows: usize = outer.iter().product();
    let mut factors = x.transpose(&order).reshape([rows, count]);
    let mut left = count;
    while left > 1 {
        let half = left / 2;
        let part = |start: usize, end: usize| factors.slice(&[0, start], &[rows, end], &[1, 1]);
        let products = part(0, half) * part(half, 2 * half);
        factors =
            if left % 2 == 1 { products.concat(&[&part(left - 1, left)], 1) } else { products };
        left = half + left % 2;
    }
    if count == 0 {
        factors = x.constant_like(1.0).broadcast([rows, 1]);
    }
    let shape: Vec<usize> = if keep {
        (0..rank).map(|axis| if axes.contains(&axis) { 1 } else { shape[axis] }).collect()
    } else {
        outer
    };
    factors.reshape(shape)
}

/// At each index of an axis the sum of all up to it.
pub(crate) fn cum_sum(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let axis = crate::call::axis(call.int_of(1)?, x.shape().rank())?;
    one(x.cumsum(axis, call.flag("exclusive", false), call.flag("reverse", false)))
}

/// At each index of an axis the product of all up to it.
pub(crate) fn cum_prod(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let axis = crate::call::axis(call.int_of(1)?, x.shape().rank())?;
    let (reverse, exclusive) = (call.flag("reverse", false), call.flag("exclusive", false));
    let x = if reverse { x.reverse(&[axis]) } else { x };
    let one_value = x.constant_like(1.0);
    let extent = x.shape()[axis];
    let shifted = |x: &Var, by: usize| {
        let kept = super::shape::part(x, axis, 0, extent - by.min(extent));
        super::pad::with_value(&kept, axis, [by.min(extent), 0], &one_value)
    };
    let mut products = if exclusive { shifted(&x, 1) } else { x };
    // Each round doubles how many factors an element has.
    let mut by = 1;
    while by < extent {
        products = &products * shifted(&products, by);
        by *= 2;
    }
    one(if reverse { products.reverse(&[axis]) } else { products })
}

/// x over its norm along an axis.
pub(crate) fn lp_normalization(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let axis = call.axis(-1, x.shape().rank())?;
    let p = call.int("p", 2);
    let sum = match p {
        1 => x.abs().reduce_sum(&[axis], true),
        2 => (&x * &x).reduce_sum(&[axis], true),
        p => return mistake(format!("`p` is {p}"), "it is 1 or 2"),
    };
    // A vector of zeros stays one.
    let zero = sum.eq(&sum.constant_like(0.0));
    let sum = zero.select(&sum.constant_like(1.0), &sum).sound()?;
    one(x / if p == 1 { sum } else { sum.sqrt() })
}

/// (x − mean) / deviation over axes; all but the channels by default.
pub(crate) fn mean_variance_normalization(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let rank = x.shape().rank();
    let axes = match call.ints("axes") {
        Some(axes) => {
            let axes = axes.iter().map(|&v| crate::call::axis(v, rank));
            let mut axes = axes.collect::<Result<Vec<_>, Fault>>()?;
            axes.sort_unstable();
            axes
        }
        None => (0..rank).filter(|&axis| axis != 1).collect(),
    };
    let centred = &x - x.reduce_mean(&axes, true);
    let deviation = (&centred * &centred).reduce_mean(&axes, true).sqrt();
    one(centred / (deviation + 1e-9))
}
