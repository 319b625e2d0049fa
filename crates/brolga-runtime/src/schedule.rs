//! The schedule: the stages of all tasks in order, with barriers between them.

use brolga_codegen::kernel::{Stage, Touch};
use brolga_ir::{Role, Uid};
use serde::{Deserialize, Serialize};

use crate::hazards::{Footprint, barriers, interferes};
use crate::layout::{Address, Layout, Space};
use crate::memory::Span;
use crate::tasks::Call;
use crate::touched::Touched;

/// A stage in the order of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scheduled {
    /// The index of its kernel's call in the step.
    pub(crate) call: usize,
    pub(crate) name: String,
    pub(crate) symbol: String,
    pub(crate) units: usize,
    pub(crate) flops: u64,
    /// Bytes read.
    pub(crate) read: usize,
    /// Bytes written.
    pub(crate) written: usize,
    /// Whether all that comes before has to be done before it.
    pub(crate) barrier: bool,
    /// Whether its units are done in any order, by whoever has time.
    pub(crate) long: bool,
    /// Whether the units of a lane are done by one worker, however long they take.
    pub(crate) together: bool,
}

/// The operations or bytes of a lane from which on a stage is long: some 10 µs, since another chunk
/// costs 0.1 to 0.3 µs if another worker takes it.
const LONG_FLOPS: u64 = 1 << 20;
const LONG_BYTES: usize = 1 << 16;

impl Scheduled {
    fn is_long(&self, lanes: usize) -> bool {
        let is_worth_it = self.flops / lanes as u64 >= LONG_FLOPS
            || self.read.saturating_add(self.written) / lanes >= LONG_BYTES;
        lanes > 1 && !self.together && self.units >= 2 * lanes && is_worth_it
    }

    /// The work of the stage for one worker: 1 is some 10 µs.
    pub(crate) fn work(&self) -> f64 {
        let bytes = self.read.saturating_add(self.written) as f64;
        self.flops as f64 / LONG_FLOPS as f64 + bytes / LONG_BYTES as f64
    }

    /// A stage without units.
    #[cfg(test)]
    pub(crate) fn nothing() -> Self {
        Self {
            call: 0,
            name: "nothing".to_owned(),
            symbol: "nothing#0".to_owned(),
            units: 0,
            flops: 0,
            read: 0,
            written: 0,
            barrier: false,
            long: false,
            together: false,
        }
    }
}

/// The stages of a program in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Schedule {
    pub(crate) stages: Vec<Scheduled>,
    /// Whether all data inputs have to be fed before the first stage.
    pub(crate) barrier_behind_feeds: bool,
}

/// The addresses of the operands, results and workspace of a call: its operand table. A workspace
/// without bytes, as of sums over an axis of extent 0, has an arbitrary address.
pub(crate) fn operand_table(calls: &[Call], layout: &Layout, call: usize) -> Vec<Address> {
    let buffers = calls[call].operands.iter().chain(&calls[call].results);
    let nowhere = Address { space: Space::Arena, span: Span::default() };
    let workspace = layout.workspaces[call].unwrap_or(nowhere);
    buffers.map(|&buffer| layout.buffers[buffer]).chain([workspace]).collect()
}

/// The stages of the calls that have work, with the barriers that `lanes` lanes need; `fed` is the
/// footprint of feeding the data inputs.
pub(crate) fn schedule(
    calls: &[Call],
    layout: &Layout,
    fed: Vec<Footprint>,
    lanes: usize,
) -> Schedule {
    let mut stages = vec![];
    let mut footprints = vec![];
    for (index, call) in calls.iter().enumerate() {
        let table = operand_table(calls, layout, index);
        let copied = |stage: &&Stage| {
            let same = |(result, operand): (usize, usize)| {
                table[call.operands.len() + result] == table[operand]
            };
            stage.copies.is_some_and(same)
        };
        let stages_of = call.kernel.stages.iter().filter(|stage| stage.units > 0);
        for stage in stages_of.filter(|stage| !copied(stage)) {
            let footprint = |touch: &Touch, writes| Footprint {
                address: table[touch.slot],
                access: touch.access,
                units: stage.units,
                writes,
            };
            let reads = stage.reads.iter().map(|touch| footprint(touch, false));
            let writes = stage.writes.iter().map(|touch| footprint(touch, true));
            let touched: Vec<_> = reads.chain(writes).collect();
            let bytes = |writes| {
                let of = touched.iter().filter(|footprint| footprint.writes == writes);
                of.map(|footprint| footprint.address.span.bytes).fold(0, usize::saturating_add)
            };
            stages.push(Scheduled {
                call: index,
                name: stage.name.clone(),
                symbol: stage.symbol.clone(),
                units: stage.units,
                flops: stage.flops,
                read: bytes(false),
                written: bytes(true),
                barrier: false,
                long: false,
                together: stage.together,
            });
            footprints.push(touched);
        }
    }
    let long: Vec<bool> = stages.iter().map(|stage| stage.is_long(lanes)).collect();
    let barriers = barriers(&footprints, &long, lanes);
    for (index, stage) in stages.iter_mut().enumerate() {
        (stage.barrier, stage.long) = (barriers[index], long[index]);
    }
    let fed = Touched::of(&fed);
    // The first barrier separates all stages after it from the feeds.
    let mut before = stages.iter().zip(&footprints).take_while(|(stage, _)| !stage.barrier);
    let barrier_behind_feeds =
        before.any(|(stage, touched)| interferes(&fed, touched, stage.long, lanes));
    Schedule { stages, barrier_behind_feeds }
}

/// A stage of an executable, as tools show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageInfo {
    /// The kernel's name.
    pub kernel: String,
    /// The kernel's node; a copy of a state is none.
    pub node: Option<Uid>,
    /// The stage's name within the kernel.
    pub stage: String,
    /// The layer's path; empty for what belongs to no layer.
    pub layer: String,
    /// The part of the step.
    pub role: Role,
    /// The number of units.
    pub units: usize,
    /// Whether all that comes before has to be done before it.
    pub barrier: bool,
    /// Whether any worker may do any of its units; the units of other stages belong to lanes, one
    /// for each thread, which are done as a whole.
    pub shared: bool,
}

impl StageInfo {
    pub(crate) fn new(call: &Call, stage: &Scheduled) -> Self {
        Self {
            kernel: call.name.clone(),
            node: call.node,
            stage: stage.name.clone(),
            layer: call.layer().to_owned(),
            role: call.origin.role,
            units: stage.units,
            barrier: stage.barrier,
            shared: stage.long,
        }
    }
}
