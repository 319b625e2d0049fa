//! The schedule: the stages of all tasks in the order in which every worker walks them.

use brolga_codegen::kernel::{KernelFn, Touch};
use brolga_ir::Role;

use crate::hazards::{Footprint, barriers, interferes, open};
use crate::layout::{Address, Layout, Space};
use crate::memory::Span;
use crate::tasks::{TaskId, Tasks};
use crate::touched::Touched;

/// A stage in its place.
#[derive(Debug, Clone)]
pub(crate) struct Scheduled {
    pub(crate) task: TaskId,
    pub(crate) name: String,
    pub(crate) entry: KernelFn,
    pub(crate) units: usize,
    pub(crate) flops: u64,
    /// Bytes read.
    pub(crate) read: usize,
    /// Bytes written.
    pub(crate) written: usize,
    /// Whether all workers wait for each other before it.
    pub(crate) barrier: bool,
    /// Whether a worker that has done its units does some of the others'.
    pub(crate) shared: bool,
}

/// Operations or bytes a worker from which on a stage is worth sharing: some 10 µs, since taking a unit of another worker costs 0.1 to 0.3 µs.
const LONG_FLOPS: u64 = 1 << 20;
const LONG_BYTES: usize = 1 << 16;

impl Scheduled {
    fn is_worth_sharing(&self, threads: usize) -> bool {
        let is_long = self.flops / threads as u64 >= LONG_FLOPS
            || (self.read + self.written) / threads >= LONG_BYTES;
        threads > 1 && self.units >= 2 * threads && is_long
    }
}

/// The stages of a program in order.
pub(crate) struct Schedule {
    pub(crate) stages: Vec<Scheduled>,
    /// Whether all workers wait for each other when they have fed the data inputs.
    pub(crate) barrier_behind_feeds: bool,
}

/// The places of a task's operands, results and workspace: its operand table. A workspace without bytes, as sums over an axis of extent 0 have
/// it, is nowhere in particular.
pub(crate) fn operand_table(tasks: &Tasks, layout: &Layout, task: TaskId) -> Vec<Address> {
    let buffers = tasks.tasks[task].operands.iter().chain(&tasks.tasks[task].results);
    let nowhere = Address { space: Space::Arena, span: Span::default() };
    let workspace = layout.workspaces[task].unwrap_or(nowhere);
    buffers.map(|&buffer| layout.buffers[buffer]).chain([workspace]).collect()
}

/// The stages of the tasks in this order, those without work left out, with the barriers that so many threads need; `fed` is what feeding the
/// data inputs writes.
pub(crate) fn schedule(
    tasks: &Tasks,
    order: &[TaskId],
    layout: &Layout,
    fed: Vec<Footprint>,
    threads: usize,
) -> Schedule {
    let mut stages = vec![];
    let mut footprints = vec![];
    for &id in order {
        let task = &tasks.tasks[id];
        let table = operand_table(tasks, layout, id);
        for stage in task.kernel.stages.iter().filter(|stage| stage.units > 0) {
            let footprint = |touch: &Touch, writes| Footprint {
                address: table[touch.slot],
                access: touch.access,
                units: stage.units,
                writes,
            };
            let reads = stage.reads.iter().map(|touch| footprint(touch, false));
            let writes = stage.writes.iter().map(|touch| footprint(touch, true));
            let touched: Vec<_> = reads.chain(writes).collect();
            let bytes = |writes| -> usize {
                let of = touched.iter().filter(|footprint| footprint.writes == writes);
                of.map(|footprint| footprint.address.span.bytes).sum()
            };
            stages.push(Scheduled {
                task: id,
                name: stage.name.clone(),
                entry: stage.entry,
                units: stage.units,
                flops: stage.flops,
                read: bytes(false),
                written: bytes(true),
                barrier: false,
                shared: false,
            });
            footprints.push(touched);
        }
    }
    let barriers = barriers(&footprints, threads);
    let open = open(&footprints, &barriers);
    for (place, stage) in stages.iter_mut().enumerate() {
        stage.barrier = barriers[place];
        stage.shared = open[place] && stage.is_worth_sharing(threads);
    }
    let fed = Touched::of(&fed);
    // The first barrier parts all stages behind it from the feeds.
    let before = stages.iter().zip(&footprints).take_while(|(stage, _)| !stage.barrier);
    let barrier_behind_feeds = before
        .map(|(stage, touched)| (stage.shared, &touched[..]))
        .any(|(shared, touched)| interferes(&fed, touched, shared, threads));
    Schedule { stages, barrier_behind_feeds }
}

/// A stage of an executable, as tools show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageInfo {
    /// The kernel's name.
    pub kernel: String,
    /// The stage's name within the kernel.
    pub stage: String,
    /// The layer's path; empty for what belongs to no layer.
    pub layer: String,
    /// The part of the step.
    pub role: Role,
    /// Into how many units the work is cut.
    pub units: usize,
    /// Whether all workers wait for each other before it.
    pub barrier: bool,
    /// Whether a worker that has done its units does some of the others'.
    pub shared: bool,
}

impl StageInfo {
    pub(crate) fn new(tasks: &Tasks, stage: &Scheduled) -> Self {
        let task = &tasks.tasks[stage.task];
        Self {
            kernel: task.name.clone(),
            stage: stage.name.clone(),
            layer: task.origin.layer.as_deref().unwrap_or_default().to_owned(),
            role: task.origin.role,
            units: stage.units,
            barrier: stage.barrier,
            shared: stage.shared,
        }
    }
}
