//! tanh x.
//!
//! With y = |x| = n·½ ln 2 + r, |r| ≤ ¼ ln 2, s = 2ⁿ and T = tanh r, the addition theorem gives
//! tanh y = ((s − 1) + (s + 1)T) / ((s + 1) + (s − 1)T). Three roundings of such a quotient may add up to 2.5 ULP, so a rough value
//! B = min(n/4, 1) is taken out first, and only the rest is divided:
//!
//! 1. y is limited to 10, where tanh has long rounded to 1. NaN stays.
//! 2. n = round(y / ½ ln 2) and s, in the last place of a sum, as in [`exp`](super::exp); r = fma(n, −½ ln 2, y). One part of ln 2
//!    is enough, because large y count little.
//! 3. T ≈ r + r³·(c₃ + c₅r² + c₇r⁴) by Horner's rule. The coefficients minimise the largest relative error (Remez's exchange): 2⁻³²·⁵.
//! 4. c = s − 1, d = s + 1; tanh y = B + fma(fma(−B, c, d), T, fma(−B, d, c)) / fma(c, T, d). For n = 0 this is T, so small
//!    arguments keep their precision and tiny ones come back unchanged.
//! 5. The sign of x is put back: tanh(−x) = −tanh x, bit for bit, zeros included.
//!
//! Largest error over all floats: 1.83 ULP. 25 operations, one of them a division.

use super::exp::{BIAS, LN_2_HI, ROUNDER};
use super::{Lanes, polynomial};

const C3: f32 = -0.333_333_22;
const C5: f32 = 0.133_311_42;
const C7: f32 = -0.052_715_294;

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
    let tanh_r = tanh_of_reduced(l, r, 1.0);

    let exponent = l.bits(t);
    let exponent = l.shl(exponent, 23);
    let s = l.from_bits(exponent);
    let one = l.float(1.0);
    let c = l.sub(s, one);
    let d = l.add(s, one);
    let (minus_quarter, minus_one) = (l.float(-0.25), l.float(-1.0));
    let minus_base = l.mul(n, minus_quarter);
    let beyond = l.lt(minus_base, minus_one);
    let minus_base = l.select(beyond, minus_one, minus_base);

    let constant = l.fma(minus_base, d, c);
    let slope = l.fma(minus_base, c, d);
    let numerator = l.fma(slope, tanh_r, constant);
    let denominator = l.fma(c, tanh_r, d);
    let rest = l.div(numerator, denominator);
    let tanh = l.sub(rest, minus_base);

    let sign_bit = l.int(i64::from(i32::MIN));
    let sign = l.bits(x);
    let sign = l.iand(sign, sign_bit);
    let tanh = l.bits(tanh);
    let tanh = l.ior(tanh, sign);
    l.from_bits(tanh)
}

/// tanh(u·r) / u for |u·r| ≤ ¼ ln 2 and a power of two u.
pub(super) fn tanh_of_reduced<L: Lanes>(l: &mut L, r: L::F, u: f32) -> L::F {
    let u2 = u * u;
    let r2 = l.mul(r, r);
    let tail = polynomial(l, r2, &[C3 * u2, C5 * u2 * u2, C7 * u2 * u2 * u2]);
    let r3 = l.mul(r, r2);
    l.fma(r3, tail, r)
}
