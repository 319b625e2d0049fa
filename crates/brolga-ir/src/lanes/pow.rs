//! xʸ = 2^(y·log₂|x|), with the sign and the special cases of C's `pow`.
//!
//! log₂|x| is an unevaluated sum of two `f32` with a relative error of 2⁻²⁹, because y multiplies its error:
//!
//! 1. |x| = 2ᵉ·m as in [`log`](super::log). f = m − 1 and d + dₗₒ = m + 1, both exact.
//! 2. q = 1/d, s = f·q, sₗₒ = (f − s·d − s·dₗₒ)·q: f / (m + 1) = s + sₗₒ.
//! 3. log₂ m = 2/ln 2 · artanh(s + sₗₒ) ≈ h + l with h = K₁·s and
//!    l = (fma(s, K₁, −h) + s·K₁ₗₒ) + sₗₒ·(K₁ + 3K₃s²) + s·(s²·(K₃ + K₅s² + K₇s⁴ + K₉s⁶)). K₃ to K₉ minimise the largest error
//!    (Remez's exchange): 2⁻³⁶.
//! 4. hi + lo = e + h + l by two fast two-sums. hi = −∞ for x = 0, ∞ or NaN for such x.
//! 5. P = y·hi, Pₗₒ = fma(y, lo, fma(y, hi, −P)); n = round(P), r = (P − n) + Pₗₒ.
//! 6. 2ʳ ≈ 1 + c₁r + … + c₆r⁶ by Horner's rule (Remez's exchange, relative error 2⁻²⁶), times 2ⁿ as in [`exp`](super::exp).
//!    P > 150 gives ∞ and P < −160 gives 0.
//! 7. |x| = 1 or y = 0 gives 1; a finite x < 0 with a y that is no integer gives NaN; odd y give the sign of x.
//!
//! Largest error among 2²⁹ random pairs, half of them with a base next to 1: 2.4 ULP. For exponents between −2.5 and 10: 1.1 ULP.
//! 86 operations, one of them a division.

use std::f64::consts::LOG2_E;

use super::exp::{SCALING_ROUNDER, times_power_of_two};
use super::log::exponent_and_significand;
use super::{Lanes, polynomial};

/// 2 / ln 2 rounded to `f32`.
const K1_HI: f64 = (2.0 * LOG2_E) as f32 as f64;
/// 2 / ln 2 − K₁.
const K1_LO: f64 = 2.0 * LOG2_E - K1_HI;
const K3_TO_K9: [f32; 4] = [0.961_796_7, 0.577_078_8, 0.411_927_25, 0.336_490_75];
const EXP2: [f32; 7] = [
    1.0,
    std::f32::consts::LN_2,
    0.240_225_94,
    0.055_503_663,
    0.009_625_435,
    0.001_338_798_3,
    0.000_133_385_37,
];

pub(super) fn pow<L: Lanes>(l: &mut L, x: L::F, y: L::F) -> L::F {
    let a = l.abs(x);
    let (hi, lo) = log2(l, a);

    let product = l.mul(y, hi);
    let minus_product = l.neg(product);
    let rest = l.fma(y, hi, minus_product);
    let rest = l.fma(y, lo, rest);
    let magnitude = exp2(l, product, rest);

    let (zero, one) = (l.float(0.0), l.float(1.0));
    let unit_base = l.eq(a, one);
    let zero_exponent = l.eq(y, zero);
    let is_one = l.or(unit_base, zero_exponent);
    let magnitude = l.select(is_one, one, magnitude);
    with_sign(l, magnitude, x, y)
}

/// log₂ a as hi + lo, for a ≥ 0; hi = ±∞ or NaN where the logarithm is.
fn log2<L: Lanes>(l: &mut L, a: L::F) -> (L::F, L::F) {
    let (e, m) = exponent_and_significand(l, a);
    let one = l.float(1.0);
    let f = l.sub(m, one);
    let d = l.add(m, one);
    let d_lo = l.sub(d, one);
    let d_lo = l.sub(m, d_lo);
    let q = l.div(one, d);
    let s = l.mul(f, q);
    let minus_s = l.neg(s);
    let s_lo = l.fma(minus_s, d, f);
    let s_lo = l.fma(minus_s, d_lo, s_lo);
    let s_lo = l.mul(s_lo, q);

    let s2 = l.mul(s, s);
    let tail = polynomial(l, s2, &K3_TO_K9);
    let tail = l.mul(s2, tail);
    let (k1, k1_lo) = (l.float(K1_HI), l.float(K1_LO));
    let high = l.mul(s, k1);
    let minus_high = l.neg(high);
    let low = l.fma(s, k1, minus_high);
    let low = l.fma(s, k1_lo, low);
    let three_k3 = l.float(3.0 * f64::from(K3_TO_K9[0]));
    let slope = l.fma(s2, three_k3, k1);
    let low = l.fma(s_lo, slope, low);
    let low = l.fma(s, tail, low);

    let hi = l.add(e, high);
    let lo = l.sub(hi, e);
    let lo = l.sub(high, lo);
    let lo = l.add(lo, low);
    let sum = l.add(hi, lo);
    let rounded = l.sub(sum, hi);
    let lo = l.sub(lo, rounded);

    let infinity = l.float(f64::INFINITY);
    let finite = l.lt(a, infinity);
    let hi = l.select(finite, sum, a);
    let (zero, minus_infinity) = (l.float(0.0), l.float(f64::NEG_INFINITY));
    let is_zero = l.eq(a, zero);
    let hi = l.select(is_zero, minus_infinity, hi);
    (hi, lo)
}

/// 2^(p + rest), `rest` being the rounding error of p.
fn exp2<L: Lanes>(l: &mut L, p: L::F, rest: L::F) -> L::F {
    let rounder = l.float(SCALING_ROUNDER);
    let t = l.add(p, rounder);
    let n = l.sub(t, rounder);
    let r = l.sub(p, n);
    let r = l.add(r, rest);
    let power = polynomial(l, r, &EXP2);
    let power = times_power_of_two(l, power, t);

    let (largest, infinity) = (l.float(150.0), l.float(f64::INFINITY));
    let overflow = l.lt(largest, p);
    let power = l.select(overflow, infinity, power);
    let (smallest, zero) = (l.float(-160.0), l.float(0.0));
    let underflow = l.lt(p, smallest);
    l.select(underflow, zero, power)
}

/// |x|ʸ turned into xʸ.
fn with_sign<L: Lanes>(l: &mut L, magnitude: L::F, x: L::F, y: L::F) -> L::F {
    let floor = l.floor(y);
    let integer = l.eq(floor, y);
    let half = l.float(0.5);
    let half_y = l.mul(y, half);
    let floor = l.floor(half_y);
    let no_even = l.lt(floor, half_y);
    let odd = l.and(integer, no_even);

    let (sign_bit, none) = (l.int(i64::from(i32::MIN)), l.int(0));
    let sign = l.iselect(odd, sign_bit, none);
    let bits = l.bits(x);
    let sign = l.iand(sign, bits);
    let magnitude = l.bits(magnitude);
    let power = l.ior(magnitude, sign);
    let power = l.from_bits(power);

    let (zero, minus_infinity) = (l.float(0.0), l.float(f64::NEG_INFINITY));
    let negative = l.lt(x, zero);
    let finite = l.lt(minus_infinity, x);
    let negative = l.and(negative, finite);
    let fractional = l.not(integer);
    let undefined = l.and(negative, fractional);
    let nan = l.float(f64::NAN);
    l.select(undefined, nan, power)
}
