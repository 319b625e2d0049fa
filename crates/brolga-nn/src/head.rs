//! What made the outputs of a network.

use brolga_ir::op::Family;
use brolga_ir::ops::ParameterKind;
use brolga_ir::{Graph, Value, Var};

use crate::trace::{Context, Logits};

/// What made the values of an output, as far as it matters to losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Head {
    /// A softmax along the last axis.
    Softmax,
    /// A sigmoid.
    Sigmoid,
    /// A product with weights, with or without a bias.
    Linear,
    /// Something else.
    #[default]
    Other,
}

impl Head {
    /// That of an output of a network in its trace.
    pub(crate) fn of(context: &Context, value: &Var) -> Self {
        match context.prediction(value.clone()).logits {
            Some(Logits::Softmax(_)) => Self::Softmax,
            Some(Logits::Sigmoid(_)) => Self::Sigmoid,
            None => {
                let linear = |value| context.tracer().with_graph(|graph| is_linear(graph, value));
                if value.value().is_some_and(linear) { Self::Linear } else { Self::Other }
            }
        }
    }
}

/// Whether a value is a product with weights, maybe with a bias added.
fn is_linear(graph: &Graph, mut value: Value) -> bool {
    loop {
        let (op, operands) = (&graph.node(value.node).op, graph.operands(value.node));
        value = match (op.family(), &operands[..]) {
            (Family::View, &[only]) => only,
            (Family::Contraction { cotangent: None }, operands) => {
                return operands.iter().any(|&operand| is_weight(graph, operand));
            }
            (Family::Elementwise(_), &[a, b]) if op.name() == "add" && is_weight(graph, b) => a,
            _ => return false,
        };
    }
}

/// Whether a value is a weight, of another shape at most.
pub(crate) fn is_weight(graph: &Graph, mut value: Value) -> bool {
    loop {
        if let Some(parameter) = graph.parameter(value.node) {
            return parameter.kind == ParameterKind::State;
        }
        match (graph.node(value.node).op.family(), graph.operands(value.node).first()) {
            (Family::View | Family::Movement, Some(&operand)) => value = operand,
            _ => return false,
        }
    }
}
