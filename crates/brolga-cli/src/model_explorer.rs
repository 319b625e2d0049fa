//! Graphs in the JSON of Google's Model Explorer, which its page and `model-explorer FILE.json`
//! open.
//!
//! The format is that of Model Explorer's own built-in JSON adapter: `graphCollections` of graphs,
//! whose nodes have an `id`, a `label`, a `namespace` of layers, `incomingEdges`, `attrs` and
//! `outputsMetadata`.

use brolga_ir::text::Names;
use brolga_ir::{Graph, NodeId, Op, TextOptions, Value as GraphValue};
use serde_json::{Value, json};

/// A collection of graphs with this label.
pub(crate) fn document(label: &str, graphs: &[Graph]) -> Value {
    json!([{ "label": label, "graphs": graphs.iter().map(graph_json).collect::<Vec<_>>() }])
}

fn graph_json(graph: &Graph) -> Value {
    let mut nodes = vec![];
    for (index, &id) in graph.inputs().iter().enumerate() {
        if let Some(parameter) = graph.parameter(id) {
            let namespace = graph.node(id).origin.layer.as_deref().unwrap_or("inputs");
            nodes.push(json!({
                "id": input_id(index),
                "label": parameter.name,
                "namespace": namespace,
                "incomingEdges": [],
                "attrs": [attribute("kind", &format!("{:?}", parameter.kind).to_lowercase())],
                "outputsMetadata": [metadata(0, &parameter.ty.to_string(), &parameter.name)],
            }));
        }
    }
    let sources = |value: GraphValue| match graph.inputs().iter().position(|&id| id == value.node) {
        Some(index) => (input_id(index), 0),
        None => (graph.uid(value.node).to_string(), value.port),
    };
    body_nodes(graph, "", &sources, &mut nodes);
    for (index, output) in graph.outputs().iter().enumerate() {
        let (source, port) = sources(output.value);
        let replaced = output.replaces.and_then(|id| graph.parameter(id));
        let label = match replaced {
            Some(parameter) => format!("next {}", parameter.name),
            None => format!("return {index}"),
        };
        nodes.push(json!({
            "id": format!("output{index}"),
            "label": label,
            "namespace": "outputs",
            "incomingEdges": [edge(&source, port, 0)],
        }));
    }
    json!({ "id": graph.name(), "nodes": nodes })
}

fn input_id(index: usize) -> String {
    format!("input{index}")
}

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": value })
}

fn metadata(port: usize, ty: &str, name: &str) -> Value {
    json!({
        "id": port.to_string(),
        "attrs": [attribute("tensor_shape", ty), attribute("name", name)],
    })
}

fn edge(source: &str, port: u32, slot: usize) -> Value {
    json!({
        "sourceNodeId": source,
        "sourceNodeOutputId": port.to_string(),
        "targetNodeInputId": slot.to_string(),
    })
}

/// The nodes of a graph or of a body. `prefix` stands before the identities of nodes in bodies, and
/// `source` gives the node and the result that stand for a value.
fn body_nodes(
    graph: &Graph,
    prefix: &str,
    source: &dyn Fn(GraphValue) -> (String, u32),
    nodes: &mut Vec<Value>,
) {
    let names = Names::new(graph);
    for &id in names.listing() {
        let node = graph.node(id);
        let own = format!("{prefix}{}", graph.uid(id));
        let edges: Vec<Value> = (graph.operands(id).iter().enumerate())
            .map(|(slot, &value)| {
                let (source, port) = source(value);
                edge(&source, port, slot)
            })
            .collect();
        let title = node.op.bodies().first().map_or(node.op.name(), |body| body.name());
        let mut attributes = vec![
            attribute("op", node.op.name()),
            attribute("role", node.origin.role.name()),
            attribute("text", &first_line(graph, &names, id)),
        ];
        attributes.extend(node.origin.layer.as_deref().map(|layer| attribute("layer", layer)));
        if let Some(location) = &node.origin.location {
            attributes.push(attribute("source", &format!("{}:{}", location.file, location.line)));
        }
        let outputs = node.types.iter().enumerate().map(|(port, ty)| {
            let value = GraphValue { node: id, port: port as u32 };
            metadata(port, &ty.to_string(), &names.of(value))
        });
        nodes.push(json!({
            "id": own,
            "label": title,
            "namespace": namespace(graph, id, prefix),
            "incomingEdges": edges,
            "attrs": attributes,
            "outputsMetadata": outputs.collect::<Vec<_>>(),
        }));
        if let Op::Kernel(kernel) = &node.op {
            let body = &kernel.body;
            let operands = graph.operands(id);
            let inner = format!("{own}/");
            let of = |value: GraphValue| match body.inputs().iter().position(|&i| i == value.node) {
                Some(slot) => operands.get(slot).map_or((own.clone(), 0), |&value| source(value)),
                None => (format!("{inner}{}", body.uid(value.node)), value.port),
            };
            body_nodes(body, &inner, &of, nodes);
        }
    }
}

/// The path of boxes around a node: its layer and role, and inside of a kernel the kernel.
fn namespace(graph: &Graph, id: NodeId, prefix: &str) -> String {
    let origin = &graph.node(id).origin;
    let layer = origin.layer.as_deref().unwrap_or_default();
    match (prefix, layer) {
        ("", "") => origin.role.name().to_owned(),
        ("", layer) => format!("{}/{layer}", origin.role.name()),
        (prefix, _) => format!("kernels/{}{}", prefix, graph.name()),
    }
}

fn first_line(graph: &Graph, names: &Names<'_>, id: NodeId) -> String {
    let text = graph.node_text(names, id, &TextOptions::default());
    text.lines().next().unwrap_or_default().to_owned()
}
