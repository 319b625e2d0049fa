//! The planner for very many ranges: it gives each, in the order of the schedule, the lowest free
//! offset, as a heap would.
//!
//! That is the plan of [`greedy::earliest_first`], found in a time that grows with the number of
//! ranges and not with its square.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::{LiveRange, MemoryPlan, greedy};

/// The smaller of two plans: forward and backward in time.
pub(super) fn plan(ranges: &[LiveRange]) -> MemoryPlan {
    let forward = MemoryPlan::new(ranges, offsets(ranges), "heap");
    let end = ranges.iter().map(|range| range.last).max().unwrap_or(0);
    let reversed: Vec<LiveRange> = ranges
        .iter()
        .map(|range| LiveRange { first: end - range.last, last: end - range.first, ..*range })
        .collect();
    let backward = MemoryPlan::new(ranges, offsets(&reversed), "heap, backward");
    if backward.bytes < forward.bytes { backward } else { forward }
}

/// The offsets of ranges that are allocated in the order of the schedule.
fn offsets(ranges: &[LiveRange]) -> Vec<usize> {
    let mut offsets = vec![0; ranges.len()];
    let mut gaps = Gaps::default();
    let mut live: BinaryHeap<Reverse<(usize, usize)>> = BinaryHeap::new();
    for index in greedy::earliest_first(ranges) {
        let range = &ranges[index];
        if range.bytes == 0 {
            continue;
        }
        while let Some(&Reverse((last, dead))) = live.peek()
            && last < range.first
        {
            live.pop();
            gaps.free(offsets[dead], ranges[dead].bytes);
        }
        offsets[index] = gaps.take(range.bytes);
        live.push(Reverse((range.last, index)));
    }
    offsets
}

/// The free memory below an end, after which all memory is free.
#[derive(Default)]
struct Gaps {
    /// Sizes by offset. No two gaps touch, and none touches the end.
    sizes: BTreeMap<usize, usize>,
    /// Offsets by the logarithm of the size.
    offsets: BTreeMap<u32, BTreeSet<usize>>,
    end: usize,
}

impl Gaps {
    /// Allocates the lowest free part of this size.
    fn take(&mut self, bytes: usize) -> usize {
        // All gaps of higher classes are large enough, and some of this class.
        let fits = |offset: &&usize| self.sizes[*offset] >= bytes;
        let classes = self.offsets.range(bytes.ilog2()..);
        let lowest = classes.filter_map(|(_, offsets)| offsets.iter().find(fits)).min();
        let Some(&offset) = lowest else {
            self.end += bytes;
            return self.end - bytes;
        };
        let size = self.remove(offset);
        if size > bytes {
            self.insert(offset + bytes, size - bytes);
        }
        offset
    }

    /// Frees a part.
    fn free(&mut self, mut offset: usize, mut bytes: usize) {
        if let Some((&below, &size)) = self.sizes.range(..offset).next_back()
            && below + size == offset
        {
            bytes += self.remove(below);
            offset = below;
        }
        if self.sizes.contains_key(&(offset + bytes)) {
            bytes += self.remove(offset + bytes);
        }
        if offset + bytes == self.end {
            self.end = offset;
        } else {
            self.insert(offset, bytes);
        }
    }

    fn insert(&mut self, offset: usize, bytes: usize) {
        self.sizes.insert(offset, bytes);
        self.offsets.entry(bytes.ilog2()).or_default().insert(offset);
    }

    /// Removes a gap; returns its size.
    fn remove(&mut self, offset: usize) -> usize {
        let bytes = self.sizes.remove(&offset).unwrap_or(0);
        if let Some(class) = self.offsets.get_mut(&bytes.max(1).ilog2()) {
            class.remove(&offset);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::live_range;
    use super::super::{check, greedy};
    use super::*;

    proptest! {
        #[test]
        fn the_heap_places_as_the_greedy_planner(
            ranges in prop::collection::vec(live_range(), 0..60),
        ) {
            let order = greedy::earliest_first(&ranges);
            prop_assert_eq!(offsets(&ranges), greedy::offsets(&ranges, &order));
            prop_assert_eq!(check(&ranges, &plan(&ranges).offsets), Ok(()));
        }
    }
}
