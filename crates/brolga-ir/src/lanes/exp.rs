//! eˣ.
//!
//! x = n·ln 2 + r with n the integer nearest to x / ln 2, so eˣ = 2ⁿ·eʳ with |r| ≤ ½ ln 2:
//!
//! 1. x is clamped to [−104, 89], where eˣ has long rounded to 0 and overflowed to ∞. NaN stays.
//! 2. t = fma(x, 1/ln 2, 1.5·2²³ + b) rounds to an integer in the last place; n = t − (1.5·2²³ + b), and the
//!    low bits of t hold n + b.
//! 3. r = fma(n, −ln2ₗₒ, fma(n, −ln2ₕᵢ, x)). The inner one is exact: x and n·ln2ₕᵢ are multiples of 2⁻²⁵, and their
//!    difference is below ½ (with n = 0 it is x).
//! 4. eʳ ≈ 1 + r + c₂r² + … + c₆r⁶ by Horner's rule. c₂ to c₆ minimise the largest relative error
//!    (Remez's exchange; after each one is rounded to `f32`, the rest are fitted again): 2⁻²⁸.
//! 5. 2ⁿ is applied as 2^⌊n/2⌋ · 2^⌈n/2⌉. The first product is exact; the second rounds, once, where the result is
//!    subnormal, and overflows to ∞.
//!
//! Largest error over all floats: 0.9 ULP. 20 operations.

use super::{Lanes, polynomial};

/// 1.5·2²³: the floats around it are the integers around it.
pub(super) const ROUNDER: f64 = 12_582_912.0;
/// The bias of the exponent field.
pub(super) const BIAS: f64 = 127.0;
/// The rounder of [`times_power_of_two`].
pub(super) const SCALING_ROUNDER: f64 = ROUNDER + 2.0 * BIAS;
/// ln 2 rounded to `f32`.
pub(super) const LN_2_HI: f64 = std::f32::consts::LN_2 as f64;
/// ln 2 − ln2ₕᵢ.
const LN_2_LO: f64 = std::f64::consts::LN_2 - LN_2_HI;

const COEFFICIENTS: [f32; 7] =
    [1.0, 1.0, 0.499_999_94, 0.166_665_35, 0.041_668_385, 0.008_367_457, 0.001_380_973_5];

pub(super) fn exp<L: Lanes>(l: &mut L, x: L::F) -> L::F {
    let (smallest, largest) = (l.float(-104.0), l.float(89.0));
    let too_small = l.lt(x, smallest);
    let x = l.select(too_small, smallest, x);
    let too_large = l.lt(largest, x);
    let x = l.select(too_large, largest, x);
    let (r, t) = reduce(l, x, SCALING_ROUNDER);
    let power = polynomial(l, r, &COEFFICIENTS);
    times_power_of_two(l, power, t)
}

/// r and t = n + `rounder`, where x = n·ln 2 + r and |r| ≤ ½ ln 2.
pub(super) fn reduce<L: Lanes>(l: &mut L, x: L::F, rounder: f64) -> (L::F, L::F) {
    let per_ln_2 = l.float(std::f64::consts::LOG2_E);
    let rounder = l.float(rounder);
    let t = l.fma(x, per_ln_2, rounder);
    let n = l.sub(t, rounder);
    let minus_hi = l.float(-LN_2_HI);
    let r = l.fma(n, minus_hi, x);
    let minus_lo = l.float(-LN_2_LO);
    (l.fma(n, minus_lo, r), t)
}

/// a·2ⁿ for ½ ≤ |a| < 2, rounded once, where t = n + [`SCALING_ROUNDER`] and −250 ≤ n ≤ 254.
pub(super) fn times_power_of_two<L: Lanes>(l: &mut L, a: L::F, t: L::F) -> L::F {
    let biased = l.bits(t);
    let half = l.shr(biased, 1);
    let other = l.isub(biased, half);
    let half = l.shl(half, 23);
    let half = l.from_bits(half);
    let other = l.shl(other, 23);
    let other = l.from_bits(other);
    let a = l.mul(a, half);
    l.mul(a, other)
}
