//! `brolga asm`: a kernel's code beside what it was made of.

use std::fmt::Write;

use brolga_codegen::{CodegenOptions, FunctionListing, VectorIsa};
use brolga_ir::text::Names;
use brolga_ir::{Graph, NodeId, Op};
use clap::Args;
use serde_json::{Value, json};

use crate::Report;
use crate::columns::place;
use crate::differentiate::Differentiate;
use crate::error::CliError;
use crate::native::kernels;
use crate::stage::{GraphStage, graphs_at};
use crate::streams::Streams;
use crate::subject::Subject;

/// Columns of the source.
const LEFT: usize = 36;
/// Columns of the machine code.
const RIGHT: usize = 42;

/// Show the machine code of a kernel beside its source, each instruction with its node and layer
///
/// The source is CLIF for stages and for tiles of 128 bits, and the tile program for tiles of AVX2
/// and AVX-512, which do not go through Cranelift. Lines that belong to no node are loops,
/// addresses and copies of the kernel as a whole.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga asm mlp dense                   all kernels of a layer
  brolga asm mlp dense.backward
  brolga asm mlp matmul_add_relu --isa avx2")]
pub(crate) struct Asm {
    #[command(flatten)]
    subject: Subject,
    /// A kernel: its name, its node (%6 or n12), its layer, or layer and role: dense.backward
    /// [default: all]
    #[arg(value_name = "KERNEL")]
    kernel: Option<String>,
    #[command(flatten)]
    differentiate: Differentiate,
    /// The vector instruction set, which this machine need not have [default: the widest it has]
    #[arg(long, value_name = "scalar|128|avx2|avx512")]
    isa: Option<VectorIsa>,
}

impl Asm {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let loaded = self.subject.load(streams)?;
        let stage = GraphStage::of(&loaded, &self.differentiate);
        let graphs = graphs_at(loaded, stage, &self.differentiate)?;
        let options = CodegenOptions { isa: self.isa };
        let isa = options.isa()?;
        let (mut text, mut documents, mut known) = (String::new(), vec![], vec![]);
        for graph in &graphs {
            let graph = kernels(graph)?;
            let names = Names::new(&graph);
            let mut shown = vec![];
            for id in graph.order() {
                let Op::Kernel(kernel) = &graph.node(id).op else { continue };
                known.push(format!("{} ({})", kernel.body.name(), path(&graph, id)));
                if !self.names(&graph, &names, id, kernel.body.name()) {
                    continue;
                }
                let functions = brolga_codegen::listings(&graph, id, &options)?;
                text.push_str(&kernel_text(&graph, &names, id, &kernel.body, &functions));
                shown.push(kernel_json(&graph, &names, id, &kernel.body, &functions));
            }
            documents.push(json!({ "name": graph.name(), "kernels": shown }));
        }
        if let (Some(name), true) = (&self.kernel, text.is_empty()) {
            let message = format!("there is no kernel `{name}`");
            known.dedup();
            return Err(CliError::argument(message, format!("there are {}", known.join(", "))));
        }
        let json = json!({ "isa": isa.name(), "graphs": documents });
        Ok(Report { text, json, holds: true })
    }

    fn names(&self, graph: &Graph, names: &Names<'_>, id: NodeId, kernel: &str) -> bool {
        let Some(wanted) = &self.kernel else { return true };
        let layer = graph.node(id).origin.layer.as_deref().unwrap_or_default();
        let results = graph.node(id).types.len() as u32;
        let results = (0..results).map(|port| names.of(brolga_ir::Value { node: id, port }));
        wanted == kernel
            || wanted == layer
            || *wanted == path(graph, id)
            || *wanted == graph.uid(id).to_string()
            || results.into_iter().any(|result| result == *wanted)
    }
}

/// Layer and role: `dense.backward`.
fn path(graph: &Graph, id: NodeId) -> String {
    let origin = &graph.node(id).origin;
    format!("{}.{}", origin.layer.as_deref().unwrap_or(graph.name()), origin.role.name())
}

/// The node of a body with this index.
fn node_of(body: &Graph, index: usize) -> Option<NodeId> {
    body.ids().find(|id| id.index() == index)
}

/// `n12 relu @dense`, as a node of a kernel's body.
fn node_text(body: &Graph, index: usize) -> String {
    let Some(id) = node_of(body, index) else { return String::new() };
    let node = body.node(id);
    format!("{} {} @{}", node.uid, node.op.name(), place(&node.origin))
}

fn kernel_text(
    graph: &Graph,
    names: &Names<'_>,
    id: NodeId,
    body: &Graph,
    functions: &[FunctionListing],
) -> String {
    let node = graph.node(id);
    let mut text = String::new();
    let _ = writeln!(
        text,
        "kernel {} of {}, {} ({})",
        body.name(),
        place(&node.origin),
        names.of(id),
        node.uid
    );
    for function in functions {
        let what = if function.is_tile { "tile" } else { "stage" };
        let _ = writeln!(text, "\n{what} {}", function.name);
        text.push_str(&listing_text(body, function));
    }
    text.push('\n');
    text
}

fn listing_text(body: &Graph, function: &FunctionListing) -> String {
    let listing = &function.listing;
    let mut text = String::new();
    let mut line = |left: &str, right: &str| {
        let (left, right) = (cut_end(left, LEFT), cut_end(right, RIGHT));
        let _ = writeln!(text, "{}", format!("{left:<LEFT$} │{right}").trim_end());
    };
    let (mut next, mut last, mut node) = (0, None, None);
    for instruction in &listing.instructions {
        let heading = |node: usize| format!("── {}", node_text(body, node));
        if let Some(source) = instruction.source.filter(|&source| Some(source) != last) {
            // What has no instructions of its own stands before the next line that has.
            for skipped in next..source {
                line(&listing.sources[skipped].text, "");
            }
            if instruction.node != node {
                node = instruction.node;
                line("", &node.map_or_else(|| "──".to_owned(), heading));
            }
            line(&listing.sources[source].text, &instruction.to_string());
            next = next.max(source + 1);
            last = Some(source);
        } else {
            line("", &instruction.to_string());
        }
    }
    for skipped in next..listing.sources.len() {
        line(&listing.sources[skipped].text, "");
    }
    text
}

/// The text with `…` for its end if it is too long.
fn cut_end(text: &str, width: usize) -> String {
    let text = text.replace('\t', " ");
    match text.char_indices().nth(width) {
        None => text,
        Some(_) => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}

pub(crate) fn kernel_json(
    graph: &Graph,
    names: &Names<'_>,
    id: NodeId,
    body: &Graph,
    functions: &[FunctionListing],
) -> Value {
    let node = |index: Option<usize>| {
        index.and_then(|index| node_of(body, index)).map(|id| body.uid(id).to_string())
    };
    let function = |function: &FunctionListing| {
        let sources = function.listing.sources.iter();
        let sources = sources.map(|line| json!({ "text": line.text, "node": node(line.node) }));
        let instructions = function.listing.instructions.iter().map(|line| {
            json!({
                "offset": line.offset,
                "text": line.text,
                "source": line.source,
                "node": node(line.node),
            })
        });
        json!({
            "name": function.name,
            "is_tile": function.is_tile,
            "sources": sources.collect::<Vec<_>>(),
            "instructions": instructions.collect::<Vec<_>>(),
        })
    };
    let inside = body.ids().filter(|&inner| !body.is_input(inner)).map(|inner| {
        let inner = body.node(inner);
        json!({
            "id": inner.uid.to_string(),
            "op": inner.op.name(),
            "layer": inner.origin.layer,
            "role": inner.origin.role,
        })
    });
    json!({
        "id": graph.uid(id).to_string(),
        "name": body.name(),
        "result": names.of(id),
        "place": path(graph, id),
        "nodes": inside.collect::<Vec<_>>(),
        "functions": functions.iter().map(function).collect::<Vec<_>>(),
    })
}
