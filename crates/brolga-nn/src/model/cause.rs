//! Where NaN and infinity come from: a step that went wrong is looked at node by node.

use std::collections::HashMap;

use brolga_ir::ops::ParameterKind;
use brolga_ir::{Data, Graph, NodeId, Role, Tensor, Value, interpret_with};
use brolga_runtime::RuntimeError;

use crate::error::NnError;
use crate::nonfinite::Cause;

/// Evaluates the program on the interpreter and goes back from what is not finite to what made it.
/// `in_data` finds the sample, element and value in the array of an input.
pub(super) fn cause(
    graph: &Graph,
    inputs: &[Tensor],
    in_data: impl Fn(&str) -> Option<(usize, usize, f64)>,
) -> Result<Cause, NnError> {
    let mut ranges: HashMap<Value, Range> = HashMap::new();
    for (&id, tensor) in graph.inputs().iter().zip(inputs) {
        ranges.insert(id.into(), Range::of(tensor));
    }
    let mut observe = |_: &Graph, node: NodeId, results: &[Tensor]| {
        for (result, port) in results.iter().zip(0..) {
            ranges.insert(Value { node, port }, Range::of(result));
        }
    };
    interpret_with(graph, inputs, &mut observe).map_err(RuntimeError::from)?;
    let infinite = |value: &Value| ranges.get(value).is_some_and(|range| !range.finite);
    let mut found = graph.outputs().iter().map(|output| output.value).find(infinite);
    while let Some(value) = found {
        let operands = graph.operands(value.node);
        match operands.iter().copied().find(infinite) {
            Some(operand) => found = Some(operand),
            None => return Ok(describe(graph, value, &ranges, in_data)),
        }
    }
    Ok(Cause::Unexplained)
}

fn describe(
    graph: &Graph,
    value: Value,
    ranges: &HashMap<Value, Range>,
    in_data: impl Fn(&str) -> Option<(usize, usize, f64)>,
) -> Cause {
    if let Some(parameter) = graph.parameter(value.node) {
        let name = parameter.name.clone();
        return match (parameter.kind, in_data(&name)) {
            (ParameterKind::Data, Some((sample, element, value))) => {
                Cause::Data { input: name, sample, element, value }
            }
            _ => {
                let of_optimizer = graph.node(value.node).origin.role == Role::Update;
                Cause::State { name, of_optimizer }
            }
        };
    }
    let node = graph.node(value.node);
    let operands = graph.operands(value.node);
    let operand = |value: &Value| {
        let range = ranges.get(value)?;
        Some((graph.ty(*value).clone(), range.least, range.greatest))
    };
    Cause::Node {
        op: node.op.name(),
        ty: graph.ty(value).clone(),
        origin: node.origin.clone(),
        operands: operands.iter().filter_map(operand).collect(),
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
