//! tanh x.
//!
//! With y = |x| = n·½ ln 2 + r and |r| ≤ ¼ ln 2, the addition theorem gives tanh y without cancellation, because
//! tanh(n·½ ln 2) = (2ⁿ − 1) / (2ⁿ + 1):
//!
//! 1. y is limited to 10, where tanh has long rounded to 1. NaN stays.
//! 2. n = round(y / ½ ln 2), in the last place of a sum as in [`exp`](super::exp); r = fma(n, −½ ln 2, y). One part of ln 2 is enough,
//!    because large y count little.
//! 3. T = tanh r ≈ r + r³·(c₃ + c₅r² + c₇r⁴) by Horner's rule. The coefficients minimise the largest relative error (Remez's
//!    exchange): 2⁻³².
//! 4. tanh y = fma(2ⁿ + 1, T, 2ⁿ − 1) / fma(2ⁿ − 1, T, 2ⁿ + 1). For n = 0 this is T, so small arguments keep their precision and tiny ones
//!    come back unchanged.
//! 5. The sign of x is put back: tanh(−x) = −tanh x, bit for bit, zeros included.
//!
//! Largest error over all floats: 1.6 ULP. 19 operations, one of them a division.

use super::exp::{BIAS, LN_2_HI, ROUNDER};
use super::{Lanes, polynomial};

const COEFFICIENTS: [f32; 3] = [-0.333_333_22, 0.133_311_42, -0.052_715_294];

pub(super) fn tanh<L: Lanes>(l: &mut L, x: L::F) -> L::F {
    let y = l.abs(x);
    let largest = l.float(10.0);
    let too_large = l.lt(largest, y);
    let y = l.select(too_large, largest, y);

    let per_half_ln_2 = l.float(2.0 * std::f64::consts::LOG2_E);
    let rounder = l.float(ROUNDER + BIAS);
    let t = l.fma(y, per_half_ln_2, rounder);
    let n = l.sub(t, rounder);
    let minus_half_ln_2 = l.float(-0.5 * LN_2_HI);
    let r = l.fma(n, minus_half_ln_2, y);
    let r2 = l.mul(r, r);
    let tail = polynomial(l, r2, &COEFFICIENTS);
    let r3 = l.mul(r, r2);
    let tanh_r = l.fma(r3, tail, r);

    let exponent = l.bits(t);
    let exponent = l.shl(exponent, 23);
    let scale = l.from_bits(exponent);
    let one = l.float(1.0);
    let below = l.sub(scale, one);
    let above = l.add(scale, one);
    let numerator = l.fma(above, tanh_r, below);
    let denominator = l.fma(below, tanh_r, above);
    let tanh = l.div(numerator, denominator);

    let sign_bit = l.int(i64::from(i32::MIN));
    let sign = l.bits(x);
    let sign = l.iand(sign, sign_bit);
    let tanh = l.bits(tanh);
    let tanh = l.ior(tanh, sign);
    l.from_bits(tanh)
}
