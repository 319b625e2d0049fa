//! Trigonometric and hyperbolic functions, made of the IR's arithmetic in `f64`: the error is far
//! below a rounding of `f32`.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, LN_2};

use brolga_ir::{DType, Var};

use crate::call::{Call, Outs, one};

/// A function that is computed in `f64` and rounded once.
macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident: |$x:ident| $body:expr;)*) => {
        $($(#[$doc])* pub(crate) fn $name(call: &Call<'_>) -> Outs {
            let x = call.var(0)?;
            let $x = &x.cast(DType::F64);
            one($body.cast(x.dtype()))
        })*
    };
}

functions! {
    /// sin x.
    sin: |x| sine(x, 0.0);
    /// cos x.
    cos: |x| sine(x, 1.0);
    /// tan x.
    tan: |x| sine(x, 0.0) / sine(x, 1.0);
    /// The angle whose sine is x.
    asin: |x| arc_tangent(&(x / (1.0 - x * x).sqrt()));
    /// The angle from 0 to π whose cosine is x.
    acos: |x| FRAC_PI_2 - arc_tangent(&(x / (1.0 - x * x).sqrt()));
    /// The angle whose tangent is x.
    atan: |x| arc_tangent(x);
    /// (eˣ − e⁻ˣ) / 2.
    sinh: |x| half_difference(x);
    /// (eˣ + e⁻ˣ) / 2.
    cosh: |x| (x.exp() + (-x).exp()) * 0.5;
    /// The number whose sinh is x.
    asinh: |x| arc_sinh(x);
    /// The number from 0 on whose cosh is x.
    acosh: |x| (x + (x * x - 1.0).sqrt()).log();
    /// The number whose tanh is x.
    atanh: |x| ((x + 1.0) / (1.0 - x)).log() * 0.5;
}

/// sinh x; near 0, where both powers are nearly 1, by its series.
fn half_difference(x: &Var) -> Var {
    let square = x * x;
    let terms = [1.0, 6.0, 120.0, 5_040.0, 362_880.0, 39_916_800.0, 6_227_020_800.0];
    let series = polynomial(&square, &terms.map(|factorial: f64| 1.0 / factorial)) * x;
    let near = x.abs().lt(&x.constant_like(LN_2));
    near.select(&series, &((x.exp() - (-x).exp()) * 0.5))
}

/// c₀ + c₁x + c₂x² + … by Horner's rule.
fn polynomial(x: &Var, coefficients: &[f64]) -> Var {
    let mut terms = coefficients.iter().rev();
    let first = x.constant_like(terms.next().copied().unwrap_or_default());
    terms.fold(first, |sum, &term| sum * x + term)
}

/// sin(x + quarters · π/2), for x up to about 2³⁰.
///
/// x is taken to a multiple k of π/2, in two parts so that the product is exact, and the rest, at
/// most π/4, goes into the Taylor series of sine or cosine.
pub(crate) fn sine(x: &Var, quarters: f64) -> Var {
    // π/2 cut after 33 bits, and what is left of it.
    const HIGH: f64 = 1.570_796_326_734_125_6;
    const LOW: f64 = 6.077_100_506_506_192e-11;
    let k = (x * FRAC_2_PI + 0.5).floor();
    let rest = x - &k * HIGH - &k * LOW;
    let square = &rest * &rest;
    let series = |start: u32| -> Vec<f64> {
        let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
        (0..9).map(|j| alternating(j) / factorial(start + 2 * j)).collect()
    };
    let sine = polynomial(&square, &series(1)) * &rest;
    let cosine = polynomial(&square, &series(0));
    let quadrant = &k + quarters;
    let quadrant = &quadrant - (&quadrant * 0.25).floor() * 4.0;
    let is = |number: f64| quadrant.eq(&quadrant.constant_like(number));
    let odd = is(1.0).logical_or(&is(3.0)).select(&cosine, &sine);
    is(2.0).logical_or(&is(3.0)).select(&-&odd, &odd)
}

/// The angle whose tangent is x: by its reciprocal's beyond 1, halved three times, by the series.
fn arc_tangent(x: &Var) -> Var {
    let one = x.constant_like(1.0);
    let large = x.abs().gt(&one);
    let mut reduced = large.select(&(1.0 / large.select(x, &one)), x);
    for _ in 0..3 {
        reduced = &reduced / (1.0 + (&reduced * &reduced + 1.0).sqrt());
    }
    let coefficients: Vec<f64> = (0..10).map(|k| alternating(k) / f64::from(2 * k + 1)).collect();
    let angle = polynomial(&(&reduced * &reduced), &coefficients) * &reduced * 8.0;
    let quarter = x.constant_like(FRAC_PI_2);
    let quarter = x.lt(&x.constant_like(0.0)).select(&-&quarter, &quarter);
    large.select(&(quarter - &angle), &angle)
}

/// The number whose sinh is x; x and its root have the same sign, so that nothing cancels.
fn arc_sinh(x: &Var) -> Var {
    let root = (x * x + 1.0).sqrt();
    let above = (x + &root).log();
    let below = -(root - x).log();
    x.lt(&x.constant_like(0.0)).select(&below, &above)
}

/// 1 for even numbers, −1 for odd ones.
fn alternating(number: u32) -> f64 {
    if number.is_multiple_of(2) { 1.0 } else { -1.0 }
}
