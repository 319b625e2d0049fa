//! Planners that give one range after the other the lowest offset that is free all its life: the
//! order is all that they choose.

use std::cmp::Reverse;

use super::{LiveRange, pressure};

/// Large ranges are hard to fit, so they come first.
pub(super) fn largest_first(ranges: &[LiveRange]) -> Vec<usize> {
    sorted(ranges, |range| (Reverse(range.bytes), range.first))
}

/// Ranges that take much memory for a long time leave few gaps when they are placed first.
pub(super) fn longest_first(ranges: &[LiveRange]) -> Vec<usize> {
    sorted(ranges, |range| (Reverse(range.last - range.first), Reverse(range.bytes)))
}

/// In the order of the schedule, as a heap would do it.
pub(super) fn earliest_first(ranges: &[LiveRange]) -> Vec<usize> {
    sorted(ranges, |range| (range.first, Reverse(range.bytes)))
}

/// What is alive when most memory is needed decides about the size, so it is placed first, without
/// gaps; then that of the next such moment.
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

/// The offsets of ranges that are placed in this order.
pub(super) fn offsets(ranges: &[LiveRange], order: &[usize]) -> Vec<usize> {
    let mut offsets = vec![0; ranges.len()];
    // Ranges of bytes that are taken, in ascending order.
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
