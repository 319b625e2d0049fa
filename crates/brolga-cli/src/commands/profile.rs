//! `brolga profile`: the time of a step by kernel and by thread.

use std::fmt::Write;

use brolga_codegen::VectorIsa;
use brolga_runtime::{Event, Options, Part, Profile as StepProfile, StageInfo};
use clap::Args;
use serde_json::{Value, json};

use crate::Report;
use crate::columns::{cut, table, threads_text};
use crate::differentiate::Differentiate;
use crate::error::CliError;
use crate::inputs::Inputs;
use crate::native::{Run, kernels};
use crate::stage::{GraphStage, graphs_at};
use crate::streams::Streams;
use crate::subject::Subject;

/// Run a number of steps and show where the time goes
///
/// --trace writes what each thread does when, in the trace event format, which Perfetto
/// (ui.perfetto.dev) and chrome://tracing open.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  brolga profile mnist_cnn --steps 50 --trace step.json")]
pub(crate) struct Profile {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    differentiate: Differentiate,
    #[command(flatten)]
    inputs: Inputs,
    /// How many steps are measured
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// How many steps run before
    #[arg(long, value_name = "N", default_value_t = 5)]
    warm_up: u32,
    /// A file for the trace of all measured steps
    #[arg(long, value_name = "FILE.json")]
    trace: Option<String>,
    /// The number of threads [default: as many as the process may use]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The vector instruction set [default: the widest that this machine has]
    #[arg(long, value_name = "scalar|128|avx2|avx512")]
    isa: Option<VectorIsa>,
}

impl Profile {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let mut loaded = self.subject.load(streams)?;
        let stored = loaded.take_stored()?;
        let stage = GraphStage::of(&loaded, &self.differentiate);
        let graphs = graphs_at(loaded, stage, &self.differentiate)?;
        self.inputs.check(&graphs)?;
        let mut options = Options { isa: self.isa, profile: true, ..Options::default() };
        options.threads = self.threads.unwrap_or(options.threads);
        let (mut text, mut documents, mut trace) = (String::new(), vec![], vec![]);
        for (process, graph) in graphs.iter().enumerate() {
            let kernels = kernels(graph)?;
            let inputs = self.inputs.of(graph, &stored)?;
            let mut run = Run::new(&kernels, &inputs, &options, self.trace.is_some(), self.steps)?;
            run.steps(self.warm_up, self.steps)?;
            text.push_str(&profile_text(&run.profile));
            trace.extend(trace_events(process, graph.name(), &run.events, &run.stages));
            let mut document = json!(run.profile);
            document["events"] = json!(run.events.len());
            documents.push(document);
        }
        if let Some(path) = &self.trace {
            let document = json!({ "traceEvents": trace, "displayTimeUnit": "ns" });
            brolga_nn::files::replace(path.as_ref(), document.to_string().as_bytes())?;
            let _ = writeln!(text, "trace: {} events in {path}", trace.len());
        }
        let json = json!({ "graphs": documents });
        Ok(Report { text, json, holds: true })
    }
}

fn profile_text(profile: &StepProfile) -> String {
    let micros = |ns: u64| ns as f64 / 1e3 / profile.steps.max(1) as f64;
    let mut text = format!(
        "{}: {} steps of {:.1} µs on {}, of which {:.1} µs waiting\n",
        profile.graph,
        profile.steps,
        micros(profile.time_ns),
        threads_text(profile.threads),
        micros(profile.waiting_ns) / profile.threads as f64,
    );
    let mut kernels: Vec<_> = profile.kernels.iter().collect();
    kernels.sort_by_key(|kernel| std::cmp::Reverse(kernel.time_ns));
    let row = |kernel: &&brolga_runtime::KernelProfile| {
        let layer = if kernel.layer.is_empty() { "-" } else { &kernel.layer };
        let time = kernel.time_ns as f64 / kernel.calls.max(1) as f64;
        let rate =
            |amount: f64| if time > 0.0 { format!("{:.1}", amount / time) } else { "-".to_owned() };
        vec![
            cut(&kernel.name, 26),
            cut(layer, 16),
            kernel.role.name().to_owned(),
            format!("{:.1}", micros(kernel.time_ns)),
            format!("{:.1}", 100.0 * kernel.share),
            rate(kernel.flops as f64),
            rate(kernel.bytes as f64),
        ]
    };
    let heading = ["kernel", "layer", "role", "µs", "%", "GFLOP/s", "GB/s"];
    text.push_str(&table(3, &heading, &kernels.iter().map(row).collect::<Vec<_>>()));
    text
}

/// Events in the trace event format of Chrome: times in microseconds, a process for each graph.
fn trace_events(process: usize, graph: &str, events: &[Event], stages: &[StageInfo]) -> Vec<Value> {
    let name = |name: &str, thread: Option<usize>, value: &str| {
        let mut event =
            json!({ "name": name, "ph": "M", "pid": process, "args": { "name": value } });
        if let Some(thread) = thread {
            event["tid"] = json!(thread);
        }
        event
    };
    let threads = events.iter().map(|event| event.thread).max().map_or(0, |thread| thread + 1);
    let mut all = vec![name("process_name", None, graph)];
    all.extend((0..threads).map(|t| name("thread_name", Some(t), &format!("thread {t}"))));
    for event in events {
        let (title, category, args) = match event.part {
            Part::Step => (graph.to_owned(), "step", json!({})),
            Part::Feed => ("feed".to_owned(), "feed", json!({})),
            Part::Stage(index) => match stages.get(index) {
                None => continue,
                Some(stage) => {
                    let place = match stage.layer.as_str() {
                        "" => stage.role.name().to_owned(),
                        layer => format!("{layer}.{}", stage.role.name()),
                    };
                    let args = json!({
                        "kernel": stage.kernel,
                        "stage": stage.stage,
                        "layer": stage.layer,
                        "role": stage.role,
                        "node": stage.node.map(|node| node.to_string()),
                    });
                    (format!("{place} {}", stage.kernel), stage.role.name(), args)
                }
            },
        };
        all.push(json!({
            "name": title,
            "cat": category,
            "ph": "X",
            "ts": event.start_ns as f64 / 1e3,
            "dur": event.duration_ns as f64 / 1e3,
            "pid": process,
            "tid": event.thread,
            "args": args,
        }));
    }
    all
}
