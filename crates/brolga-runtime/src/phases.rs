//! The stages of a step as phases, and the work of a phase as chunks that any worker can do.
//!
//! A phase holds the stages between two barriers. The units of a lane in all short stages of the
//! phase are one chunk, which does them one stage after the other; its units in each long stage are
//! several chunks. The chunks of a phase can be done in any order and at the same time.

use std::ops::Range;

use crate::claims::MOST_CHUNKS;
use crate::hazards::chunk;
use crate::schedule::{Schedule, Scheduled};

/// The most chunks of a lane in a long stage. Each costs some 10 ns besides its work, but the other
/// workers wait for the last one.
const CHUNKS: usize = 16;

/// The most long stages of a phase, so that [`Claims`](crate::claims::Claims) can count the chunks
/// of a lane; the others go to another phase.
const LONG_STAGES: usize = (MOST_CHUNKS - 1) / CHUNKS;

/// The work from which on waking a sleeping helper pays: some 20 µs. A wake-up costs its caller
/// some 3 µs, and takes longer than that.
const WORTH_WAKING: f64 = 2.0;

/// A phase: its part of the list of all chunks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Phase {
    /// The first chunk of each lane, and the end of the last lane.
    starts: Box<[usize]>,
    long: bool,
    /// The work of the step from here to its end, as [`Scheduled::work`] counts it.
    work_left: f64,
}

impl Phase {
    pub(crate) fn begin(&self) -> usize {
        self.starts[0]
    }

    pub(crate) fn end(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    /// The chunks of a lane.
    pub(crate) fn chunks(&self, lane: usize) -> Range<usize> {
        self.starts[lane]..self.starts[lane + 1]
    }

    /// Whether the phase has a long stage.
    pub(crate) fn is_long(&self) -> bool {
        self.long
    }

    /// The work of the step from here to its end, as [`Scheduled::work`] counts it.
    pub(crate) fn work_left(&self) -> f64 {
        self.work_left
    }

    /// Whether the rest of the step is long enough to wake a helper for it.
    pub(crate) fn is_worth_waking(&self) -> bool {
        self.work_left >= WORTH_WAKING
    }

    #[cfg(test)]
    pub(crate) fn new(starts: &[usize], long: bool) -> Self {
        Self { starts: starts.into(), long, work_left: f64::from(u8::from(long)) * WORTH_WAKING }
    }
}

/// Work that one worker does as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// The rows of a lane in the feeds, if the phase begins with these; then its units in the short
    /// ones of some stages, one stage after the other.
    Lane { lane: usize, feeds: bool, stages: Range<usize> },
    /// Some units of a long stage.
    Units { stage: usize, units: Range<usize> },
}

/// The phases of a step and their chunks.
#[derive(Debug, Default)]
pub(crate) struct Phases {
    /// The phases in order; each has a chunk.
    pub(crate) phases: Vec<Phase>,
    pub(crate) chunks: Vec<Chunk>,
    /// The number of phases that only feed.
    pub(crate) feeding: usize,
}

impl Phases {
    /// The phases of a schedule for `lanes` lanes. If there are data inputs, feeds come first.
    pub(crate) fn new(schedule: &Schedule, lanes: usize, has_inputs: bool) -> Self {
        let Schedule { stages, barrier_behind_feeds } = schedule;
        let mut phases = Self::default();
        let mut start = 0;
        let mut feeds = has_inputs;
        if feeds && (*barrier_behind_feeds || stages.is_empty()) {
            phases.push(stages, 0..0, lanes, true);
            phases.feeding = 1;
            feeds = false;
        }
        while start < stages.len() {
            let mut long = 0;
            let begins_next = |&stage: &usize| {
                long += usize::from(stages[stage].long);
                stage > start && (stages[stage].barrier || long > LONG_STAGES)
            };
            let end = (start..stages.len()).find(begins_next).unwrap_or(stages.len());
            phases.push(stages, start..end, lanes, std::mem::take(&mut feeds));
            start = end;
        }
        let mut work_left = 0.0;
        for phase in phases.phases.iter_mut().rev() {
            work_left += phase.work_left;
            phase.work_left = work_left;
        }
        phases
    }

    /// Adds the phase of some stages; if `feeds`, its lanes begin with their feeds.
    fn push(&mut self, stages: &[Scheduled], range: Range<usize>, lanes: usize, feeds: bool) {
        let mut starts = vec![self.chunks.len()];
        let own = |stage: usize, lane| chunk(stages[stage].units, lane, lanes);
        for lane in 0..lanes {
            let mut short = range.clone().filter(|&stage| !stages[stage].long);
            if feeds || short.any(|stage| !own(stage, lane).is_empty()) {
                self.chunks.push(Chunk::Lane { lane, feeds, stages: range.clone() });
            }
            for stage in range.clone().filter(|&stage| stages[stage].long) {
                let units = own(stage, lane);
                let count = units.len().min(CHUNKS);
                let parts = (0..count).map(|part| chunk(units.len(), part, count));
                self.chunks.extend(parts.map(|part| Chunk::Units {
                    stage,
                    units: units.start + part.start..units.start + part.end,
                }));
            }
            starts.push(self.chunks.len());
        }
        let long = stages[range.clone()].iter().any(|stage| stage.long);
        let work_left = stages[range].iter().map(Scheduled::work).sum();
        self.phases.push(Phase { starts: starts.into(), long, work_left });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(units: usize, barrier: bool, long: bool) -> Scheduled {
        Scheduled { units, barrier, long, ..Scheduled::nothing() }
    }

    fn phases(stages: &[Scheduled], barrier_behind_feeds: bool) -> Phases {
        let schedule = Schedule { stages: stages.to_vec(), barrier_behind_feeds };
        Phases::new(&schedule, 2, true)
    }

    fn lane(lane: usize, feeds: bool, stages: Range<usize>) -> Chunk {
        Chunk::Lane { lane, feeds, stages }
    }

    fn bounds(phases: &[Phase]) -> Vec<(Vec<usize>, bool)> {
        phases.iter().map(|phase| (phase.starts.to_vec(), phase.long)).collect()
    }

    #[test]
    fn a_helper_is_woken_for_what_is_left_of_the_step() {
        let some = |flops| Scheduled { flops, ..stage(2, true, false) };
        let stages = [some(1 << 21), some(1 << 20), some(1 << 20), some(1 << 20)];
        let wakes =
            phases(&stages, false).phases.iter().map(Phase::is_worth_waking).collect::<Vec<_>>();
        assert_eq!(wakes, [true, true, true, false]);
    }

    #[test]
    fn short_stages_of_a_lane_are_one_chunk() {
        let stages = [stage(4, false, false), stage(1, false, false), stage(2, true, false)];
        let Phases { phases, chunks, feeding } = phases(&stages, false);
        let expected =
            [lane(0, true, 0..2), lane(1, true, 0..2), lane(0, false, 2..3), lane(1, false, 2..3)];
        assert_eq!((chunks, feeding), (expected.to_vec(), 0));
        assert_eq!(bounds(&phases), [(vec![0, 1, 2], false), (vec![2, 3, 4], false)]);
    }

    #[test]
    fn long_stages_are_cut() {
        let stages = [stage(1, false, false), stage(40, false, true)];
        let Phases { phases, chunks, feeding } = phases(&stages, true);
        assert_eq!(feeding, 1);
        // The one unit of the short stage belongs to the last lane.
        assert_eq!(bounds(&phases), [(vec![0, 1, 2], false), (vec![2, 18, 35], true)]);
        assert_eq!(
            chunks[..3],
            [lane(0, true, 0..0), lane(1, true, 0..0), Chunk::Units { stage: 1, units: 0..1 }]
        );
        assert_eq!(
            chunks[18..20],
            [lane(1, false, 0..2), Chunk::Units { stage: 1, units: 20..21 }]
        );
        assert_eq!(chunks[34], Chunk::Units { stage: 1, units: 38..40 });
    }

    #[test]
    fn a_lane_has_no_more_chunks_than_can_be_counted() {
        let many = vec![stage(1000, false, true); 2 * LONG_STAGES + 1];
        let Phases { phases, chunks, .. } = phases(&many, false);
        assert_eq!(phases.len(), 3);
        assert!(
            phases.iter().all(|phase| (0..2).all(|lane| phase.chunks(lane).len() <= MOST_CHUNKS))
        );
        assert_eq!(chunks.len(), phases[2].end());
    }

    #[test]
    fn nothing_is_no_phase() {
        let nothing = Schedule { stages: vec![], barrier_behind_feeds: false };
        assert!(Phases::new(&nothing, 2, false).phases.is_empty());
        assert_eq!(Phases::new(&nothing, 2, true).feeding, 1);
    }
}
