//! σ(x) = 1 / (1 + e⁻ˣ).
//!
//! With x = n·ln 2 + r, |r| ≤ ½ ln 2, s = 2ⁿ and T = tanh(r/2), eˣ = s·(1 + T) / (1 − T), so σ(x) =
//! s·(1 + T) / ((1 + s) + (s − 1)T). The power of two a = min(s, 1) is taken out, so that the
//! quotient is a correction only: σ(x) = a + a·((2 − a)T − a) / ((1 + s) + (s − 1)T). Neither tail
//! cancels or overflows.
//!
//! 1. x is clamped to [−104, 40], in `f64` to [−746, 40], where σ has long rounded to 0 and to 1.
//!    NaN stays.
//! 2. n and r as in [`exp`](super::exp). s is made as 2ⁿ⁺⁶⁴ · 2⁻⁶⁴, which may be subnormal.
//! 3. 2T ≈ r + r³·(…) with the polynomial of [`tanh`](super::tanh), scaled.
//! 4. N = fma(½a − 1, 2T, a), D = fma(½ − ½s, 2T, −1 − s), both negated; σ = fma(a, N / D, a),
//!    which rounds once also where σ is subnormal.
//!
//! Largest error: over all `f32` 1.67 ULP, over some 10⁸ random `f64` 1.56 ULP. 24 and 27
//! operations, one of them a division.

use super::exp::reduce;
use super::tanh::tanh_tail;
use super::{Lanes, Width, clamp};

pub(super) fn sigmoid<L: Lanes>(l: &mut L, x: L::F) -> L::F {
    let width = l.width();
    let smallest = match width {
        Width::W32 => -104.0,
        Width::W64 => -746.0,
    };
    let x = clamp(l, x, [smallest, 40.0]);

    let (r, t) = reduce(l, x, width.rounder() + width.bias() + 64.0);
    let (r3, tail) = tanh_tail(l, r, 0.5);
    let two_tanh = l.fma(r3, tail, r);
    let exponent = l.bits(t);
    let exponent = l.shl(exponent, width.fraction_bits());
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
