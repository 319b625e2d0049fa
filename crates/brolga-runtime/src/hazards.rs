//! Hazards: where a worker has to wait for the others.
//!
//! Worker `w` of `T` does the units `w·U/T .. (w+1)·U/T` of every stage, so it is known which bytes it touches. A stage needs a barrier
//! before it if a worker touches bytes that *another* worker touched since the last barrier, and one of the two writes:
//! read after write, write after read, write after write.
//!
//! The rule says who does a unit unless others may help: a stage whose bytes no other stage between the same two barriers touches, or
//! all only read, is open to any worker.

use std::collections::HashSet;
use std::ops::Range;

use brolga_codegen::kernel::Access;

use crate::layout::Address;
use crate::memory::Span;
use crate::touched::Touched;

/// Bytes that a stage touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Footprint {
    pub(crate) address: Address,
    pub(crate) access: Access,
    pub(crate) units: usize,
    pub(crate) writes: bool,
}

/// The units that a worker does of a stage.
pub(crate) fn chunk(units: usize, worker: usize, threads: usize) -> Range<usize> {
    let cut = |worker: usize| (worker as u128 * units as u128 / threads as u128) as usize;
    cut(worker)..cut(worker + 1)
}

/// Before which stages there has to be a barrier, given what each of them touches. The fewest that suffice.
pub(crate) fn barriers(stages: &[Vec<Footprint>], threads: usize) -> Vec<bool> {
    let mut since_barrier = Accesses::default();
    // Stages that touch the same bytes in the same way are one to all that come later.
    let mut known = HashSet::new();
    let mut barriers = Vec::with_capacity(stages.len());
    for stage in stages {
        let conflict = |later: &Footprint| {
            since_barrier.meeting(later).any(|(earlier, _)| earlier.conflicts(later, threads))
        };
        let barrier = threads > 1 && stage.iter().any(conflict);
        if barrier {
            since_barrier = Accesses::default();
            known.clear();
        }
        for footprint in stage.iter().filter(|footprint| known.insert(**footprint)) {
            since_barrier.insert(*footprint, 0);
        }
        barriers.push(barrier);
    }
    barriers
}

/// Which stages are open: any worker may do any of their units. Between two barriers no other stage touches their bytes, unless all read.
pub(crate) fn open(stages: &[Vec<Footprint>], barriers: &[bool]) -> Vec<bool> {
    let mut open = Vec::with_capacity(stages.len());
    let mut start = 0;
    while start < stages.len() {
        let end = (start + 1..stages.len()).find(|&next| barriers[next]).unwrap_or(stages.len());
        let mut between = Accesses::default();
        for (stage, touched) in (start..end).zip(&stages[start..end]) {
            touched.iter().for_each(|footprint| between.insert(*footprint, stage));
        }
        open.extend((start..end).zip(&stages[start..end]).map(|(stage, touched)| {
            let met = |footprint| between.meeting(footprint).any(|(_, other)| *other != stage);
            !touched.iter().any(met)
        }));
        start = end;
    }
    open
}

/// Whether a stage may touch bytes that another worker has fed: a stage by the rule those of another worker's units, a shared one any.
pub(crate) fn interferes(fed: &Touched, stage: &[Footprint], shared: bool, threads: usize) -> bool {
    let meets = |own: &Footprint| {
        fed.overlapping(own).any(|(fed, _)| match shared {
            true => fed.meets(own),
            false => fed.conflicts(own, threads),
        })
    };
    stage.iter().any(meets)
}

/// What stages read and what they write.
#[derive(Debug, Default)]
struct Accesses {
    reads: Touched,
    writes: Touched,
}

impl Accesses {
    fn insert(&mut self, footprint: Footprint, stage: usize) {
        let of_kind = if footprint.writes { &mut self.writes } else { &mut self.reads };
        of_kind.insert(footprint, stage);
    }

    /// What has bytes in common with a footprint, where one of both writes.
    fn meeting(&self, footprint: &Footprint) -> impl Iterator<Item = &(Footprint, usize)> {
        let reads = footprint.writes.then(|| self.reads.overlapping(footprint));
        let any = footprint.units > 0 && footprint.address.span.bytes > 0;
        self.writes.overlapping(footprint).chain(reads.into_iter().flatten()).filter(move |_| any)
    }
}

impl Footprint {
    /// Whether they have bytes in common, and one of them writes.
    fn meets(&self, other: &Self) -> bool {
        let (a, b) = (self.address, other.address);
        a.space == b.space
            && (self.writes || other.writes)
            && self.units > 0
            && other.units > 0
            && overlap(&(a.span.offset..a.span.end()), &(b.span.offset..b.span.end()))
    }

    /// Whether a worker touches here what another worker touches there, and one of them writes.
    fn conflicts(&self, other: &Self, threads: usize) -> bool {
        self.meets(other)
            && (0..threads).any(|worker| {
                let own = self.bytes(chunk(self.units, worker, threads));
                let chunk = chunk(other.units, worker, threads);
                let others = [0..chunk.start, chunk.end..other.units];
                others.into_iter().any(|units| overlap(&own, &other.bytes(units)))
            })
    }

    /// The bytes that these units may touch.
    fn bytes(&self, units: Range<usize>) -> Range<usize> {
        let Span { offset, bytes } = self.address.span;
        if units.is_empty() {
            return offset..offset;
        }
        match self.access {
            Access::Whole => offset..offset + bytes,
            Access::Units => {
                let (part, all) = (|unit| bytes as u128 * unit as u128, self.units as u128);
                let (begin, end) = (part(units.start) / all, part(units.end).div_ceil(all));
                offset + begin as usize..offset + end as usize
            }
        }
    }
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start.max(b.start) < a.end.min(b.end)
}

#[cfg(test)]
mod tests {
    use brolga_codegen::kernel::Access::{Units, Whole};
    use proptest::prelude::*;

    use super::*;
    use crate::layout::Space;

    fn touch(offset: usize, bytes: usize, access: Access, units: usize, writes: bool) -> Footprint {
        let address = Address { space: Space::Arena, span: Span { offset, bytes } };
        Footprint { address, access, units, writes }
    }

    #[test]
    fn chunks_cover_all_units_once() {
        for (units, threads) in [(0, 3), (1, 2), (7, 3), (16, 16), (5, 8), (usize::MAX, 7)] {
            let mut next = 0;
            for worker in 0..threads {
                let chunk = chunk(units, worker, threads);
                assert_eq!(chunk.start, next);
                next = chunk.end;
            }
            assert_eq!(next, units);
        }
    }

    #[test]
    fn own_chunks_need_no_barrier() {
        let write = vec![touch(0, 640, Units, 10, true)];
        let read = vec![touch(0, 640, Units, 10, false)];
        assert_eq!(barriers(&[write, read.clone(), read], 4), [false, false, false]);
    }

    #[test]
    fn chunks_of_other_sizes_need_a_barrier() {
        let write = vec![touch(0, 640, Units, 10, true)];
        let read = |units| vec![touch(0, 640, Units, units, false)];
        assert_eq!(barriers(&[write.clone(), read(5)], 2), [false, true]);
        // Twenty units for two workers fall into the same halves as ten.
        assert_eq!(barriers(&[write, read(20)], 2), [false, false]);
    }

    #[test]
    fn the_three_hazards_need_a_barrier() {
        let write = vec![touch(0, 640, Units, 10, true)];
        let read = vec![touch(0, 640, Whole, 10, false)];
        assert_eq!(barriers(&[write.clone(), read.clone()], 2), [false, true]);
        assert_eq!(barriers(&[read.clone(), write.clone()], 2), [false, true]);
        assert_eq!(
            barriers(&[write.clone(), vec![touch(0, 640, Whole, 3, true)]], 2),
            [false, true]
        );
        assert_eq!(barriers(&[read.clone(), read.clone()], 2), [false, false]);
        assert_eq!(barriers(&[write, read], 1), [false, false]);
    }

    #[test]
    fn one_barrier_serves_many_stages() {
        let write = |offset| vec![touch(offset, 64, Units, 4, true)];
        let read = |offset| vec![touch(offset, 64, Whole, 4, false)];
        let stages = [write(0), write(64), write(128), read(64), read(0), read(128)];
        assert_eq!(barriers(&stages, 3), [false, false, false, true, false, false]);
    }

    #[test]
    fn stages_are_open_unless_others_touch_their_bytes() {
        let write = |offset| vec![touch(offset, 64, Units, 4, true)];
        let read = |offset| vec![touch(offset, 64, Units, 4, false)];
        let stages = [write(0), read(0), write(64), read(128), read(128)];
        let together = [false; 5];
        assert_eq!(open(&stages, &together), [false, false, true, true, true]);
        let apart = [false, true, false, false, false];
        assert_eq!(open(&stages, &apart), [true; 5]);
        assert_eq!(open(&[], &[]), []);
    }

    #[test]
    fn a_shared_stage_waits_for_the_feeds_of_all() {
        let fed = Touched::of(&[touch(0, 640, Units, 10, true)]);
        let read = |access| [touch(0, 640, access, 10, false)];
        assert!(!interferes(&fed, &read(Units), false, 2));
        assert!(interferes(&fed, &read(Units), true, 2));
        assert!(interferes(&fed, &read(Whole), false, 2));
        assert!(!interferes(&fed, &[touch(640, 640, Whole, 10, true)], true, 2));
        assert!(!interferes(&Touched::default(), &read(Whole), true, 2));
    }

    #[test]
    fn a_single_unit_is_one_workers_matter() {
        let write = vec![touch(0, 64, Whole, 1, true)];
        let read = vec![touch(0, 64, Whole, 1, false)];
        assert_eq!(barriers(&[write.clone(), read.clone(), write], 8), [false; 3]);
    }

    #[test]
    fn state_and_arena_are_different_bytes() {
        let write = touch(0, 64, Whole, 4, true);
        let mut read = touch(0, 64, Whole, 4, false);
        read.address.space = Space::State;
        assert_eq!(barriers(&[vec![write], vec![read]], 4), [false, false]);
        assert_eq!(
            barriers(&[vec![write], vec![touch(64, 64, Whole, 4, false)]], 4),
            [false, false]
        );
        assert_eq!(barriers(&[vec![write], vec![touch(0, 0, Whole, 4, false)]], 4), [false, false]);
    }

    fn footprint() -> impl Strategy<Value = Footprint> {
        (0_usize..24, 0_usize..24, any::<bool>(), 0_usize..12, any::<bool>()).prop_map(
            |(offset, bytes, whole, units, writes)| {
                touch(offset, bytes, if whole { Whole } else { Units }, units, writes)
            },
        )
    }

    proptest! {
        /// Open stages may be done by anybody: no two stages between the same barriers, one of them open, have a byte in common that one writes.
        #[test]
        fn units_of_open_stages_meet_no_others(
            stages in prop::collection::vec(prop::collection::vec(footprint(), 0..3), 0..8),
            threads in 1_usize..6,
        ) {
            let barriers = barriers(&stages, threads);
            let open = open(&stages, &barriers);
            let touches = |f: &Footprint, byte| (0..f.units).any(|u| f.bytes(u..u + 1).contains(&byte));
            let meets = |one: usize, other: usize| {
                let pairs = stages[one].iter().flat_map(|a| stages[other].iter().map(move |b| (a, b)));
                let mut writing = pairs.filter(|(a, b)| a.writes || b.writes);
                writing.any(|(a, b)| (0..48).any(|byte| touches(a, byte) && touches(b, byte)))
            };
            let interval = |stage: usize| barriers[..=stage].iter().skip(1).filter(|&&b| b).count();
            for (stage, _) in open.iter().enumerate().filter(|&(_, &open)| open) {
                let mut others = (0..stages.len())
                    .filter(|&other| other != stage && interval(other) == interval(stage));
                prop_assert!(!others.any(|other| meets(stage, other)), "stage {}", stage);
            }
        }

        /// Against the definition, byte by byte and worker by worker.
        #[test]
        fn no_worker_overtakes_another(
            stages in prop::collection::vec(prop::collection::vec(footprint(), 0..3), 0..8),
            threads in 1_usize..6,
        ) {
            let barriers = barriers(&stages, threads);
            let touches = |f: &Footprint, worker, byte| {
                chunk(f.units, worker, threads).any(|unit| f.bytes(unit..unit + 1).contains(&byte))
            };
            let races = |one: usize, other: usize| {
                let pairs = stages[one].iter().flat_map(|a| stages[other].iter().map(move |b| (a, b)));
                let mut writing = pairs.filter(|(a, b)| a.writes || b.writes);
                writing.any(|(a, b)| (0..48).any(|byte| (0..threads).any(|v| (0..threads).any(|w| {
                    v != w && touches(a, v, byte) && touches(b, w, byte)
                }))))
            };
            let mut start = 0;
            for (stage, &barrier) in barriers.iter().enumerate() {
                let needed = (start..stage).any(|earlier| races(earlier, stage));
                prop_assert_eq!(barrier, needed, "stage {}", stage);
                if needed {
                    start = stage;
                }
            }
        }
    }
}
