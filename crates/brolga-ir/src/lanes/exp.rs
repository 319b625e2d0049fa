//! eˣ.
//!
//! x = n·ln 2 + r with n the integer nearest to x / ln 2, so eˣ = 2ⁿ·eʳ with |r| ≤ ½ ln 2. With f =
//! 23 bits of fraction and a bias b = 127 in `f32`, f = 52 and b = 1023 in `f64`:
//!
//! 1. x is clamped to [−104, 89], in `f64` to [−746, 710], where eˣ has long rounded to 0 and
//!    overflowed to ∞. NaN stays.
//! 2. t = fma(x, 1/ln 2, 1.5·2ᶠ + 2b) rounds to an integer in the last place; n = t − (1.5·2ᶠ +
//!    2b), and the low bits of t hold n + 2b.
//! 3. r = fma(n, −ln2ₗₒ, fma(n, −ln2ₕᵢ, x)). The inner one is exact: x and n·ln2ₕᵢ are multiples of
//!    2⁻ᶠ⁻², and their difference is below ½ (with n = 0 it is x).
//! 4. eʳ ≈ 1 + r + c₂r² + … by Horner's rule, up to r⁶ in `f32` and to r¹¹ in `f64`. The
//!    coefficients from c₂ on minimise the largest relative error (Remez's exchange; after each one
//!    is rounded to a lane, the rest are fitted again): 2⁻²⁸ and 2⁻⁵⁷·⁹.
//! 5. 2ⁿ is applied as 2^⌊n/2⌋ · 2^⌈n/2⌉. The first product is exact; the second rounds, once,
//!    where the result is subnormal, and overflows to ∞.
//!
//! Largest error: over all `f32` 0.9 ULP, over some 10⁸ random `f64` 0.90 ULP. 20 and 25
//! operations.

use super::{Lanes, Width, clamp, polynomial};

const COEFFICIENTS_32: [f64; 7] =
    [1.0, 1.0, 0.499_999_94, 0.166_665_35, 0.041_668_385, 0.008_367_457, 0.001_380_973_5];

const COEFFICIENTS_64: [f64; 12] = [
    1.0,
    1.0,
    0.500_000_000_000_001_1,
    0.166_666_666_666_664_5,
    0.041_666_666_666_527_186,
    0.008_333_333_333_472_737,
    0.001_388_888_894_425_851_8,
    0.000_198_412_695_508_273_01,
    2.480_149_255_095_748_8e-5,
    2.755_754_874_827_459_6e-6,
    2.763_041_773_816_071e-7,
    2.501_149_568_744_271_6e-8,
];

pub(super) fn exp<L: Lanes>(l: &mut L, x: L::F) -> L::F {
    let (range, coefficients): (_, &[f64]) = match l.width() {
        Width::W32 => ([-104.0, 89.0], &COEFFICIENTS_32),
        Width::W64 => ([-746.0, 710.0], &COEFFICIENTS_64),
    };
    let x = clamp(l, x, range);
    let rounder = scaling_rounder(l);
    let (r, t) = reduce(l, x, rounder);
    let power = polynomial(l, r, coefficients);
    times_power_of_two(l, power, t)
}

/// r and t = n + `rounder`, where x = n·ln 2 + r and |r| ≤ ½ ln 2.
pub(super) fn reduce<L: Lanes>(l: &mut L, x: L::F, rounder: f64) -> (L::F, L::F) {
    let [ln_2_hi, ln_2_lo] = l.width().ln_2();
    let per_ln_2 = l.float(std::f64::consts::LOG2_E);
    let rounder = l.float(rounder);
    let t = l.fma(x, per_ln_2, rounder);
    let n = l.sub(t, rounder);
    let minus_hi = l.float(-ln_2_hi);
    let r = l.fma(n, minus_hi, x);
    let minus_lo = l.float(-ln_2_lo);
    (l.fma(n, minus_lo, r), t)
}

/// The rounder of [`times_power_of_two`].
pub(super) fn scaling_rounder<L: Lanes>(l: &L) -> f64 {
    l.width().rounder() + 2.0 * l.width().bias()
}

/// a·2ⁿ for ½ ≤ |a| < 2, rounded once, where t = n + [`scaling_rounder`] and |n| is at most twice
/// the bias.
pub(super) fn times_power_of_two<L: Lanes>(l: &mut L, a: L::F, t: L::F) -> L::F {
    let fraction_bits = l.width().fraction_bits();
    let biased = l.bits(t);
    let half = l.shr(biased, 1);
    let other = l.isub(biased, half);
    let half = l.shl(half, fraction_bits);
    let half = l.from_bits(half);
    let other = l.shl(other, fraction_bits);
    let other = l.from_bits(other);
    let a = l.mul(a, half);
    l.mul(a, other)
}
