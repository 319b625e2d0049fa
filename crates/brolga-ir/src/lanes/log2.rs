//! log₂ a as an unevaluated sum of two floats, for powers.
//!
//! The relative error is 2⁻²⁹ in `f32` and 2⁻⁶³ in `f64`:
//!
//! 1. a = 2ᵉ·m as in [`log`](super::log). f = m − 1 and d + dₗₒ = m + 1, both exact.
//! 2. q = 1/d, s = f·q, sₗₒ = (f − s·d − s·dₗₒ)·q: f / (m + 1) = s + sₗₒ. log₂ m = 2/ln 2 ·
//!    artanh(s + sₗₒ).
//! 3. In `f32`, log₂ m ≈ h + l with h = K₁·s and l = (fma(s, K₁, −h) + s·K₁ₗₒ) + sₗₒ·(K₁ + 3K₃s²) +
//!    s·(s²·(K₃ + K₅s² + K₇s⁴ + K₉s⁶)). K₃ to K₉ minimise the largest error (Remez's exchange):
//!    2⁻³⁶.
//! 4. In `f64`, log₂ m ≈ C·s·(3 + z + z²·(c₀ + c₁z + … + c₇z⁷)) with z = s² and C = 2 / (3 ln 2).
//!    All but the last term of the sum, which is at most 2⁻¹²·⁵ of it, is carried in two floats, as
//!    are z, C and the products. The coefficients minimise the largest error (Remez's exchange):
//!    2⁻⁷³.
//! 5. hi + lo = e + h + l by two fast two-sums. hi = −∞ for a = 0, ∞ or NaN for such a.

use std::f64::consts::LOG2_E;

use super::log::exponent_and_significand;
use super::{Lanes, Width, polynomial};

/// 2 / ln 2 rounded to `f32`.
const K1_HI: f64 = (2.0 * LOG2_E) as f32 as f64;
/// 2 / ln 2 − K₁.
const K1_LO: f64 = 2.0 * LOG2_E - K1_HI;
const K3: f32 = 0.961_796_7;
const K3_TO_K9: [f64; 4] = [K3 as f64, 0.577_078_8, 0.411_927_25, 0.336_490_75];

/// 2 / (3 ln 2) rounded to `f64`, and the rest of it.
const C_HI: f64 = 0.961_796_693_925_975_6;
const C_LO: f64 = 5.057_761_664_812_590_7e-17;
const COEFFICIENTS_64: [f64; 8] = [
    0.599_999_999_999_999_6,
    0.428_571_428_571_688,
    0.333_333_333_260_293_2,
    0.272_727_283_392_410_15,
    0.230_768_330_041_498_74,
    0.200_045_646_444_874_2,
    0.175_104_322_969_671_8,
    0.179_984_608_266_245_7,
];

/// A float and its error: their sum is the value.
type Pair<F> = (F, F);

/// log₂ a as hi + lo, for a ≥ 0; hi = ±∞ or NaN where the logarithm is.
pub(super) fn log2<L: Lanes>(l: &mut L, a: L::F) -> Pair<L::F> {
    let (e, m) = exponent_and_significand(l, a);
    let s = quotient(l, m);
    let (high, low) = match l.width() {
        Width::W32 => log2_of_quotient_32(l, s),
        Width::W64 => log2_of_quotient_64(l, s),
    };

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

/// (m − 1) / (m + 1) for √½ ≤ m < √2.
fn quotient<L: Lanes>(l: &mut L, m: L::F) -> Pair<L::F> {
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
    (s, l.mul(s_lo, q))
}

/// 2/ln 2 · artanh(s + sₗₒ) in `f32`.
fn log2_of_quotient_32<L: Lanes>(l: &mut L, (s, s_lo): Pair<L::F>) -> Pair<L::F> {
    let s2 = l.mul(s, s);
    let tail = polynomial(l, s2, &K3_TO_K9);
    let tail = l.mul(s2, tail);
    let (k1, k1_lo) = (l.float(K1_HI), l.float(K1_LO));
    let (high, low) = product(l, s, k1);
    let low = l.fma(s, k1_lo, low);
    let three_k3 = l.float(3.0 * f64::from(K3));
    let slope = l.fma(s2, three_k3, k1);
    let low = l.fma(s_lo, slope, low);
    (high, l.fma(s, tail, low))
}

/// 2/ln 2 · artanh(s + sₗₒ) in `f64`.
fn log2_of_quotient_64<L: Lanes>(l: &mut L, s: Pair<L::F>) -> Pair<L::F> {
    let (z, z_lo) = pair_product(l, s, s);
    let z2 = l.mul(z, z);
    let tail = polynomial(l, z, &COEFFICIENTS_64);
    let tail = l.mul(z2, tail);

    let (sum, rest) = fast_two_sum(l, z, tail);
    let z_lo = l.add(z_lo, rest);
    let three = l.float(3.0);
    let (sum, rest) = fast_two_sum(l, three, sum);
    let sum_lo = l.add(z_lo, rest);

    let c = (l.float(C_HI), l.float(C_LO));
    let scaled = pair_product(l, s, c);
    pair_product(l, (sum, sum_lo), scaled)
}

/// a + b for |a| ≥ |b|.
fn fast_two_sum<L: Lanes>(l: &mut L, a: L::F, b: L::F) -> Pair<L::F> {
    let sum = l.add(a, b);
    let rounded = l.sub(sum, a);
    (sum, l.sub(b, rounded))
}

/// a·b.
pub(super) fn product<L: Lanes>(l: &mut L, a: L::F, b: L::F) -> Pair<L::F> {
    let high = l.mul(a, b);
    let minus_high = l.neg(high);
    (high, l.fma(a, b, minus_high))
}

/// a·b without the product of the low parts.
fn pair_product<L: Lanes>(l: &mut L, a: Pair<L::F>, b: Pair<L::F>) -> Pair<L::F> {
    let (high, low) = product(l, a.0, b.0);
    let low = l.fma(a.0, b.1, low);
    (high, l.fma(a.1, b.0, low))
}
