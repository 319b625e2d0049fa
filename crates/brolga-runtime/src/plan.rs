//! Plans: all decisions about a program that precede its code and memory.

mod check;
mod memory;
mod text;
mod timers;

use brolga_codegen::kernel::CompiledKernel;
use brolga_ir::ops::Constant;
use brolga_ir::{Graph, NodeId, Op, Role, Uid};
use brolga_memory::NotGranted;
use serde::{Deserialize, Serialize};

use crate::error::RuntimeError;
use crate::feed::footprints;
use crate::layout::Layout;
use crate::limits;
use crate::memory_plan::memory_plan;
use crate::options::Options;
use crate::order::order;
use crate::regions::Regions;
use crate::report::MemoryReport;
use crate::schedule::{Schedule, StageInfo, schedule};
use crate::signature::Signature;
use crate::state::StateLayout;
use crate::tasks::{BufferId, Call, Home, Tasks};
use crate::updates::place_updates;

/// All that is decided about a program before it is linked: addresses of inputs, outputs, states
/// and constants, the kernels in order with the addresses of their operands, their stages with the
/// barriers between them, and the symbols that code has to define.
///
/// It is data: it holds no address and no code. It can be printed, saved and read again with serde,
/// compared, and [checked](Plan::check). [`Executable::link`](crate::Executable::link) makes it
/// run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub(crate) signature: Signature,
    pub(crate) states: StateLayout,
    /// The home of each buffer.
    pub(crate) homes: Vec<Home>,
    /// The buffers of the outputs that replace no state.
    pub(crate) outputs: Vec<BufferId>,
    pub(crate) layout: Layout,
    pub(crate) constants: Vec<Constant>,
    /// The calls in the order of the step.
    pub(crate) calls: Vec<Call>,
    pub(crate) schedule: Schedule,
    pub(crate) report: MemoryReport,
}

/// A kernel of a plan, as tools show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelInfo<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its node; a copy of a state is none.
    pub node: Option<Uid>,
    /// The layer's path; empty for what belongs to no layer.
    pub layer: &'a str,
    /// The part of the step.
    pub role: Role,
}

impl Plan {
    /// The plan of a graph. `kernel` gives the compiled kernel of each node that is no parameter,
    /// constant or view.
    pub(crate) fn new(
        graph: &Graph,
        states: &StateLayout,
        options: &Options,
        kernel: impl FnMut(NodeId) -> Result<CompiledKernel, RuntimeError>,
    ) -> Result<Self, RuntimeError> {
        let lanes = options.threads;
        let signature = Signature::new(graph, states)?;
        let mut tasks = Tasks::new(graph, kernel)?;
        place_updates(&mut tasks);
        let bytes = tasks.bytes(lanes);
        if isize::try_from(bytes).is_err() {
            return Err(NotGranted { needed: bytes, limit: None }.into());
        }
        let order = order(&tasks);
        let regions = Regions::new(&tasks, &order);
        let memory = memory_plan(&regions.ranges);
        let layout = Layout::new(&tasks, &signature, &order, &regions, &memory, lanes);
        let report = memory::report(graph, &signature, states, &tasks, &regions, &memory, &layout);
        limits::check(&report, options)?;

        let constant = |&id: &NodeId| match &graph.node(id).op {
            Op::Constant(constant) => Some(Constant::clone(constant)),
            _ => None,
        };
        let constants = tasks.constants.iter().filter_map(constant).collect();
        let homes = tasks.buffers.iter().map(|buffer| buffer.home).collect();
        let outputs = tasks.outputs;
        let mut calls: Vec<Option<Call>> =
            tasks.tasks.into_iter().map(|task| Some(task.call)).collect();
        let calls: Vec<Call> = order.iter().filter_map(|&task| calls[task].take()).collect();
        let fed = footprints(&signature, &layout);
        let schedule = schedule(&calls, &layout, fed, lanes);
        let states = states.clone();
        let plan =
            Self { signature, states, homes, outputs, layout, constants, calls, schedule, report };
        debug_assert_eq!(plan.problem(), None);
        Ok(plan)
    }

    /// The graph's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.signature.graph
    }

    /// The number of lanes into which units are cut, which is the most threads that can compute.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.layout.scratch.len()
    }

    /// The memory of the program by purpose.
    #[must_use]
    pub fn memory(&self) -> &MemoryReport {
        &self.report
    }

    /// The states that it was made for.
    #[must_use]
    pub fn states(&self) -> &StateLayout {
        &self.states
    }

    /// The kernels in the order of the step, those without work too. Copies of states, which the
    /// runtime adds, have no node.
    pub fn kernels(&self) -> impl ExactSizeIterator<Item = KernelInfo<'_>> {
        self.calls.iter().map(|call| KernelInfo {
            name: &call.name,
            node: call.node,
            layer: call.layer(),
            role: call.origin.role,
        })
    }

    /// The stages in order.
    pub fn stages(&self) -> impl ExactSizeIterator<Item = StageInfo> {
        self.schedule.stages.iter().map(|stage| StageInfo::new(&self.calls[stage.call], stage))
    }
}
