//! `brolga values`: what every node of a step computes.

use std::collections::HashMap;
use std::fmt::Write;

use brolga_ir::text::Names;
use brolga_ir::{Graph, NodeId, Op, Role, Tensor, TextOptions, Value as GraphValue};
use clap::Args;
use serde_json::{Value, json};

use crate::Report;
use crate::columns::{cut, place, table};
use crate::differentiate::Differentiate;
use crate::error::CliError;
use crate::evaluation::{Computed, evaluate};
use crate::filter::Filter;
use crate::inputs::Inputs;
use crate::memory::MemoryLimit;
use crate::stage::{GraphStage, graphs_at};
use crate::statistics::{Statistics, short_number};
use crate::streams::Streams;
use crate::subject::Subject;

/// The schema of its document.
pub(crate) const SCHEMA: &str = "brolga.values/1";

/// Show what nodes compute: range, mean, NaNs, a histogram, a hash of the bits
///
/// The interpreter computes; machine code gives the same bits.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga values mlp --layer dense              every node of a layer, in a table
  brolga values mlp %12                        one node, with a histogram
  brolga values mlp --json > a.json            hashes of all nodes, for
  brolga values mlp --against a.json           which names the first that differs")]
pub(crate) struct Values {
    #[command(flatten)]
    subject: Subject,
    /// Nodes by the names of the text, %12, or by their identities, %n12, which nodes in kernels
    /// have too [default: a table of all]
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
    /// The stage whose graph is evaluated [default: grad of a training step, else traced]
    #[arg(long, value_enum)]
    stage: Option<GraphStage>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    differentiate: Differentiate,
    #[command(flatten)]
    inputs: Inputs,
    /// A document of this command, of another run, machine or version: the first node whose bits
    /// differ is named, and the exit code is then 1
    #[arg(long, value_name = "FILE.json")]
    against: Option<String>,
    #[command(flatten)]
    memory: MemoryLimit,
}

/// A node's result.
struct Row {
    /// Its identity: `n12`.
    id: String,
    /// Its name in the text: `%12`; inside of kernels and functions its identity.
    name: String,
    op: String,
    place: String,
    layer: Option<String>,
    role: Role,
    ty: String,
    statistics: Statistics,
    /// Whether all elements of the operands are finite numbers.
    finite_operands: bool,
    /// Whether the node itself holds no other nodes, so that it is the one that computes.
    innermost: bool,
    /// Whether the filter keeps it.
    kept: bool,
    /// The node in the form of the text.
    text: String,
}

impl Values {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let mut loaded = self.subject.load(streams)?;
        let stored = loaded.take_stored()?;
        let stage = self.stage.unwrap_or_else(|| GraphStage::of(&loaded, &self.differentiate));
        let graphs = graphs_at(loaded, stage, &self.differentiate)?;
        self.inputs.check(&graphs)?;
        graphs.iter().try_for_each(|graph| self.filter.check(graph))?;
        let (mut text, mut documents, mut missing) = (String::new(), vec![], self.nodes.clone());
        for graph in &graphs {
            self.memory.check(graph)?;
            let rows = rows(graph, &self.inputs.of(graph, &stored)?, &self.filter);
            let first = first_not_finite(&rows);
            let shown: Vec<&Row> = rows.iter().filter(|row| self.shows(row)).collect();
            missing.retain(|name| !rows.iter().any(|row| is_named(row, name)));
            let _ = writeln!(text, "graph {} ({})", graph.name(), stage.name());
            if self.nodes.is_empty() {
                text.push_str(&rows_text(&shown));
                match first {
                    Some(row) => {
                        let _ = writeln!(
                            text,
                            "first NaN or infinity of finite operands: {}",
                            row.text
                        );
                    }
                    None => {
                        text.push_str("no node makes a NaN or an infinity of finite operands\n")
                    }
                }
            } else {
                for row in &shown {
                    let _ = writeln!(text, "{}: {}", row.id, row.text);
                    text.push_str(&row.statistics.text());
                }
            }
            documents.push(json!({
                "name": graph.name(),
                "stage": stage.name(),
                "nodes": shown.iter().map(|row| row.json()).collect::<Vec<_>>(),
                "first_not_finite": first.map(|row| &row.id),
            }));
        }
        if let Some(name) = missing.first() {
            let message = format!("there is no node `{name}`");
            let help = "nodes are named as `brolga dump --stage` of the same stage names them, or \
                        by identity, %n12; --stage chooses the graph";
            return Err(CliError::argument(message, help));
        }
        let json = json!({ "graphs": documents });
        match &self.against {
            Some(path) => against(path, &json),
            None => Ok(Report { text, json, holds: true }),
        }
    }

    fn shows(&self, row: &Row) -> bool {
        row.kept && (self.nodes.is_empty() || self.nodes.iter().any(|name| is_named(row, name)))
    }
}

fn is_named(row: &Row, name: &str) -> bool {
    let name = name.trim_start_matches('%');
    row.name.trim_start_matches('%') == name || row.id == name
}

impl Row {
    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "op": self.op,
            "layer": self.layer,
            "role": self.role,
            "type": self.ty,
            "statistics": self.statistics.json(),
        })
    }
}

fn rows(graph: &Graph, inputs: &[Tensor], filter: &Filter) -> Vec<Row> {
    let mut rows = vec![];
    let names = Names::new(graph);
    // A kernel's results are those of nodes inside of it, which have been seen; a node of its own
    // it is at the top level alone.
    evaluate(graph, inputs, &mut |computed: &Computed<'_>| {
        let node = computed.graph.node(computed.id);
        let is_finite = |tensor: &&Tensor| tensor.data().to_f64().iter().all(|x| x.is_finite());
        let finite_operands = computed.operands.iter().all(is_finite);
        for (port, tensor) in computed.results.iter().enumerate() {
            let id = computed.key(port).to_string();
            let value = GraphValue { node: computed.id, port: port as u32 };
            let name = if computed.inside { format!("%{id}") } else { names.of(value) };
            let text = node_text(computed.graph, computed.id, computed.inside);
            rows.push(Row {
                id,
                name,
                op: node.op.name().to_owned(),
                place: place(&node.origin),
                layer: node.origin.layer.as_deref().map(str::to_owned),
                role: node.origin.role,
                ty: node.types[port].to_string(),
                statistics: Statistics::of(tensor),
                finite_operands,
                innermost: node.op.bodies().is_empty(),
                kept: filter.is_empty() || filter.keeps(computed.graph, computed.id),
                text,
            });
        }
    });
    rows
}

/// The first line of the node's text.
fn node_text(graph: &Graph, id: NodeId, inside: bool) -> String {
    match &graph.node(id).op {
        Op::Parameter(parameter) => format!("%{}: {}", parameter.name, parameter.ty),
        _ => {
            let options = TextOptions { ids: inside, ..TextOptions::default() };
            let text = graph.node_text(&Names::with(graph, &options), id, &options);
            let mut lines = text.lines();
            let first = lines.next().unwrap_or_default().to_owned();
            if lines.next().is_some() { format!("{first}…)") } else { first }
        }
    }
}

/// The first node that makes a NaN or an infinity of finite operands, or an input that has one.
fn first_not_finite(rows: &[Row]) -> Option<&Row> {
    let makes =
        |row: &&Row| row.innermost && row.finite_operands && row.statistics.not_finite() > 0;
    rows.iter().find(makes)
}

fn rows_text(rows: &[&Row]) -> String {
    let cells = |row: &&Row| {
        let Statistics { range, mean, nan, .. } = row.statistics;
        let number = |x: Option<f64>| x.map_or_else(|| "-".to_owned(), short_number);
        let infinite = row.statistics.not_finite() - nan;
        vec![
            cut(&row.name, 10),
            cut(&row.op, 11),
            cut(&row.place, 13),
            number(range.map(|(low, _)| low)),
            number(range.map(|(_, high)| high)),
            number(range.map(|_| mean)),
            if nan + infinite == 0 { "-".to_owned() } else { format!("{nan}/{infinite}") },
        ]
    };
    let heading = ["node", "op", "layer", "min", "max", "mean", "NaN/inf"];
    table(3, &heading, &rows.iter().map(cells).collect::<Vec<_>>())
}

/// Compares a document with one that was saved.
fn against(path: &str, new: &Value) -> Result<Report, CliError> {
    let read = |error| CliError::Read { path: path.to_owned(), error };
    let bytes = brolga_memory::read(path).map_err(read)?;
    let old: Value = serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("`{path}` is no document of `brolga values`: {error}");
        CliError::argument(message, "write one with brolga values SUBJECT --json")
    })?;
    if old["schema"] != json!(SCHEMA) || !old["graphs"].is_array() {
        let message = format!("`{path}` is no document `{SCHEMA}`");
        let help = "write one with brolga values SUBJECT --json";
        return Err(CliError::argument(message, help));
    }
    let difference = first_difference(&old, new);
    let (text, json) = match &difference.first {
        None => {
            let text = format!("{} values, all with the same bits\n", difference.equal);
            (text, json!({ "equal": difference.equal, "first": null }))
        }
        Some((graph, node, why)) => {
            let mut text = String::new();
            let of = node["layer"].as_str().map(|layer| format!(" of {layer}"));
            let _ = writeln!(
                text,
                "the first node that differs, after {} with the same bits:\ngraph {graph}, {} ({}), `{}`{} ({}): {why}",
                difference.equal,
                node["name"].as_str().unwrap_or_default(),
                node["id"].as_str().unwrap_or_default(),
                node["op"].as_str().unwrap_or_default(),
                of.unwrap_or_default(),
                node["role"].as_str().unwrap_or_default(),
            );
            let first = json!({ "graph": graph, "node": node, "why": why });
            (text, json!({ "equal": difference.equal, "first": first }))
        }
    };
    Ok(Report { text, json, holds: difference.first.is_none() })
}

/// What differs between two documents of values.
pub(crate) struct Difference {
    /// How many values before it have the same bits.
    pub(crate) equal: usize,
    /// The graph and the node, and what differs.
    pub(crate) first: Option<(String, Value, String)>,
}

/// The first node, in the order of the step, whose bits are not those of the node of the same
/// identity in the other document.
pub(crate) fn first_difference(old: &Value, new: &Value) -> Difference {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut equal = 0;
    let graphs = list(&old["graphs"]);
    for graph in list(&new["graphs"]) {
        let name = word(&graph["name"]);
        let other = graphs.iter().find(|other| other["name"] == graph["name"]);
        let nodes = other.map(|other| list(&other["nodes"])).unwrap_or_default();
        let mut known: HashMap<String, &Value> =
            nodes.iter().map(|node| (word(&node["id"]), node)).collect();
        for node in list(&graph["nodes"]) {
            let Some(before) = known.remove(&word(&node["id"])) else {
                return Difference {
                    equal,
                    first: Some((name, node, "only one has it".to_owned())),
                };
            };
            let why = ["op", "type"].into_iter().find(|&what| before[what] != node[what]);
            let why = why.map(|what| format!("its {what} was {}", word(&before[what])));
            let hash = |node: &Value| word(&node["statistics"]["hash"]);
            let why = why.or_else(|| {
                let differs = hash(before) != hash(&node);
                differs.then(|| format!("hash {} was {}", hash(&node), hash(before)))
            });
            if let Some(why) = why {
                return Difference { equal, first: Some((name, node, why)) };
            }
            equal += 1;
        }
        if let Some(node) = nodes.iter().find(|node| known.contains_key(&word(&node["id"]))) {
            let first = Some((name, node.clone(), "only the other has it".to_owned()));
            return Difference { equal, first };
        }
    }
    Difference { equal, first: None }
}
