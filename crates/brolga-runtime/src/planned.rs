//! A program between its plan and its memory.

use brolga_codegen::jit::{Code, link};
use brolga_codegen::kernel::Compiled;
use brolga_codegen::kernel::CompiledKernel;
use brolga_codegen::object::Object;
use brolga_codegen::{CodegenOptions, Error};
use brolga_ir::verify::verify;
use brolga_ir::{Graph, NodeId, Op, Type};

use crate::error::RuntimeError;
use crate::executable::{Engine, Executable};
use crate::interpreter::Interpreter;
use crate::layout::Layout;
use crate::memory::Memory;
use crate::options::{Backend, Options};
use crate::plan::Plan;
use crate::report::MemoryReport;
use crate::run::Step;
use crate::schedule::StageInfo;
use crate::state::StateLayout;
use crate::team::Team;

/// A program that is compiled and planned, and has no memory yet: its caller knows how much it
/// needs.
#[derive(Debug)]
pub struct Planned {
    plan: Plan,
    options: Options,
    runner: Runner,
}

/// What runs the program.
#[derive(Debug)]
enum Runner {
    /// The code of the plan's kernels.
    Native(Object),
    Interpreter(Box<Graph>),
}

impl Planned {
    /// The program of a graph on states of this layout, which may have more states than the graph
    /// uses. `compile` makes the kernels if the options ask for native code:
    /// [`brolga_codegen::compile`].
    ///
    /// # Errors
    /// If the graph's states are not in the layout with the same types, a node has no native code,
    /// the kernels cannot be compiled, or more memory is needed than the options allow or the
    /// machine grants.
    pub fn new(
        graph: &Graph,
        states: &StateLayout,
        options: &Options,
        compile: impl for<'g> FnOnce(&'g Graph, &CodegenOptions) -> Result<Compiled<'g>, Error>,
    ) -> Result<Self, RuntimeError> {
        if options.backend == Backend::Interpreter {
            return Self::interpreter(graph, states, options);
        }
        verify(graph)?;
        let has_code = |op: &Op| {
            matches!(op, Op::Parameter(_) | Op::Constant(_) | Op::Reshape(_) | Op::Kernel(_))
        };
        if let Some(id) = graph.ids().find(|&id| !has_code(&graph.node(id).op)) {
            return Err(unsupported(graph, id));
        }
        // The time to compile may grow with the extents, so a graph that no memory holds is
        // rejected before.
        let largest = graph.ids().flat_map(|id| &graph.node(id).types).map(Type::bytes).max();
        if brolga_memory::check(largest.unwrap_or(0)).is_err() {
            Self::interpreter(graph, states, options)?;
        }
        Self::native(compile(graph, &CodegenOptions { isa: options.isa })?, states, options)
    }

    /// The program of a graph whose kernels have been compiled.
    ///
    /// # Errors
    /// As [`Planned::new`], and [`RuntimeError::Kernel`] if a kernel is missing or does not fit its
    /// node.
    pub fn native(
        compiled: Compiled<'_>,
        states: &StateLayout,
        options: &Options,
    ) -> Result<Self, RuntimeError> {
        Team::check(options.threads)?;
        let graph = compiled.graph();
        let (mut kernels, object) = compiled.into_parts();
        let kernel = |id: NodeId| match &graph.node(id).op {
            Op::Kernel(kernel) => kernels.remove(&id).ok_or_else(|| RuntimeError::Kernel {
                kernel: kernel.body.name().to_owned(),
                problem: "it has not been compiled".to_owned(),
            }),
            _ => Err(unsupported(graph, id)),
        };
        let plan = Plan::new(graph, states, options, kernel)?;
        Ok(Self { plan, options: options.clone(), runner: Runner::Native(object) })
    }

    /// The program of any graph on the interpreter.
    ///
    /// # Errors
    /// As [`Planned::new`].
    pub fn interpreter(
        graph: &Graph,
        states: &StateLayout,
        options: &Options,
    ) -> Result<Self, RuntimeError> {
        let options = Options { threads: 1, ..options.clone() };
        let plan = Plan::new(graph, states, &options, |_| Ok(CompiledKernel::default()))?;
        Ok(Self { plan, options, runner: Runner::Interpreter(Box::new(graph.clone())) })
    }

    /// The plan. For the interpreter: that of the graph if each node were a kernel without code.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The memory of the program by purpose.
    pub fn memory(&self) -> &MemoryReport {
        &self.plan.report
    }

    /// Links the code and allocates the memory: the program is ready to run.
    ///
    /// # Errors
    /// If the code cannot be linked, or the system does not grant the memory or the threads.
    pub fn link(self) -> Result<Executable, RuntimeError> {
        let Self { plan, options, runner } = self;
        match runner {
            Runner::Native(object) => native(plan, link(object)?, &options),
            Runner::Interpreter(graph) => interpreter(plan, *graph, &options),
        }
    }
}

/// A plan and the code of its kernels as a program with memory.
pub(crate) fn native(
    plan: Plan,
    code: Code,
    options: &Options,
) -> Result<Executable, RuntimeError> {
    let workers = options.workers(plan.lanes());
    let mut arena = Memory::zeroed(plan.layout.bytes)?;
    for (span, constant) in plan.layout.constants.iter().zip(&plan.constants) {
        arena.write(*span, constant.value());
    }
    let timers = options.profile.then(|| plan.timers(workers, options.events));
    let step = Step::new(&plan, &arena, workers, timers, code)?;
    let schedule: Vec<StageInfo> = plan.stages().collect();
    let Plan { signature, states, layout, report, .. } = plan;
    let engine = Engine::Native(Box::new(step));
    Ok(Executable { signature, states, engine, layout, arena, report, schedule })
}

fn interpreter(plan: Plan, graph: Graph, options: &Options) -> Result<Executable, RuntimeError> {
    let Plan { signature, states, report, .. } = plan;
    let layout = Layout::of_signature(&signature);
    let arena = Memory::zeroed(layout.bytes)?;
    let engine = Engine::Interpreter(Box::new(Interpreter::new(graph, options)));
    Ok(Executable { signature, states, engine, layout, arena, report, schedule: vec![] })
}

fn unsupported(graph: &Graph, id: NodeId) -> RuntimeError {
    let node = graph.node(id);
    RuntimeError::UnsupportedNode {
        graph: graph.name().to_owned(),
        node: id.index(),
        op: node.op.name().to_owned(),
        place: node.origin.of_layer(),
    }
}
