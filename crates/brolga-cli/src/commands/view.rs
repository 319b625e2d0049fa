//! `brolga view`: a page with every stage of a program.

use std::collections::HashMap;

use brolga_codegen::{CodegenOptions, VectorIsa};
use brolga_ir::ops::ParameterKind;
use brolga_ir::text::Names;
use brolga_ir::{Graph, NodeId, Op, Tensor, TextOptions, Uid};
use brolga_nn::Kind;
use brolga_passes::{Changed, Dump, PassManager, pipeline};
use brolga_record::ValuesRecord;
use brolga_runtime::{Options, Part, Profile};
use clap::Args;
use serde_json::{Value, json};

use crate::Report;
use crate::commands::asm::kernel_json;
use crate::commands::mem::plan;
use crate::differentiate::Differentiate;
use crate::error::CliError;
use crate::evaluation::{Key, evaluate};
use crate::inputs::Inputs;
use crate::memory::MemoryLimit;
use crate::native::Run;
use crate::page::{VERSION, page};
use crate::stage::{GraphStage, graphs_at};
use crate::statistics::Statistics;
use crate::streams::Streams;
use crate::subject::{Loaded, Subject};

/// The most characters of a node's text.
const TEXT: usize = 600;
/// Steps of the timeline, and steps before them.
const STEPS: u32 = 3;
const WARM_UP: u32 = 5;

/// Write a page that shows every stage of a program in a browser
///
/// The page is one file that loads nothing: graphs of all stages with layers that open and close,
/// before and after of each pass side by side, search, a page for each node with its source,
/// values, time and code, the memory plan, and a timeline.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga view mnist_cnn                      writes mnist_cnn.html
  brolga view mlp --batch 4 --values --time -o mlp.html")]
pub(crate) struct View {
    #[command(flatten)]
    subject: Subject,
    /// The file [default: the subject's name, with .html]
    #[arg(long, short, value_name = "FILE.html")]
    output: Option<String>,
    #[command(flatten)]
    differentiate: Differentiate,
    /// Compute the values of all nodes on the interpreter, for their pages
    #[arg(long)]
    values: bool,
    /// Run some steps, for times and the timeline
    #[arg(long)]
    time: bool,
    /// The most lines of code; kernels beyond them have none in the page
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    code_lines: usize,
    #[command(flatten)]
    inputs: Inputs,
    /// The number of threads [default: as many as the process may use]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The vector instruction set [default: the widest that this machine has]
    #[arg(long, value_name = "scalar|128|avx2|avx512")]
    isa: Option<VectorIsa>,
    #[command(flatten)]
    memory: MemoryLimit,
}

/// Nodes as the page has them. Equal nodes of several stages are one record.
#[derive(Default)]
struct Records {
    list: Vec<Value>,
    known: HashMap<String, usize>,
}

impl View {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let mut loaded = self.subject.load(streams)?;
        let stored = loaded.take_stored()?;
        let recorded = match &loaded {
            Loaded::Recorded(program) => (program.values.clone(), program.profile.clone()),
            _ => (vec![], None),
        };
        // Of a training step, the loss comes before its gradients.
        let mut traced = vec![];
        if let Loaded::Program { model, kind: Kind::Train, batch } = &mut loaded {
            traced.push(model.trace_loss(*batch)?);
        }
        let stage = GraphStage::of(&loaded, &self.differentiate);
        let graphs = graphs_at(loaded, stage, &self.differentiate)?;
        self.inputs.check(&graphs)?;
        let (mut documents, mut omitted) = (vec![], 0);
        for graph in &graphs {
            let before = traced.first().filter(|_| graphs.len() == 1);
            let (mut document, left_out) =
                self.document(graph, before, stage, &self.inputs.of(graph, &stored)?)?;
            add_recorded(&mut document, &recorded.0, recorded.1.as_ref());
            documents.push(document);
            omitted += left_out;
        }
        let data = json!({ "version": VERSION, "title": self.subject.name(), "graphs": documents });
        let page = page(&data)?;
        let path = self.output.clone().unwrap_or_else(|| {
            let name = self.subject.name().rsplit('/').next().unwrap_or_default();
            format!("{}.html", name.trim_matches(['<', '>']))
        });
        brolga_nn::files::replace(path.as_ref(), page.as_bytes())?;
        let size = brolga_memory::bytes(page.len());
        let mut text = format!("{path}: {size}, to be opened in a browser\n");
        if omitted > 0 {
            text += &format!(
                "{omitted} kernels have no code in it: more than {} lines (--code-lines)\n",
                self.code_lines
            );
        }
        let json = json!({
            "file": path,
            "bytes": page.len(),
            "kernels_without_code": omitted,
        });
        Ok(Report { text, json, holds: true })
    }

    /// What the page shows of a graph, and how many kernels have no code in it.
    fn document(
        &self,
        graph: &Graph,
        traced: Option<&Graph>,
        stage: GraphStage,
        inputs: &[Tensor],
    ) -> Result<(Value, usize), CliError> {
        let mut records = Records::default();
        let mut stages = vec![];
        if let Some(traced) = traced {
            stages.push(records.stage(traced, "traced", None));
        }
        stages.push(records.stage(graph, stage.name(), None));
        let mut after: Vec<(String, Graph)> = vec![];
        let mut kernels = graph.clone();
        let report = PassManager::new(pipeline())
            .dump(Dump::Changed, |pass, graph| after.push((pass.to_owned(), graph.clone())))
            .run(&mut kernels)?;
        // A pass that runs twice has its rewrites one after the other.
        let mut rewrites = report.rewrites.iter();
        let mut of_passes: Vec<Vec<Value>> = vec![];
        for pass in &report.passes {
            let own = rewrites.by_ref().take(pass.rewrites).map(|rewrite| {
                let node = rewrite.node.uid.to_string();
                json!({ "rule": rewrite.rule.name, "node": node, "op": rewrite.node.op })
            });
            let own: Vec<Value> = own.collect();
            if pass.changed == Changed::Yes {
                of_passes.push(own);
            }
        }
        for ((pass, graph), rewrites) in after.iter().zip(of_passes) {
            stages.push(records.stage(graph, pass, Some(rewrites)));
        }
        let mut options = Options { isa: self.isa, ..Options::default() };
        options.threads = self.threads.unwrap_or(options.threads);
        let memory = plan(&kernels, &options)?.json();
        let (code, omitted) = self.code(&kernels)?;
        let (times, events, timed) = self.times(&kernels, inputs, &options)?;
        let document = json!({
            "name": graph.name(),
            "records": records.list,
            "stages": stages,
            "memory": memory,
            "code": code,
            "values": self.statistics(&kernels, graph, inputs)?,
            "times": times,
            "events": events,
            "kernels": timed,
        });
        Ok((document, omitted))
    }

    /// The code of each kernel by its identity.
    fn code(&self, kernels: &Graph) -> Result<(Value, usize), CliError> {
        let options = CodegenOptions { isa: self.isa };
        let names = Names::new(kernels);
        let (mut code, mut lines, mut omitted) = (serde_json::Map::new(), 0, 0);
        for id in kernels.order() {
            let Op::Kernel(kernel) = &kernels.node(id).op else { continue };
            if lines > self.code_lines {
                omitted += 1;
                continue;
            }
            let functions = brolga_codegen::listings(kernels, id, &options)?;
            lines += functions.iter().map(|each| each.listing.instructions.len()).sum::<usize>();
            if lines > self.code_lines {
                omitted += 1;
                continue;
            }
            let document = kernel_json(kernels, &names, id, &kernel.body, &functions);
            code.insert(kernels.uid(id).to_string(), document);
        }
        Ok((Value::Object(code), omitted))
    }

    /// The statistics of every node of both graphs by its identity.
    fn statistics(
        &self,
        kernels: &Graph,
        graph: &Graph,
        inputs: &[Tensor],
    ) -> Result<Value, CliError> {
        let mut values = serde_json::Map::new();
        if self.values {
            for graph in [kernels, graph] {
                self.memory.check(graph)?;
                evaluate(graph, inputs, &mut |computed| {
                    for (port, tensor) in computed.results.iter().enumerate() {
                        let key = computed.key(port).to_string();
                        values.insert(key, Statistics::of(tensor).json());
                    }
                });
            }
        }
        Ok(Value::Object(values))
    }

    /// The times of kernels by their identity, the events of some steps, and the stages that they
    /// name.
    fn times(
        &self,
        kernels: &Graph,
        inputs: &[Tensor],
        options: &Options,
    ) -> Result<(Value, Vec<Value>, Vec<Value>), CliError> {
        if !self.time {
            return Ok((json!({}), vec![], vec![]));
        }
        let mut run = Run::new(kernels, inputs, options, true, STEPS)?;
        run.steps(WARM_UP, STEPS)?;
        let event = |event: &brolga_runtime::Event| match event.part {
            Part::Stage(stage) => {
                Some(json!([event.thread, stage, event.start_ns, event.duration_ns]))
            }
            Part::Step | Part::Feed => None,
        };
        let events = run.events.iter().filter_map(event).collect();
        let stage = |stage: &brolga_runtime::StageInfo| {
            json!({
                "name": stage.kernel,
                "layer": stage.layer,
                "role": stage.role,
                "node": stage.node.map(|node: Uid| node.to_string()),
            })
        };
        Ok((times_json(&run.profile), events, run.stages.iter().map(stage).collect()))
    }
}

/// Adds what a record has of values and times, unless they have been computed anew.
fn add_recorded(document: &mut Value, values: &[ValuesRecord], profile: Option<&Profile>) {
    let is_empty = |part: &Value| part.as_object().is_none_or(serde_json::Map::is_empty);
    if is_empty(&document["values"]) {
        for value in values.iter().flat_map(|values| &values.values) {
            let key = Key { calls: vec![], node: value.node, port: value.port };
            let mut entry = json!({ "hash": value.checksum });
            if let Some(statistics) = &value.statistics {
                entry["min"] = json!(statistics.min);
                entry["max"] = json!(statistics.max);
                entry["mean"] = json!(statistics.mean);
                entry["nan"] = json!(statistics.nans);
                entry["infinities"] = json!(statistics.infinities);
            }
            document["values"][key.to_string()] = entry;
        }
    }
    if let Some(profile) = profile.filter(|_| is_empty(&document["times"])) {
        document["times"] = times_json(profile);
    }
}

/// The times of kernels by their identity.
fn times_json(profile: &Profile) -> Value {
    let mut times = serde_json::Map::new();
    for kernel in &profile.kernels {
        let Some(node) = kernel.node else { continue };
        let document = json!({
            "micros": kernel.time_ns as f64 / 1e3 / kernel.calls.max(1) as f64,
            "share": kernel.share,
            "flops": kernel.flops,
            "gflops": kernel.gflops,
            "bytes": kernel.bytes,
        });
        times.insert(node.to_string(), document);
    }
    Value::Object(times)
}

impl Records {
    /// A stage: the indices of its inputs and nodes.
    fn stage(&mut self, graph: &Graph, name: &str, rewrites: Option<Vec<Value>>) -> Value {
        let inputs: Vec<usize> =
            graph.inputs().iter().filter_map(|&id| self.input(graph, id)).collect();
        json!({
            "name": name,
            "inputs": inputs,
            "nodes": self.nodes(graph),
            "rewrites": rewrites,
        })
    }

    fn nodes(&mut self, graph: &Graph) -> Vec<usize> {
        let options = TextOptions { ids: true, ..TextOptions::default() };
        let names = Names::with(graph, &options);
        let listing = names.listing().to_vec();
        listing.into_iter().map(|id| self.node(graph, &names, id, &options)).collect()
    }

    fn input(&mut self, graph: &Graph, id: NodeId) -> Option<usize> {
        let parameter = graph.parameter(id)?;
        let node = graph.node(id);
        let is_state = parameter.kind == ParameterKind::State;
        Some(self.add(json!({
            "id": node.uid.to_string(),
            "op": if is_state { "state" } else { "input" },
            "name": parameter.name,
            "text": format!("%{}: {}", parameter.name, parameter.ty),
            "types": [parameter.ty],
            "layer": node.origin.layer,
            "role": node.origin.role,
            "operands": [],
        })))
    }

    fn node(
        &mut self,
        graph: &Graph,
        names: &Names<'_>,
        id: NodeId,
        options: &TextOptions,
    ) -> usize {
        let node = graph.node(id);
        let operands = graph.operands(id);
        let operand =
            |value: &brolga_ir::Value| json!([graph.uid(value.node).to_string(), value.port]);
        let text = graph.node_text(names, id, options);
        let mut record = json!({
            "id": node.uid.to_string(),
            "op": node.op.name(),
            "name": node.op.bodies().first().map(|body| body.name()),
            "text": text.chars().take(TEXT).collect::<String>(),
            "types": node.types.as_slice(),
            "layer": node.origin.layer,
            "role": node.origin.role,
            "source": node.origin.location.as_ref().map(|at| format!("{}:{}", at.file, at.line)),
            "operands": operands.iter().map(operand).collect::<Vec<_>>(),
        });
        if let Op::Kernel(kernel) = &node.op {
            let body = &kernel.body;
            let inputs: Vec<String> =
                body.inputs().iter().map(|&input| body.uid(input).to_string()).collect();
            record["body_inputs"] = json!(inputs);
            record["body"] = json!(self.nodes(body));
        }
        self.add(record)
    }

    fn add(&mut self, record: Value) -> usize {
        let next = self.list.len();
        let index = *self.known.entry(record.to_string()).or_insert(next);
        if index == next {
            self.list.push(record);
        }
        index
    }
}
