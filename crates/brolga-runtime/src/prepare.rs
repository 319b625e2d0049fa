//! From a graph to tasks, their order and the place of everything: all that is decided before memory is allocated.

use brolga_codegen::kernel::CompiledKernel;
use brolga_ir::{Graph, NodeId};

use crate::check::check_layout;
use crate::error::RuntimeError;
use crate::layout::Layout;
use crate::options::Options;
use crate::order::order;
use crate::plan::plan;
use crate::profile::{Timed, Timers};
use crate::regions::Regions;
use crate::report::MemoryReport;
use crate::schedule::Scheduled;
use crate::signature::Signature;
use crate::state::StateLayout;
use crate::tasks::{TaskId, Tasks};
use crate::updates::place_updates;

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
            return Err(RuntimeError::Allocation { bytes });
        }
        let order = order(&tasks);
        let regions = Regions::new(&tasks, &order);
        let plan = plan(&regions.ranges);
        let layout = Layout::new(&tasks, signature, &regions, &plan, threads);
        debug_assert_eq!(check_layout(&tasks, &order, &layout), Ok(()));
        let report = MemoryReport::new(graph, signature, states, &tasks, &regions, &plan, &layout);
        match options.memory_limit {
            Some(limit) if report.total > limit => {
                let (graph, report) = (signature.graph.clone(), Box::new(report));
                Err(RuntimeError::MemoryLimit { graph, limit, report })
            }
            _ => Ok(Self { tasks, order, layout, report }),
        }
    }

    /// Clocks for these stages.
    pub(crate) fn timers(&self, stages: &[Scheduled], threads: usize) -> Timers {
        let kernels = stages.chunk_by(|a, b| a.task == b.task).map(|stages| Timed {
            flops: stages.iter().map(|stage| stage.flops).sum(),
            bytes: stages.iter().map(|stage| stage.bytes).sum(),
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
            bytes: 0,
            stages: 1,
        }
    }
}
