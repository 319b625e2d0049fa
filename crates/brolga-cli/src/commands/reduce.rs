//! `brolga reduce`: a small graph that fails like a large one.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use brolga_ir::Graph;
use brolga_ir::interpret::bytes_needed;
use brolga_passes::{
    PassManager, Sample, optimize, passes_by_name, pipeline, sample_inputs, shrink,
};
use brolga_runtime::Options;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::Report;
use crate::error::CliError;
use crate::memory::MemoryLimit;
use crate::native::native_outputs;
use crate::streams::Streams;
use crate::subject::Subject;

/// Shrink a graph to a minimal text that still fails
///
/// It fails if a check that is built in finds a fault, or if a command, which reads the text on its
/// standard input, ends with the exit code with which it ends for the whole graph.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga reduce wrong.ir --check passes
  brolga reduce wrong.ir --command 'brolga opt - --passes my_pass --check-each-pass'")]
pub(crate) struct Reduce {
    #[command(flatten)]
    subject: Subject,
    /// What fails
    #[arg(long, value_enum, default_value = "passes", value_name = "CHECK")]
    check: Check,
    /// A command for the shell that fails for the text on its standard input
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["check", "passes"])]
    command: Option<String>,
    /// With --check passes: the passes in this order, separated by commas [default: the whole
    /// pipeline]
    #[arg(long, value_name = "A,B")]
    passes: Option<String>,
    /// The most seconds that it takes
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    #[command(flatten)]
    memory: MemoryLimit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Check {
    /// A pass fails, leaves a graph that is not valid, or changes bits on the interpreter
    Passes,
    /// Native code gives other bits than the interpreter, or cannot be made
    Native,
}

impl Reduce {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let mut graphs = self.subject.graphs(streams)?;
        let (Some(graph), []) = (graphs.pop(), graphs.as_slice()) else {
            let message = format!("`{}` has several graphs", self.subject.name());
            return Err(CliError::argument(message, "choose one by --program"));
        };
        self.memory.check(&graph)?;
        if let Some(names) = &self.passes {
            passes_by_name(names)?;
        }
        let Some(failure) = self.failure(&graph) else {
            let message = format!("graph `{}` does not fail", graph.name());
            return Err(CliError::argument(message, "there is nothing to reduce"));
        };
        let alike = |graph: &Graph| {
            // A smaller graph may have larger values, where a reduction went.
            let fits = bytes_needed(graph) <= self.memory.bytes();
            fits && self.failure(graph).is_some_and(|found| found.is_like(&failure))
        };
        let small = shrink(&graph, Duration::from_secs(self.seconds), alike);
        let message = self.failure(&small).map_or_else(String::new, |found| found.message);
        writeln!(streams.stderr, "{} → {} nodes: {message}", graph.len(), small.len())?;
        let json = json!({
            "name": small.name(),
            "text": small.to_string(),
            "nodes": { "before": graph.len(), "after": small.len() },
            "failure": message,
        });
        Ok(Report { text: small.to_string(), json, holds: true })
    }

    /// How the graph fails, if it does.
    fn failure(&self, graph: &Graph) -> Option<Failure> {
        match (&self.command, self.check) {
            (Some(command), _) => by_command(command, graph),
            (None, Check::Passes) => self.by_passes(graph),
            (None, Check::Native) => by_native_code(graph),
        }
    }

    fn by_passes(&self, graph: &Graph) -> Option<Failure> {
        let passes = match &self.passes {
            Some(names) => passes_by_name(names).unwrap_or_default(),
            None => pipeline(),
        };
        let mut manager = PassManager::new(passes).check_each_pass(true);
        let error = manager.run(&mut graph.clone()).err()?;
        Some(Failure::new(error.to_string()))
    }
}

/// How a graph fails.
struct Failure {
    message: String,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    /// Whether it seems to be the same fault: messages begin alike, up to the first name.
    fn is_like(&self, other: &Self) -> bool {
        let start = |message: &str| {
            let words: Vec<&str> = message.split('`').take(2).collect();
            words.join("`")
        };
        start(&self.message) == start(&other.message)
    }
}

fn by_native_code(graph: &Graph) -> Option<Failure> {
    let mut kernels = graph.clone();
    if let Err(error) = optimize(&mut kernels) {
        return Some(Failure::new(error.to_string()));
    }
    for sample in [Sample::Ordinary, Sample::Special] {
        let inputs = sample_inputs(graph, sample);
        let expected = brolga_ir::interpret(graph, &inputs).ok()?;
        match native_outputs(graph, &kernels, &inputs, &Options::default()) {
            Err(error) => return Some(Failure::new(error.to_string())),
            Ok(given) => {
                let bits = |tensors: &[brolga_ir::Tensor]| -> Vec<Vec<u64>> {
                    tensors.iter().map(|tensor| tensor.data().canonical_bits()).collect()
                };
                if bits(&given) != bits(&expected) {
                    return Some(Failure::new("native code gives other bits"));
                }
            }
        }
    }
    None
}

/// The exit code of a command that reads the graph's text; 0 is no failure.
fn by_command(command: &str, graph: &Graph) -> Option<Failure> {
    let child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return Some(Failure::new(format!("`sh` cannot be run: {error}"))),
    };
    // Writing fails if the command does not read its input.
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(graph.to_string().as_bytes()));
    drop(written);
    match child.wait() {
        Ok(status) if status.success() => None,
        Ok(status) => Some(Failure::new(format!("the command ends with `{status}`"))),
        Err(error) => Some(Failure::new(format!("the command cannot be run: {error}"))),
    }
}
