//! A graph made ready to run.

use brolga_ir::{Graph, Tensor, Type};

use crate::element::Element;
use crate::error::RuntimeError;
use crate::interpreter;
use crate::memory::{Memory, Span, padded};
use crate::options::Options;
use crate::signature::{InputRef, Signature, check_elements};
use crate::state::{State, StateLayout};

/// A graph made ready to run, again and again.
///
/// Data inputs are written in place ([`Executable::input_mut`]) and keep their values from run to run; outputs are read in place
/// ([`Executable::output`]) and hold the results of the last run, zeros before the first. Outputs are numbered without
/// those that replace a state: these go to the [`State`].
#[derive(Debug)]
pub struct Executable {
    signature: Signature,
    layout: StateLayout,
    graph: Graph,
    arena: Memory,
    inputs: Vec<Span>,
    outputs: Vec<Span>,
}

impl Executable {
    /// Makes a graph ready to run on states of this layout, which may have more states than the graph uses.
    ///
    /// # Errors
    /// If the graph's states are not in the layout with the same types, or there is not as much memory.
    pub fn new(
        graph: &Graph,
        layout: &StateLayout,
        _options: &Options,
    ) -> Result<Self, RuntimeError> {
        let signature = Signature::new(graph, layout)?;
        let mut bytes = 0;
        let mut place = |ty: &Type| {
            let span = Span { offset: bytes, bytes: ty.bytes() };
            let end = padded(span.bytes).and_then(|size| bytes.checked_add(size));
            bytes = end.ok_or(RuntimeError::Allocation { bytes: usize::MAX })?;
            Ok(span)
        };
        let inputs = signature.inputs.iter().map(|input| place(&input.ty));
        let inputs = inputs.collect::<Result<Vec<_>, RuntimeError>>()?;
        let outputs = signature.outputs.iter().map(|output| place(&output.ty));
        let outputs = outputs.collect::<Result<Vec<_>, RuntimeError>>()?;
        let arena = Memory::zeroed(bytes)?;
        let (layout, graph) = (layout.clone(), graph.clone());
        Ok(Self { signature, layout, graph, arena, inputs, outputs })
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
        self.signature.outputs.iter().map(|output| &output.ty)
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
        Ok(self.arena.slice_mut(self.inputs[index]))
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
            let (what, expected) = (self.signature.describe_input(index), expected.clone());
            return Err(RuntimeError::TensorType { what, expected, given: tensor.ty() });
        }
        self.arena.write(self.inputs[index], tensor);
        Ok(())
    }

    /// Runs the program once: reads data inputs and states, computes the outputs, replaces the states.
    ///
    /// # Errors
    /// [`RuntimeError::StateLayout`] if the state has another layout than the program was made for.
    pub fn run(&mut self, state: &mut State) -> Result<(), RuntimeError> {
        if *state.layout() != self.layout {
            return Err(RuntimeError::StateLayout { graph: self.signature.graph.clone() });
        }
        let Self { graph, signature, arena, inputs, outputs, .. } = self;
        interpreter::run(graph, signature, arena, inputs, outputs, state)
    }

    /// The elements of an output.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownOutput`], or [`RuntimeError::ElementType`] if its elements are of another type.
    pub fn output<T: Element>(&self, index: usize) -> Result<&[T], RuntimeError> {
        let output = self.signature.output(index)?;
        check_elements::<T>(&output.ty, || self.signature.describe_output(index))?;
        Ok(self.arena.slice(self.outputs[index]))
    }

    /// An output as a tensor.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownOutput`].
    pub fn output_tensor(&self, index: usize) -> Result<Tensor, RuntimeError> {
        let output = self.signature.output(index)?;
        Ok(self.arena.tensor(self.outputs[index], &output.ty))
    }
}
