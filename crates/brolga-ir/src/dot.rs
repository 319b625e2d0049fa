//! Graphs as pictures, in the language of Graphviz.
//!
//! Layers are boxes around their nodes, nested like their paths; an op with a body is a dashed box
//! around the body's nodes. Blue nodes are forward, orange ones backward, green ones update; edges
//! carry types. A dashed edge leads from the next value of a state to the state.

mod outline;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use crate::graph::{Graph, NodeId, Role, Value};
use crate::ops::ParameterKind;
use crate::text::{Names, attributes};

pub use outline::{outline_names, to_dot_outline};

/// The graph for `dot`; the same graph gives the same bytes.
pub fn to_dot(graph: &Graph) -> String {
    let mut drawing = Drawing { edges: String::new(), clusters: 0 };
    let names = Names::new(graph);
    let mut sources = HashMap::new();
    let mut nodes = String::new();
    for (index, &id) in graph.inputs().iter().enumerate() {
        let Some(parameter) = graph.parameter(id) else { continue };
        let color = if parameter.kind == ParameterKind::State { "gray88" } else { "white" };
        let label = escaped(&format!("%{}\n{}", parameter.name, parameter.ty));
        let _ = writeln!(nodes, "  i{index} [label=\"{label}\", shape=ellipse, fillcolor={color}]");
        sources.insert(id.into(), format!("i{index}"));
    }
    let results = drawing.nodes(graph, &names, "n", sources.clone(), 1, &mut nodes);
    for (index, output) in graph.outputs().iter().enumerate() {
        let Some(source) = results.get(&output.value) else { continue };
        let ty = graph.try_ty(output.value).map(ToString::to_string).unwrap_or_default();
        match output.replaces.and_then(|state| sources.get(&state.into())) {
            Some(state) => drawing.edge(source, state, &ty, ", style=dashed, constraint=false"),
            None => {
                let _ = writeln!(nodes, "  o{index} [label=\"return {index}\", shape=ellipse]");
                drawing.edge(source, &format!("o{index}"), &ty, "");
            }
        }
    }
    let font = "fontname=Helvetica";
    format!(
        "digraph \"{name}\" {{\n  label=\"{name}\"\n  labelloc=t\n  {font}\n  \
         node [shape=box, style=\"rounded,filled\", fillcolor=white, {font}, fontsize=11]\n  \
         edge [{font}, fontsize=9, color=gray35, fontcolor=gray35]\n{nodes}{edges}}}\n",
        name = escaped(graph.name()),
        edges = drawing.edges,
    )
}

struct Drawing {
    edges: String,
    clusters: usize,
}

/// The nodes of one layer as text, and the layers inside it.
#[derive(Default)]
struct Layer {
    nodes: String,
    inner: BTreeMap<String, Layer>,
}

impl Drawing {
    /// Draws all nodes but the inputs, whose names in the picture are given; returns the names of
    /// all values.
    fn nodes(
        &mut self,
        graph: &Graph,
        names: &Names<'_>,
        prefix: &str,
        mut sources: HashMap<Value, String>,
        depth: usize,
        text: &mut String,
    ) -> HashMap<Value, String> {
        let mut top = Layer::default();
        for (index, &id) in names.listing().iter().enumerate() {
            let node = graph.node(id);
            let name = format!("{prefix}{index}");
            let path = node.origin.layer.as_deref().unwrap_or_default().split('/');
            let layer = path
                .filter(|part| !part.is_empty())
                .fold(&mut top, |layer, part| layer.inner.entry(part.to_owned()).or_default());
            let results = match node.op.bodies() {
                [body] => self.body(graph, id, body, &name, &sources, &mut layer.nodes),
                _ => {
                    let op = &node.op;
                    let label = escaped(&format!("{}\n{}", op.name(), wrapped(&attributes(op))));
                    let color = color(node.origin.role);
                    let _ = writeln!(layer.nodes, "{name} [label=\"{label}\", fillcolor={color}]");
                    for operand in graph.operands(id) {
                        if let Some(source) = sources.get(&operand) {
                            let ty = graph.try_ty(operand).map(ToString::to_string);
                            self.edge(source, &name, &ty.unwrap_or_default(), "");
                        }
                    }
                    vec![Some(name); node.types.len()]
                }
            };
            for (port, result) in results.into_iter().enumerate() {
                sources.extend(result.map(|name| (Value { node: id, port: port as u32 }, name)));
            }
        }
        self.layer(&top, depth, text);
        sources
    }

    /// Draws the body whose results are the node's inside a box, which edges cross.
    fn body(
        &mut self,
        graph: &Graph,
        id: NodeId,
        body: &Graph,
        name: &str,
        sources: &HashMap<Value, String>,
        text: &mut String,
    ) -> Vec<Option<String>> {
        let inputs = body.inputs().iter().zip(graph.operands(id));
        let inner = inputs.filter_map(|(&input, operand)| {
            Some((Value::from(input), sources.get(&operand)?.clone()))
        });
        let mut nodes = String::new();
        let prefix = format!("{name}_");
        let results = self.nodes(body, &Names::new(body), &prefix, inner.collect(), 1, &mut nodes);
        let label = escaped(&format!("{} {}", body.name(), attributes(&graph.node(id).op)));
        self.clusters += 1;
        let _ = write!(
            text,
            "subgraph cluster_{} {{\n  label=\"{label}\"\n  style=dashed\n{nodes}}}\n",
            self.clusters
        );
        body.outputs().iter().map(|output| results.get(&output.value).cloned()).collect()
    }

    fn layer(&mut self, layer: &Layer, depth: usize, text: &mut String) {
        let indent = "  ".repeat(depth);
        for line in layer.nodes.lines() {
            let _ = writeln!(text, "{indent}{line}");
        }
        for (name, inner) in &layer.inner {
            self.clusters += 1;
            let name = escaped(name);
            let _ = writeln!(text, "{indent}subgraph cluster_{} {{", self.clusters);
            let _ = writeln!(text, "{indent}  label=\"{name}\"\n{indent}  style=rounded");
            self.layer(inner, depth + 1, text);
            let _ = writeln!(text, "{indent}}}");
        }
    }

    fn edge(&mut self, from: &str, to: &str, ty: &str, style: &str) {
        let _ = writeln!(self.edges, "  {from} -> {to} [label=\"{ty}\"{style}]");
    }
}

/// The attributes, one on each line; long ones are cut.
fn wrapped(attributes: &str) -> String {
    const WIDTH: usize = 40;
    let inside = attributes.trim_start_matches('{').trim_end_matches('}');
    let cut = |line: &str| match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    };
    inside.split(", ").map(cut).collect::<Vec<_>>().join("\n")
}

fn color(role: Role) -> &'static str {
    match role {
        Role::Forward => "lightskyblue1",
        Role::Backward => "navajowhite",
        Role::Update => "darkseagreen1",
    }
}

fn escaped(text: &str) -> String {
    text.trim_end().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
