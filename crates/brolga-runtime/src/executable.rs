//! Executables: programs that can be run.

use brolga_codegen::jit::Code;
use brolga_codegen::kernel::Compiled;
use brolga_codegen::{CodegenOptions, Error};
use brolga_ir::{Graph, Tensor, Type};
use smallvec::SmallVec;

use crate::element::Element;
use crate::error::RuntimeError;
use crate::feed::{Feed, Placed};
use crate::interpreter::Interpreter;
use crate::layout::Layout;
use crate::memory::Memory;
use crate::options::Options;
use crate::plan::Plan;
use crate::planned::{Planned, native};
use crate::profile::{Profile, Timers};
use crate::report::MemoryReport;
use crate::run::Step;
use crate::schedule::StageInfo;
use crate::signature::{InputRef, Signature, check_elements};
use crate::state::{State, StateLayout};
use crate::trace::Event;

/// A graph as a linked program that can be run again and again.
///
/// Data inputs are written in place ([`Executable::input_mut`]) and keep their values from run to
/// run; outputs are read in place ([`Executable::output`]) and hold the results of the last run.
/// The indices of outputs leave out those that replace a state, which are in the [`State`].
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

/// The backend.
#[derive(Debug)]
pub(crate) enum Engine {
    Native(Box<Step>),
    Interpreter(Box<Interpreter>),
}

impl Executable {
    /// Plans and links a graph for states of this layout: [`Planned::new`] and [`Planned::link`].
    ///
    /// # Errors
    /// Those of both.
    pub fn new(
        graph: &Graph,
        states: &StateLayout,
        options: &Options,
        compile: impl for<'g> FnOnce(&'g Graph, &CodegenOptions) -> Result<Compiled<'g>, Error>,
    ) -> Result<Self, RuntimeError> {
        Planned::new(graph, states, options, compile)?.link()
    }

    /// Links a plan with code from elsewhere, such as a plan that was saved. The plan is
    /// [checked](Plan::check) first. Only options that concern running have an effect: the lanes
    /// are those of the plan.
    ///
    /// # Errors
    /// As [`Plan::check`]; [`RuntimeError::MissingSymbol`] if the code does not define a stage of
    /// the plan; if the system does not grant the memory, or the threads.
    ///
    /// # Safety
    /// The symbols that the plan names and the code defines are those of the code that the plan was
    /// made with: they keep the promises of [`KernelFn`](brolga_codegen::kernel::KernelFn) for the
    /// sizes of the plan's buffers.
    pub unsafe fn link(plan: Plan, code: Code, options: &Options) -> Result<Self, RuntimeError> {
        plan.check()?;
        native(plan, code, options)
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

    /// The elements of a data input, for writing.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownInput`], or [`RuntimeError::ElementType`] if its elements are of
    /// another type.
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
    /// As [`Executable::input_mut`], and [`RuntimeError::Length`] if there are more or fewer
    /// elements than it has.
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
    /// [`RuntimeError::UnknownInput`], or [`RuntimeError::TensorType`] if the tensor has another
    /// type.
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

    /// Runs the program once: reads data inputs and states, computes the outputs, replaces the
    /// states.
    ///
    /// # Errors
    /// [`RuntimeError::StateLayout`] if the state has another layout than the program was made for.
    pub fn run(&mut self, state: &mut State) -> Result<(), RuntimeError> {
        self.run_fed(&[], state)
    }

    /// As [`Executable::run`], with rows of arrays for data inputs. Each worker copies the rows
    /// that it will compute with; inputs without a feed keep their values.
    ///
    /// # Errors
    /// As [`Executable::run`]; [`RuntimeError::UnknownInput`], and [`RuntimeError::Feed`] if rows
    /// do not fit their input. In that case the program does not run.
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
                    // SAFETY: the input begins there, and the arena is borrowed by this thread
                    // alone.
                    unsafe { feed.copy(start, 0..feed.rows()) };
                }
                interpreter.run(signature, layout, arena, state)
            }
            Engine::Native(step) => {
                // SAFETY: the code is that of the plan's kernels: code generation vouches for what
                // it compiled, and the caller of `link` for other code. The step was made for this
                // arena, and for states of this layout.
                unsafe { step.run(arena, state, &feeds) };
                Ok(())
            }
        }
    }

    /// The elements of an output.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownOutput`], or [`RuntimeError::ElementType`] if its elements are of
    /// another type.
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

    /// The memory of the program by purpose. On the interpreter: the memory that the graph would
    /// need if each node were a kernel.
    pub fn memory(&self) -> &MemoryReport {
        &self.report
    }

    /// The stages in order; none on the interpreter.
    pub fn schedule(&self) -> &[StageInfo] {
        &self.schedule
    }

    /// The time of all runs since the start or the last reset, by kernel; `None` unless the options
    /// ask for it.
    pub fn profile(&self) -> Option<Profile> {
        self.timers().map(|timers| timers.profile(&self.signature.graph))
    }

    /// What each thread did when, since the start or the last reset: as many events as
    /// [`Options::events`] sets memory aside for.
    pub fn events(&self) -> Vec<Event> {
        self.timers().map(Timers::events).unwrap_or_default()
    }

    /// Resets the profile.
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
