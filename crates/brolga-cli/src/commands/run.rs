//! `brolga run`: evaluation of graphs.

use std::fmt::Write;

use brolga_codegen::VectorIsa;
use brolga_ir::text::Names;
use brolga_ir::{Data, Graph, Tensor, interpret};
use brolga_runtime::Options;
use clap::Args;
use serde_json::{Value, json};

use crate::Report;
use crate::differentiate::Differentiate;
use crate::error::CliError;
use crate::inputs::Inputs;
use crate::memory::MemoryLimit;
use crate::native::native;
use crate::numpy;
use crate::stage::{GraphStage, graphs_at};
use crate::statistics::hash;
use crate::streams::Streams;
use crate::subject::Subject;

/// Evaluate graphs and print their outputs
///
/// The interpreter computes, unless --native is given. Both give the same bits; --check proves it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga run dense.ir --input b=1 --check
  brolga run model.onnx --dim N=2 --native")]
pub(crate) struct Run {
    #[command(flatten)]
    subject: Subject,
    /// The stage whose graph is evaluated [default: grad of a training step, else traced]
    #[arg(long, value_enum)]
    stage: Option<GraphStage>,
    #[command(flatten)]
    differentiate: Differentiate,
    #[command(flatten)]
    inputs: Inputs,
    /// Optimize the graph, compile it and run the machine code
    #[arg(long)]
    native: bool,
    /// The number of threads that run machine code [default: as many as the process may use]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The vector instruction set of machine code [default: the widest that this machine has]
    #[arg(long, value_name = "scalar|128|avx2|avx512")]
    isa: Option<VectorIsa>,
    /// Run both and compare all bits; the exit code is 1 if any differ
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    memory: MemoryLimit,
}

impl Run {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        if self.threads.is_some() && !self.native && !self.check {
            let message = "the interpreter has one thread";
            return Err(CliError::argument(message, "--threads goes with --native or --check"));
        }
        if self.isa.is_some() && !self.native && !self.check {
            let message = "the interpreter has no instruction set";
            return Err(CliError::argument(message, "--isa goes with --native or --check"));
        }
        let mut loaded = self.subject.load(streams)?;
        let stored = loaded.take_stored()?;
        let stage = self.stage.unwrap_or_else(|| GraphStage::of(&loaded, &self.differentiate));
        let graphs = graphs_at(loaded, stage, &self.differentiate)?;
        self.inputs.check(&graphs)?;
        let mut options = Options { isa: self.isa, ..Options::default() };
        options.threads = self.threads.unwrap_or(options.threads);
        let mut report = Report { text: String::new(), json: json!({ "graphs": [] }), holds: true };
        let mut documents = vec![];
        for graph in &graphs {
            self.memory.check(graph)?;
            let inputs = self.inputs.of(graph, &stored)?;
            let interpreted = (!self.native || self.check).then(|| interpret(graph, &inputs));
            let interpreted = interpreted.transpose()?;
            let native = (self.native || self.check).then(|| native(graph, &inputs, &options));
            let native = native.transpose()?;
            let (backend, outputs) = match (&native, &interpreted) {
                (Some(outputs), _) if self.native => ("native", outputs),
                (_, Some(outputs)) => ("interpreter", outputs),
                _ => continue,
            };
            let _ = writeln!(report.text, "graph {} ({backend})", graph.name());
            report.text.push_str(&outputs_text(graph, outputs));
            let mut document = json!({
                "name": graph.name(),
                "backend": backend,
                "outputs": outputs_json(graph, outputs),
            });
            if let (Some(native), Some(interpreted)) = (&native, &interpreted) {
                let differences = differences(graph, interpreted, native);
                report.holds &= differences.is_empty();
                document["differences"] = json!(differences);
                match differences.as_slice() {
                    [] => report.text.push_str("check: native code gives the same bits\n"),
                    _ => differences.iter().for_each(|difference| {
                        let _ = writeln!(report.text, "check: {difference}");
                    }),
                }
            }
            documents.push(document);
        }
        report.json = json!({ "graphs": documents });
        Ok(report)
    }
}

/// The names of the outputs: `%3`, or `%3 => %w` for one that replaces a state.
fn names(graph: &Graph) -> Vec<String> {
    let names = Names::new(graph);
    let name = |output: &brolga_ir::Output| match output.replaces {
        Some(state) => format!("{} => {}", names.of(output.value), names.of(state)),
        None => names.of(output.value),
    };
    graph.outputs().iter().map(name).collect()
}

fn outputs_text(graph: &Graph, outputs: &[Tensor]) -> String {
    let mut text = String::new();
    for (name, tensor) in names(graph).iter().zip(outputs) {
        let _ = writeln!(text, "{name}: {}   checksum {}", tensor.ty(), hash(tensor));
        let _ = writeln!(text, "{}", numpy::text(tensor));
    }
    text
}

fn outputs_json(graph: &Graph, outputs: &[Tensor]) -> Vec<Value> {
    let named = Names::new(graph);
    let outputs = graph.outputs().iter().zip(outputs);
    let document = |(output, tensor): (&brolga_ir::Output, &Tensor)| {
        let values = (!numpy::is_summarised(tensor)).then(|| numbers(tensor.data()));
        json!({
            "name": named.of(output.value),
            "replaces": output.replaces.map(|state| named.of(state)),
            "type": tensor.ty(),
            "checksum": hash(tensor),
            "values": values,
        })
    };
    outputs.map(document).collect()
}

/// The elements in row-major order; `"nan"`, `"inf"` and `"-inf"` for floats that are no JSON
/// numbers.
fn numbers(data: &Data) -> Vec<Value> {
    let float = |x: f64| match x {
        x if x.is_finite() => json!(x),
        x if x.is_nan() => json!("nan"),
        x => json!(x.to_string()),
    };
    match data {
        Data::I64(v) => v.iter().map(|x| json!(x)).collect(),
        Data::I32(v) => v.iter().map(|x| json!(x)).collect(),
        Data::U8(v) => v.iter().map(|x| json!(x)).collect(),
        Data::Bool(v) => v.iter().map(|x| json!(x)).collect(),
        Data::F32(_) | Data::F64(_) | Data::BF16(_) | Data::F16(_) => {
            data.to_f64().into_iter().map(float).collect()
        }
    }
}

/// For each output whose bits are not the same: how many elements differ, and the first of them.
fn differences(graph: &Graph, interpreted: &[Tensor], native: &[Tensor]) -> Vec<String> {
    let difference = |(name, (a, b)): (String, (&Tensor, &Tensor))| {
        let (a_bits, b_bits) = (a.data().canonical_bits(), b.data().canonical_bits());
        let differing: Vec<usize> = (0..a_bits.len()).filter(|&i| a_bits[i] != b_bits[i]).collect();
        let &first = differing.first()?;
        let (a, b) = (a.data().to_f64()[first], b.data().to_f64()[first]);
        let (count, of) = (differing.len(), a_bits.len());
        Some(format!(
            "{name}: {count} of {of} elements differ; element {first} is {a:?} on the interpreter, {b:?} natively"
        ))
    };
    names(graph).into_iter().zip(interpreted.iter().zip(native)).filter_map(difference).collect()
}
