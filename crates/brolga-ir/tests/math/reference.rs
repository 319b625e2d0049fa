//! The transcendental functions in double-double arithmetic, the reference for `f64`.
//!
//! A value is the unevaluated sum of two `f64`, some 104 bits, times a power of two. The algorithms
//! of sums and products are those of Dekker, "A floating-point technique for extending the
//! available precision" (1971).

use std::ops::{Add, Div, Mul, Neg, Sub};

/// `hi + lo`, where `hi` is the sum rounded to `f64`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Double {
    pub(crate) hi: f64,
    pub(crate) lo: f64,
}

const ONE: Double = Double { hi: 1.0, lo: 0.0 };
/// 2/√π.
const TWO_PER_SQRT_PI: Double =
    Double { hi: std::f64::consts::FRAC_2_SQRT_PI, lo: 1.533_545_961_316_588e-17 };
const LN_2: Double = Double { hi: std::f64::consts::LN_2, lo: 2.319_046_813_846_299_6e-17 };

impl From<f64> for Double {
    fn from(hi: f64) -> Self {
        Self { hi, lo: 0.0 }
    }
}

impl Double {
    /// a + b for |a| ≥ |b|.
    fn of_sum(a: f64, b: f64) -> Self {
        let hi = a + b;
        Self { hi, lo: b - (hi - a) }
    }

    /// `self`·2ⁿ, where neither overflows nor underflows.
    fn times_power_of_two(self, n: i32) -> Self {
        Self { hi: times_power_of_two(self.hi, n), lo: times_power_of_two(self.lo, n) }
    }
}

impl Add for Double {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let hi = self.hi + other.hi;
        let part = hi - self.hi;
        let lo = (self.hi - (hi - part)) + (other.hi - part);
        Self::of_sum(hi, lo + (self.lo + other.lo))
    }
}

impl Neg for Double {
    type Output = Self;
    fn neg(self) -> Self {
        Self { hi: -self.hi, lo: -self.lo }
    }
}

impl Sub for Double {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Double {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let hi = self.hi * other.hi;
        let lo = self.hi.mul_add(other.hi, -hi);
        Self::of_sum(hi, lo + self.hi.mul_add(other.lo, self.lo * other.hi))
    }
}

impl Div for Double {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let quotient = self.hi / other.hi;
        let rest = self - Self::from(quotient) * other;
        Self::of_sum(quotient, rest.hi / other.hi)
    }
}

/// x·2ⁿ, rounded at most once.
fn times_power_of_two(x: f64, n: i32) -> f64 {
    let third = n / 3;
    [third, third, n - 2 * third].into_iter().fold(x, |x, n| x * f64::from(n).exp2())
}

/// eˣ − 1 = Σ xᵏ / k! for |x| below ½.
fn exp_m1_of_small(x: Double) -> Double {
    let mut sum = Double::from(0.0);
    for k in (1..=28).rev() {
        sum = (sum + ONE) * x / Double::from(f64::from(k));
    }
    sum
}

/// eˣ as a·2ⁿ with ½ < a < 2, for |x| below 2³⁰.
fn exp_of(x: Double) -> Scaled {
    let n = (x.hi / LN_2.hi).round();
    let r = x - Double::from(n) * LN_2;
    Scaled { value: exp_m1_of_small(r) + ONE, exponent: n as i32 }
}

/// ln x = e·ln 2 + 2 artanh((m − 1) / (m + 1)) for positive finite x = 2ᵉ·m with √½ ≤ m < √2.
fn log_of(x: f64) -> Double {
    let (x, below) = if x < f64::MIN_POSITIVE { (x * 64_f64.exp2(), 64) } else { (x, 0) };
    let sqrt_half = std::f64::consts::FRAC_1_SQRT_2.to_bits();
    let distance = x.to_bits().wrapping_sub(sqrt_half) as i64;
    let m = f64::from_bits((distance & ((1 << 52) - 1)) as u64 + sqrt_half);
    let e = ((distance >> 52) - below) as f64;
    let s = Double::from(m - 1.0) / (Double::from(m) + ONE);
    let z = s * s;
    let mut sum = Double::from(0.0);
    for k in (0..24).rev() {
        sum = sum * z + ONE / Double::from(f64::from(2 * k + 1));
    }
    Double::from(e) * LN_2 + (s + s) * sum
}

/// A value times a power of 2, which may be too large or too small for a float.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scaled {
    pub(crate) value: Double,
    pub(crate) exponent: i32,
}

impl From<Double> for Scaled {
    fn from(value: Double) -> Self {
        Self { value, exponent: 0 }
    }
}

impl Scaled {
    pub(crate) fn plain(value: f64) -> Self {
        Double::from(value).into()
    }

    /// The error relative to (hi + lo)·2ᵉ.
    pub(crate) fn relative_error(self, [hi, lo]: [f64; 2], exponent: i32) -> f64 {
        let Double { hi: ours, lo: our_rest } =
            self.value.times_power_of_two(self.exponent - exponent);
        ((ours - hi) + (our_rest - lo)).abs() / hi.abs()
    }

    /// |got − self| in units of the last place that a float of this size has. A NaN for a number,
    /// a number for a NaN and a zero with the wrong sign are infinitely wrong; ∞ counts as 2¹⁰²⁴.
    pub(crate) fn error_in_ulp(self, got: f64) -> f64 {
        let hi = self.value.hi;
        if got.is_nan() && hi.is_nan() {
            return 0.0;
        }
        if got.is_nan() || hi.is_nan() || got.is_sign_negative() != hi.is_sign_negative() {
            return f64::INFINITY;
        }
        if hi == 0.0 || hi.is_infinite() {
            return if got == hi { 0.0 } else { f64::INFINITY };
        }
        let magnitude = (hi.abs().to_bits() >> 52) as i32 - 1023 + self.exponent;
        let unit = magnitude.clamp(-1022, 1023) - 52;
        let overflow = Double::from(f64::from(1024 - unit).exp2().copysign(hi));
        let expected = match magnitude {
            1024.. => overflow,
            _ => self.value.times_power_of_two(self.exponent - unit),
        };
        let got = if got.is_finite() { times_power_of_two(got, -unit) } else { overflow.hi };
        ((got - expected.hi) - expected.lo).abs()
    }
}

/// An x beyond which eˣ overflows, and e⁻ˣ rounds to 0.
const FAR: f64 = 2000.0;

pub(crate) fn exp(x: f64) -> Scaled {
    if x.is_nan() || x.is_infinite() {
        return Scaled::plain(x.exp());
    }
    exp_of(x.clamp(-FAR, FAR).into())
}

pub(crate) fn log(x: f64) -> Scaled {
    if x.is_nan() || x.is_infinite() || x <= 0.0 {
        return Scaled::plain(x.ln());
    }
    log_of(x).into()
}

/// tanh y = (1 − e⁻²ʸ) / (1 + e⁻²ʸ), odd in y.
pub(crate) fn tanh(x: f64) -> Scaled {
    let y = x.abs().min(50.0);
    if x.is_nan() || y < 1e-100 {
        return Scaled::plain(x);
    }
    let minus_2y = Double::from(-2.0 * y);
    let tanh = if y < 0.2 {
        let e = exp_m1_of_small(minus_2y);
        -e / (e + ONE + ONE)
    } else {
        let Scaled { value, exponent } = exp_of(minus_2y);
        let e = value.times_power_of_two(exponent);
        (ONE - e) / (ONE + e)
    };
    if x < 0.0 { -tanh } else { tanh }.into()
}

/// erf y = 2/√π · e^(−y²) · Σ 2ᵏ·y²ᵏ⁺¹ / (1·3·…·(2k + 1)), odd in y; all terms are positive.
pub(crate) fn erf(x: f64) -> Scaled {
    let y = x.abs().min(9.0);
    if x.is_nan() || x == 0.0 {
        return Scaled::plain(x);
    }
    if y < 1e-100 {
        // The next term is smaller by y²; scaling keeps the rest of the product.
        let Double { hi, lo } = TWO_PER_SQRT_PI * Double::from(times_power_of_two(x, 512));
        return Scaled { value: Double { hi, lo }, exponent: -512 };
    }
    let square = Double::from(y) * Double::from(y);
    let mut sum = Double::from(0.0);
    for k in (1..=400).rev() {
        let ratio = (square + square) / Double::from(f64::from(2 * k + 1));
        sum = (sum + ONE) * ratio;
    }
    let Scaled { value, exponent } = exp_of(-square);
    let power = value.times_power_of_two(exponent);
    let erf = TWO_PER_SQRT_PI * power * Double::from(y) * (sum + ONE);
    if x < 0.0 { -erf } else { erf }.into()
}

/// σ(x) = 1 / (1 + e⁻ˣ) for x ≥ 0 and eˣ / (1 + eˣ) for x < 0.
pub(crate) fn sigmoid(x: f64) -> Scaled {
    if x.is_nan() {
        return Scaled::plain(x);
    }
    let Scaled { value, exponent } = exp_of((-x.abs()).max(-FAR).into());
    let below = ONE + value.times_power_of_two(exponent.max(-300));
    if x < 0.0 { Scaled { value: value / below, exponent } } else { (ONE / below).into() }
}

/// xʸ, where neither is 0, infinite or NaN; those cases are the standard library's, which has C's.
pub(crate) fn pow(x: f64, y: f64) -> Scaled {
    let ordinary = |v: f64| v.is_finite() && v != 0.0;
    if !ordinary(x) || !ordinary(y) || (x < 0.0 && y.floor() != y) {
        // The standard library tells signaling NaNs from quiet ones; here NaN is one value.
        let quiet = |v: f64| if v.is_nan() { f64::NAN } else { v };
        return Scaled::plain(quiet(x).powf(quiet(y)));
    }
    let log = log_of(x.abs());
    let rough = y * log.hi;
    let product =
        if rough.abs() < FAR { Double::from(y) * log } else { FAR.copysign(rough).into() };
    let Scaled { value, exponent } = exp_of(product);
    let odd = (y / 2.0).floor() != y / 2.0;
    Scaled { value: if x < 0.0 && odd { -value } else { value }, exponent }
}
