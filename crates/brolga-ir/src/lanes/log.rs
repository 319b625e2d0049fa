//! ln x.
//!
//! x = 2ᵉ·m with √½ ≤ m < √2, so ln x = e·ln 2 + ln m. With f = 23 bits of fraction in `f32` and 52
//! in `f64`:
//!
//! 1. A subnormal x is multiplied by 2ᶠ first, which is exact, and e lowered by f.
//! 2. e and m come from the bits of x less the bits of √½: the exponent field is e, the fraction
//!    field, with the bits of √½ added again, is m.
//! 3. g = m − 1, exact.
//! 4. In `f32`, ln(1 + g) ≈ g + g²·(c₂ + c₃g + … + c₁₀g⁸) by Horner's rule. The coefficients
//!    minimise the largest relative error over [√½ − 1, √2 − 1] (Remez's exchange): 2⁻²⁷·⁵. ln x =
//!    fma(e, ln 2, fma(g², c₂ + …, g)). The rounding of ln 2 costs 0.06 ULP.
//! 5. In `f64`, where that polynomial would be long, s = g / (g + 2), z = s² and h = ½g² give
//!    ln(1 + g) = 2 artanh s ≈ g − (h − s·(h + z·(k₀ + k₁z + … + k₆z⁶))), error 2⁻⁵⁹·⁵.
//!    ln x = fma(e, ln2ₕᵢ, g − (h − fma(s, h + …, e·ln2ₗₒ))).
//! 6. ln 0 = −∞, ln of a negative number is NaN, ∞ and NaN stay.
//!
//! Largest error: over all `f32` 0.93 ULP, over some 10⁸ random `f64` 0.85 ULP. 27 and 33
//! operations, in `f64` one of them a division.

use super::{Lanes, Width, polynomial};

/// The bits of √½.
const SQRT_HALF_32: i64 = std::f32::consts::FRAC_1_SQRT_2.to_bits() as i64;
/// The bits of √½.
const SQRT_HALF_64: i64 = std::f64::consts::FRAC_1_SQRT_2.to_bits() as i64;

const COEFFICIENTS_32: [f64; 9] = [
    -0.499_999_88,
    0.333_333_25,
    -0.250_015_83,
    0.200_019_73,
    -0.166_090_83,
    0.141_818_36,
    -0.132_429_9,
    0.129_043_65,
    -0.076_216_88,
];

const COEFFICIENTS_64: [f64; 7] = [
    0.666_666_666_666_673_4,
    0.399_999_999_994_165_25,
    0.285_714_287_420_713_4,
    0.222_221_985_992_696_88,
    0.181_835_632_102_847_06,
    0.153_140_743_617_452_9,
    0.147_957_497_869_618_3,
];

pub(super) fn log<L: Lanes>(l: &mut L, x: L::F) -> L::F {
    let (e, m) = exponent_and_significand(l, x);
    let one = l.float(1.0);
    let g = l.sub(m, one);
    let log = match l.width() {
        Width::W32 => combine_32(l, e, g),
        Width::W64 => combine_64(l, e, g),
    };

    let infinity = l.float(f64::INFINITY);
    let finite = l.lt(x, infinity);
    let log = l.select(finite, log, x);
    let (zero, nan) = (l.float(0.0), l.float(f64::NAN));
    let negative = l.lt(x, zero);
    let log = l.select(negative, nan, log);
    let minus_infinity = l.float(f64::NEG_INFINITY);
    let is_zero = l.eq(x, zero);
    l.select(is_zero, minus_infinity, log)
}

/// e·ln 2 + ln(1 + g) in `f32`.
fn combine_32<L: Lanes>(l: &mut L, e: L::F, g: L::F) -> L::F {
    let tail = polynomial(l, g, &COEFFICIENTS_32);
    let g2 = l.mul(g, g);
    let log_m = l.fma(g2, tail, g);
    let [ln_2, _] = l.width().ln_2();
    let ln_2 = l.float(ln_2);
    l.fma(e, ln_2, log_m)
}

/// e·ln 2 + ln(1 + g) in `f64`.
fn combine_64<L: Lanes>(l: &mut L, e: L::F, g: L::F) -> L::F {
    let (two, half) = (l.float(2.0), l.float(0.5));
    let d = l.add(g, two);
    let s = l.div(g, d);
    let z = l.mul(s, s);
    let h = l.mul(g, half);
    let h = l.mul(h, g);
    let tail = polynomial(l, z, &COEFFICIENTS_64);
    let tail = l.fma(z, tail, h);

    let [ln_2_hi, ln_2_lo] = l.width().ln_2();
    let (ln_2_hi, ln_2_lo) = (l.float(ln_2_hi), l.float(ln_2_lo));
    let low = l.mul(e, ln_2_lo);
    let low = l.fma(s, tail, low);
    let low = l.sub(h, low);
    let log_m = l.sub(g, low);
    l.fma(e, ln_2_hi, log_m)
}

/// e and √½ ≤ m < √2 such that x = 2ᵉ·m, for positive finite x.
pub(super) fn exponent_and_significand<L: Lanes>(l: &mut L, x: L::F) -> (L::F, L::F) {
    let (fraction_bits, sqrt_half) = match l.width() {
        Width::W32 => (Width::W32.fraction_bits(), SQRT_HALF_32),
        Width::W64 => (Width::W64.fraction_bits(), SQRT_HALF_64),
    };
    let two_to_fraction_bits = 1_i64 << fraction_bits;

    let smallest_normal = l.smallest_normal();
    let subnormal = l.lt(x, smallest_normal);
    let scale = l.float(two_to_fraction_bits as f64);
    let scaled = l.mul(x, scale);
    let x = l.select(subnormal, scaled, x);
    let sqrt_half_scaled = l.int(sqrt_half + (i64::from(fraction_bits) << fraction_bits));
    let sqrt_half = l.int(sqrt_half);
    let origin = l.iselect(subnormal, sqrt_half_scaled, sqrt_half);

    let bits = l.bits(x);
    let distance = l.isub(bits, origin);
    let e = l.sar(distance, fraction_bits);
    let e = l.to_float(e);
    let fraction = l.int(two_to_fraction_bits - 1);
    let m = l.iand(distance, fraction);
    let m = l.iadd(m, sqrt_half);
    (e, l.from_bits(m))
}
