//! tanh x.
//!
//! With y = |x| = n·½ ln 2 + r, |r| ≤ ¼ ln 2, s = 2ⁿ and T = tanh r, the addition theorem gives
//! tanh y = ((s − 1) + (s + 1)T) / ((s + 1) + (s − 1)T). Three roundings of such a quotient may add
//! up to 2.5 ULP, so a rough value B = min(n/4, 1) is taken out first, and only the rest is
//! divided:
//!
//! 1. y is limited to 10, in `f64` to 20, where tanh has long rounded to 1. NaN stays.
//! 2. n = round(y / ½ ln 2) and s, in the last place of a sum, as in [`exp`](super::exp); r =
//!    fma(n, −½ ln 2, y), which is exact.
//! 3. T ≈ r + r³·(c₃ + c₅r² + …) by Horner's rule, up to c₇ in `f32` and to c₁₃ in `f64`. The
//!    coefficients minimise the largest relative error (Remez's exchange): 2⁻³²·⁵ and 2⁻⁵⁷·⁷. One
//!    part of ln 2 is enough in `f32`, because large y count little; in `f64` the second one is
//!    subtracted from the small term, T ≈ r + fma(r³, c₃ + …, −n·½ ln2ₗₒ), so that r stays exact.
//! 4. c = s − 1, d = s + 1; tanh y = B + fma(fma(−B, c, d), T, fma(−B, d, c)) / fma(c, T, d). For n
//!    = 0 this is T, so small arguments keep their precision and tiny ones come back unchanged.
//! 5. The sign of x is put back: tanh(−x) = −tanh x, bit for bit, zeros included.
//!
//! Largest error: over all `f32` 1.83 ULP, over some 10⁸ random `f64` 1.83 ULP. 25 and 30
//! operations, one of them a division.

use super::{Lanes, Width, polynomial};

const COEFFICIENTS_32: [f64; 3] = [-0.333_333_22, 0.133_311_42, -0.052_715_294];
const COEFFICIENTS_64: [f64; 6] = [
    -0.333_333_333_333_324_9,
    0.133_333_333_327_849_72,
    -0.053_968_252_783_842_36,
    0.021_869_370_834_034_223,
    -0.008_857_312_306_694_577,
    0.003_444_876_768_600_041_6,
];

pub(super) fn tanh<L: Lanes>(l: &mut L, x: L::F) -> L::F {
    let width = l.width();
    let y = l.abs(x);
    let largest = match width {
        Width::W32 => 10.0,
        Width::W64 => 20.0,
    };
    let largest = l.float(largest);
    let too_large = l.lt(largest, y);
    let y = l.select(too_large, largest, y);

    let per_half_ln_2 = l.float(2.0 * std::f64::consts::LOG2_E);
    let rounder = l.float(width.rounder() + width.bias());
    let t = l.fma(y, per_half_ln_2, rounder);
    let n = l.sub(t, rounder);
    let [ln_2_hi, ln_2_lo] = width.ln_2();
    let minus_half_hi = l.float(-0.5 * ln_2_hi);
    let r = l.fma(n, minus_half_hi, y);
    let (r3, tail) = tanh_tail(l, r, 1.0);
    let tanh_r = match width {
        Width::W32 => l.fma(r3, tail, r),
        Width::W64 => {
            let minus_half_lo = l.float(-0.5 * ln_2_lo);
            let low = l.mul(n, minus_half_lo);
            let low = l.fma(r3, tail, low);
            l.add(r, low)
        }
    };

    let exponent = l.bits(t);
    let exponent = l.shl(exponent, width.fraction_bits());
    let s = l.from_bits(exponent);
    let one = l.float(1.0);
    let c = l.sub(s, one);
    let d = l.add(s, one);
    let (minus_quarter, minus_one) = (l.float(-0.25), l.float(-1.0));
    let minus_base = l.mul(n, minus_quarter);
    let beyond = l.lt(minus_base, minus_one);
    let minus_base = l.select(beyond, minus_one, minus_base);

    let constant = l.fma(minus_base, d, c);
    let slope = l.fma(minus_base, c, d);
    let numerator = l.fma(slope, tanh_r, constant);
    let denominator = l.fma(c, tanh_r, d);
    let rest = l.div(numerator, denominator);
    let tanh = l.sub(rest, minus_base);

    let sign_bit = l.int(width.sign_bit());
    let sign = l.bits(x);
    let sign = l.iand(sign, sign_bit);
    let tanh = l.bits(tanh);
    let tanh = l.ior(tanh, sign);
    l.from_bits(tanh)
}

/// r³ and c such that tanh(u·r) / u = r + r³·c, for |u·r| ≤ ¼ ln 2 and a power of two u.
pub(super) fn tanh_tail<L: Lanes>(l: &mut L, r: L::F, u: f64) -> (L::F, L::F) {
    let mut scale = 1.0;
    let mut scaled = |c: f64| {
        scale *= u * u;
        c * scale
    };
    let r2 = l.mul(r, r);
    let tail = match l.width() {
        Width::W32 => polynomial(l, r2, &COEFFICIENTS_32.map(&mut scaled)),
        Width::W64 => polynomial(l, r2, &COEFFICIENTS_64.map(&mut scaled)),
    };
    (l.mul(r, r2), tail)
}
