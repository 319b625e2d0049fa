//! `brolga dump`: a program at one stage of the compiler.

use brolga_codegen::{VectorIsa, compile_for};
use brolga_ir::dot::outline_names;
use brolga_ir::{Graph, Module, TextOptions, to_dot, to_dot_outline};
use brolga_runtime::{Options, Planned, StateLayout};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::Report;
use crate::differentiate::Differentiate;
use crate::error::CliError;
use crate::filter::Filter;
use crate::kernels::{Form, Kernels};
use crate::model_explorer;
use crate::stage::{GraphStage, graphs_at};
use crate::streams::Streams;
use crate::subject::{Loaded, Subject};
use crate::view::{graph_json, graph_text};

/// Show a program at one stage, from its trace to its machine code
///
/// A file's graph is taken as it stands; with --loss or --wrt it is differentiated first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga dump mnist_cnn --stage grad --layer conv2d
  brolga dump mlp --stage dot | dot -Tsvg > mlp.svg")]
pub(crate) struct Dump {
    #[command(flatten)]
    subject: Subject,
    /// What is shown
    #[arg(long, value_enum, default_value = "optimized")]
    stage: Stage,
    /// With --stage dot or model-explorer: which graph is drawn
    #[arg(long, value_enum, value_name = "STAGE", default_value = "optimized")]
    of: Drawn,
    /// With --stage dot: the kernel, the layer, or layer and role (dense.backward) whose box is
    /// opened
    #[arg(long, value_name = "NAME")]
    expand: Vec<String>,
    /// With --stage dot: every node with its attributes, and every edge with its type
    #[arg(long)]
    detailed: bool,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    differentiate: Differentiate,
    /// With --stage kernels, clif, asm or plan: the vector instruction set, which this machine need
    /// not have [default: the widest it has]
    #[arg(long, value_name = "scalar|128|avx2|avx512")]
    isa: Option<VectorIsa>,
    /// With --stage plan: the number of threads [default: the number of cores]
    #[arg(long)]
    threads: Option<usize>,
    /// Add the file and line of each node as a comment
    #[arg(long)]
    locations: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Stage {
    /// The graph as traced: of a training step, the loss before it is differentiated. Of a file,
    /// the graph as parsed
    Traced,
    /// With gradients and updates
    Grad,
    /// The graph of kernels after all passes
    Optimized,
    /// Each kernel's loop nests with the tile programs they call
    Kernels,
    /// Cranelift's IR of each kernel
    Clif,
    /// Each kernel's machine code
    Asm,
    /// Offsets, stages and barriers: the program before it is linked
    Plan,
    /// A picture for Graphviz: one box a kernel or layer
    Dot,
    /// The graph as JSON for Google's Model Explorer
    ModelExplorer,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Drawn {
    Traced,
    Grad,
    Optimized,
}

impl Dump {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let is_drawn = matches!(self.stage, Stage::Dot | Stage::ModelExplorer);
        if is_drawn && !self.filter.is_empty() {
            let message =
                "a picture shows the whole graph: --role and --layer do not go with --stage dot";
            return Err(CliError::argument(message, "--expand NAME opens a part of it"));
        }
        if (self.stage != Stage::Dot || self.detailed) && !self.expand.is_empty() {
            let message = "--expand is for --stage dot without --detailed";
            return Err(CliError::argument(message, "use it with that stage"));
        }
        if self.stage == Stage::Plan && !self.filter.is_empty() {
            let message =
                "a plan covers the whole graph: --role and --layer do not go with --stage plan";
            return Err(CliError::argument(message, "use them with another stage"));
        }
        let stage = match (self.stage, self.of) {
            (Stage::Dot | Stage::ModelExplorer, Drawn::Traced) => Stage::Traced,
            (Stage::Dot | Stage::ModelExplorer, Drawn::Grad) => Stage::Grad,
            (stage, _) => stage,
        };
        let graphs = self.graphs_at(stage, streams)?;
        graphs.iter().try_for_each(|graph| self.filter.check(graph))?;
        if self.stage == Stage::ModelExplorer {
            let json = model_explorer::document(self.subject.name(), &graphs);
            return Ok(Report { text: format!("{json:#}\n"), json, holds: true });
        }
        let shown = graphs.iter().map(|graph| self.show(graph)).collect::<Result<Vec<_>, _>>()?;
        let (texts, documents): (Vec<_>, Vec<_>) = shown.into_iter().unzip();
        let stage = self.stage.to_possible_value().map(|value| value.get_name().to_owned());
        let json = json!({ "stage": stage, "graphs": documents });
        let text = match self.stage {
            // The graphs share their functions.
            Stage::Traced | Stage::Grad | Stage::Optimized if self.filter.is_empty() => {
                Module { graphs }
                    .to_text(&TextOptions { locations: self.locations, ..TextOptions::default() })
            }
            _ => texts.join("\n"),
        };
        Ok(Report { text, json, holds: true })
    }

    /// The graphs at this stage, or the graphs of kernels for a later one.
    fn graphs_at(&self, stage: Stage, streams: &mut Streams<'_>) -> Result<Vec<Graph>, CliError> {
        let loaded = self.subject.load(streams)?;
        let is_compiled = matches!(stage, Stage::Kernels | Stage::Clif | Stage::Asm | Stage::Plan);
        if is_compiled && matches!(loaded, Loaded::Recorded(_)) {
            let message = "this stage would be compiled anew by this version";
            let help = "brolga show has the kernels, the CLIF and the plan of a record";
            return Err(CliError::argument(message, help));
        }
        let stage = match stage {
            Stage::Traced => GraphStage::Traced,
            Stage::Grad => GraphStage::Grad,
            _ => GraphStage::Optimized,
        };
        graphs_at(loaded, stage, &self.differentiate)
    }

    fn show(&self, graph: &Graph) -> Result<(String, serde_json::Value), CliError> {
        let form = match self.stage {
            Stage::Traced | Stage::Grad | Stage::Optimized => {
                let options = TextOptions { locations: self.locations, ..TextOptions::default() };
                let text = graph_text(graph, &self.filter, &options);
                return Ok((text, graph_json(graph, &self.filter, &options)));
            }
            Stage::Dot => {
                let text = match self.detailed {
                    true => to_dot(graph),
                    false => to_dot_outline(graph, &self.expand).map_err(|name| {
                        let message = format!("no box of `{}` is named `{name}`", graph.name());
                        let help = format!("there are {}", outline_names(graph).join(", "));
                        CliError::argument(message, help)
                    })?,
                };
                let document = json!({ "name": graph.name(), "text": text });
                return Ok((text, document));
            }
            Stage::Plan => return self.plan(graph),
            Stage::ModelExplorer => {
                let graphs = std::slice::from_ref(graph);
                let document = model_explorer::document(self.subject.name(), graphs);
                return Ok((format!("{document:#}\n"), document));
            }
            Stage::Kernels => Form::Nests,
            Stage::Clif => Form::Clif,
            Stage::Asm => Form::Assembly,
        };
        let kernels = Kernels::new(graph, &self.filter, form, self.isa)?;
        Ok((kernels.text(&self.filter), kernels.json()))
    }

    /// The plan of a graph of kernels on states of its own.
    fn plan(&self, graph: &Graph) -> Result<(String, serde_json::Value), CliError> {
        let layout = StateLayout::of_graphs([graph])?;
        let mut options = Options { isa: self.isa, ..Options::default() };
        options.threads = self.threads.unwrap_or(options.threads);
        // The plan is not linked, so the machine need not have the instruction set.
        let planned = Planned::new(graph, &layout, &options, |graph, options| {
            compile_for(graph, options.isa()?.target()?)
        })?;
        Ok((planned.plan().to_string(), json!(planned.plan())))
    }
}
