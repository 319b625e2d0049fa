//! tanh x.
//!
//! With y = |x| and E = ½(e²ʸ − 1), tanh y = E / (E + 1), without cancellation anywhere:
//!
//! 1. y is limited to 10, where tanh has long rounded to 1. NaN stays.
//! 2. 2y = n·ln 2 + 2r, as in [`exp`](super::exp), |r| ≤ ¼ ln 2. One part of ln 2 is enough, because large y count little.
//! 3. p = ½(e²ʳ − 1) ≈ r + r²·(c₂ + c₃r + … + c₆r⁴) by Horner's rule. The coefficients minimise the largest relative error
//!    (Remez's exchange): 2⁻²⁶.
//! 4. E = 2ⁿ·p + ½·2ⁿ − ½ as fma(2ⁿ, p, fma(2ⁿ, ½, −½)). For n = 0 this is p, so that small arguments keep their precision, and tiny
//!    ones come back unchanged.
//! 5. The sign of x is put back: tanh(−x) = −tanh x, bit for bit, zeros included.
//!
//! Largest error over all floats: 1.6 ULP. 19 operations, one of them a division.

use super::exp::{LN_2_HI, ROUNDER};
use super::{Lanes, polynomial};

/// The exponent bias.
const BIAS: f64 = 127.0;

const COEFFICIENTS: [f32; 5] =
    [0.999_999_94, 0.666_661_56, 0.333_341_96, 0.133_873_05, 0.044_285_715];

pub(super) fn tanh<L: Lanes>(l: &mut L, x: L::F) -> L::F {
    let y = l.abs(x);
    let largest = l.float(10.0);
    let too_large = l.lt(largest, y);
    let y = l.select(too_large, largest, y);

    let two_per_ln_2 = l.float(2.0 * std::f64::consts::LOG2_E);
    let rounder = l.float(ROUNDER + BIAS);
    let t = l.fma(y, two_per_ln_2, rounder);
    let n = l.sub(t, rounder);
    let minus_half_ln_2 = l.float(-0.5 * LN_2_HI);
    let r = l.fma(n, minus_half_ln_2, y);
    let tail = polynomial(l, r, &COEFFICIENTS);
    let r2 = l.mul(r, r);
    let p = l.fma(r2, tail, r);

    let exponent = l.bits(t);
    let exponent = l.shl(exponent, 23);
    let scale = l.from_bits(exponent);
    let (half, minus_half) = (l.float(0.5), l.float(-0.5));
    let e = l.fma(scale, half, minus_half);
    let e = l.fma(scale, p, e);
    let one = l.float(1.0);
    let e_plus_one = l.add(e, one);
    let tanh = l.div(e, e_plus_one);

    let sign_bit = l.int(i64::from(i32::MIN));
    let sign = l.bits(x);
    let sign = l.iand(sign, sign_bit);
    let tanh = l.bits(tanh);
    let tanh = l.ior(tanh, sign);
    l.from_bits(tanh)
}
