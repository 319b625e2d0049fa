//! The nodes of a graph, those inside of kernels included, with names that change little.

use std::collections::{HashMap, HashSet};

use brolga_ir::ops::ParameterKind;
use brolga_ir::{Op, Role, Uid};
use brolga_record::{GraphRecord, Graphs, NodeRecord};

/// A node.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) uid: Uid,
    /// Its layer; empty without one.
    pub(crate) layer: String,
    pub(crate) role: Role,
    /// Its op, for a kernel the kernel's name.
    pub(crate) op: String,
    /// Its attributes, and the types of its results.
    pub(crate) attributes: String,
    pub(crate) types: String,
    /// The nodes that compute its operands, and the indices of their results; behind the borders of
    /// kernels.
    operands: Vec<(usize, u32)>,
    /// The kernel that it is in.
    kernel: Option<usize>,
    /// Its name, in words of its layer: `dense/add`, and of a second one `dense/add#2`.
    pub(crate) name: String,
}

impl Item {
    /// Whether it is a kernel.
    pub(crate) fn is_kernel(&self) -> bool {
        self.attributes.ends_with(" kernel")
    }
}

/// The nodes of a graph.
#[derive(Debug)]
pub(crate) struct Items {
    pub(crate) items: Vec<Item>,
    outputs: Vec<((usize, u32), Option<usize>)>,
}

/// What the values of one graph stand for.
type Values = HashMap<(Uid, u32), (usize, u32)>;

impl Items {
    /// The nodes in topological order; those of a kernel follow it.
    pub(crate) fn new(graphs: &Graphs, graph: &GraphRecord) -> Self {
        let mut items = Self { items: vec![], outputs: vec![] };
        let values = items.add_graph(graphs, graph, Values::new(), None);
        for output in &graph.outputs {
            let Some(&value) = values.get(&output.value) else { continue };
            let state = output.replaces.and_then(|state| values.get(&(state, 0)));
            items.outputs.push((value, state.map(|state| state.0)));
        }
        items
    }

    /// Adds the nodes of a graph; `values` has what stands for inputs of a body. The recursion is
    /// as deep as bodies nest.
    fn add_graph(
        &mut self,
        graphs: &Graphs,
        graph: &GraphRecord,
        mut values: Values,
        kernel: Option<usize>,
    ) -> Values {
        for node in graphs.nodes_of(graph) {
            if values.contains_key(&(node.uid, 0)) && matches!(graphs.op(node), Op::Parameter(_)) {
                continue;
            }
            let index = self.items.len();
            let operands: Vec<(usize, u32)> =
                node.operands.iter().filter_map(|value| values.get(value).copied()).collect();
            self.items.push(item(graphs, node, operands.clone(), kernel));
            let ports = node.types.len() as u32;
            for port in 0..ports {
                values.insert((node.uid, port), (index, port));
            }
            let merged = matches!(graphs.op(node), Op::Kernel(_) | Op::Call(_));
            for body in graphs.bodies(node) {
                let inputs: Vec<&NodeRecord> = graphs
                    .nodes_of(body)
                    .filter(|node| matches!(graphs.op(node), Op::Parameter(_)))
                    .collect();
                let mut given = Values::new();
                if merged {
                    let inputs = inputs.iter().map(|input| (input.uid, 0));
                    given.extend(inputs.zip(operands.iter().copied()));
                }
                let inner = self.add_graph(graphs, body, given, Some(index));
                if merged {
                    for (port, output) in (0..).zip(&body.outputs) {
                        if let Some(&value) = inner.get(&output.value) {
                            values.insert((node.uid, port), value);
                        }
                    }
                }
            }
            if merged {
                self.items[index].operands.clear();
            }
        }
        values
    }

    /// Names all nodes.
    pub(crate) fn name_all(&mut self) {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for item in &mut self.items {
            let base = base(item);
            let count = counts.entry(base.clone()).or_default();
            *count += 1;
            item.name = numbered(base, *count);
        }
    }

    /// Gives nodes the names of those that they are paired with, and all others new ones.
    pub(crate) fn name_like(&mut self, other: &Self, pairs: &[Option<usize>]) {
        let mut taken: HashSet<String> = other.items.iter().map(|item| item.name.clone()).collect();
        for (from, to) in pairs.iter().enumerate() {
            if let Some(to) = to {
                self.items[*to].name.clone_from(&other.items[from].name);
            }
        }
        let mut counts: HashMap<String, usize> = HashMap::new();
        for item in self.items.iter_mut().filter(|item| item.name.is_empty()) {
            let base = base(item);
            let count = counts.entry(base.clone()).or_default();
            item.name = loop {
                *count += 1;
                let name = numbered(base.clone(), *count);
                if taken.insert(name.clone()) {
                    break name;
                }
            };
        }
    }

    fn value(&self, (index, port): (usize, u32)) -> String {
        let name = &self.items[index].name;
        if port == 0 { name.clone() } else { format!("{name}.{port}") }
    }

    /// The node without its name: `add dense/matmul, %dense/bias : f32[2,5]`.
    pub(crate) fn text(&self, item: &Item) -> String {
        let operands: Vec<String> = item.operands.iter().map(|&value| self.value(value)).collect();
        let parts = [item.op.clone(), operands.join(", "), item.attributes.clone()];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        format!("{}: {}", parts.join(" "), item.types)
    }

    /// The name of the kernel that a node is in.
    pub(crate) fn place(&self, item: &Item) -> Option<String> {
        item.kernel.map(|kernel| self.items[kernel].name.clone())
    }

    /// What the graph returns.
    pub(crate) fn returned(&self) -> String {
        let output = |&(value, state): &((usize, u32), Option<usize>)| match state {
            Some(state) => format!("{} => {}", self.value(value), self.items[state].name),
            None => self.value(value),
        };
        self.outputs.iter().map(output).collect::<Vec<_>>().join(", ")
    }
}

fn numbered(base: String, count: usize) -> String {
    if count == 1 { base } else { format!("{base}#{count}") }
}

/// What the name of a node begins with.
fn base(item: &Item) -> String {
    if item.op.starts_with('%') {
        return item.op.clone();
    }
    let role = match item.role {
        Role::Forward => "",
        Role::Backward => "'",
        Role::Update => "\"",
    };
    match item.layer.as_str() {
        "" => format!("{}{role}", item.op),
        layer => format!("{layer}/{}{role}", item.op),
    }
}

fn item(
    graphs: &Graphs,
    node: &NodeRecord,
    operands: Vec<(usize, u32)>,
    kernel: Option<usize>,
) -> Item {
    let origin = graphs.origin(node);
    let (op, attributes) = match graphs.op(node) {
        Op::Kernel(kernel) => {
            let name = graphs.bodies(node).next().map_or("kernel", |body| &body.name);
            (name.to_owned(), format!("{} kernel", kernel.kind.name()))
        }
        Op::Parameter(parameter) => {
            let kind = match parameter.kind {
                ParameterKind::Data => "input",
                ParameterKind::State => "state",
            };
            (format!("%{}", parameter.name), kind.to_owned())
        }
        op => (op.name().to_owned(), attributes(op)),
    };
    let types: Vec<String> = graphs.types(node).map(ToString::to_string).collect();
    Item {
        uid: node.uid,
        layer: origin.layer.as_deref().unwrap_or_default().to_owned(),
        role: origin.role,
        op,
        attributes,
        types: types.join(", "),
        operands,
        kernel,
        name: String::new(),
    }
}

/// The longest value of an attribute that is shown whole.
const LONGEST: usize = 60;

/// The attributes of an op, sorted; long ones are cut.
fn attributes(op: &Op) -> String {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(op) else {
        return String::new();
    };
    let kept = fields.into_iter().filter(|(key, _)| key != "op" && key != "type");
    let field = |(key, value): (String, serde_json::Value)| {
        let value = match value {
            serde_json::Value::String(text) => text,
            value => value.to_string(),
        };
        match value.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{key}={}..", &value[..end]),
            None => format!("{key}={value}"),
        }
    };
    let fields: Vec<String> = kept.map(field).collect();
    if fields.is_empty() { String::new() } else { format!("{{{}}}", fields.join(", ")) }
}
