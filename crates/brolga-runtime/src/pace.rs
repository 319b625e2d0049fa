//! The choice whether all workers run a short step, or its caller alone.
//!
//! Helpers save a part of a short step's time. Beside another busy process they cost a multiple of
//! it: a helper that shares a core with the caller takes it just when the caller begins the next
//! step. No single wait shows that, so both ways are timed, and the faster one is taken.

use std::mem::take;

/// The work, as [`Scheduled::work`](crate::schedule::Scheduled::work) counts it, from which on a
/// step is never run alone: some 0.5 ms.
const LONG: f64 = 50.0;

/// The number of steps that are timed together.
const WINDOW: u32 = 64;

/// The most windows alone before workers are tried again: a second of steps of 50 µs.
const MOST_ALONE: u32 = 256;

/// The most windows with workers before a window alone is timed again.
const MOST_TOGETHER: u32 = 4096;

/// The times of a program's steps, and the choice for the next one.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Whether the step is too long to be run alone.
    is_long: bool,
    alone: bool,
    /// The steps of the current window, and the nanoseconds that they took.
    steps: u32,
    time: u64,
    /// The number of windows for which the current choice is kept.
    windows: u32,
    /// The time of the last window alone.
    time_alone: Option<u64>,
    /// The number of windows for which the caller runs alone next time.
    next_alone: u32,
    /// The number of windows with helpers before the time alone is measured again.
    next_measure: u32,
}

impl Pace {
    /// The choice for steps of this work. The first window warms up, the second measures the time
    /// alone.
    pub(crate) fn new(work: f64) -> Self {
        Self {
            is_long: work >= LONG,
            alone: false,
            steps: 0,
            time: 0,
            windows: 1,
            time_alone: None,
            next_alone: 1,
            next_measure: 16,
        }
    }

    /// Whether the next step is to be run alone.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone
    }

    /// Counts a step that took these nanoseconds.
    pub(crate) fn count(&mut self, nanoseconds: u64) {
        if self.is_long {
            return;
        }
        self.steps += 1;
        self.time = self.time.saturating_add(nanoseconds);
        let is_slow = !self.alone && self.time_alone.is_some_and(|alone| self.time > alone);
        // A window that is already slower than one alone ends early.
        if self.steps < WINDOW && !is_slow {
            return;
        }
        let time = take(&mut self.time);
        self.steps = 0;
        self.windows = self.windows.saturating_sub(1);
        if self.alone {
            self.time_alone = Some(time);
            if self.windows == 0 {
                self.together();
            }
        } else if is_slow {
            self.alone_for(self.next_alone);
            self.next_alone = (2 * self.next_alone).min(MOST_ALONE);
        } else {
            self.next_alone = (self.next_alone / 2).max(1);
            if self.windows == 0 {
                self.alone_for(1);
            }
        }
    }

    fn alone_for(&mut self, windows: u32) {
        (self.alone, self.windows) = (true, windows);
    }

    fn together(&mut self) {
        (self.alone, self.windows) = (false, self.next_measure);
        self.next_measure = (2 * self.next_measure).min(MOST_TOGETHER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The part of `steps` steps that is run alone, given the time of a step with helpers and
    /// alone.
    fn part_alone(pace: &mut Pace, steps: u32, together: u64, alone: u64) -> f64 {
        let mut count = 0;
        for _ in 0..steps {
            count += u32::from(pace.is_alone());
            pace.count(if pace.is_alone() { alone } else { together });
        }
        f64::from(count) / f64::from(steps)
    }

    #[test]
    fn the_quicker_way_is_taken() {
        let mut pace = Pace::new(20.0);
        assert!(part_alone(&mut pace, 100_000, 40, 48) < 0.01);
        assert!(part_alone(&mut pace, 100_000, 100, 48) > 0.95);
        assert!(part_alone(&mut pace, 100_000, 100, 48) > 0.99);
        // Old measurements are soon forgotten.
        part_alone(&mut pace, 2 * MOST_ALONE * WINDOW, 40, 48);
        assert!(part_alone(&mut pace, 100_000, 40, 48) < 0.01);
    }

    #[test]
    fn a_rare_long_wait_counts() {
        let mut pace = Pace::new(20.0);
        let (mut count, mut time) = (0, 0);
        for step in 0..200_000_u64 {
            count += u64::from(pace.is_alone());
            let nanoseconds = match pace.is_alone() {
                true => 48,
                false if step % 97 == 0 => 3000,
                false => 40,
            };
            time += nanoseconds;
            pace.count(nanoseconds);
        }
        assert!(count > 100_000, "{count}");
        assert!(time < 200_000 * 60, "{time}");
    }

    #[test]
    fn a_long_step_is_never_run_alone() {
        let mut pace = Pace::new(LONG);
        assert_eq!(part_alone(&mut pace, 10_000, 100, 48), 0.0);
    }
}
