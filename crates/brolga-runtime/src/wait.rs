//! Waiting of threads for each other: they spin for a while, then sleep.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::available_parallelism;

use atomic_wait::{wait, wake_all};

/// How often a waiting thread checks before it sleeps: 50 to 200 µs. A shorter sleep costs more
/// than it saves, and the work after a sleep is late by the time of a wake-up.
const SPINS: u32 = 4000;

/// The same if the process may not use a whole core for each thread, so that spinning takes time
/// from threads that work: about the cost of a sleep and a wake-up, 2 to 5 µs.
const SPINS_WITHOUT_CORE: u32 = 100;

/// A value on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct OwnLine<T>(pub(crate) T);

/// The number of threads that can run at once: the cores that the process may run on, or its quota
/// of CPU time rounded up.
pub(crate) fn cores() -> usize {
    num_cpus::get().max(1)
}

/// How long the threads of a team spin before they sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience(u32);

impl Patience {
    /// The patience of `threads` threads in this process.
    pub(crate) fn of(threads: usize) -> Self {
        // Rounded down: a quota of one core and a half is not a core for each of two threads.
        let whole_cores = available_parallelism().map_or(1, usize::from);
        Self(if threads > whole_cores { SPINS_WITHOUT_CORE } else { SPINS })
    }

    /// Waits until the condition holds, asleep at the bell if that takes long; returns whether it
    /// slept. A thread that makes the condition hold rings the bell afterwards; both are
    /// sequentially consistent.
    pub(crate) fn wait(self, bell: &Bell, condition: impl Fn() -> bool) -> bool {
        let sleeps = !spin(self.0, &condition);
        if sleeps {
            bell.sleep(condition);
        }
        sleeps
    }
}

/// Checks the condition up to `times` times; returns whether it holds.
pub(crate) fn spin(times: u32, condition: impl Fn() -> bool) -> bool {
    (0..times).any(|_| {
        let holds = condition();
        if !holds {
            spin_loop();
        }
        holds
    })
}

/// A bell, which wakes sleeping threads.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    /// The number of threads that sleep or are about to.
    sleepers: AtomicU32,
    /// The number of times it has rung.
    rings: AtomicU32,
}

impl Bell {
    /// Sleeps until the condition holds.
    ///
    /// No ring is missed: this thread counts as a sleeper before it looks at the condition, so
    /// either it sees that the condition holds, or the thread that makes it hold sees the sleeper.
    /// In the second case `rings` changes after it was read here, so that the wait returns at once.
    fn sleep(&self, condition: impl Fn() -> bool) {
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        loop {
            let rings = self.rings.load(Ordering::SeqCst);
            if condition() {
                break;
            }
            wait(&self.rings, rings);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Wakes all sleepers. It follows a sequentially consistent store that makes their condition
    /// hold.
    pub(crate) fn ring(&self) {
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            self.rings.fetch_add(1, Ordering::SeqCst);
            wake_all(&self.rings);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn no_wake_up_is_lost() {
        let (bells, turn) = ([Bell::default(), Bell::default()], AtomicU64::new(0));
        let play = |own: u64| {
            for round in 0..2000 {
                let mine = || turn.load(Ordering::SeqCst) == 2 * round + own;
                Patience(round as u32 % 3).wait(&bells[own as usize], mine);
                turn.fetch_add(1, Ordering::SeqCst);
                bells[1 - own as usize].ring();
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| play(0));
            play(1);
        });
        assert_eq!(turn.into_inner(), 4000);
    }

    #[test]
    fn more_threads_than_cores_look_for_a_short_time() {
        assert_eq!(Patience::of(1), Patience(SPINS));
        assert_eq!(Patience::of(usize::MAX), Patience(SPINS_WITHOUT_CORE));
    }
}
