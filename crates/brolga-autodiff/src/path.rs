//! The paths from a value to the loss: their nodes, and where they end.

use std::collections::BTreeMap;

use brolga_ir::{Graph, NodeId, Value};

use crate::error::GradError;

/// The operands, by node and index, through which no gradient goes although a cotangent arrived
/// there.
pub(crate) type Blocked = BTreeMap<NodeId, Vec<usize>>;

/// The end of the path from a value towards the loss.
pub(crate) fn no_path(graph: &Graph, target: Value, blocked: &Blocked) -> GradError {
    let reached = graph.dependents([target.node]);
    let barrier = blocked.iter().find_map(|(&id, slots)| {
        let operands = graph.operands(id);
        let slot = slots.iter().find(|&&slot| reached.contains(&operands[slot].node))?;
        Some((id, *slot, operands.len()))
    });
    let (end, help) = match barrier {
        Some((id, slot, operands)) => {
            let by = if operands > 1 { format!(" by its operand {slot}") } else { String::new() };
            let end = format!(
                "the path to the loss ends at {}, which has no gradient{by}",
                describe(graph, id.into())
            );
            (end, "use a differentiable op there, or do not train it")
        }
        // No op blocks the path: it leads away from the loss.
        None => {
            let last =
                graph.order().into_iter().rfind(|id| reached.contains(id) && *id != target.node);
            let end = match last {
                Some(id) => {
                    format!(
                        "the path ends at {}, which the loss does not use",
                        describe(graph, id.into())
                    )
                }
                None => "nothing uses it".to_owned(),
            };
            (end, "use it in the model, or do not train it")
        }
    };
    GradError::NoPath { name: describe(graph, target), end, help }
}

/// A parameter by its name, another node by its op, layer and location.
pub(crate) fn describe(graph: &Graph, value: Value) -> String {
    if let Some(parameter) = graph.parameter(value.node) {
        return format!("`%{}`", parameter.name);
    }
    let node = graph.node(value.node);
    let layer = node.origin.of_layer();
    let location = match &node.origin.location {
        Some(location) => format!(" at {}:{}", location.file, location.line),
        None => String::new(),
    };
    format!("`{}`{layer}{location}", node.op.name())
}
