//! The memory plan: offsets in one arena for values that live for a part of the step.

mod check;
mod greedy;
mod heap;
mod search;

pub(crate) use check::check;

use crate::memory::ALIGNMENT;

/// Memory that is needed from one task of the schedule to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LiveRange {
    /// The number of bytes, a multiple of [`ALIGNMENT`].
    pub(crate) bytes: usize,
    /// The first task that needs it.
    pub(crate) first: usize,
    /// The last task that needs it.
    pub(crate) last: usize,
}

impl LiveRange {
    /// Whether both are live at the same time, and neither is empty.
    fn meets(&self, other: &Self) -> bool {
        self.bytes > 0 && other.bytes > 0 && self.first <= other.last && other.first <= self.last
    }
}

/// A memory plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemoryPlan {
    /// The offset of each live range.
    pub(crate) offsets: Vec<usize>,
    /// The bytes of all ranges together.
    pub(crate) bytes: usize,
    /// The planner that found it.
    pub(crate) planner: &'static str,
}

/// A heuristic for the order in which ranges are given the lowest offset that is free all their
/// life.
struct Planner {
    name: &'static str,
    order: fn(&[LiveRange]) -> Vec<usize>,
}

/// All planners; among equally good plans, that of the first one is taken.
const PLANNERS: [Planner; 4] = [
    Planner { name: "largest first", order: greedy::largest_first },
    Planner { name: "longest first", order: greedy::longest_first },
    Planner { name: "earliest first", order: greedy::earliest_first },
    Planner { name: "tightest moment first", order: greedy::tightest_first },
];

/// The planner that improves the others' best plan.
const SEARCH: &str = "search";

/// The most ranges for planners that compare all of them with each other.
const MAX_RANGES: usize = 2048;

/// The smallest plan that any planner finds.
pub(crate) fn memory_plan(ranges: &[LiveRange]) -> MemoryPlan {
    debug_assert!(ranges.iter().all(|range| range.bytes.is_multiple_of(ALIGNMENT)));
    if ranges.len() > MAX_RANGES {
        return heap::plan(ranges);
    }
    let least = lower_bound(ranges);
    let mut best: Option<(Vec<usize>, MemoryPlan)> = None;
    for Planner { name, order } in &PLANNERS {
        let order = order(ranges);
        let plan = MemoryPlan::new(ranges, greedy::offsets(ranges, &order), name);
        if best.as_ref().is_none_or(|(_, best)| plan.bytes < best.bytes) {
            best = Some((order, plan));
        }
    }
    let (order, mut plan) = best.expect("there are planners");
    if plan.bytes > least
        && let Some(better) = search::improve(ranges, order, &plan, least)
    {
        plan = better;
    }
    debug_assert_eq!(check(ranges, &plan.offsets), Ok(()), "planner `{}`", plan.planner);
    plan
}

impl MemoryPlan {
    fn new(ranges: &[LiveRange], offsets: Vec<usize>, planner: &'static str) -> Self {
        let bytes = extent(ranges, &offsets);
        Self { offsets, bytes, planner }
    }
}

/// The most bytes that are needed at once: no plan is smaller.
fn lower_bound(ranges: &[LiveRange]) -> usize {
    let tasks = ranges.iter().map(|range| range.last + 1).max().unwrap_or(0);
    pressure(ranges, tasks).into_iter().max().unwrap_or(0)
}

/// The bytes that ranges at these offsets take together.
fn extent(ranges: &[LiveRange], offsets: &[usize]) -> usize {
    ranges.iter().zip(offsets).map(|(range, offset)| offset + range.bytes).max().unwrap_or(0)
}

/// The bytes that are live at each of `tasks` tasks.
pub(crate) fn pressure(ranges: &[LiveRange], tasks: usize) -> Vec<usize> {
    // The bytes whose life begins, and ends, with a task.
    let mut changes = vec![(0, 0); tasks + 1];
    for range in ranges {
        changes[range.first.min(tasks)].0 += range.bytes;
        changes[(range.last + 1).min(tasks)].1 += range.bytes;
    }
    let needed = changes.into_iter().scan(0, |needed, (added, removed)| {
        *needed = *needed + added - removed;
        Some(*needed)
    });
    needed.take(tasks).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(super) fn range(lines: usize, first: usize, last: usize) -> LiveRange {
        LiveRange { bytes: lines * ALIGNMENT, first, last }
    }

    #[test]
    fn memory_is_used_again() {
        let ranges = [range(4, 0, 1), range(2, 1, 2), range(4, 2, 3), range(1, 0, 3)];
        let plan = memory_plan(&ranges);
        assert_eq!(plan.bytes, 7 * ALIGNMENT);
        assert_eq!(plan.offsets[0], plan.offsets[2]);
    }

    #[test]
    fn nothing_takes_nothing() {
        assert_eq!(memory_plan(&[]).bytes, 0);
        assert_eq!(memory_plan(&[range(0, 0, 9), range(0, 3, 3)]).bytes, 0);
    }

    #[test]
    fn pressure_counts_what_is_live() {
        let ranges = [range(4, 0, 1), range(2, 1, 2)];
        assert_eq!(pressure(&ranges, 4), [256, 384, 128, 0]);
    }

    pub(super) fn live_range() -> impl Strategy<Value = LiveRange> {
        (0_usize..20, 0_usize..30, 0_usize..10)
            .prop_map(|(lines, first, length)| range(lines, first, first + length))
    }

    proptest! {
        #[test]
        fn every_planner_keeps_apart_what_meets(
            ranges in prop::collection::vec(live_range(), 0..60),
        ) {
            let least = lower_bound(&ranges);
            let best = memory_plan(&ranges);
            prop_assert_eq!(check(&ranges, &best.offsets), Ok(()), "{}", best.planner);
            prop_assert!(best.bytes >= least);
            for planner in &PLANNERS {
                let offsets = greedy::offsets(&ranges, &(planner.order)(&ranges));
                prop_assert_eq!(check(&ranges, &offsets), Ok(()), "{}", planner.name);
                prop_assert!(extent(&ranges, &offsets) >= best.bytes);
            }
            prop_assert_eq!(memory_plan(&ranges), best);
        }
    }
}
