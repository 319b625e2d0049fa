//! Jobs of artificial chunks, on any number of threads, with workers that are late, absent or held
//! up.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::phases::Phase;

/// Phases with these numbers of chunks in each lane.
fn phases(counts: &[Vec<usize>], long: &[bool]) -> Vec<Phase> {
    let mut end = 0;
    let phase = |(counts, long): (&Vec<usize>, &bool)| {
        let mut starts = vec![end];
        starts.extend(counts.iter().map(|count| {
            end += count;
            end
        }));
        Phase::new(&starts, *long)
    };
    counts.iter().zip(long).map(phase).collect()
}

/// `count` equal phases.
fn alike(count: usize, chunks: &[usize]) -> Vec<Phase> {
    phases(&vec![chunks.to_vec(); count], &vec![false; count])
}

/// A pseudo-random number.
fn mixed(seed: u64) -> u64 {
    let bits = (seed ^ (seed >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits ^ (bits >> 29)
}

/// Runs a job `times` times, and checks each time that each chunk is done once, after all phases
/// before its own. Some chunks yield the core in the middle.
fn check<T>(run: impl Fn(Job<'_>) -> T, phases: &[Phase], times: u64, seed: u64) {
    let chunks = phases.last().map_or(0, Phase::end);
    let counts: Vec<AtomicU64> = (0..chunks).map(|_| AtomicU64::new(0)).collect();
    let began: Vec<usize> = phases
        .iter()
        .flat_map(|phase| (phase.begin()..phase.end()).map(|_| phase.begin()))
        .collect();
    let wrong = AtomicBool::new(false);
    for time in 1..=times {
        let work = |_: usize, chunk: usize| {
            // Relaxed accesses see the memory of earlier phases.
            let all =
                |chunks: &[AtomicU64], of| chunks.iter().all(|c| c.load(Ordering::Relaxed) == of);
            let before = all(&counts[..began[chunk]], time);
            match mixed(seed ^ time << 32 ^ chunk as u64) % 64 {
                0 => std::thread::yield_now(),
                1 => std::thread::sleep(Duration::from_micros(20)),
                _ => {}
            }
            if counts[chunk].fetch_add(1, Ordering::Relaxed) + 1 != time || !before {
                wrong.store(true, Ordering::Relaxed);
            }
        };
        run(Job { phases, work: &work });
        assert!(!wrong.load(Ordering::Relaxed));
        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == time));
    }
}

fn schedules() -> impl Strategy<Value = (usize, usize, Vec<(Vec<usize>, bool)>)> {
    (prop::sample::select(vec![1, 2, 3, 8]), 1..10_usize).prop_flat_map(|(threads, lanes)| {
        let lane = prop_oneof![3 => 0..3_usize, 1 => 0..20_usize];
        let phase = prop::collection::vec(lane, lanes)
            .prop_filter("no phase is empty", |counts| counts.iter().any(|&count| count > 0));
        (Just(threads), Just(lanes), prop::collection::vec((phase, any::<bool>()), 0..12))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn each_chunk_is_done_once_and_phases_are_in_order(
        (threads, lanes, counts) in schedules(),
        seed in any::<u64>(),
    ) {
        let (counts, long): (Vec<_>, Vec<_>) = counts.into_iter().unzip();
        let team = Team::of(threads, lanes).expect("the system gives threads");
        check(|job| team.run(job), &phases(&counts, &long), 10, seed);
    }
}

#[test]
fn many_short_phases_on_any_number_of_threads() {
    for threads in [1, 2, 3, 8, 64] {
        let team = Team::of(threads, threads).expect("the system gives threads");
        check(|job| team.run(job), &alike(40, &vec![1; threads]), 50, threads as u64);
    }
}

#[test]
fn helpers_that_never_get_a_core_hold_up_nobody() {
    // There are no helpers.
    let alone = Shared::new(8, 8);
    check(|job| alone.run(job), &alike(20, &[1, 0, 2, 1, 1, 3, 1, 1]), 20, 1);
}

#[test]
fn a_helper_that_comes_and_goes_does_its_part() {
    let shared = Shared::new(3, 5);
    std::thread::scope(|scope| {
        scope.spawn(|| shared.help(2));
        check(|job| shared.run(job), &alike(20, &[1, 2, 1, 0, 4]), 200, 2);
        shared.close();
    });
}

/// Waits until the condition holds, for ten seconds at most.
fn eventually(condition: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !condition() && start.elapsed() < Duration::from_secs(10) {
        std::thread::yield_now();
    }
    condition()
}

#[test]
fn a_helper_in_the_middle_of_a_chunk_is_waited_for() {
    let team = Team::of(2, 2).expect("the system gives threads");
    let (helping, finished) = (AtomicBool::new(false), AtomicBool::new(false));
    let work = |worker: usize, chunk: usize| match (worker, chunk) {
        (0, 0 | 1) => assert!(eventually(|| helping.load(Ordering::SeqCst))),
        (0, _) => assert!(finished.load(Ordering::SeqCst), "the second phase begins too early"),
        _ if !helping.swap(true, Ordering::SeqCst) => {
            std::thread::sleep(Duration::from_millis(30));
            finished.store(true, Ordering::SeqCst);
        }
        _ => {}
    };
    team.run(Job { phases: &alike(2, &[1, 1]), work: &work });
    assert!(finished.into_inner());
}

#[test]
fn a_caller_that_sleeps_is_woken_for_the_next_phase() {
    let team = Team::of(2, 2).expect("the system gives threads");
    let (helping, back) = (AtomicBool::new(false), AtomicBool::new(false));
    let was_woken = AtomicBool::new(true);
    let work = |worker: usize, chunk: usize| match (worker, chunk) {
        (0, 0 | 1) => assert!(eventually(|| helping.load(Ordering::SeqCst))),
        (_, 0 | 1) if !helping.swap(true, Ordering::SeqCst) => {
            std::thread::sleep(Duration::from_millis(30));
        }
        (0, _) => back.store(true, Ordering::SeqCst),
        // The helper stays in the second phase until the caller is there.
        (_, 2 | 3) if !eventually(|| back.load(Ordering::SeqCst)) => {
            was_woken.store(false, Ordering::SeqCst);
        }
        _ => {}
    };
    team.run(Job { phases: &alike(2, &[1, 1]), work: &work });
    assert!(was_woken.into_inner());
}

#[test]
fn helpers_look_at_no_job_that_is_over() {
    let team = Team::of(3, 3).expect("the system gives threads");
    let phases = alike(3, &[1, 1, 1]);
    for round in 0..2000 {
        // A late worker would find the memory of another round, or none.
        let memory = Box::new((AtomicUsize::new(0), round));
        let work = |_: usize, _: usize| {
            assert_eq!(memory.1, round);
            memory.0.fetch_add(1, Ordering::Relaxed);
        };
        team.run(Job { phases: &phases, work: &work });
        assert_eq!(memory.0.into_inner(), 9);
    }
}

#[test]
fn callers_take_turns() {
    std::thread::scope(|scope| {
        for caller in 0..4 {
            scope.spawn(move || {
                let team = Team::of(2, 3).expect("the system gives threads");
                check(|job| team.run(job), &alike(5, &[2, 0, 1]), 200, caller);
            });
        }
    });
}

#[test]
fn a_panic_in_a_chunk_ends_the_job_and_leaves_the_team_usable() {
    let team = Team::of(3, 4).expect("the system gives threads");
    let phases = alike(3, &[1, 2, 0, 1]);
    for bad in 0..12 {
        let work = |_: usize, chunk: usize| assert_ne!(chunk, bad, "a bad chunk");
        let job = AssertUnwindSafe(|| team.run(Job { phases: &phases, work: &work }));
        assert!(catch_unwind(job).is_err());
        check(|job| team.run(job), &phases, 3, 0);
    }
}

#[test]
fn a_job_without_phases_is_done() {
    let team = Team::of(2, 2).expect("the system gives threads");
    team.run(Job { phases: &[], work: &|_, _| unreachable!() });
}
