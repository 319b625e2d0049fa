//! σ(x) = 1 / (1 + e⁻ˣ).
//!
//! With z = e^−|x| ≤ 1, σ(x) = 1 / (1 + z) for x ≥ 0 and z / (1 + z) for x < 0, so that neither tail cancels or overflows:
//!
//! 1. −|x| is limited to −104, where z has long rounded to 0. NaN stays.
//! 2. z = 2ⁿ·eʳ as in [`exp`](super::exp). Because n ≤ 0, 2ⁿ is applied as 2ⁿ⁺⁶⁴ · 2⁻⁶⁴; the second product
//!    rounds, once, where z is subnormal.
//! 3. σ = (x < 0 ? z : 1) / (1 + z).
//!
//! Largest error over all floats: 1.6 ULP. 21 operations, one of them a division.

use super::Lanes;
use super::exp::{BIAS, ROUNDER, split};

pub(super) fn sigmoid<L: Lanes>(l: &mut L, x: L::F) -> L::F {
    let y = l.abs(x);
    let y = l.neg(y);
    let smallest = l.float(-104.0);
    let too_small = l.lt(y, smallest);
    let y = l.select(too_small, smallest, y);

    let (power, t) = split(l, y, ROUNDER + 64.0 + BIAS);
    let exponent = l.bits(t);
    let exponent = l.shl(exponent, 23);
    let scale = l.from_bits(exponent);
    let z = l.mul(power, scale);
    let two_minus_64 = l.float((-64.0_f64).exp2());
    let z = l.mul(z, two_minus_64);

    let (zero, one) = (l.float(0.0), l.float(1.0));
    let negative = l.lt(x, zero);
    let numerator = l.select(negative, z, one);
    let denominator = l.add(one, z);
    l.div(numerator, denominator)
}
