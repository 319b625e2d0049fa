//! ln x.
//!
//! x = 2ᵉ·m with √½ ≤ m < √2, so ln x = e·ln 2 + ln m:
//!
//! 1. A subnormal x is multiplied by 2²³ first, which is exact, and e lowered by 23.
//! 2. e and m come from the bits of x less the bits of √½: the exponent field is e, the fraction field, with the bits of √½ added
//!    again, is m.
//! 3. f = m − 1, exact. ln(1 + f) ≈ f + f²·(c₂ + c₃f + … + c₁₀f⁸) by Horner's rule. The coefficients minimise the largest relative
//!    error over [√½ − 1, √2 − 1] (Remez's exchange): 2⁻²⁷·⁵.
//! 4. ln x = fma(e, ln 2, fma(f², c₂ + …, f)). The rounding of ln 2 to `f32` costs 0.06 ULP.
//! 5. ln 0 = −∞, ln of a negative number is NaN, ∞ and NaN stay.
//!
//! Largest error over all floats: 0.93 ULP. 27 operations.

use super::exp::LN_2_HI;
use super::{Lanes, polynomial};

/// The bits of √½.
const SQRT_HALF: i64 = 0x3f35_04f3;

const COEFFICIENTS: [f32; 9] = [
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

pub(super) fn log<L: Lanes>(l: &mut L, x: L::F) -> L::F {
    let (e, m) = exponent_and_significand(l, x);
    let one = l.float(1.0);
    let f = l.sub(m, one);
    let tail = polynomial(l, f, &COEFFICIENTS);
    let f2 = l.mul(f, f);
    let log_m = l.fma(f2, tail, f);
    let ln_2 = l.float(LN_2_HI);
    let log = l.fma(e, ln_2, log_m);

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

/// e and √½ ≤ m < √2 such that x = 2ᵉ·m, for positive finite x.
pub(super) fn exponent_and_significand<L: Lanes>(l: &mut L, x: L::F) -> (L::F, L::F) {
    let smallest_normal = l.float(f64::from(f32::MIN_POSITIVE));
    let subnormal = l.lt(x, smallest_normal);
    let two_23 = l.float(8_388_608.0);
    let scaled = l.mul(x, two_23);
    let x = l.select(subnormal, scaled, x);
    let sqrt_half = l.int(SQRT_HALF);
    let sqrt_half_scaled = l.int(SQRT_HALF + (23 << 23));
    let origin = l.iselect(subnormal, sqrt_half_scaled, sqrt_half);

    let bits = l.bits(x);
    let distance = l.isub(bits, origin);
    let e = l.sar(distance, 23);
    let e = l.to_float(e);
    let fraction = l.int(0x007f_ffff);
    let m = l.iand(distance, fraction);
    let m = l.iadd(m, sqrt_half);
    (e, l.from_bits(m))
}
