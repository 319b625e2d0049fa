//! `f64`, on random numbers of every magnitude and around every point at which a program changes.

use std::f64::consts::LN_2;
use std::ops::Range;

use brolga_ir::lanes::{Lanes, ScalarF64};

use super::reference::{self, Scaled};
use super::ulp::{SplitMix, Worst};

/// The number of random numbers of each kind.
const SAMPLES: u64 = 100_000;
/// The number of floats on each side of a special point.
const NEIGHBOURS: u64 = 200;

const SPECIAL: [f64; 14] = [
    0.0,
    5e-324,
    f64::MIN_POSITIVE,
    f64::EPSILON,
    0.5,
    std::f64::consts::FRAC_1_SQRT_2,
    1.0,
    std::f64::consts::SQRT_2,
    2.0,
    10.0,
    40.0,
    4_503_599_627_370_496.0,
    f64::MAX,
    f64::INFINITY,
];

/// A function of one argument, its reference, the ranges in which it is tested densely, and its
/// largest permitted error.
pub(crate) struct Unary {
    pub(crate) name: &'static str,
    function: fn(f64) -> f64,
    reference: fn(f64) -> Scaled,
    /// Ranges from which numbers are drawn uniformly, in addition to those of any bits.
    ranges: &'static [Range<f64>],
    pub(crate) max_ulp: f64,
}

pub(crate) const EXP: Unary = Unary {
    name: "exp",
    function: |x| ScalarF64.exp(x),
    reference: reference::exp,
    ranges: &[-746.0..710.0, -4.0..4.0, -746.0..-708.0],
    max_ulp: 1.0,
};
pub(crate) const LOG: Unary = Unary {
    name: "log",
    function: |x| ScalarF64.log(x),
    reference: reference::log,
    ranges: &[0.4..2.4, 0.9..1.1, 0.0..f64::MIN_POSITIVE],
    max_ulp: 1.0,
};
pub(crate) const TANH: Unary = Unary {
    name: "tanh",
    function: |x| ScalarF64.tanh(x),
    reference: reference::tanh,
    ranges: &[-20.0..20.0, 0.0..2.0, 0.173..0.25],
    max_ulp: 2.0,
};
pub(crate) const ERF: Unary = Unary {
    name: "erf",
    function: |x| ScalarF64.erf(x),
    reference: reference::erf,
    ranges: &[-6.0..6.0, 0.0..1.0, 0.85..1.5],
    max_ulp: 2.0,
};
pub(crate) const SIGMOID: Unary = Unary {
    name: "sigmoid",
    function: |x| ScalarF64.sigmoid(x),
    reference: reference::sigmoid,
    ranges: &[-746.0..0.0, -40.0..40.0, -2.0..2.0, -746.0..-708.0],
    max_ulp: 2.0,
};

impl Unary {
    fn error(&self, x: f64) -> f64 {
        (self.reference)(x).error_in_ulp((self.function)(x))
    }

    /// The largest error over `samples` numbers of any bits and as many out of each range.
    pub(crate) fn worst(&self, seed: u64, samples: u64) -> Worst {
        let mut random = SplitMix(seed);
        let mut worst = Worst::default();
        for _ in 0..samples {
            let any = f64::from_bits(random.bits());
            worst.see([any, 0.0], self.error(any));
            for range in self.ranges {
                let x = random.between(range.start, range.end);
                worst.see([x, 0.0], self.error(x));
            }
        }
        worst
    }

    /// Random numbers, and all floats around `borders` and the special ones.
    fn check(&self, borders: impl Iterator<Item = f64>) {
        let mut worst = self.worst(0, SAMPLES);
        for border in borders.chain(SPECIAL) {
            for bits in [border.to_bits(), (-border).to_bits()] {
                let range = bits.saturating_sub(NEIGHBOURS)..=bits.saturating_add(NEIGHBOURS);
                for x in range.map(f64::from_bits) {
                    worst.see([x, 0.0], self.error(x));
                }
            }
        }
        assert!(
            worst.ulp <= self.max_ulp,
            "{}: {worst}, at most {} allowed",
            self.name,
            self.max_ulp
        );
    }
}

/// The points at which the integer nearest to x / `unit` changes.
fn halfway(unit: f64) -> impl Iterator<Item = f64> {
    (0..1077).map(move |n| (f64::from(n) + 0.5) * unit)
}

#[test]
fn exp_is_within_one_ulp() {
    let edges =
        [709.782_712_893_384, 708.396_418_532_264, 744.440_071_921_381, 745.133_219_101_941];
    EXP.check(halfway(LN_2).chain(edges).chain([746.0, 710.0]));
}

#[test]
fn log_is_within_one_ulp() {
    LOG.check((-1074..=1023).map(|e| (f64::from(e) - 0.5).exp2()));
}

#[test]
fn tanh_is_within_two_ulp() {
    TANH.check(halfway(LN_2 / 2.0).take(70).chain([19.061_547, 20.0]));
}

#[test]
fn erf_is_within_two_ulp() {
    ERF.check([0.9, 3.0, 5.92, 6.0].into_iter());
}

#[test]
fn sigmoid_is_within_two_ulp() {
    SIGMOID.check(halfway(LN_2).chain([36.736_8, 37.429_9, 745.133_219_101_941, 746.0]));
}

#[test]
fn tanh_is_odd_to_the_bit_and_saturates() {
    for bits in (0..=f64::INFINITY.to_bits()).step_by(0x0000_0fed_cba9_8765) {
        let x = f64::from_bits(bits);
        let tanh = ScalarF64.tanh(x);
        assert_eq!(ScalarF64.tanh(-x).to_bits(), (-tanh).to_bits(), "x = {x}");
        assert!(tanh <= 1.0, "x = {x}");
        assert!(x < 19.07 || tanh == 1.0, "x = {x}");
        assert!(x > 1e-9 || tanh == x, "x = {x}");
    }
}

#[test]
fn erf_is_odd_to_the_bit_and_saturates() {
    for bits in (0..=f64::INFINITY.to_bits()).step_by(0x0000_0fed_cba9_8765) {
        let x = f64::from_bits(bits);
        let erf = ScalarF64.erf(x);
        assert_eq!(ScalarF64.erf(-x).to_bits(), (-erf).to_bits(), "x = {x}");
        assert!(erf <= 1.0, "x = {x}");
        assert!(x < 5.93 || erf == 1.0, "x = {x}");
    }
}

#[test]
fn sigmoid_saturates_at_both_ends() {
    for bits in (0..=f64::INFINITY.to_bits()).step_by(0x0000_0fed_cba9_8765) {
        let x = f64::from_bits(bits);
        let (upper, lower) = (ScalarF64.sigmoid(x), ScalarF64.sigmoid(-x));
        assert!((0.5..=1.0).contains(&upper), "x = {x}");
        assert!((0.0..=0.5).contains(&lower), "x = {x}");
        assert!(x < 37.5 || upper == 1.0, "x = {x}");
        assert!(x < 746.0 || lower == 0.0, "x = {x}");
    }
    assert_eq!(ScalarF64.sigmoid(0.0), 0.5);
    assert!(ScalarF64.sigmoid(-740.0).is_subnormal());
}

#[test]
fn exp_and_log_have_their_special_values() {
    assert_eq!(ScalarF64.exp(0.0), 1.0);
    assert_eq!(ScalarF64.exp(-0.0), 1.0);
    assert_eq!(ScalarF64.exp(709.782_712_893_384_1), f64::INFINITY);
    assert!(ScalarF64.exp(709.782_712_893_383_9).is_finite());
    assert!(ScalarF64.exp(-745.1).is_subnormal());
    assert_eq!(ScalarF64.exp(f64::NEG_INFINITY).to_bits(), 0);
    assert_eq!(ScalarF64.log(1.0).to_bits(), 0);
    assert_eq!(ScalarF64.log(-0.0), f64::NEG_INFINITY);
    assert!(ScalarF64.log(f64::NEG_INFINITY).is_nan());
}

pub(crate) const POW_MAX_ULP: f64 = 2.0;

fn pow_error(x: f64, y: f64) -> f64 {
    reference::pow(x, y).error_in_ulp(ScalarF64.pow(x, y))
}

/// The largest error over `samples` pairs of each kind: a base of any magnitude, between √½ and √2,
/// next to 1, or subnormal, with a power of any magnitude; common exponents; any bits.
pub(crate) fn worst_pow(seed: u64, samples: u64) -> Worst {
    let mut random = SplitMix(seed);
    let mut worst = Worst::default();
    for _ in 0..samples {
        let any = f64::from_bits(random.bits() >> 1);
        let significand = random.between(0.5_f64.sqrt(), 2_f64.sqrt());
        let near_one = 1.0 + random.between(-50.0, -1.0).exp2() * random.between(-1.0, 1.0);
        let subnormal = f64::from_bits(random.bits() >> 12);
        for x in [any, significand, near_one, subnormal] {
            let y = random.between(-1090.0, 1050.0) / x.log2();
            worst.see([x, y], pow_error(x, y));
        }
        for (x, y) in [
            (any, random.between(-2.5, 10.0)),
            (-any, (random.between(-3.0, 10.0)).floor()),
            (f64::from_bits(random.bits()), f64::from_bits(random.bits())),
        ] {
            worst.see([x, y], pow_error(x, y));
        }
    }
    worst
}

#[test]
fn pow_is_within_two_ulp() {
    let worst = worst_pow(0, SAMPLES / 2);
    assert!(worst.ulp <= POW_MAX_ULP, "{worst}");
}

/// Around the smallest and the largest powers, and around exponents halfway between integers.
#[test]
fn pow_is_within_two_ulp_around_its_borders() {
    let mut worst = Worst::default();
    for x in [0.3, 0.999, 1.001, 1.413, 3.0, 1e300, 1e-310] {
        for power in (-1076..=1024).flat_map(|n| [f64::from(n), f64::from(n) + 0.5]) {
            let y = (power / f64::log2(x)).to_bits();
            for y in (y.saturating_sub(5)..y + 5).map(f64::from_bits) {
                worst.see([x, y], pow_error(x, y));
            }
        }
    }
    assert!(worst.ulp <= POW_MAX_ULP, "{worst}");
}

/// The special cases of C's `pow`, which the standard library's function has.
#[test]
fn pow_has_the_special_cases_of_c() {
    let values = [
        0.0,
        5e-324,
        1e-310,
        0.5,
        1.0 - f64::EPSILON / 2.0,
        1.0,
        1.0 + f64::EPSILON,
        2.0,
        2.5,
        3.0,
        4_503_599_627_370_495.5,
        4_503_599_627_370_497.0,
        9_007_199_254_740_991.0,
        9_007_199_254_740_992.0,
        1e100,
        f64::MAX,
        f64::INFINITY,
        f64::NAN,
    ];
    let values: Vec<f64> = values.into_iter().flat_map(|x| [x, -x]).collect();
    for &x in &values {
        for &y in &values {
            let (got, expected) = (ScalarF64.pow(x, y), x.powf(y));
            let error = Scaled::plain(expected).error_in_ulp(got);
            assert!(error <= POW_MAX_ULP, "pow({x:e}, {y:e}) = {got:e}, expected {expected:e}");
        }
    }
}

#[test]
fn pow_is_exact_for_powers_of_two() {
    for exponent in -1074_i16..=1023 {
        let (y, power) = (f64::from(exponent), f64::from(exponent).exp2());
        assert_eq!(ScalarF64.pow(2.0, y), power, "y = {y}");
        assert_eq!(ScalarF64.pow(0.5, -y), power, "y = {y}");
    }
}
