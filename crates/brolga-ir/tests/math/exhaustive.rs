//! Every `f32`, and very many `f64`. Run with
//! `cargo test --release -p brolga-ir --test math -- --ignored --nocapture --test-threads 1`.

use std::thread;

use brolga_ir::lanes::{Lanes, ScalarF32};

use super::double::{self, Unary};
use super::ulp::{ERF, EXP, Function, LOG, SIGMOID, SplitMix, TANH, Worst, error_in_ulp};

/// The worst error of all `part(i, parts)`, each on a thread of its own.
fn in_parallel(part: impl Fn(u64, u64) -> Worst + Sync) -> Worst {
    let parts = thread::available_parallelism().map_or(1, |n| n.get() as u64);
    thread::scope(|scope| {
        let part = &part;
        let threads: Vec<_> = (0..parts).map(|i| scope.spawn(move || part(i, parts))).collect();
        let worst = threads.into_iter().map(|thread| thread.join().expect("no part panics"));
        worst.fold(Worst::default(), Worst::max)
    })
}

#[expect(clippy::print_stdout, reason = "the measured error is what such a run is for")]
fn report(name: &str, worst: Worst) {
    println!("{name}: {worst}");
}

fn check_every_float(function: &Function) {
    let worst = in_parallel(|i, parts| function.worst(i..1 << 32, parts as usize));
    report(function.name, worst);
    function.check(worst);
}

#[test]
#[ignore = "every float: about two minutes in a release build"]
fn exp() {
    check_every_float(&EXP);
}

#[test]
#[ignore = "every float: about two minutes in a release build"]
fn log() {
    check_every_float(&LOG);
}

#[test]
#[ignore = "every float: about two minutes in a release build"]
fn erf() {
    check_every_float(&ERF);
}

#[test]
#[ignore = "every float: about two minutes in a release build"]
fn tanh() {
    check_every_float(&TANH);
}

#[test]
#[ignore = "every float: about two minutes in a release build"]
fn sigmoid() {
    check_every_float(&SIGMOID);
}

/// 2²⁹ pairs whose powers have all magnitudes evenly, half of them with a base next to 1, where the
/// error is largest.
#[test]
#[ignore = "half a billion pairs: minutes in a release build"]
fn pow() {
    let worst = in_parallel(|i, parts| {
        let mut random = SplitMix(i);
        let mut worst = Worst::default();
        for pair in 0..(1 << 29) / parts {
            let significand = (0.5 * random.uniform() + 0.5) * 2_f64.sqrt();
            let any =
                f32::from_bits((random.uniform() * f64::from(f32::INFINITY.to_bits())) as u32);
            let x = if pair % 2 == 0 { significand as f32 } else { any };
            let log2 = f64::from(x).log2();
            let y = ((random.uniform() * 278.0 - 150.0) / log2) as f32;
            let error = error_in_ulp(ScalarF32.pow(x, y), f64::from(x).powf(f64::from(y)));
            worst.see([x.into(), y.into()], error);
        }
        worst
    });
    report("pow", worst);
    assert!(worst.ulp <= 2.5, "{worst}");
}

/// The number of `f64` of each kind.
const WIDE_SAMPLES: u64 = 1 << 25;

fn check_many_wide(function: &Unary) {
    let worst = in_parallel(|i, parts| function.worst(i, WIDE_SAMPLES / parts));
    report(function.name, worst);
    assert!(worst.ulp <= function.max_ulp, "{worst}");
}

#[test]
#[ignore = "a hundred million numbers: minutes in a release build"]
fn exp_of_f64() {
    check_many_wide(&double::EXP);
}

#[test]
#[ignore = "a hundred million numbers: minutes in a release build"]
fn log_of_f64() {
    check_many_wide(&double::LOG);
}

#[test]
#[ignore = "a hundred million numbers: minutes in a release build"]
fn erf_of_f64() {
    check_many_wide(&double::ERF);
}

#[test]
#[ignore = "a hundred million numbers: minutes in a release build"]
fn tanh_of_f64() {
    check_many_wide(&double::TANH);
}

#[test]
#[ignore = "a hundred million numbers: minutes in a release build"]
fn sigmoid_of_f64() {
    check_many_wide(&double::SIGMOID);
}

#[test]
#[ignore = "a quarter of a billion pairs: minutes in a release build"]
fn pow_of_f64() {
    let worst = in_parallel(|i, parts| double::worst_pow(i, WIDE_SAMPLES / parts));
    report("pow", worst);
    assert!(worst.ulp <= double::POW_MAX_ULP, "{worst}");
}
