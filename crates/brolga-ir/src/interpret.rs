//! The reference interpreter: evaluates a graph node by node, in the order of arithmetic that the ops define.

use std::collections::HashMap;

use crate::error::EvalError;
use crate::graph::{Graph, NodeId, Value};
use crate::op::Op;
use crate::tensor::Tensor;
use crate::types::Type;
use crate::verify::verify;

/// Looks at the results of each node as the interpreter computes them.
pub trait Observer {
    /// Called after a node was evaluated.
    fn computed(&mut self, graph: &Graph, node: NodeId, results: &[Tensor]);
}

impl<F: FnMut(&Graph, NodeId, &[Tensor])> Observer for F {
    fn computed(&mut self, graph: &Graph, node: NodeId, results: &[Tensor]) {
        self(graph, node, results);
    }
}

/// Evaluates a graph for these inputs, in the order of its signature; returns its outputs in order.
///
/// # Errors
/// If the inputs do not fit the signature, or the graph is not valid.
pub fn interpret(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, EvalError> {
    interpret_with(graph, inputs, &mut |_: &Graph, _: NodeId, _: &[Tensor]| {})
}

/// As [`interpret`]; the observer sees every node's results.
///
/// # Errors
/// As [`interpret`].
pub fn interpret_with(
    graph: &Graph,
    inputs: &[Tensor],
    observer: &mut dyn Observer,
) -> Result<Vec<Tensor>, EvalError> {
    verify(graph)?;
    let name = || graph.name().to_owned();
    let expected = graph.inputs().len();
    if inputs.len() != expected {
        return Err(EvalError::InputCount { graph: name(), expected, given: inputs.len() });
    }
    for (&id, given) in graph.inputs().iter().zip(inputs) {
        let expected = graph.ty(id.into());
        if *expected != given.ty() {
            return Err(EvalError::InputType {
                graph: name(),
                name: graph.parameter(id).map(|p| p.name.clone()).unwrap_or_default(),
                expected: expected.to_string(),
                given: given.ty().to_string(),
            });
        }
    }
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    Ok(evaluate(graph, &inputs, observer))
}

/// Evaluates the body of a kernel for operands whose types were checked.
pub(crate) fn evaluate_body(graph: &Graph, inputs: &[&Tensor]) -> Vec<Tensor> {
    evaluate(graph, inputs, &mut |_: &Graph, _: NodeId, _: &[Tensor]| {})
}

fn evaluate(graph: &Graph, inputs: &[&Tensor], observer: &mut dyn Observer) -> Vec<Tensor> {
    let order = graph.order();
    // A value is dropped after its last use, so that a large graph needs little memory.
    let mut last_use: HashMap<NodeId, usize> = HashMap::new();
    for (place, &id) in order.iter().enumerate() {
        for operand in graph.operands(id) {
            last_use.insert(operand.node, place);
        }
    }
    for output in graph.outputs() {
        last_use.insert(output.value.node, usize::MAX);
    }
    let mut values: HashMap<NodeId, Vec<Tensor>> = HashMap::new();
    for (&id, &input) in graph.inputs().iter().zip(inputs) {
        values.insert(id, vec![input.clone()]);
    }
    for (place, &id) in order.iter().enumerate() {
        let node = graph.node(id);
        if matches!(node.op, Op::Parameter(_)) {
            continue;
        }
        let operands = graph.operands(id);
        let results = {
            let tensors: Vec<&Tensor> =
                operands.iter().map(|v| &values[&v.node][v.port as usize]).collect();
            let types: &[Type] = &node.types;
            node.op.definition().evaluate(&tensors, types)
        };
        observer.computed(graph, id, &results);
        for operand in operands {
            if last_use.get(&operand.node) == Some(&place) {
                values.remove(&operand.node);
            }
        }
        if last_use.contains_key(&id) {
            values.insert(id, results);
        }
    }
    let output = |value: Value| values[&value.node][value.port as usize].clone();
    graph.outputs().iter().map(|o| output(o.value)).collect()
}
