//! A graph made ready to run.

use brolga_codegen::kernel::{Compiled, CompiledKernel};
use brolga_codegen::{CodegenOptions, compile};
use brolga_ir::verify::verify;
use brolga_ir::{Graph, NodeId, Op, Tensor, Type};
use smallvec::SmallVec;

use crate::element::Element;
use crate::error::RuntimeError;
use crate::feed::{Feed, Placed, footprints};
use crate::interpreter::Interpreter;
use crate::layout::Layout;
use crate::memory::{Memory, Span};
use crate::options::{Backend, Options};
use crate::planned::{Planned, Way};
use crate::prepare::Prepared;
use crate::profile::{Profile, Timers};
use crate::report::MemoryReport;
use crate::run::Step;
use crate::schedule::{StageInfo, schedule};
use crate::signature::{InputRef, Signature, check_elements};
use crate::state::{State, StateLayout};
use crate::team::Team;

/// A graph made ready to run, again and again.
///
/// Data inputs are written in place ([`Executable::input_mut`]) and keep their values from run to run; outputs are read in place
/// ([`Executable::output`]) and hold the results of the last run. Outputs are numbered without those that replace a state:
/// these go to the [`State`].
///
/// A run allocates nothing and takes no lock.
#[derive(Debug)]
pub struct Executable {
    pub(crate) signature: Signature,
    pub(crate) states: StateLayout,
    pub(crate) engine: Engine,
    pub(crate) layout: Layout,
    pub(crate) arena: Memory,
    pub(crate) report: MemoryReport,
    pub(crate) schedule: Vec<StageInfo>,
}

/// Who computes.
#[derive(Debug)]
pub(crate) enum Engine {
    Native(Box<Step>),
    Interpreter(Box<Interpreter>),
}

impl Executable {
    /// Makes a graph ready to run on states of this layout, which may have more states than the graph uses.
    ///
    /// # Errors
    /// If the graph's states are not in the layout with the same types, a node has no native code, more memory is needed than
    /// the options allow or the system has, or the threads cannot be had.
    pub fn new(
        graph: &Graph,
        states: &StateLayout,
        options: &Options,
    ) -> Result<Self, RuntimeError> {
        Self::plan(graph, states, options)?.allocate()
    }

    /// As [`Executable::new`], before any memory is allocated.
    ///
    /// # Errors
    /// As [`Executable::new`], but for what [`Planned::allocate`] finds.
    pub fn plan(
        graph: &Graph,
        states: &StateLayout,
        options: &Options,
    ) -> Result<Planned, RuntimeError> {
        match options.backend {
            Backend::Native => Self::native(graph, states, options),
            Backend::Interpreter => Self::interpreter(graph, states, options),
        }
    }

    fn native(
        graph: &Graph,
        states: &StateLayout,
        options: &Options,
    ) -> Result<Planned, RuntimeError> {
        verify(graph)?;
        let has_code = |op: &Op| {
            matches!(op, Op::Parameter(_) | Op::Constant(_) | Op::Reshape(_) | Op::Kernel(_))
        };
        if let Some(id) = graph.ids().find(|&id| !has_code(&graph.node(id).op)) {
            return Err(unsupported(graph, id));
        }
        // The time to compile may grow with the extents. What no memory holds is refused before.
        let largest = graph.ids().flat_map(|id| &graph.node(id).types).map(Type::bytes).max();
        if brolga_memory::check(largest.unwrap_or(0)).is_err() {
            Self::interpreter(graph, states, options)?;
        }
        let compiled = compile(graph, &CodegenOptions { isa: options.isa })?;
        // SAFETY: code generation has just compiled these kernels for this graph, and vouches for them.
        unsafe { Self::plan_compiled(graph, compiled, states, options) }
    }

    fn interpreter(
        graph: &Graph,
        states: &StateLayout,
        options: &Options,
    ) -> Result<Planned, RuntimeError> {
        let signature = Signature::new(graph, states)?;
        let options = Options { threads: 1, ..options.clone() };
        let nodes = |_| Ok(CompiledKernel::default());
        let prepared = Prepared::new(graph, &signature, states, &options, nodes)?;
        let timers = options.profile.then(|| prepared.timers_of_nodes());
        let (states, report) = (states.clone(), prepared.report);
        let way = Way::Interpreter(Box::new(graph.clone()));
        Ok(Planned { signature, states, report, timers, way })
    }

    /// Makes a graph ready whose kernels have been compiled.
    ///
    /// # Errors
    /// As [`Executable::new`], and [`RuntimeError::Kernel`] if a kernel is missing or does not fit its node.
    ///
    /// # Safety
    /// The compiled kernels are those of this graph, and keep the promises of
    /// [`KernelFn`](brolga_codegen::kernel::KernelFn) for its shapes: they touch what they say they touch.
    pub unsafe fn from_compiled(
        graph: &Graph,
        compiled: Compiled,
        states: &StateLayout,
        options: &Options,
    ) -> Result<Self, RuntimeError> {
        // SAFETY: the caller promises the same.
        unsafe { Self::plan_compiled(graph, compiled, states, options) }?.allocate()
    }

    /// As [`Executable::from_compiled`], before any memory is allocated.
    ///
    /// # Safety
    /// As [`Executable::from_compiled`].
    unsafe fn plan_compiled(
        graph: &Graph,
        compiled: Compiled,
        states: &StateLayout,
        options: &Options,
    ) -> Result<Planned, RuntimeError> {
        Team::check(options.threads)?;
        let signature = Signature::new(graph, states)?;
        let (mut kernels, code) = compiled.into_parts();
        let kernel = |id: NodeId| match &graph.node(id).op {
            Op::Kernel(kernel) => kernels.remove(&id).ok_or_else(|| RuntimeError::Kernel {
                kernel: kernel.body.name().to_owned(),
                problem: "it has not been compiled".to_owned(),
            }),
            _ => Err(unsupported(graph, id)),
        };
        let prepared = Box::new(Prepared::new(graph, &signature, states, options, kernel)?);
        let Prepared { tasks, order, layout, report } = &*prepared;
        let fed = footprints(&signature, layout);
        let stages = schedule(tasks, order, layout, fed, options.threads);
        let workers = options.workers();
        let timers = options.profile.then(|| prepared.timers(&stages.stages, workers));
        let constant = |&(id, span): &(NodeId, Span)| match &graph.node(id).op {
            Op::Constant(constant) => Some((span, constant.clone())),
            _ => None,
        };
        let constants = layout.constants.iter().filter_map(constant).collect();
        let (states, report) = (states.clone(), report.clone());
        let way = Way::Native { prepared, stages, workers, constants, code };
        Ok(Planned { signature, states, report, timers, way })
    }

    /// The graph's name.
    pub fn name(&self) -> &str {
        &self.signature.graph
    }

    /// Names and types of the data inputs.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = (&str, &Type)> {
        self.signature.inputs.iter().map(|input| (input.name.as_str(), &input.ty))
    }

    /// The types of the outputs that replace no state.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = &Type> {
        self.signature.outputs.iter()
    }

    /// The elements of a data input, to be written.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownInput`], or [`RuntimeError::ElementType`] if its elements are of another type.
    pub fn input_mut<'a, T: Element>(
        &mut self,
        which: impl Into<InputRef<'a>>,
    ) -> Result<&mut [T], RuntimeError> {
        let index = self.signature.input(which.into())?;
        let ty = &self.signature.inputs[index].ty;
        check_elements::<T>(ty, || self.signature.describe_input(index))?;
        Ok(self.arena.slice_mut(self.layout.inputs[index]))
    }

    /// Copies these elements into a data input.
    ///
    /// # Errors
    /// As [`Executable::input_mut`], and [`RuntimeError::Length`] if there are more or fewer elements than it has.
    pub fn write_input<'a, T: Element>(
        &mut self,
        which: impl Into<InputRef<'a>>,
        values: &[T],
    ) -> Result<(), RuntimeError> {
        let which = which.into();
        let index = self.signature.input(which)?;
        let input = self.input_mut::<T>(index)?;
        if input.len() == values.len() {
            input.copy_from_slice(values);
            return Ok(());
        }
        let what = self.signature.describe_input(index);
        let expected = self.signature.inputs[index].ty.clone();
        Err(RuntimeError::Length { what, expected, given: values.len() })
    }

    /// Copies a tensor into a data input.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownInput`], or [`RuntimeError::TensorType`] if the tensor's type is another.
    pub fn set_input<'a>(
        &mut self,
        which: impl Into<InputRef<'a>>,
        tensor: &Tensor,
    ) -> Result<(), RuntimeError> {
        let index = self.signature.input(which.into())?;
        let expected = &self.signature.inputs[index].ty;
        if *expected != tensor.ty() {
            let (expected, given) = (Box::new(expected.clone()), Box::new(tensor.ty()));
            let what = self.signature.describe_input(index);
            return Err(RuntimeError::TensorType { what, expected, given });
        }
        self.arena.write(self.layout.inputs[index], tensor.data());
        Ok(())
    }

    /// Runs the program once: reads data inputs and states, computes the outputs, replaces the states.
    ///
    /// # Errors
    /// [`RuntimeError::StateLayout`] if the state has another layout than the program was made for.
    pub fn run(&mut self, state: &mut State) -> Result<(), RuntimeError> {
        self.run_fed(&[], state)
    }

    /// As [`Executable::run`], with rows of arrays for data inputs. All workers copy them, each those that it will compute with;
    /// inputs without a feed keep their values.
    ///
    /// # Errors
    /// As [`Executable::run`]; [`RuntimeError::UnknownInput`], and [`RuntimeError::Feed`] if rows do not fit their input. Then nothing has been run.
    pub fn run_fed(&mut self, feeds: &[Feed<'_>], state: &mut State) -> Result<(), RuntimeError> {
        if *state.layout() != self.states {
            return Err(RuntimeError::StateLayout { graph: self.signature.graph.clone() });
        }
        let Self { engine, signature, layout, arena, .. } = self;
        let placed = feeds.iter().map(|feed| Placed::new(signature, feed));
        let feeds: SmallVec<[Placed<'_>; 4]> = placed.collect::<Result<_, _>>()?;
        match engine {
            Engine::Interpreter(interpreter) => {
                for feed in &feeds {
                    let start = arena.address(layout.inputs[feed.input].offset);
                    // SAFETY: the input begins there, and the arena is borrowed by this thread alone.
                    unsafe { feed.copy(start, 0..feed.rows()) };
                }
                interpreter.run(signature, layout, arena, state)
            }
            Engine::Native(step) => {
                // SAFETY: `from_compiled` was promised that the kernels keep theirs; the step was made for this arena, and for
                // states of this layout.
                unsafe { step.run(arena, state, &feeds) };
                Ok(())
            }
        }
    }

    /// The elements of an output.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownOutput`], or [`RuntimeError::ElementType`] if its elements are of another type.
    pub fn output<T: Element>(&self, index: usize) -> Result<&[T], RuntimeError> {
        let ty = self.signature.output(index)?;
        check_elements::<T>(ty, || self.signature.describe_output(index))?;
        Ok(self.arena.slice(self.layout.outputs[index]))
    }

    /// An output as a tensor.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownOutput`]; [`RuntimeError::Allocation`] if there is no memory for it.
    pub fn output_tensor(&self, index: usize) -> Result<Tensor, RuntimeError> {
        let ty = self.signature.output(index)?;
        Ok(self.arena.tensor(self.layout.outputs[index], ty)?)
    }

    /// What needs how much memory. On the interpreter: what the graph as it is would need if each node were a kernel.
    pub fn memory(&self) -> &MemoryReport {
        &self.report
    }

    /// The stages in order; none on the interpreter.
    pub fn schedule(&self) -> &[StageInfo] {
        &self.schedule
    }

    /// Where the time of all runs since the start or the last reset went; `None` unless the options ask for it.
    pub fn profile(&self) -> Option<Profile> {
        self.timers().map(|timers| timers.profile(&self.signature.graph))
    }

    /// Starts the profile anew.
    pub fn reset_profile(&mut self) {
        self.timers().into_iter().for_each(Timers::reset);
    }

    fn timers(&self) -> Option<&Timers> {
        match &self.engine {
            Engine::Native(step) => step.timers(),
            Engine::Interpreter(interpreter) => interpreter.timers.as_ref(),
        }
    }
}

fn unsupported(graph: &Graph, id: NodeId) -> RuntimeError {
    let node = graph.node(id);
    let place = node.origin.layer.as_ref().map(|layer| format!(" of layer `{layer}`"));
    RuntimeError::UnsupportedNode {
        graph: graph.name().to_owned(),
        node: id.index(),
        op: node.op.name().to_owned(),
        place: place.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_states_go_to_other_threads() {
        fn sendable<T: Send + Sync>() {}
        sendable::<Executable>();
        sendable::<State>();
        sendable::<RuntimeError>();
    }
}
