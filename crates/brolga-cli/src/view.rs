//! Graphs as text and as JSON, whole or in part.

use std::fmt::Write;

use brolga_ir::text::Names;
use brolga_ir::{Graph, NodeId, TextOptions, Value};
use serde_json::json;

use crate::filter::Filter;

/// The graph's text, or a comment and the nodes that the filter keeps.
pub(crate) fn graph_text(graph: &Graph, filter: &Filter, options: &TextOptions) -> String {
    if filter.is_empty() {
        return graph.to_text(options);
    }
    let names = Names::with(graph, options);
    let kept: Vec<NodeId> = kept(graph, &names, filter).collect();
    let (name, of) = (graph.name(), names.listing().len());
    let mut text =
        format!("// graph {name}, a filtered view: {} of {of} nodes ({filter})\n", kept.len());
    for id in kept {
        let _ = writeln!(text, "{}", graph.node_text(&names, id, options));
    }
    text
}

/// The graph with the nodes that the filter keeps.
pub(crate) fn graph_json(
    graph: &Graph,
    filter: &Filter,
    options: &TextOptions,
) -> serde_json::Value {
    let names = Names::with(graph, options);
    let node = |id: NodeId| {
        let node = graph.node(id);
        let operands: Vec<String> = graph.operands(id).iter().map(|&v| names.of(v)).collect();
        json!({
            "results": results_json(graph, &names, id),
            "op": node.op.name(),
            "operands": operands,
            "layer": node.origin.layer,
            "role": node.origin.role,
            "text": graph.node_text(&names, id, options),
        })
    };
    let nodes: Vec<_> = kept(graph, &names, filter).map(node).collect();
    json!({ "name": graph.name(), "text": graph_text(graph, filter, options), "nodes": nodes })
}

fn kept<'a>(
    graph: &'a Graph,
    names: &'a Names<'_>,
    filter: &'a Filter,
) -> impl Iterator<Item = NodeId> + 'a {
    let all = names.listing().iter().copied();
    all.filter(move |&id| filter.is_empty() || filter.keeps(graph, id))
}

/// The results of a node.
pub(crate) fn results(graph: &Graph, id: NodeId) -> impl Iterator<Item = Value> {
    (0..graph.node(id).types.len() as u32).map(move |port| Value { node: id, port })
}

/// Names and types of the results of a node.
pub(crate) fn results_json(graph: &Graph, names: &Names<'_>, id: NodeId) -> Vec<serde_json::Value> {
    results(graph, id).map(|value| value_json(graph, names, value)).collect()
}

/// Name and type of a value.
pub(crate) fn value_json(graph: &Graph, names: &Names<'_>, value: Value) -> serde_json::Value {
    json!({ "name": names.of(value), "type": graph.ty(value) })
}
