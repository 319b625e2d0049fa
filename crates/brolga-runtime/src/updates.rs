//! Updates of states: the memory of each state's next value.
//!
//! The next value is computed in the state's memory if nothing can read the old one afterwards. If
//! that is impossible, it is computed elsewhere, and copied after the last use of the old value.

use std::collections::{HashMap, HashSet};

use crate::tasks::{BufferId, Home, TaskId, Tasks};

/// Decides on the memory of each state's next value, adds the copies that are needed, and orders
/// the tasks accordingly.
pub(crate) fn place_updates(tasks: &mut Tasks) {
    let olds: HashMap<usize, BufferId> = (0..tasks.buffers.len())
        .filter_map(|buffer| match tasks.buffers[buffer].home {
            Home::OldState(state) => Some((state, buffer)),
            _ => None,
        })
        .collect();
    save_old_values(tasks);
    for (state, value) in tasks.updates.clone() {
        let old = olds[&state];
        if value == old {
            continue;
        }
        let writer = match writer_in_place(tasks, old, value) {
            Some(writer) => {
                tasks.buffers[value].home = Home::NewState(state);
                writer
            }
            None => {
                let copy = tasks.copy(value, Home::NewState(state), "copy to state".to_owned());
                tasks.buffers[copy].producer.expect("copies are computed")
            }
        };
        let readers = tasks.buffers[old].readers.clone();
        tasks.put_after(writer, readers.into_iter().filter(|&task| task != writer));
    }
}

/// Adds copies of old values of states that are returned or become values of other states, before
/// they are overwritten.
fn save_old_values(tasks: &mut Tasks) {
    let mut saved: HashMap<BufferId, BufferId> = HashMap::new();
    let mut save = |tasks: &mut Tasks, buffer: BufferId| match tasks.buffers[buffer].home {
        Home::OldState(_) => *saved
            .entry(buffer)
            .or_insert_with(|| tasks.copy(buffer, Home::Planned, "copy of state".to_owned())),
        _ => buffer,
    };
    for output in 0..tasks.outputs.len() {
        let buffer = save(tasks, tasks.outputs[output]);
        tasks.outputs[output] = buffer;
        tasks.buffers[buffer].output = true;
    }
    for update in 0..tasks.updates.len() {
        let (state, value) = tasks.updates[update];
        if tasks.buffers[value].home != Home::OldState(state) {
            tasks.updates[update].1 = save(tasks, value);
        }
    }
}

/// The task that can write `value` to the memory of `old`, if there is one.
fn writer_in_place(tasks: &Tasks, old: BufferId, value: BufferId) -> Option<TaskId> {
    let buffer = &tasks.buffers[value];
    let writer = buffer.producer?;
    let free = buffer.home == Home::Planned && !buffer.output;
    let allowed = free && may_overwrite(tasks, writer, value, |operand| operand == old);
    let readers = tasks.buffers[old].readers.iter().copied();
    let others: Vec<_> = readers.filter(|&task| task != writer).collect();
    (allowed && !depends(tasks, &others, writer)).then_some(writer)
}

/// Whether a task's result may take the memory of all operands for which `shared` holds.
pub(crate) fn may_overwrite(
    tasks: &Tasks,
    task: TaskId,
    result: BufferId,
    shared: impl Fn(BufferId) -> bool,
) -> bool {
    let task = &tasks.tasks[task];
    let port = task.call.results.iter().position(|&buffer| buffer == result);
    port.is_some_and(|port| {
        let mut slots =
            (0..task.call.operands.len()).filter(|&slot| shared(task.call.operands[slot]));
        slots.all(|slot| task.in_place[port].contains(&slot))
    })
}

/// Whether any of the tasks `of` has to come after `on`, as its consumer or for another reason.
///
/// A walk back from the tasks and a walk forward from `on` take turns, until one meets the start of
/// the other or ends: almost no task comes after most updates, and a whole step comes before them.
fn depends(tasks: &Tasks, of: &[TaskId], on: TaskId) -> bool {
    let targets: HashSet<TaskId> = of.iter().copied().collect();
    let (mut before, mut after) = (of.to_vec(), vec![on]);
    let (mut seen_before, mut seen_behind) = (HashSet::new(), HashSet::new());
    while let (Some(task), Some(other)) = (before.pop(), after.pop()) {
        if task == on || targets.contains(&other) {
            return true;
        }
        if seen_before.insert(task) {
            before.extend(tasks.before(task));
        }
        if seen_behind.insert(other) {
            after.extend(tasks.after(other));
        }
    }
    false
}
