//! Graphs as pictures to read: one box a kernel or a layer.
//!
//! Without kernels, the nodes of one layer and role are a box; nodes of no layer are boxes of their
//! own. The boxes of one layer lie beside each other, forward to the left of backward. States are
//! one ellipse a layer. A dashed edge leads from what updates states to them. Constants, views and
//! parallel edges are left out. Boxes that are asked for are opened: they show their nodes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write;

use super::{color, escaped};
use crate::graph::{Graph, NodeId, Role, Value};
use crate::op::Op;
use crate::ops::ParameterKind;

/// The graph for `dot`, the boxes of these names opened. A name is that of a kernel, of a layer
/// with all layers inside of it, or of both a layer and a role: `dense.backward`. The same graph
/// gives the same bytes.
///
/// # Errors
/// The name that no box has.
pub fn to_dot_outline<'n>(graph: &Graph, expand: &'n [String]) -> Result<String, &'n str> {
    let outline = Outline::new(graph);
    for name in expand {
        if !outline.boxes.iter().any(|each| each.is_named(name)) {
            return Err(name);
        }
    }
    let is_open = |each: &Box| expand.iter().any(|name| each.is_named(name));
    Ok(outline.draw(&is_open))
}

/// The names of all boxes, for messages.
pub fn outline_names(graph: &Graph) -> Vec<String> {
    let boxes = Outline::new(graph).boxes;
    let names: BTreeSet<String> = boxes.iter().map(|each| each.title.clone()).collect();
    names.into_iter().collect()
}

/// Nodes that are drawn as one.
struct Box {
    title: String,
    layer: String,
    role: Role,
    nodes: Vec<NodeId>,
    /// Whether it is one kernel.
    is_kernel: bool,
}

impl Box {
    fn is_named(&self, name: &str) -> bool {
        let inside = |path: &str| {
            self.layer
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let of_role = |name: &str| {
            name.rsplit_once('.')
                .is_some_and(|(path, role)| role == self.role.name() && inside(path))
        };
        self.title == name || (!name.is_empty() && inside(name)) || of_role(name)
    }
}

struct Outline<'a> {
    graph: &'a Graph,
    boxes: Vec<Box>,
    /// The box of each node that is drawn.
    of: HashMap<NodeId, usize>,
}

impl<'a> Outline<'a> {
    fn new(graph: &'a Graph) -> Self {
        let mut outline = Self { graph, boxes: vec![], of: HashMap::new() };
        let mut layers: HashMap<(String, Role), usize> = HashMap::new();
        for id in graph.order() {
            let node = graph.node(id);
            if matches!(node.op, Op::Parameter(_) | Op::Constant(_)) {
                continue;
            }
            let layer = node.origin.layer.as_deref().unwrap_or_default().to_owned();
            let role = node.origin.role;
            let is_kernel = matches!(node.op, Op::Kernel(_));
            // A view is drawn with what it is a view of, where that is a kernel.
            let of_kernel = |&producer: &NodeId| outline.of.get(&producer).copied();
            let source = graph.producers(id).collect::<Vec<_>>().first().and_then(of_kernel);
            let viewed = source.filter(|&source| {
                matches!(node.op, Op::Reshape(_)) && outline.boxes[source].is_kernel
            });
            let known = match (is_kernel, layer.is_empty()) {
                (true, _) => None,
                (false, true) => viewed,
                (false, false) => viewed.or(layers.get(&(layer.clone(), role)).copied()),
            };
            let index = known.unwrap_or_else(|| {
                let title = match node.op.bodies() {
                    [body] if is_kernel => body.name().to_owned(),
                    _ if layer.is_empty() => node.op.name().to_owned(),
                    _ => format!("{layer}.{}", role.name()),
                };
                if !is_kernel {
                    layers.insert((layer.clone(), role), outline.boxes.len());
                }
                outline.boxes.push(Box { title, layer, role, nodes: vec![], is_kernel });
                outline.boxes.len() - 1
            });
            outline.boxes[index].nodes.push(id);
            outline.of.insert(id, index);
        }
        outline
    }

    fn draw(&self, is_open: &dyn Fn(&Box) -> bool) -> String {
        let font = "fontname=Helvetica";
        let mut text = format!(
            "digraph \"{name}\" {{\n  label=\"{name}\"\n  labelloc=t\n  {font}\n  nodesep=0.3\n  \
             ranksep=0.35\n  node [shape=box, style=\"rounded,filled\", fillcolor=white, {font}, \
             fontsize=11]\n  edge [{font}, fontsize=9, color=gray35, fontcolor=gray35]\n",
            name = escaped(self.graph.name()),
        );
        self.inputs(&mut text);
        for (index, each) in self.boxes.iter().enumerate() {
            match is_open(each) {
                true => self.open(index, each, &mut text),
                false => self.closed(index, each, &mut text),
            }
        }
        self.rows(is_open, &mut text);
        self.edges(is_open, &mut text);
        text.push_str("}\n");
        text
    }

    /// Data inputs, each an ellipse, and states, an ellipse for those of a layer.
    fn inputs(&self, text: &mut String) {
        for (index, &id) in self.graph.inputs().iter().enumerate() {
            let Some(parameter) = self.graph.parameter(id) else { continue };
            if parameter.kind == ParameterKind::Data {
                let label = escaped(&format!("%{}\n{}", parameter.name, parameter.ty));
                let _ = writeln!(text, "  i{index} [label=\"{label}\", shape=ellipse]");
            }
        }
        for (index, (layer, states)) in self.states().iter().enumerate() {
            let label = escaped(&states_label(self.graph, layer, states));
            let _ =
                writeln!(text, "  s{index} [label=\"{label}\", shape=ellipse, fillcolor=gray88]");
        }
    }

    /// The states by the layer that they belong to.
    fn states(&self) -> BTreeMap<String, Vec<NodeId>> {
        let mut states: BTreeMap<String, Vec<NodeId>> = BTreeMap::new();
        for &id in self.graph.inputs() {
            let is_state = self.graph.parameter(id).is_some_and(|p| p.kind == ParameterKind::State);
            if is_state {
                let layer = self.graph.node(id).origin.layer.as_deref().unwrap_or_default();
                states.entry(layer.to_owned()).or_default().push(id);
            }
        }
        states
    }

    fn closed(&self, index: usize, each: &Box, text: &mut String) {
        let label = escaped(&self.label(each));
        let color = color(each.role);
        let _ = writeln!(text, "  b{index} [label=\"{label}\", fillcolor={color}]");
    }

    /// What a box computes, where it is from, and what it gives.
    fn label(&self, each: &Box) -> String {
        let mut lines = vec![cut(&each.title, 40)];
        if each.is_kernel {
            let place = match each.role {
                Role::Forward => each.layer.clone(),
                role => format!("{} {}", each.layer, role.name()),
            };
            lines.push(place.trim().to_owned());
        } else if !each.layer.is_empty() {
            lines.push(self.ops(each));
        }
        let types = each.nodes.iter().flat_map(|&id| self.leaving(each, id));
        let types: Vec<String> = types.map(|value| self.graph.ty(value).to_string()).collect();
        match types.len() {
            0..=2 => lines.extend((!types.is_empty()).then(|| types.join("  "))),
            count => lines.push(format!("{}  and {} more", types[0], count - 1)),
        }
        lines.retain(|line| !line.is_empty());
        lines.join("\n")
    }

    /// The ops of a box with how often each is there, the first ones by their names.
    fn ops(&self, each: &Box) -> String {
        let mut counts: Vec<(&str, usize)> = vec![];
        for &id in &each.nodes {
            let name = self.graph.node(id).op.name();
            match counts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += 1,
                None => counts.push((name, 1)),
            }
        }
        let shown = counts.iter().take(3).map(|&(name, count)| match count {
            1 => name.to_owned(),
            count => format!("{count} {name}"),
        });
        let mut shown: Vec<String> = shown.collect();
        if counts.len() > 3 {
            let rest: usize = counts[3..].iter().map(|(_, count)| count).sum();
            shown.push(format!("{rest} others"));
        }
        shown.join(", ")
    }

    /// The results of a node that other boxes or the caller use.
    fn leaving(&self, each: &Box, id: NodeId) -> Vec<Value> {
        let ports = 0..self.graph.node(id).types.len() as u32;
        let leaves = |value: &Value| {
            self.graph.is_output(*value)
                || self.graph.users_of(*value).any(|user| !each.nodes.contains(&user))
        };
        ports.map(|port| Value { node: id, port }).filter(leaves).collect()
    }

    fn open(&self, index: usize, each: &Box, text: &mut String) {
        let color = color(each.role);
        let label = escaped(&each.title);
        let _ = writeln!(
            text,
            "  subgraph cluster_{index} {{\n    label=\"{label}\"\n    style=\"rounded,dashed\""
        );
        let (graph, nodes) = self.inside(each);
        for &id in &nodes {
            let name = inner_name(index, id);
            let node = graph.node(id);
            let types: Vec<String> = node.types.iter().map(ToString::to_string).collect();
            let label = escaped(&format!("{}\n{}", node.op.name(), types.join("  ")));
            let _ = writeln!(text, "    {name} [label=\"{label}\", fillcolor={color}]");
            let drawn: BTreeSet<NodeId> =
                graph.producers(id).filter(|producer| nodes.contains(producer)).collect();
            for producer in drawn {
                let _ = writeln!(text, "    {} -> {name}", inner_name(index, producer));
            }
        }
        text.push_str("  }\n");
    }

    /// The nodes that an open box shows, and the graph they are in.
    fn inside(&self, each: &Box) -> (&Graph, Vec<NodeId>) {
        let (graph, nodes) = match (each.is_kernel, self.graph.node(each.nodes[0]).op.bodies()) {
            (true, [body]) => (&**body, body.order()),
            _ => (self.graph, each.nodes.clone()),
        };
        let drawn = |id: &NodeId| !matches!(graph.node(*id).op, Op::Parameter(_) | Op::Constant(_));
        (graph, nodes.into_iter().filter(drawn).collect())
    }

    /// The boxes of one layer on one row.
    fn rows(&self, is_open: &dyn Fn(&Box) -> bool, text: &mut String) {
        let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, each) in self.boxes.iter().enumerate() {
            if !each.layer.is_empty() && !is_open(each) && each.role != Role::Update {
                rows.entry(&each.layer).or_default().push(index);
            }
        }
        for boxes in rows.into_values() {
            let backward: String = (boxes.iter())
                .filter(|&&index| self.boxes[index].role == Role::Backward)
                .map(|index| format!(" b{index};"))
                .collect();
            // The last of several forward boxes lies beside the backward ones.
            let last = boxes.iter().rev().find(|&&index| self.boxes[index].role == Role::Forward);
            if let Some(forward) = last.filter(|_| !backward.is_empty()) {
                let _ = writeln!(text, "  {{ rank=same; b{forward};{backward} }}");
            }
        }
    }

    fn edges(&self, is_open: &dyn Fn(&Box) -> bool, text: &mut String) {
        let states = self.states();
        let state = |id: NodeId| states.values().position(|ids| ids.contains(&id));
        let source = |id: NodeId| match self.of.get(&id) {
            Some(&index) => Some(Some(index)),
            None => self.graph.is_input(id).then_some(None),
        };
        let mut drawn: HashSet<(String, String)> = HashSet::new();
        let mut edge = |from: String, to: String, style: &str, text: &mut String| {
            if from != to && drawn.insert((from.clone(), to.clone())) {
                let _ = writeln!(text, "  {from} -> {to}{style}");
            }
        };
        for (index, each) in self.boxes.iter().enumerate() {
            for &id in &each.nodes {
                for producer in self.graph.producers(id) {
                    let to = self.anchor(index, id, false, is_open);
                    match source(producer) {
                        Some(Some(from)) if from != index => {
                            let same =
                                self.boxes[from].layer == each.layer && !each.layer.is_empty();
                            let beside = same && self.boxes[from].role != each.role;
                            let style = self.style(from, index, beside);
                            edge(self.anchor(from, producer, true, is_open), to, style, text);
                        }
                        Some(None) => {
                            let input = self.graph.inputs().iter().position(|&i| i == producer);
                            let forward = each.role == Role::Forward;
                            let style =
                                if forward { "" } else { " [constraint=false, color=gray75]" };
                            match (state(producer), input) {
                                (Some(state), _) => edge(format!("s{state}"), to, style, text),
                                (None, Some(input)) => edge(format!("i{input}"), to, style, text),
                                _ => {}
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
        for (index, output) in self.graph.outputs().iter().enumerate() {
            let id = output.value.node;
            let from = self.of.get(&id).map(|&from| self.anchor(from, id, true, is_open));
            match (output.replaces.and_then(state), from) {
                (Some(state), Some(from)) => {
                    let style = " [style=dashed, constraint=false, color=gray65]";
                    edge(from, format!("s{state}"), style, text);
                }
                (None, Some(from)) => {
                    let label = format!("return {index}\\n{}", self.graph.ty(output.value));
                    let _ = writeln!(text, "  o{index} [label=\"{label}\", shape=ellipse]");
                    edge(from, format!("o{index}"), "", text);
                }
                _ => {}
            }
        }
    }

    /// Backward boxes have the rows of their forward ones: edges to them move nothing, but those to
    /// boxes without a forward one do.
    fn style(&self, from: usize, to: usize, beside: bool) -> &'static str {
        let has_row = |index: usize| {
            let each = &self.boxes[index];
            let forward = |other: &Box| other.role == Role::Forward && other.layer == each.layer;
            each.role == Role::Backward && !each.layer.is_empty() && self.boxes.iter().any(forward)
        };
        match (self.boxes[from].role, self.boxes[to].role) {
            (Role::Forward, Role::Backward) if has_row(to) => {
                if beside {
                    " [color=gray75]"
                } else {
                    " [constraint=false, color=gray75]"
                }
            }
            (Role::Backward, Role::Backward) if has_row(from) && has_row(to) => {
                " [constraint=false]"
            }
            _ => "",
        }
    }

    /// The name in the picture where edges of a node begin (`out`) or end.
    fn anchor(
        &self,
        index: usize,
        id: NodeId,
        out: bool,
        is_open: &dyn Fn(&Box) -> bool,
    ) -> String {
        let each = &self.boxes[index];
        if !is_open(each) {
            return format!("b{index}");
        }
        if !each.is_kernel {
            return inner_name(index, id);
        }
        let (_, nodes) = self.inside(each);
        let end = if out { nodes.last() } else { nodes.first() };
        end.map_or_else(|| format!("b{index}"), |&inner| inner_name(index, inner))
    }
}

fn inner_name(index: usize, id: NodeId) -> String {
    format!("b{index}_{}", id.index())
}

/// The states of a layer: their own names, or how many they are.
fn states_label(graph: &Graph, layer: &str, states: &[NodeId]) -> String {
    let own = |&id: &NodeId| {
        let parameter = graph.parameter(id)?;
        let name = parameter.name.strip_prefix(layer).unwrap_or(&parameter.name);
        Some(format!("{} {}", name.trim_start_matches('/'), parameter.ty))
    };
    let names: Vec<String> = states.iter().filter_map(own).collect();
    let title = if layer.is_empty() { "states" } else { layer };
    match names.len() {
        0..=3 => format!("{title}\n{}", names.join("\n")),
        count => format!("{title}\n{}\nand {} more states", names[0], count - 1),
    }
}

fn cut(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
