//! Where NaN and infinity come from: a step that went wrong is looked at node by node.

use std::borrow::Cow;
use std::collections::HashMap;

use brolga_ir::ops::ParameterKind;
use brolga_ir::{Data, Entry, Graph, NodeId, Observer, Role, Tensor, Value, interpret_with};
use brolga_runtime::RuntimeError;

use crate::error::NnError;
use crate::nonfinite::{Cause, LoopStep};

/// Evaluates the program on the interpreter and goes back from what is not finite to what made it,
/// into the bodies of loops and functions too. `in_data` finds the sample, element and value in the
/// array of an input.
pub(super) fn cause(
    graph: &Graph,
    inputs: &[Tensor],
    in_data: impl Fn(&str) -> Option<(usize, usize, f64)>,
) -> Result<Cause, NnError> {
    let given = inputs.iter().map(Cow::Borrowed).collect::<Vec<_>>();
    let mut watch = Watch::new(graph, &given);
    interpret_with(graph, inputs, &mut watch).map_err(RuntimeError::from)?;
    let Some(value) = watch.first_made(graph) else { return Ok(Cause::Unexplained) };
    if let Some(parameter) = graph.parameter(value.node) {
        let name = parameter.name.clone();
        return Ok(match (parameter.kind, in_data(&name)) {
            (ParameterKind::Data, Some((sample, element, value))) => {
                Cause::Data { input: name, sample, element, value }
            }
            _ => {
                let of_optimizer = graph.node(value.node).origin.role == Role::Update;
                Cause::State { name, of_optimizer }
            }
        });
    }
    Ok(describe(graph, value, &watch))
}

/// A value that a node made of finite operands. If these are finite in a body of the node too, the
/// node of the body.
fn describe(graph: &Graph, value: Value, watch: &Watch) -> Cause {
    let (mut graph, mut value, mut watch) = (graph, value, watch);
    let (mut origin, mut steps) = (graph.node(value.node).origin.clone(), Vec::new());
    while let Some(inner) = watch.inner.get(&value.node)
        && let Some(body) = graph.node(value.node).op.bodies().get(inner.index)
        && let Some(made) = inner.watch.first_made(body)
        && body.parameter(made.node).is_none()
    {
        let name = body.name().to_owned();
        steps.extend(inner.step.map(|index| LoopStep { body: name, index }));
        origin = body.node(made.node).origin.clone().inside(&origin);
        (graph, value, watch) = (body, made, &inner.watch);
    }
    let operands = graph.operands(value.node);
    let operand = |value: &Value| {
        let range = watch.ranges.get(value)?;
        Some((graph.ty(*value).clone(), range.least, range.greatest))
    };
    Cause::Node {
        op: graph.node(value.node).op.name(),
        ty: graph.ty(value).clone(),
        origin,
        steps,
        operands: operands.iter().filter_map(operand).collect(),
    }
}

/// The ranges of the values of a graph, and those of the bodies of its nodes.
struct Watch {
    ranges: HashMap<Value, Range>,
    /// The results of the graph.
    outputs: Vec<Value>,
    /// For each node with bodies the first step that gave something that is not finite, or the last
    /// one.
    inner: HashMap<NodeId, Inner>,
}

/// An evaluation of a body.
struct Inner {
    /// The index of the body among those of the op.
    index: usize,
    /// The step, if the op is a loop.
    step: Option<usize>,
    watch: Watch,
}

impl Watch {
    fn new(graph: &Graph, inputs: &[Cow<'_, Tensor>]) -> Self {
        let given = graph.inputs().iter().zip(inputs);
        Self {
            ranges: given.map(|(&id, tensor)| (id.into(), Range::of(tensor))).collect(),
            outputs: graph.outputs().iter().map(|output| output.value).collect(),
            inner: HashMap::new(),
        }
    }

    fn is_infinite(&self, value: &Value) -> bool {
        self.ranges.get(value).is_some_and(|range| !range.finite)
    }

    /// What made the first result that is not finite, of operands that are.
    fn first_made(&self, graph: &Graph) -> Option<Value> {
        let mut value = self.outputs.iter().copied().find(|value| self.is_infinite(value))?;
        loop {
            let operands = graph.operands(value.node);
            match operands.iter().copied().find(|operand| self.is_infinite(operand)) {
                Some(operand) => value = operand,
                None => return Some(value),
            }
        }
    }
}

impl Observer for Watch {
    fn computed(&mut self, _: &Graph, node: NodeId, results: &[Tensor]) {
        for (result, port) in results.iter().zip(0..) {
            self.ranges.insert(Value { node, port }, Range::of(result));
        }
    }

    fn enters(&mut self, entry: &Entry<'_>) -> Option<&mut dyn Observer> {
        let known = self.inner.get(&entry.node);
        if known.is_some_and(|inner| inner.watch.outputs.iter().any(|v| inner.watch.is_infinite(v)))
        {
            return None;
        }
        let watch = Watch::new(entry.body, entry.inputs);
        let inner = Inner { index: entry.index, step: entry.step, watch };
        self.inner.insert(entry.node, inner);
        self.inner.get_mut(&entry.node).map(|inner| &mut inner.watch as &mut dyn Observer)
    }
}

/// The range of a tensor's elements, and whether all are finite.
#[derive(Debug, Clone, Copy)]
struct Range {
    finite: bool,
    least: f64,
    greatest: f64,
}

impl Range {
    fn of(tensor: &Tensor) -> Self {
        let empty = Self { finite: true, least: f64::INFINITY, greatest: f64::NEG_INFINITY };
        let add = |range: Self, x: f64| Self {
            finite: range.finite && x.is_finite(),
            least: range.least.min(x),
            greatest: range.greatest.max(x),
        };
        match tensor.data() {
            Data::F32(values) => values.iter().map(|&x| f64::from(x)).fold(empty, add),
            Data::F64(values) => values.iter().copied().fold(empty, add),
            Data::Bool(values) => values.iter().map(|&x| f64::from(u8::from(x))).fold(empty, add),
            _ => tensor.to_i64().unwrap_or_default().iter().map(|&x| x as f64).fold(empty, add),
        }
    }
}
