//! Planners that give one range after the other the lowest offset that is free all its life. They
//! differ in the order.

use std::cmp::Reverse;

use super::{LiveRange, pressure};

/// By size, the largest first, since those are the hardest to fit.
pub(super) fn largest_first(ranges: &[LiveRange]) -> Vec<usize> {
    sorted(ranges, |range| (Reverse(range.bytes), range.first))
}

/// By life and then by size, the longest first: allocated first, such ranges leave few gaps.
pub(super) fn longest_first(ranges: &[LiveRange]) -> Vec<usize> {
    sorted(ranges, |range| (Reverse(range.last - range.first), Reverse(range.bytes)))
}

/// By start, as a heap would allocate them.
pub(super) fn earliest_first(ranges: &[LiveRange]) -> Vec<usize> {
    sorted(ranges, |range| (range.first, Reverse(range.bytes)))
}

/// The ranges that are live at the peak of memory first, since they decide the size of the plan;
/// then those at the next highest moment.
pub(super) fn tightest_first(ranges: &[LiveRange]) -> Vec<usize> {
    let tasks = ranges.iter().map(|range| range.last + 1).max().unwrap_or(0);
    let needed = pressure(ranges, tasks);
    let most = |range: &LiveRange| needed[range.first..=range.last].iter().copied().max();
    sorted(ranges, |range| (Reverse(most(range)), Reverse(range.bytes)))
}

fn sorted<K: Ord>(ranges: &[LiveRange], key: impl Fn(&LiveRange) -> K) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ranges.len()).collect();
    order.sort_by_key(|&index| key(&ranges[index]));
    order
}

/// The offsets of ranges that are allocated in this order.
pub(super) fn offsets(ranges: &[LiveRange], order: &[usize]) -> Vec<usize> {
    let mut offsets = vec![0; ranges.len()];
    // The taken ranges of bytes, in ascending order.
    let mut taken: Vec<(usize, usize)> = Vec::with_capacity(ranges.len());
    for &index in order {
        let range = &ranges[index];
        let mut offset = 0;
        for &(start, other) in taken.iter().filter(|(_, other)| ranges[*other].meets(range)) {
            if start >= offset + range.bytes {
                break;
            }
            offset = offset.max(start + ranges[other].bytes);
        }
        offsets[index] = offset;
        let slot = taken.partition_point(|&(start, _)| start <= offset);
        taken.insert(slot, (offset, index));
    }
    offsets
}
