//! Waiting without the system's help.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{available_parallelism, yield_now};

/// How often a waiting thread looks again before it lets others run: 50 to 200 µs when every thread has a core.
const SPINS: u32 = 4000;

/// The same when there are more threads than cores, so that the one waited for may need this very core.
const SPINS_WITHOUT_CORE: u32 = 20;

/// How patiently the threads of a team wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    spins: u32,
}

impl Patience {
    /// The patience of so many threads on this machine.
    pub(crate) fn of(threads: usize) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self { spins: if threads > cores { SPINS_WITHOUT_CORE } else { SPINS } }
    }

    /// Looks until the condition holds or patience ends; tells whether it holds.
    pub(crate) fn spin(self, condition: impl Fn() -> bool) -> bool {
        (0..self.spins).any(|_| {
            let holds = condition();
            if !holds {
                spin_loop();
            }
            holds
        })
    }

    /// Waits until the condition holds.
    pub(crate) fn wait(self, condition: impl Fn() -> bool) {
        if !self.spin(&condition) {
            while !condition() {
                yield_now();
            }
        }
    }
}

/// A value on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct OwnLine<T>(pub(crate) T);

/// A point that no thread passes before all have reached it; usable again at once.
///
/// What a thread wrote before the barrier is seen by all behind it.
#[derive(Debug)]
pub(crate) struct Barrier {
    threads: usize,
    patience: Patience,
    arrived: OwnLine<AtomicUsize>,
    generation: OwnLine<AtomicUsize>,
}

impl Barrier {
    pub(crate) fn new(threads: usize) -> Self {
        let patience = Patience::of(threads);
        Self { threads, patience, arrived: OwnLine::default(), generation: OwnLine::default() }
    }

    pub(crate) fn wait(&self) {
        // The generation cannot end before this thread has arrived.
        let generation = self.generation.0.load(Ordering::Relaxed);
        if self.arrived.0.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            self.arrived.0.store(0, Ordering::Relaxed);
            self.generation.0.store(generation.wrapping_add(1), Ordering::Release);
        } else {
            self.patience.wait(|| self.generation.0.load(Ordering::Acquire) != generation);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn nobody_passes_before_all_have_arrived() {
        for threads in [1, 2, 3, 8] {
            let barrier = Barrier::new(threads);
            let counts: Vec<AtomicU64> = (0..threads).map(|_| AtomicU64::new(0)).collect();
            std::thread::scope(|scope| {
                for own in &counts {
                    scope.spawn(|| {
                        for round in 1..=300 {
                            own.store(round, Ordering::Relaxed);
                            barrier.wait();
                            assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == round));
                            barrier.wait();
                        }
                    });
                }
            });
        }
    }
}
