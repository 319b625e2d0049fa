//! A program between its plan and its memory.

use std::any::Any;

use brolga_ir::Graph;
use brolga_ir::ops::Constant;

use crate::error::RuntimeError;
use crate::executable::{Engine, Executable};
use crate::interpreter::Interpreter;
use crate::layout::Layout;
use crate::memory::{Memory, Span};
use crate::prepare::Prepared;
use crate::profile::Timers;
use crate::report::MemoryReport;
use crate::run::Step;
use crate::schedule::{Schedule, StageInfo};
use crate::signature::Signature;
use crate::state::StateLayout;

/// A program that is compiled and planned, and has no memory yet: what it needs is known, and whether it gets it is up to the caller.
pub struct Planned {
    pub(crate) signature: Signature,
    pub(crate) states: StateLayout,
    pub(crate) report: MemoryReport,
    pub(crate) timers: Option<Timers>,
    pub(crate) way: Way,
}

/// Who will compute.
pub(crate) enum Way {
    Native {
        prepared: Box<Prepared>,
        stages: Schedule,
        /// How many threads will compute.
        workers: usize,
        constants: Vec<(Span, Constant)>,
        code: Box<dyn Any + Send + Sync>,
    },
    Interpreter(Box<Graph>),
}

impl Planned {
    /// What needs how much memory.
    pub fn memory(&self) -> &MemoryReport {
        &self.report
    }

    /// Allocates the memory: the program is ready to run.
    ///
    /// # Errors
    /// If the system does not give the memory, or the threads.
    pub fn allocate(self) -> Result<Executable, RuntimeError> {
        let Self { signature, states, report, timers, way } = self;
        let (engine, layout, arena, schedule) = match way {
            Way::Interpreter(graph) => {
                let layout = Layout::of_signature(&signature);
                let arena = Memory::zeroed(layout.bytes)?;
                let interpreter = Interpreter { graph: *graph, timers };
                (Engine::Interpreter(Box::new(interpreter)), layout, arena, vec![])
            }
            Way::Native { prepared, stages, workers, constants, code } => {
                let Prepared { tasks, layout, .. } = *prepared;
                let mut arena = Memory::zeroed(layout.bytes)?;
                constants.iter().for_each(|(span, constant)| arena.write(*span, constant.value()));
                let schedule =
                    stages.stages.iter().map(|stage| StageInfo::new(&tasks, stage)).collect();
                let step = Step::new(&tasks, &stages, &layout, &arena, workers, timers, code)?;
                (Engine::Native(Box::new(step)), layout, arena, schedule)
            }
        };
        Ok(Executable { signature, states, engine, layout, arena, report, schedule })
    }
}
