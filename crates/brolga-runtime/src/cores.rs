//! The cores that threads run on.
//!
//! Two workers that share a core, while another process has a core to itself, are no faster than
//! one. The system balances only the number of threads on each core, for which it makes no
//! difference which of three threads is alone.

/// Moves this thread off the taken cores, if it is on one of them and may run on another; returns
/// the core that it runs on.
///
/// The thread is not bound to that core: afterwards, the system may run it wherever it could
/// before.
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
        // The cores of the first set are online, so this does not fail.
        let _ = sched_setaffinity(None, &allowed);
    }
    sched_getcpu()
}

/// Other systems do not tell.
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
        // All cores may be taken.
        let everywhere = move_off(|| 0..usize::from(u16::MAX));
        assert!(allowed.is_set(everywhere));
        assert_eq!(sched_getaffinity(None), Ok(allowed));
    }
}
