//! The interpreter as a backend.

use std::collections::HashMap;
use std::time::Instant;

use brolga_ir::ops::ParameterKind;
use brolga_ir::{Graph, NodeId, Op, Tensor, interpret_with};
use brolga_memory::NotGranted;

use crate::error::RuntimeError;
use crate::layout::Layout;
use crate::memory::Memory;
use crate::options::Options;
use crate::profile::{Timed, Timers};
use crate::signature::{Signature, homes};
use crate::state::State;
use crate::tasks::{Home, kernel_name};

/// A graph that the interpreter runs. Its arena holds only data inputs and outputs.
#[derive(Debug)]
pub(crate) struct Interpreter {
    pub(crate) graph: Graph,
    pub(crate) timers: Option<Timers>,
    /// The homes of the graph's inputs.
    homes: HashMap<NodeId, Home>,
}

impl Interpreter {
    pub(crate) fn new(graph: Graph, options: &Options) -> Self {
        let timers = options.profile.then(|| timers(&graph));
        Self { homes: homes(&graph), graph, timers }
    }

    /// Runs one step.
    pub(crate) fn run(
        &self,
        signature: &Signature,
        layout: &Layout,
        arena: &mut Memory,
        state: &mut State,
    ) -> Result<(), RuntimeError> {
        let operands = self.operands(signature, layout, arena, state)?;
        let results = match &self.timers {
            None => interpret_with(&self.graph, &operands, &mut |_: &_, _, _: &_| {})?,
            Some(timers) => timers.step(|| self.run_timed(&operands, timers))?,
        };
        let mut spans = layout.outputs.iter();
        for (output, tensor) in self.graph.outputs().iter().zip(&results) {
            match output.replaces {
                None => spans.next().into_iter().for_each(|&span| arena.write(span, tensor.data())),
                Some(id) => {
                    if let Some(&Home::OldState(index)) = self.homes.get(&id) {
                        let span = signature.states[index].span;
                        state.memory_mut().write(span, tensor.data());
                    }
                }
            }
        }
        Ok(())
    }

    fn operands(
        &self,
        signature: &Signature,
        layout: &Layout,
        arena: &Memory,
        state: &State,
    ) -> Result<Vec<Tensor>, NotGranted> {
        let (mut data, mut states) = (layout.inputs.iter(), signature.states.iter());
        let operand = |&id: &NodeId| {
            let parameter = self.graph.parameter(id)?;
            Some(match parameter.kind {
                ParameterKind::Data => arena.tensor(*data.next()?, &parameter.ty),
                ParameterKind::State => state.memory().tensor(states.next()?.span, &parameter.ty),
            })
        };
        self.graph.inputs().iter().filter_map(operand).collect()
    }

    fn run_timed(
        &self,
        operands: &[Tensor],
        timers: &Timers,
    ) -> Result<Vec<Tensor>, brolga_ir::EvalError> {
        let (mut index, mut start) = (0, Instant::now());
        let mut observer = |graph: &Graph, node: NodeId, _: &[Tensor]| {
            if is_timed(&graph.node(node).op) {
                timers.add(index, start.elapsed().as_nanos() as u64);
                index += 1;
            }
            start = Instant::now();
        };
        interpret_with(&self.graph, operands, &mut observer)
    }
}

/// Clocks for the nodes of a graph in the order of the interpreter.
fn timers(graph: &Graph) -> Timers {
    let nodes = graph.order().into_iter().map(|id| graph.node(id));
    let nodes = nodes.filter(|node| is_timed(&node.op));
    let timed = nodes.map(|node| Timed::new(&kernel_name(&node.op), Some(node.uid), &node.origin));
    Timers::new(timed.collect(), 1, 0)
}

/// Whether an op takes time: parameters, constants and views do not.
fn is_timed(op: &Op) -> bool {
    !matches!(op, Op::Parameter(_) | Op::Constant(_) | Op::Reshape(_))
}
