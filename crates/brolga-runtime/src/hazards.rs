//! Hazards: stages whose units have to wait for those of the stages before them.
//!
//! The units of a stage are cut into lanes: lane `l` of `L` has the units `l·U/L .. (l+1)·U/L`. A
//! barrier is needed before a stage that touches the same bytes as a stage after the last barrier,
//! if one of the two writes: read after write, write after read, write after write.
//!
//! One worker does the units of a lane in all *short* stages, one stage after the other. So bytes
//! that short stages touch in the same lane need no barrier. The units of a *long* stage are done
//! in any order, by any worker.

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

/// Part `part` of `parts` parts of the units that have about the same size, such as those of a
/// lane.
pub(crate) fn chunk(units: usize, part: usize, parts: usize) -> Range<usize> {
    let cut = |part: usize| (part as u128 * units as u128 / parts as u128) as usize;
    cut(part)..cut(part + 1)
}

/// The stages that need a barrier before them, given what each touches and whether it is long: the
/// fewest that suffice.
pub(crate) fn barriers(stages: &[Vec<Footprint>], long: &[bool], lanes: usize) -> Vec<bool> {
    let mut since_barrier = Accesses::default();
    // Stages that touch the same bytes in the same way are the same to all later ones.
    let mut known = HashSet::new();
    let mut barriers = Vec::with_capacity(stages.len());
    for (stage, &long) in stages.iter().zip(long) {
        let conflict = |later: &Footprint| {
            let mut met = since_barrier.meeting(later);
            met.any(|(earlier, kind)| long || *kind == LONG || earlier.conflicts(later, lanes))
        };
        let barrier = lanes > 1 && stage.iter().any(conflict);
        if barrier {
            since_barrier = Accesses::default();
            known.clear();
        }
        let kind = if long { LONG } else { SHORT };
        for footprint in stage.iter().filter(|footprint| known.insert((**footprint, kind))) {
            since_barrier.insert(*footprint, kind);
        }
        barriers.push(barrier);
    }
    barriers
}

/// The marks of accesses by long and by short stages.
const LONG: usize = 1;
const SHORT: usize = 0;

/// Whether a stage may touch bytes that were fed in another lane, or in any lane if it is long.
pub(crate) fn interferes(fed: &Touched, stage: &[Footprint], long: bool, lanes: usize) -> bool {
    let meets = |own: &Footprint| {
        fed.overlapping(own).any(|(fed, _)| match long {
            true => fed.meets(own),
            false => fed.conflicts(own, lanes),
        })
    };
    stage.iter().any(meets)
}

/// The bytes that stages read and write.
#[derive(Debug, Default)]
struct Accesses {
    reads: Touched,
    writes: Touched,
}

impl Accesses {
    fn insert(&mut self, footprint: Footprint, kind: usize) {
        let accesses = if footprint.writes { &mut self.writes } else { &mut self.reads };
        accesses.insert(footprint, kind);
    }

    /// The footprints that have bytes in common with this one, if one of both writes.
    fn meeting(&self, footprint: &Footprint) -> impl Iterator<Item = &(Footprint, usize)> {
        let reads = footprint.writes.then(|| self.reads.overlapping(footprint));
        let any = footprint.units > 0 && footprint.address.span.bytes > 0;
        self.writes.overlapping(footprint).chain(reads.into_iter().flatten()).filter(move |_| any)
    }
}

impl Footprint {
    /// Whether both have bytes in common, and one of them writes.
    fn meets(&self, other: &Self) -> bool {
        let (a, b) = (self.address, other.address);
        a.space == b.space
            && (self.writes || other.writes)
            && self.units > 0
            && other.units > 0
            && overlap(&(a.span.offset..a.span.end()), &(b.span.offset..b.span.end()))
    }

    /// Whether a lane of one touches bytes that another lane of the other touches, and one of them
    /// writes.
    fn conflicts(&self, other: &Self, lanes: usize) -> bool {
        self.meets(other)
            && (0..lanes).any(|lane| {
                let own = self.bytes(chunk(self.units, lane, lanes));
                let chunk = chunk(other.units, lane, lanes);
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

    fn barriers(stages: &[Vec<Footprint>], lanes: usize) -> Vec<bool> {
        super::barriers(stages, &vec![false; stages.len()], lanes)
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
        // Two workers halve twenty units at the same byte as ten.
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
    fn long_stages_need_a_barrier_wherever_bytes_meet() {
        let write = |offset| vec![touch(offset, 64, Units, 4, true)];
        let read = |offset| vec![touch(offset, 64, Units, 4, false)];
        let stages = [write(0), read(0), write(64), read(0), read(128), write(128)];
        let barriers = |long: [bool; 6]| super::barriers(&stages, &long, 2);
        assert_eq!(barriers([false; 6]), [false; 6]);
        assert_eq!(barriers([true; 6]), [false, true, false, false, false, true]);
        // One of two barriers suffices, the earlier or the later one.
        let only = |stage: usize| [0, 1, 2, 3, 4, 5].map(|other| other == stage);
        assert_eq!(barriers(only(0)), [false, true, false, false, false, false]);
        assert_eq!(barriers(only(3)), [false, false, false, true, false, false]);
        assert_eq!(super::barriers(&stages, &[true; 6], 1), [false; 6]);
    }

    #[test]
    fn a_long_stage_waits_for_the_feeds_of_all_lanes() {
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
        /// The definition, byte by byte and lane by lane; a unit of a long stage counts for every
        /// lane.
        #[test]
        fn no_lane_overtakes_another(
            stages in prop::collection::vec((prop::collection::vec(footprint(), 0..3), any::<bool>()), 0..8),
            lanes in 1_usize..6,
        ) {
            let (stages, long): (Vec<_>, Vec<bool>) = stages.into_iter().unzip();
            let barriers = super::barriers(&stages, &long, lanes);
            let touches = |stage: usize, f: &Footprint, lane, byte| {
                let units = if long[stage] { 0..f.units } else { chunk(f.units, lane, lanes) };
                units.into_iter().any(|unit| f.bytes(unit..unit + 1).contains(&byte))
            };
            let races = |one: usize, other: usize| {
                let pairs = stages[one].iter().flat_map(|a| stages[other].iter().map(move |b| (a, b)));
                let mut writing = pairs.filter(|(a, b)| a.writes || b.writes);
                writing.any(|(a, b)| (0..48).any(|byte| (0..lanes).any(|v| (0..lanes).any(|w| {
                    v != w && touches(one, a, v, byte) && touches(other, b, w, byte)
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
