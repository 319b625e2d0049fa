//! Steps counted by callbacks that are not called for each of them.

/// The steps of an epoch that a callback knows of: of a model compiled with `steps_per_execution`
/// it is called once for several.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StepCount {
    seen: usize,
}

impl StepCount {
    /// An epoch begins.
    pub(super) fn begin(&mut self) {
        self.seen = 0;
    }

    /// The steps up to the one with this number, from 0, are done; returns how many of them are
    /// new.
    pub(super) fn add(&mut self, batch: usize) -> usize {
        let before = std::mem::replace(&mut self.seen, batch + 1);
        self.seen.saturating_sub(before)
    }

    /// The number of steps so far.
    pub(super) fn seen(self) -> usize {
        self.seen
    }
}
