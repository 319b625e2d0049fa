//! Which cores threads run on.
//!
//! Threads that work together and share a core while another process has one for itself compute no
//! sooner than one thread. The system balances how many threads each core has: with two threads
//! beside one that is as good as the other way around.

/// The core that this thread runs on, after it has left those that are taken, if it was on one of
/// them and may run on another.
///
/// It is nowhere bound to stay: the system may run it later where it might before.
#[cfg(target_os = "linux")]
pub(crate) fn move_off<I: Iterator<Item = usize>>(taken: impl Fn() -> I) -> usize {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

    let core = sched_getcpu();
    if !taken().any(|other| other == core) {
        return core;
    }
    let Ok(allowed) = sched_getaffinity(None) else { return core };
    let mut free = allowed;
    taken().filter(|&other| other < CpuSet::MAX_CPU).for_each(|other| free.unset(other));
    if free.count() > 0 && sched_setaffinity(None, &free).is_ok() {
        // Cores of the first set are online, so that nothing speaks against it now.
        let _ = sched_setaffinity(None, &allowed);
    }
    sched_getcpu()
}

/// Nothing is known elsewhere.
#[cfg(not(target_os = "linux"))]
pub(crate) fn move_off<I: Iterator<Item = usize>>(_taken: impl Fn() -> I) -> usize {
    0
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::thread::sched_getaffinity;

    use super::*;

    #[test]
    fn a_thread_leaves_a_core_that_is_taken_and_may_come_back() {
        let allowed = sched_getaffinity(None).expect("every thread has a set");
        let own = move_off(std::iter::empty);
        assert!(allowed.is_set(own));
        let moved = move_off(|| [own, usize::MAX].into_iter());
        assert!(allowed.is_set(moved));
        assert_eq!(sched_getaffinity(None), Ok(allowed));
        // There may be nowhere to go.
        let everywhere = move_off(|| 0..usize::from(u16::MAX));
        assert!(allowed.is_set(everywhere));
        assert_eq!(sched_getaffinity(None), Ok(allowed));
    }
}
