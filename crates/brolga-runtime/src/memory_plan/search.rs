//! A planner that improves a plan: ranges at its end are allocated earlier.

use super::{LiveRange, MemoryPlan, SEARCH, greedy};

/// The most orders that are tried.
const TRIES: usize = 64;
/// The most pairs of ranges that are compared, which takes a small part of a compilation.
const PAIRS: usize = 1 << 22;

/// A smaller plan than this one, if the search finds any. It starts with the order of this plan,
/// and stops at the lower bound.
///
/// A range at the end of a plan was allocated too late to find a gap. It moves to the front of the
/// order, and all are allocated anew. The search continues from a larger plan too, since a smaller
/// one may follow.
pub(super) fn improve(
    ranges: &[LiveRange],
    mut order: Vec<usize>,
    plan: &MemoryPlan,
    least: usize,
) -> Option<MemoryPlan> {
    let mut current = plan.clone();
    let mut best = None;
    let mut smallest = plan.bytes;
    let tries = PAIRS / ranges.len().pow(2).max(1);
    for _ in 0..tries.min(TRIES) {
        let end = |&index: &usize| current.offsets[index] + ranges[index].bytes == current.bytes;
        let end = order.iter().position(end)?;
        order[..=end].rotate_right(1);
        current = MemoryPlan::new(ranges, greedy::offsets(ranges, &order), SEARCH);
        if current.bytes < smallest {
            smallest = current.bytes;
            best = Some(current.clone());
        }
        if smallest <= least {
            break;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::tests::range;
    use super::super::{lower_bound, memory_plan};
    use super::*;

    #[test]
    fn what_orders_by_size_or_time_miss_is_found() {
        let ranges = [
            range(3, 11, 15),
            range(8, 13, 18),
            range(16, 17, 18),
            range(16, 9, 10),
            range(2, 12, 12),
            range(3, 7, 15),
            range(2, 18, 23),
        ];
        let least = lower_bound(&ranges);
        let best = memory_plan(&ranges);
        assert_eq!((best.bytes, best.planner), (least, SEARCH));
        assert_eq!(improve(&ranges, greedy::earliest_first(&ranges), &best, least), None);
    }
}
