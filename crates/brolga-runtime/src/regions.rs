//! Regions: the memory that buffers need in the planned part of the arena, and when.

use std::collections::HashSet;

use crate::memory::padded;
use crate::memory_plan::LiveRange;
use crate::tasks::{BufferId, Home, TaskId, Tasks};
use crate::updates::may_overwrite;

pub(crate) type RegionId = usize;

/// The regions that the planner gives offsets to.
#[derive(Debug, Default)]
pub(crate) struct Regions {
    /// The size and life of each region.
    pub(crate) ranges: Vec<LiveRange>,
    /// The first task of each region.
    pub(crate) owners: Vec<TaskId>,
    /// The region of each planned buffer. Buffers that are computed in place share one.
    pub(crate) of_buffer: Vec<Option<RegionId>>,
    /// The region of each task's workspace.
    pub(crate) of_workspace: Vec<Option<RegionId>>,
}

impl Regions {
    /// The regions for tasks that run in this order. An output's lives until the end of the step.
    pub(crate) fn new(tasks: &Tasks, order: &[TaskId]) -> Self {
        let last_uses = last_uses(tasks, order);
        let mut regions = Self {
            of_buffer: vec![None; tasks.buffers.len()],
            of_workspace: vec![None; tasks.tasks.len()],
            ..Self::default()
        };
        for (position, &id) in order.iter().enumerate() {
            let task = &tasks.tasks[id];
            let mut taken = HashSet::new();
            for &result in &task.call.results {
                if tasks.buffers[result].home != Home::Planned {
                    continue;
                }
                let last = last_uses[result].max(position);
                let region = match regions.dying(tasks, id, position, result, &taken) {
                    Some(region) => region,
                    None => regions.add(tasks.buffers[result].bytes, position, id),
                };
                regions.ranges[region].last = last;
                regions.of_buffer[result] = Some(region);
                taken.insert(region);
            }
            if task.call.kernel.workspace > 0 {
                let region = regions.add(task.call.kernel.workspace, position, id);
                regions.of_workspace[id] = Some(region);
            }
        }
        regions
    }

    fn add(&mut self, bytes: usize, position: usize, owner: TaskId) -> RegionId {
        self.ranges.push(LiveRange { bytes: padded(bytes), first: position, last: position });
        self.owners.push(owner);
        self.ranges.len() - 1
    }

    /// The region of an operand that the result may overwrite: nothing needs it afterwards and no
    /// other result has `taken` it.
    fn dying(
        &self,
        tasks: &Tasks,
        id: TaskId,
        position: usize,
        result: BufferId,
        taken: &HashSet<RegionId>,
    ) -> Option<RegionId> {
        let task = &tasks.tasks[id];
        let port = task.call.results.iter().position(|&buffer| buffer == result)?;
        let mut candidates = task.in_place[port].iter().filter_map(|&slot| {
            let operand = task.call.operands[slot];
            let same = tasks.buffers[operand].bytes == tasks.buffers[result].bytes;
            self.of_buffer[operand].filter(|_| same)
        });
        candidates.find(|&region| {
            let shared = |operand: BufferId| self.of_buffer[operand] == Some(region);
            self.ranges[region].last == position
                && !taken.contains(&region)
                && may_overwrite(tasks, id, result, shared)
        })
    }
}

/// The position in the order after which nothing reads each buffer; for outputs, the end of the
/// step.
fn last_uses(tasks: &Tasks, order: &[TaskId]) -> Vec<usize> {
    let mut last: Vec<usize> =
        tasks.buffers.iter().map(|b| if b.output { order.len() } else { 0 }).collect();
    for (position, &task) in order.iter().enumerate() {
        for &operand in &tasks.tasks[task].call.operands {
            last[operand] = last[operand].max(position);
        }
    }
    last
}
