//! `f32` on a dense sample of the floats. Every float: `exhaustive.rs`.

use brolga_ir::lanes::{Lanes, ScalarF32};

use super::ulp::{self, ERF, EXP, Function, LOG, SIGMOID, TANH, Worst};

/// The number of floats on each side of a special point.
const NEIGHBOURS: i64 = 400;

const SPECIAL: [f32; 12] = [
    0.0,
    1e-45,
    f32::MIN_POSITIVE,
    f32::EPSILON,
    0.5,
    1.0,
    2.0,
    10.0,
    40.0,
    8_388_608.0,
    f32::MAX,
    f32::INFINITY,
];

fn check(function: &Function, borders: impl Iterator<Item = f64>) {
    let mut worst = function.worst(0..1 << 32, 997);
    for border in borders.map(|x| x as f32).chain(SPECIAL) {
        for bits in [border.to_bits(), (-border).to_bits()] {
            let near = i64::from(bits);
            let range = (near - NEIGHBOURS).max(0)..(near + NEIGHBOURS).min(1 << 32);
            worst = worst.max(function.worst(range.start as u64..range.end as u64, 1));
        }
    }
    function.check(worst);
}

/// The points at which the integer nearest to x / `unit` changes.
fn halfway(unit: f64) -> impl Iterator<Item = f64> {
    (0..152).map(move |n| (f64::from(n) + 0.5) * unit)
}

#[test]
fn exp_is_within_one_ulp() {
    let edges = [88.722_839, 87.336_544, 103.278_93, 103.972_084, 104.0, 89.0];
    check(&EXP, halfway(std::f64::consts::LN_2).chain(edges));
}

#[test]
fn log_is_within_one_ulp() {
    check(&LOG, (-149..=127).map(|e| (f64::from(e) - 0.5).exp2()));
}

#[test]
fn tanh_is_within_two_ulp() {
    check(&TANH, halfway(std::f64::consts::LN_2 / 2.0).chain([9.0109, 9.02]));
}

#[test]
fn erf_is_within_two_ulp() {
    check(&ERF, [0.9, 3.0, 3.919, 4.0].into_iter());
}

#[test]
fn sigmoid_is_within_two_ulp() {
    check(&SIGMOID, halfway(std::f64::consts::LN_2).chain([16.64, 17.33, 103.972_084, 104.0]));
}

#[test]
fn tanh_is_odd_to_the_bit_and_saturates() {
    for bits in (0..=f32::INFINITY.to_bits()).step_by(4093) {
        let x = f32::from_bits(bits);
        let tanh = ScalarF32.tanh(x);
        assert_eq!(ScalarF32.tanh(-x).to_bits(), (-tanh).to_bits(), "x = {x}");
        assert!(tanh <= 1.0, "x = {x}");
        assert!(x < 9.02 || tanh == 1.0, "x = {x}");
        assert!(x > 1e-5 || tanh == x, "x = {x}");
    }
}

#[test]
fn erf_is_odd_to_the_bit_and_saturates() {
    for bits in (0..=f32::INFINITY.to_bits()).step_by(4093) {
        let x = f32::from_bits(bits);
        let erf = ScalarF32.erf(x);
        assert_eq!(ScalarF32.erf(-x).to_bits(), (-erf).to_bits(), "x = {x}");
        assert!(erf <= 1.0, "x = {x}");
        assert!(x < 3.92 || erf == 1.0, "x = {x}");
    }
}

#[test]
fn sigmoid_saturates_at_both_ends() {
    for bits in (0..=f32::INFINITY.to_bits()).step_by(4093) {
        let x = f32::from_bits(bits);
        let (upper, lower) = (ScalarF32.sigmoid(x), ScalarF32.sigmoid(-x));
        assert!((0.5..=1.0).contains(&upper), "x = {x}");
        assert!((0.0..=0.5).contains(&lower), "x = {x}");
        assert!(x < 17.33 || upper == 1.0, "x = {x}");
        assert!(x < 104.0 || lower == 0.0, "x = {x}");
    }
    assert_eq!(ScalarF32.sigmoid(0.0), 0.5);
    assert!(ScalarF32.sigmoid(-100.0).is_subnormal());
}

#[test]
fn exp_and_log_have_their_special_values() {
    assert_eq!(ScalarF32.exp(0.0), 1.0);
    assert_eq!(ScalarF32.exp(-0.0), 1.0);
    assert_eq!(ScalarF32.exp(88.722_84), f32::INFINITY);
    assert!(ScalarF32.exp(88.722_83).is_finite());
    assert!(ScalarF32.exp(-103.9).is_subnormal());
    assert_eq!(ScalarF32.exp(f32::NEG_INFINITY).to_bits(), 0);
    assert_eq!(ScalarF32.log(1.0).to_bits(), 0);
    assert_eq!(ScalarF32.log(-0.0), f32::NEG_INFINITY);
    assert!(ScalarF32.log(f32::NEG_INFINITY).is_nan());
}

/// The special cases of C's `pow`, which the standard library's `f64` function has.
#[test]
fn pow_has_the_special_cases_of_c() {
    let values = [
        0.0,
        1e-45,
        1e-40,
        0.5,
        1.0 - f32::EPSILON / 2.0,
        1.0,
        1.0 + f32::EPSILON,
        2.0,
        2.5,
        3.0,
        8_388_607.5,
        8_388_609.0,
        16_777_215.0,
        16_777_216.0,
        1e10,
        f32::MAX,
        f32::INFINITY,
        f32::NAN,
    ];
    let values: Vec<f32> = values.into_iter().flat_map(|x| [x, -x]).collect();
    for &x in &values {
        for &y in &values {
            let (got, expected) = (ScalarF32.pow(x, y), f64::from(x).powf(f64::from(y)));
            let error = ulp::error_in_ulp(got, expected);
            assert!(error < 2.0, "pow({x:e}, {y:e}) = {got:e}, expected {expected:e}");
        }
    }
}

#[test]
fn pow_is_exact_for_powers_of_two() {
    for exponent in -149_i16..=127 {
        let y = f32::from(exponent);
        assert_eq!(ScalarF32.pow(2.0, y), y.exp2(), "y = {y}");
        assert_eq!(ScalarF32.pow(0.5, -y), y.exp2(), "y = {y}");
    }
}

#[test]
fn pow_is_within_one_and_a_half_ulp_for_common_exponents() {
    for y in [-2.5_f32, -1.0, -0.5, 1.0 / 3.0, 0.5, 0.999, 1.0, 1.5, 2.0, 3.0, 10.0] {
        let mut worst = Worst::default();
        for bits in (0..=f32::INFINITY.to_bits()).step_by(9973) {
            let x = f32::from_bits(bits);
            let error = ulp::error_in_ulp(ScalarF32.pow(x, y), f64::from(x).powf(f64::from(y)));
            worst.see([x.into(), y.into()], error);
        }
        assert!(worst.ulp <= 1.5, "{worst}");
    }
}
