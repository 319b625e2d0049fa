//! The order of the tasks.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::tasks::{TaskId, Tasks};

/// The tasks in an order in which each comes after the tasks it needs; among ready tasks, the first
/// one in the graph is next.
pub(crate) fn order(tasks: &Tasks) -> Vec<TaskId> {
    let count = tasks.tasks.len();
    let mut waiting = vec![0_usize; count];
    let mut next: Vec<Vec<TaskId>> = vec![vec![]; count];
    for (task, waiting) in waiting.iter_mut().enumerate() {
        for before in tasks.before(task) {
            *waiting += 1;
            next[before].push(task);
        }
    }
    let ready = (0..count).filter(|&task| waiting[task] == 0);
    let mut ready: BinaryHeap<_> = ready.map(Reverse).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(Reverse(task)) = ready.pop() {
        order.push(task);
        for &target in &next[task] {
            waiting[target] -= 1;
            if waiting[target] == 0 {
                ready.push(Reverse(target));
            }
        }
    }
    debug_assert_eq!(
        order.len(),
        count,
        "the constraints added to the graph's order close no cycle"
    );
    order
}
