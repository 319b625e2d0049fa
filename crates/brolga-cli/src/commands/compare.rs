//! `brolga compare`: two stages of the compiler node by node.

use std::collections::HashMap;
use std::fmt::Write;

use brolga_codegen::VectorIsa;
use brolga_ir::{Data, Graph, Op, Origin, Tensor, Value as GraphValue};
use brolga_runtime::Options;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::Report;
use crate::columns::{cut, place, table};
use crate::differentiate::Differentiate;
use crate::error::CliError;
use crate::evaluation::{Key, evaluate};
use crate::inputs::Inputs;
use crate::memory::MemoryLimit;
use crate::native::{kernels, native};
use crate::stage::{GraphStage, graphs_at};
use crate::statistics::{short_number, ulps};
use crate::streams::Streams;
use crate::subject::Subject;
use crate::widen::{widen_tensor, widened};

/// Compare what two stages compute, node by node, the worst first
///
/// The unit is the last place: how many numbers of the element type lie between two, and 1. Stages
/// that are compared with f64 tell how far each node is from the exact result; all other pairs
/// should have the same bits.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga compare mlp --batch 2                               interpreter and machine code
  brolga compare mlp --batch 2 --stage grad --stage f64      how far rounding takes each node")]
pub(crate) struct Compare {
    #[command(flatten)]
    subject: Subject,
    /// The stages, given twice [default: grad and native]
    #[arg(long = "stage", value_enum, value_name = "STAGE")]
    stages: Vec<Compared>,
    #[command(flatten)]
    differentiate: Differentiate,
    #[command(flatten)]
    inputs: Inputs,
    /// The most units in the last place that nodes may differ; the exit code is 1 if one differs by
    /// more [default: any number if one stage is f64, else 0]
    #[arg(long, value_name = "N")]
    max_ulps: Option<u64>,
    /// How many nodes are shown
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// Of native: the number of threads [default: as many as the process may use]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Of native: the vector instruction set [default: the widest that this machine has]
    #[arg(long, value_name = "scalar|128|avx2|avx512")]
    isa: Option<VectorIsa>,
    #[command(flatten)]
    memory: MemoryLimit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Compared {
    /// The graph as traced, on the interpreter
    Traced,
    /// With gradients and updates, on the interpreter
    Grad,
    /// The graph of kernels, on the interpreter
    Optimized,
    /// Machine code: the results of all kernels
    Native,
    /// The graph as it comes, every float in double precision, on the interpreter
    F64,
}

impl Compared {
    fn name(self) -> &'static str {
        match self {
            Self::Traced => "traced",
            Self::Grad => "grad",
            Self::Optimized => "optimized",
            Self::Native => "native",
            Self::F64 => "f64",
        }
    }
}

/// What a stage computes.
struct Known {
    op: &'static str,
    origin: Origin,
    tensor: Tensor,
}

/// A node with its greatest distance.
struct Row {
    key: Key,
    op: &'static str,
    origin: Origin,
    ty: String,
    worst: u64,
    mean: f64,
    differing: usize,
    elements: usize,
    at: usize,
    values: [f64; 2],
}

impl Compare {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let stages = match self.stages[..] {
            [] => [Compared::Grad, Compared::Native],
            [a, b] => [a, b],
            _ => {
                let message = format!("two stages are compared, not {}", self.stages.len());
                return Err(CliError::argument(message, "give --stage twice"));
            }
        };
        let most = self.max_ulps.unwrap_or(match stages.contains(&Compared::F64) {
            true => u64::MAX,
            false => 0,
        });
        // A subject is loaded once: standard input is gone afterwards.
        let mut loaded = self.subject.load(streams)?;
        let stored = loaded.take_stored()?;
        let as_it_comes = GraphStage::of(&loaded, &self.differentiate);
        let earliest = match stages.contains(&Compared::Traced) {
            true => GraphStage::Traced,
            false => as_it_comes,
        };
        let base = graphs_at(loaded, earliest, &self.differentiate)?;
        self.inputs.check(&base)?;
        let (mut text, mut documents, mut holds) = (String::new(), vec![], true);
        for graph in &base {
            self.memory.check(graph)?;
            let inputs = self.inputs.of(graph, &stored)?;
            let known = self.values(graph, &inputs, stages[0])?;
            let mut rows = vec![];
            for (key, other) in self.values(graph, &inputs, stages[1])? {
                if let Some(own) = known.get(&key) {
                    rows.push(row(key, own, &other.tensor));
                }
            }
            rows.sort_by(|a, b| (b.worst, &a.key).cmp(&(a.worst, &b.key)));
            let (count, same) = (rows.len(), rows.iter().filter(|row| row.worst == 0).count());
            let [a, b] = stages.map(Compared::name);
            let _ = writeln!(
                text,
                "graph {}: {count} values of {a} and {b}, {same} with the same bits",
                graph.name()
            );
            let shown: Vec<&Row> = rows.iter().filter(|row| row.worst > 0).take(self.top).collect();
            if !shown.is_empty() {
                text.push_str(&rows_text(&shown, [a, b]));
            }
            if let Some(row) = rows.first().filter(|row| row.worst > most) {
                holds = false;
                let _ = writeln!(text, "{} differs by more than {most} ULP", row.key);
            }
            documents.push(json!({
                "name": graph.name(),
                "values": count,
                "same_bits": same,
                "nodes": rows.iter().map(Row::json).collect::<Vec<_>>(),
            }));
        }
        let stages = stages.map(Compared::name);
        let json = json!({ "stages": stages, "graphs": documents });
        Ok(Report { text, json, holds })
    }

    /// The values that a stage made from the graph computes.
    fn values(
        &self,
        graph: &Graph,
        inputs: &[Tensor],
        stage: Compared,
    ) -> Result<HashMap<Key, Known>, CliError> {
        match stage {
            Compared::Traced | Compared::Grad => Ok(interpreted(graph, inputs)),
            Compared::Optimized => Ok(interpreted(&kernels(graph)?, inputs)),
            Compared::F64 => {
                let wide = widened(graph).map_err(|mistake| {
                    CliError::argument(
                        format!("graph `{}` has no form in f64: {mistake}", graph.name()),
                        "compare other stages",
                    )
                })?;
                self.memory.check(&wide)?;
                let inputs: Vec<Tensor> = inputs.iter().map(widen_tensor).collect();
                Ok(interpreted(&wide, &inputs))
            }
            Compared::Native => self.native(graph, inputs),
        }
    }

    /// The results of all kernels, which become outputs for it.
    fn native(&self, graph: &Graph, inputs: &[Tensor]) -> Result<HashMap<Key, Known>, CliError> {
        let mut kernels = kernels(graph)?;
        let mut results = vec![];
        for id in kernels.order() {
            let Op::Kernel(kernel) = &kernels.node(id).op else { continue };
            let body = kernel.body.clone();
            for (port, output) in body.outputs().iter().enumerate() {
                let node = body.node(output.value.node);
                let key = Key { calls: vec![], node: node.uid, port: output.value.port };
                results.push((key, node.op.name(), node.origin.clone()));
                kernels.add_output(GraphValue { node: id, port: port as u32 });
            }
        }
        let mut options = Options { isa: self.isa, ..Options::default() };
        options.threads = self.threads.unwrap_or(options.threads);
        let outputs = native(&kernels, inputs, &options)?;
        let added = outputs.len() - results.len();
        let known = results.into_iter().zip(outputs.into_iter().skip(added));
        Ok(known.map(|((key, op, origin), tensor)| (key, Known { op, origin, tensor })).collect())
    }
}

fn interpreted(graph: &Graph, inputs: &[Tensor]) -> HashMap<Key, Known> {
    let mut values = HashMap::new();
    evaluate(graph, inputs, &mut |computed| {
        let node = computed.graph.node(computed.id);
        // Constants and inputs are the same everywhere.
        if matches!(node.op, Op::Parameter(_) | Op::Constant(_)) {
            return;
        }
        for (port, &tensor) in computed.results.iter().enumerate() {
            let (op, origin) = (node.op.name(), node.origin.clone());
            values.insert(computed.key(port), Known { op, origin, tensor: tensor.clone() });
        }
    });
    values
}

/// The distance of a node's elements, counted in the narrower of the two element types.
fn row(key: Key, own: &Known, other: &Tensor) -> Row {
    let narrow = |tensor: &Tensor, beside: &Tensor| {
        let dtype = beside.dtype();
        match tensor.dtype() != dtype && dtype.size() < tensor.dtype().size() {
            true => Data::from_f64(dtype, &tensor.data().to_f64()),
            false => tensor.data().clone(),
        }
    };
    let distances = ulps(&narrow(&own.tensor, other), &narrow(other, &own.tensor));
    let worst = distances.iter().copied().max().unwrap_or(0);
    let at = distances.iter().position(|&distance| distance == worst).unwrap_or(0);
    let element = |tensor: &Tensor| {
        if tensor.data().is_empty() { 0.0 } else { tensor.data().pick(&[at]).to_f64()[0] }
    };
    let sum: f64 = distances.iter().map(|&distance| distance as f64).sum();
    Row {
        key,
        op: own.op,
        origin: own.origin.clone(),
        ty: own.tensor.ty().to_string(),
        worst,
        mean: sum / distances.len().max(1) as f64,
        differing: distances.iter().filter(|&&distance| distance > 0).count(),
        elements: distances.len(),
        at,
        values: [element(&own.tensor), element(other)],
    }
}

impl Row {
    fn json(&self) -> Value {
        let number = |x: f64| if x.is_finite() { json!(x) } else { json!(x.to_string()) };
        json!({
            "id": self.key.to_string(),
            "op": self.op,
            "layer": self.origin.layer,
            "role": self.origin.role,
            "type": self.ty,
            "worst_ulps": self.worst,
            "mean_ulps": self.mean,
            "differing": self.differing,
            "elements": self.elements,
            "at": self.at,
            "values": self.values.map(number),
        })
    }
}

fn rows_text(rows: &[&Row], [a, b]: [&str; 2]) -> String {
    let cells = |row: &&Row| {
        let worst = match row.worst {
            u64::MAX => "NaN".to_owned(),
            worst if worst < 1_000_000 => worst.to_string(),
            worst => format!("{:.1e}", worst as f64),
        };
        vec![
            cut(&row.key.to_string(), 8),
            cut(row.op, 12),
            cut(&place(&row.origin), 17),
            worst,
            short_number(row.mean),
            format!("{:.0}%", 100.0 * row.differing as f64 / row.elements.max(1) as f64),
            short_number(row.values[0]),
            short_number(row.values[1]),
        ]
    };
    let heading = ["node", "op", "layer", "worst ULP", "mean", "differ", a, b];
    table(3, &heading, &rows.iter().map(cells).collect::<Vec<_>>())
}
