//! From a graph to tasks, their order and the place of everything: all that is decided before memory is allocated.

use std::collections::HashSet;

use brolga_codegen::kernel::CompiledKernel;
use brolga_ir::{Graph, NodeId};
use brolga_memory::{Limit, NotGranted};

use crate::check::check_layout;
use crate::error::RuntimeError;
use crate::layout::{Address, Layout};
use crate::options::Options;
use crate::order::order;
use crate::plan::plan;
use crate::profile::{Timed, Timers};
use crate::regions::Regions;
use crate::report::MemoryReport;
use crate::schedule::{Scheduled, operand_table};
use crate::signature::Signature;
use crate::state::StateLayout;
use crate::tasks::{TaskId, Tasks};
use crate::updates::place_updates;

/// The limit that a program exceeds, if it does. What the machine grants is compared with the arena
/// alone: the states may have their memory already.
fn exceeded(report: &MemoryReport, options: &Options) -> Option<Limit> {
    let by_caller = options.memory_limit.filter(|&bytes| report.total > bytes);
    by_caller.map(Limit::of_caller).or_else(|| brolga_memory::check(report.arena).err()?.limit)
}

/// A program with a place for everything, and no memory yet.
pub(crate) struct Prepared {
    pub(crate) tasks: Tasks,
    pub(crate) order: Vec<TaskId>,
    pub(crate) layout: Layout,
    pub(crate) report: MemoryReport,
}

impl Prepared {
    /// Plans a graph whose nodes, but parameters, constants and views, are the kernels that `kernel` gives for them.
    pub(crate) fn new(
        graph: &Graph,
        signature: &Signature,
        states: &StateLayout,
        options: &Options,
        kernel: impl FnMut(NodeId) -> Result<CompiledKernel, RuntimeError>,
    ) -> Result<Self, RuntimeError> {
        let threads = options.threads;
        let mut tasks = Tasks::new(graph, signature, kernel)?;
        place_updates(&mut tasks);
        let bytes = tasks.bytes(threads);
        if isize::try_from(bytes).is_err() {
            return Err(NotGranted { needed: bytes, limit: None }.into());
        }
        let order = order(&tasks);
        let regions = Regions::new(&tasks, &order);
        let plan = plan(&regions.ranges);
        let layout = Layout::new(&tasks, signature, &regions, &plan, threads);
        debug_assert_eq!(check_layout(&tasks, &order, &layout), Ok(()));
        let report = MemoryReport::new(graph, signature, states, &tasks, &regions, &plan, &layout);
        if let Some(limit) = exceeded(&report, options) {
            let (graph, report) = (signature.graph.clone(), Box::new(report));
            return Err(RuntimeError::MemoryLimit { graph, limit, report });
        }
        Ok(Self { tasks, order, layout, report })
    }

    /// Clocks for these stages.
    pub(crate) fn timers(&self, stages: &[Scheduled], threads: usize) -> Timers {
        let kernels = stages.chunk_by(|a, b| a.task == b.task).map(|stages| Timed {
            flops: stages.iter().map(|stage| stage.flops).sum(),
            read: stages.iter().map(|stage| stage.read).sum(),
            written: stages.iter().map(|stage| stage.written).sum(),
            working_set: self.working_set(stages[0].task),
            stages: stages.len(),
            ..self.timed(stages[0].task)
        });
        Timers::new(kernels.collect(), threads)
    }

    /// Clocks for the nodes of the graph in the order of the interpreter.
    pub(crate) fn timers_of_nodes(&self) -> Timers {
        Timers::new((0..self.tasks.nodes).map(|task| self.timed(task)).collect(), 1)
    }

    fn timed(&self, task: TaskId) -> Timed {
        let task = &self.tasks.tasks[task];
        let layer = task.origin.layer.as_deref().unwrap_or_default().to_owned();
        Timed {
            name: task.name.clone(),
            layer,
            role: task.origin.role,
            flops: 0,
            read: 0,
            written: 0,
            working_set: 0,
            stages: 1,
        }
    }

    /// Bytes of the different places that a task touches: what is computed in place counts once.
    fn working_set(&self, task: TaskId) -> usize {
        let table = operand_table(&self.tasks, &self.layout, task);
        let places: HashSet<Address> = table.into_iter().collect();
        places.iter().map(|address| address.span.bytes).sum()
    }
}
