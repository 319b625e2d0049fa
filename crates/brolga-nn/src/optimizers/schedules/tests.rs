//! Learning rates where formulas change, and arguments that do not fit.

use brolga_ir::{DType, Tracer, interpret};

use super::*;

/// The learning rates after these numbers of steps.
fn rates<const N: usize>(schedule: &dyn Schedule, steps: [f64; N]) -> [f64; N] {
    steps.map(|steps| {
        let tracer = Tracer::new("schedule");
        tracer.output(&schedule.rate(&tracer.scalar(DType::F32, steps)));
        let graph = tracer.finish().expect("a schedule");
        interpret(&graph, &[]).expect("a valid graph")[0].data().to_f64()[0]
    })
}

fn near<const N: usize>(given: [f64; N], expected: [f64; N]) {
    let off = given.iter().zip(expected).map(|(g, e)| (g - e).abs()).fold(0.0, f64::max);
    assert!(off < 2e-7, "{given:?}, not {expected:?}");
}

#[test]
fn half_a_wave_is_that_of_the_cosine() {
    let decay = CosineDecay::new(1.0, 1000.0);
    for step in 0..=1000 {
        let expected = (1.0 + (std::f64::consts::PI * f64::from(step) / 1000.0).cos()) / 2.0;
        near(rates(&decay, [step.into()]), [expected]);
    }
    assert_eq!(rates(&decay, [2000.0]), rates(&decay, [1000.0]));
}

#[test]
fn a_warmup_ends_at_its_target() {
    let decay = CosineDecay::new(0.1, 4.0).alpha(0.5).warmup(0.5, 2.0);
    near(rates(&decay, [0.0, 1.0, 2.0, 4.0, 6.0, 9.0]), [0.1, 0.3, 0.5, 0.375, 0.25, 0.25]);
    near(rates(&CosineDecay::new(0.1, 4.0).warmup(0.5, 0.0), [0.0, 4.0]), [0.5, 0.0]);
}

/// A restart is at its first step exactly, however many there were.
#[test]
fn restarts_are_exact() {
    let doubling = CosineDecayRestarts::new(1.0, 10.0);
    for restarts in 0..20 {
        let start = 10.0 * (f64::from(1 << restarts) - 1.0);
        assert_eq!(rates(&doubling, [start])[0], 1.0, "restart {restarts}");
        if start > 0.0 {
            assert!(rates(&doubling, [start - 1.0])[0] < 0.1, "restart {restarts}");
        }
    }
    let even = CosineDecayRestarts::new(1.0, 10.0).t_mul(1.0).m_mul(0.5).alpha(0.1);
    near(rates(&even, [0.0, 5.0, 10.0, 15.0, 20.0]), [1.0, 0.55, 0.55, 0.325, 0.325]);
    let growing = CosineDecayRestarts::new(1.0, 1.0).t_mul(1.0001);
    assert!(rates(&growing, [1e7])[0].is_finite());
}

#[test]
fn boundaries_belong_to_the_value_before_them() {
    let decay = PiecewiseConstantDecay::new([2.0, 4.0], [0.5, 0.25, 0.125]);
    assert_eq!(rates(&decay, [0.0, 2.0, 3.0, 4.0, 5.0]), [0.5, 0.5, 0.25, 0.25, 0.125]);
    assert_eq!(rates(&PiecewiseConstantDecay::new([], [0.5]), [7.0]), [0.5]);
}

#[test]
fn polynomials_end_or_begin_again() {
    let decay = PolynomialDecay::new(1.0, 4.0).end_learning_rate(0.5);
    near(rates(&decay, [0.0, 2.0, 4.0, 9.0]), [1.0, 0.75, 0.5, 0.5]);
    let cubic = PolynomialDecay::new(1.0, 4.0).end_learning_rate(0.0).power(3.0).cycle(true);
    near(rates(&cubic, [0.0, 2.0, 4.0, 6.0, 8.0]), [1.0, 0.125, 0.0, 0.015_625, 0.0]);
}

#[test]
fn staircases_are_flat() {
    let decay = ExponentialDecay::new(1.0, 4.0, 0.5).staircase(true);
    near(rates(&decay, [0.0, 3.0, 4.0, 7.0, 8.0]), [1.0, 1.0, 0.5, 0.5, 0.25]);
    let decay = InverseTimeDecay::new(1.0, 4.0, 1.0).staircase(true);
    near(rates(&decay, [0.0, 3.0, 4.0, 11.0]), [1.0, 1.0, 0.5, 1.0 / 3.0]);
}
