//! The reference interpreter: evaluates a graph node by node, in the order of arithmetic that the
//! ops define.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use smallvec::{SmallVec, smallvec};

use crate::error::EvalError;
use crate::graph::{Graph, NodeId, Value};
use crate::op::Op;
use crate::tensor::Tensor;
use crate::types::Type;
use crate::verify::verify;

/// An observer of the results of each node as the interpreter computes them.
pub trait Observer {
    /// Called after a node was evaluated.
    fn computed(&mut self, graph: &Graph, node: NodeId, results: &[Tensor]);

    /// Called before the body of a node is evaluated: the observer of the body's nodes, if it wants
    /// to see them.
    fn enters(&mut self, entry: &Entry<'_>) -> Option<&mut dyn Observer> {
        let _ = entry;
        None
    }
}

impl<F: FnMut(&Graph, NodeId, &[Tensor])> Observer for F {
    fn computed(&mut self, graph: &Graph, node: NodeId, results: &[Tensor]) {
        self(graph, node, results);
    }
}

/// A body of a node that is about to be evaluated.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The node.
    pub node: NodeId,
    /// The index of the body among those of the node's op.
    pub index: usize,
    /// The body.
    pub body: &'a Graph,
    /// The index of the step, if the op is a loop.
    pub step: Option<usize>,
    /// The values of the body's inputs.
    pub inputs: &'a [Cow<'a, Tensor>],
}

/// The evaluation of the bodies of a node.
pub struct Bodies<'a> {
    observed: Option<(NodeId, &'a mut dyn Observer)>,
}

impl Bodies<'_> {
    /// The evaluation of the bodies of an op that nobody looks at.
    #[must_use]
    pub fn unobserved() -> Self {
        Self { observed: None }
    }

    /// Evaluates the body of this index of an op, for operands whose types were checked. The memory
    /// of those that are owned may become that of results. `step` is the index of the step, if the
    /// op is a loop.
    pub fn evaluate(
        &mut self,
        (index, body): (usize, &Graph),
        step: Option<usize>,
        inputs: Vec<Cow<'_, Tensor>>,
    ) -> Vec<Tensor> {
        let inner = self.observed.as_mut().and_then(|(node, observer)| {
            observer.enters(&Entry { node: *node, index, body, step, inputs: &inputs })
        });
        evaluate(body, inputs, inner)
    }
}

impl fmt::Debug for Bodies<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bodies").field("observed", &self.observed.is_some()).finish()
    }
}

/// Evaluates a graph for these inputs, in the order of its signature; returns its outputs in order.
///
/// # Errors
/// If the inputs do not fit the signature, the graph is not valid, or its values need more memory
/// than the machine grants.
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
    brolga_memory::check(bytes_needed(graph))
        .map_err(|reason| EvalError::Memory { graph: name(), reason })?;
    Ok(evaluate(graph, inputs.iter().map(Cow::Borrowed).collect(), Some(observer)))
}

/// Evaluates the body of an op for operands whose types were checked.
pub(crate) fn evaluate_body(graph: &Graph, inputs: &[&Tensor]) -> Vec<Tensor> {
    evaluate(graph, inputs.iter().copied().map(Cow::Borrowed).collect(), None)
}

/// The live results of a node.
type Results<'a> = SmallVec<[Option<Cow<'a, Tensor>>; 1]>;

fn evaluate(
    graph: &Graph,
    inputs: Vec<Cow<'_, Tensor>>,
    mut observer: Option<&mut dyn Observer>,
) -> Vec<Tensor> {
    let order = graph.order();
    let last_use = last_uses(graph, &order);
    let mut values: HashMap<NodeId, Results<'_>> = HashMap::new();
    for (&id, input) in graph.inputs().iter().zip(inputs) {
        values.insert(id, smallvec![Some(input)]);
    }
    for (position, &id) in order.iter().enumerate() {
        let node = graph.node(id);
        if matches!(node.op, Op::Parameter(_)) {
            continue;
        }
        let operands = graph.operands(id);
        let is_last = |node: NodeId| last_use.get(&node) == Some(&position);
        // An operand that nothing else needs is the op's own.
        let mut own: SmallVec<[Option<Tensor>; 4]> = smallvec![None; operands.len()];
        for (slot, value) in operands.iter().enumerate() {
            let once = operands.iter().filter(|other| *other == value).count() == 1;
            if once && is_last(value.node) {
                let kept =
                    values.get_mut(&value.node).and_then(|of| of.get_mut(value.port as usize));
                let is_owned = matches!(kept, Some(Some(Cow::Owned(_))));
                if let Some(Cow::Owned(tensor)) = kept.filter(|_| is_owned).and_then(Option::take) {
                    own[slot] = Some(tensor);
                }
            }
        }
        let given = operands.iter().zip(own).map(|(value, own)| match own {
            Some(tensor) => Cow::Owned(tensor),
            None => Cow::Borrowed(get(&values, *value)),
        });
        let mut bodies =
            Bodies { observed: observer.as_mut().map(|observer| (id, &mut **observer as _)) };
        let results =
            node.op.definition().evaluate_owned(given.collect(), &node.types, &mut bodies);
        if let Some(observer) = &mut observer {
            observer.computed(graph, id, &results);
        }
        for operand in operands {
            if is_last(operand.node) {
                values.remove(&operand.node);
            }
        }
        if last_use.contains_key(&id) {
            values.insert(id, results.into_iter().map(Cow::Owned).map(Some).collect());
        }
    }
    let outputs: Vec<Value> = graph.outputs().iter().map(|output| output.value).collect();
    let output = |(index, &value): (usize, &Value)| {
        if outputs[index + 1..].contains(&value) {
            return get(&values, value).clone();
        }
        let results = values.get_mut(&value.node).and_then(|of| of[value.port as usize].take());
        results.expect("the graph is valid").into_owned()
    };
    outputs.iter().enumerate().map(output).collect()
}

/// A value that was computed and is still needed.
fn get<'v>(values: &'v HashMap<NodeId, Results<'_>>, value: Value) -> &'v Tensor {
    let results = &values[&value.node];
    results[value.port as usize].as_deref().expect("values are taken at their last use")
}

/// For each node whose results are used, the position of the last use in the order. Values are
/// dropped there, so that a large graph needs little memory.
fn last_uses(graph: &Graph, order: &[NodeId]) -> HashMap<NodeId, usize> {
    let mut last_use = HashMap::new();
    for (position, &id) in order.iter().enumerate() {
        for operand in graph.operands(id) {
            last_use.insert(operand.node, position);
        }
    }
    for output in graph.outputs() {
        last_use.insert(output.value.node, usize::MAX);
    }
    last_use
}

/// The most bytes that the interpreter needs at any time: live values, temporary data of the
/// evaluated op, and a copy of the outputs.
pub fn bytes_needed(graph: &Graph) -> usize {
    let bytes = |id: NodeId| total(graph.node(id).types.iter().map(Type::bytes));
    let order = graph.order();
    let last_use = last_uses(graph, &order);
    let mut alive = total(graph.inputs().iter().map(|&id| bytes(id)));
    let mut most = alive;
    for (position, &id) in order.iter().enumerate() {
        if matches!(graph.node(id).op, Op::Parameter(_)) {
            continue;
        }
        alive = alive.saturating_add(bytes(id));
        most = most.max(alive.saturating_add(scratch(graph, id)));
        let mut dropped: Vec<NodeId> = graph.operands(id).iter().map(|value| value.node).collect();
        dropped.retain(|node| last_use.get(node) == Some(&position));
        dropped.sort_unstable();
        dropped.dedup();
        dropped.extend((!last_use.contains_key(&id)).then_some(id));
        alive = alive.saturating_sub(total(dropped.into_iter().map(bytes)));
    }
    let outputs = total(graph.outputs().iter().map(|output| graph.ty(output.value).bytes()));
    most.max(alive.saturating_add(outputs))
}

/// The most temporary bytes of an evaluation for each element of operands and results: two lists of
/// offsets, or of values in another format.
const SCRATCH: usize = 32;

/// The most temporary bytes of an evaluation.
fn scratch(graph: &Graph, id: NodeId) -> usize {
    let node = graph.node(id);
    let elements = |ty: &Type| ty.shape.elements();
    let operands = graph.operands(id);
    let operands = operands.iter().map(|&value| graph.ty(value));
    match &node.op {
        Op::Constant(_) => 0,
        op if !op.bodies().is_empty() => {
            op.bodies().iter().map(|body| bytes_needed(body)).fold(0, usize::max)
        }
        // Offsets of the operands that are repeated.
        op if op.is_elementwise() => {
            let result = &node.types[0];
            let repeated = operands.filter(|ty| ty.shape != result.shape).count();
            elements(result).saturating_mul(8 + 16 * repeated)
        }
        _ => total(operands.chain(&node.types).map(elements)).saturating_mul(SCRATCH),
    }
}

fn total(parts: impl Iterator<Item = usize>) -> usize {
    parts.fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::parse_graph;

    fn graph(text: &str) -> Graph {
        parse_graph(text, "<test>").expect("the text is right")
    }

    #[test]
    fn values_that_are_alive_together_are_counted() {
        let chain = |length: usize| {
            let nodes: String = (0..length)
                .map(|i| match i {
                    0 => "%0: f32[1000] = neg %x\n".to_owned(),
                    _ => format!("%{i}: f32[1000] = neg %{}\n", i - 1),
                })
                .collect();
            bytes_needed(&graph(&format!(
                "graph f(%x: f32[1000]) {{\n{nodes}return %{}\n}}",
                length - 1
            )))
        };
        // Operand and result, and eight temporary bytes for each element.
        assert_eq!((chain(1), chain(9)), (16_000, 16_000));
    }

    #[test]
    fn what_no_machine_can_hold_is_an_error() {
        let huge = graph(
            "graph huge() {
            %0: f32[1000000000000] = constant {value=1}
            %1: f32[1000000000000] = neg %0
            return %1
        }",
        );
        let error = interpret(&huge, &[]).expect_err("16 TB");
        let EvalError::Memory { reason, .. } = &error else { panic!("{error}") };
        assert_eq!(reason.needed, 16_000_000_000_000);
        let limit = reason.limit.expect("the system tells").to_string();
        let message = error.to_string().replace(&limit, "the machine grants 8.0 GiB");
        insta::assert_snapshot!(message, @r"
        graph `huge`: on the interpreter 14.6 TiB of memory are needed, the machine grants 8.0 GiB
          help: make the graph smaller, or compile it: native code needs less
        ");
    }
}
