//! σ(x) = 1 / (1 + e⁻ˣ).
//!
//! With x = n·ln 2 + r, |r| ≤ ½ ln 2, s = 2ⁿ and T = tanh(r/2), eˣ = s·(1 + T) / (1 − T), so
//! σ(x) = s·(1 + T) / ((1 + s) + (s − 1)T). The power of two a = min(s, 1) is taken out, so that the quotient is a correction only:
//! σ(x) = a + a·((2 − a)T − a) / ((1 + s) + (s − 1)T). Neither tail cancels or overflows.
//!
//! 1. x is clamped to [−104, 40], where σ has long rounded to 0 and to 1. NaN stays.
//! 2. n and r as in [`exp`](super::exp). s is made as 2ⁿ⁺⁶⁴ · 2⁻⁶⁴, which may be subnormal.
//! 3. 2T ≈ r + r³·(…) with the polynomial of [`tanh`](super::tanh), scaled.
//! 4. N = fma(½a − 1, 2T, a), D = fma(½ − ½s, 2T, −1 − s), both negated; σ = fma(a, N / D, a), which rounds once also where σ is
//!    subnormal.
//!
//! Largest error over all floats: 1.67 ULP. 24 operations, one of them a division.

use super::Lanes;
use super::exp::{BIAS, ROUNDER, reduce};
use super::tanh::tanh_of_reduced;

pub(super) fn sigmoid<L: Lanes>(l: &mut L, x: L::F) -> L::F {
    let (smallest, largest) = (l.float(-104.0), l.float(40.0));
    let too_small = l.lt(x, smallest);
    let x = l.select(too_small, smallest, x);
    let too_large = l.lt(largest, x);
    let x = l.select(too_large, largest, x);

    let (r, t) = reduce(l, x, ROUNDER + BIAS + 64.0);
    let two_tanh = tanh_of_reduced(l, r, 0.5);
    let exponent = l.bits(t);
    let exponent = l.shl(exponent, 23);
    let s = l.from_bits(exponent);
    let two_minus_64 = l.float((-64.0_f64).exp2());
    let s = l.mul(s, two_minus_64);

    let (one, minus_one) = (l.float(1.0), l.float(-1.0));
    let (half, minus_half) = (l.float(0.5), l.float(-0.5));
    let below_one = l.lt(s, one);
    let a = l.select(below_one, s, one);
    let slope = l.fma(a, half, minus_one);
    let numerator = l.fma(slope, two_tanh, a);
    let slope = l.fma(s, minus_half, half);
    let constant = l.sub(minus_one, s);
    let denominator = l.fma(slope, two_tanh, constant);
    let correction = l.div(numerator, denominator);
    l.fma(a, correction, a)
}
