//! The transcendental functions of the arithmetic language on a dense sample of the floats. Every float: `exhaustive_math.rs`.

mod ulp;

use brolga_ir::lanes::{Lanes, ScalarF32};
use ulp::{EXP, Function, LOG, SIGMOID, TANH, Worst};

/// How many floats on each side of a special point are tried.
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

/// Where the integer nearest to x / `unit` changes.
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

/// The rules of C for `pow`: the standard library's `f64` function follows them.
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
            worst.see([x, y], ScalarF32.pow(x, y), f64::from(x).powf(f64::from(y)));
        }
        assert!(worst.ulp <= 1.5, "{worst}");
    }
}

#[test]
fn the_operations_are_as_many_as_documented() {
    let count = |program: fn(&mut Count)| {
        let mut count = Count(0);
        program(&mut count);
        count.0
    };
    assert_eq!(count(|l| l.exp(())), 20);
    assert_eq!(count(|l| l.log(())), 27);
    assert_eq!(count(|l| l.tanh(())), 25);
    assert_eq!(count(|l| l.sigmoid(())), 24);
    assert_eq!(count(|l| l.pow((), ())), 86);
}

/// Lanes that count operations. Constants and casts of bits are free.
struct Count(usize);

macro_rules! counted {
    ($($name:ident($($argument:ident),*);)*) => {
        $(fn $name(&mut self, $($argument: ()),*) {
            self.0 += 1;
        })*
    };
}

impl Lanes for Count {
    type F = ();
    type I = ();
    type M = ();

    fn float(&mut self, _: f64) {}
    fn int(&mut self, _: i64) {}
    fn truth(&mut self, _: bool) {}
    fn bits(&mut self, (): ()) {}
    fn from_bits(&mut self, (): ()) {}
    fn shl(&mut self, (): (), _: u32) {
        self.0 += 1;
    }
    fn shr(&mut self, (): (), _: u32) {
        self.0 += 1;
    }
    fn sar(&mut self, (): (), _: u32) {
        self.0 += 1;
    }
    counted! {
        add(_a, _b); sub(_a, _b); mul(_a, _b); div(_a, _b); fma(_a, _b, _c); sqrt(_a); neg(_a); abs(_a); floor(_a);
        round(_a); lt(_a, _b); le(_a, _b); eq(_a, _b); select(_m, _a, _b); iadd(_a, _b); isub(_a, _b); imul(_a, _b);
        umulhi(_a, _b); iand(_a, _b); ior(_a, _b); ixor(_a, _b); ilt(_a, _b); ieq(_a, _b); iselect(_m, _a, _b);
        and(_a, _b); or(_a, _b); not(_a); to_float(_a); to_int(_a); mask_to_int(_a);
    }
}
