//! The interpreter as a backend.

use brolga_ir::ops::ParameterKind;
use brolga_ir::{Graph, interpret};

use crate::error::RuntimeError;
use crate::memory::{Memory, Span};
use crate::signature::Signature;
use crate::state::State;

/// Runs one step of a graph on the interpreter: data inputs and outputs are in `arena`.
pub(crate) fn run(
    graph: &Graph,
    signature: &Signature,
    arena: &mut Memory,
    inputs: &[Span],
    outputs: &[Span],
    state: &mut State,
) -> Result<(), RuntimeError> {
    let mut data = signature.inputs.iter().zip(inputs);
    let mut states = signature.states.iter();
    let operands = graph.inputs().iter().filter_map(|&id| {
        let parameter = graph.parameter(id)?;
        Some(match parameter.kind {
            ParameterKind::Data => {
                let (input, &span) = data.next()?;
                arena.tensor(span, &input.ty)
            }
            ParameterKind::State => state.memory().tensor(states.next()?.span, &parameter.ty),
        })
    });
    let operands: Vec<_> = operands.collect();
    let results = interpret(graph, &operands)?;
    let mut spans = outputs.iter();
    for (output, tensor) in graph.outputs().iter().zip(&results) {
        match output.replaces {
            None => spans.next().into_iter().for_each(|&span| arena.write(span, tensor)),
            Some(id) => {
                let target = signature.states.iter().find(|state| state.node == id);
                target.into_iter().for_each(|s| state.memory_mut().write(s.span, tensor));
            }
        }
    }
    Ok(())
}
