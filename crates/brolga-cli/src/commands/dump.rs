//! `brolga dump`: a program at one stage of the compiler.

use brolga_codegen::{VectorIsa, compile_for};
use brolga_ir::{Graph, Module, TextOptions, to_dot};
use brolga_nn::Kind;
use brolga_passes::optimize;
use brolga_runtime::{Options, Planned, StateLayout};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::Report;
use crate::differentiate::Differentiate;
use crate::error::CliError;
use crate::filter::Filter;
use crate::kernels::{Form, Kernels};
use crate::streams::Streams;
use crate::subject::{Loaded, Subject, graph_at};
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
    /// With --stage dot: which graph is drawn
    #[arg(long, value_enum, value_name = "STAGE", default_value = "optimized")]
    of: Drawn,
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
    /// A picture for Graphviz
    Dot,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Drawn {
    Traced,
    Grad,
    Optimized,
}

impl Dump {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        if self.stage == Stage::Dot && !self.filter.is_empty() {
            let message =
                "a picture shows the whole graph: --role and --layer do not go with --stage dot";
            return Err(CliError::argument(message, "use them with another stage"));
        }
        if self.stage == Stage::Plan && !self.filter.is_empty() {
            let message =
                "a plan covers the whole graph: --role and --layer do not go with --stage plan";
            return Err(CliError::argument(message, "use them with another stage"));
        }
        let stage = match (self.stage, self.of) {
            (Stage::Dot, Drawn::Traced) => Stage::Traced,
            (Stage::Dot, Drawn::Grad) => Stage::Grad,
            (stage, _) => stage,
        };
        let graphs = self.graphs_at(stage, streams)?;
        graphs.iter().try_for_each(|graph| self.filter.check(graph))?;
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
        let mut graphs = match self.subject.load(streams)? {
            Loaded::Program { .. } if self.differentiate.is_asked() => {
                let message = "--loss and --wrt are for files";
                return Err(CliError::argument(
                    message,
                    "a model's training step has its gradients: --stage grad",
                ));
            }
            Loaded::Program { mut model, kind: Kind::Train, batch } if stage == Stage::Traced => {
                vec![model.trace_loss(batch)?]
            }
            Loaded::Program { mut model, kind, batch } => {
                if stage == Stage::Grad && kind != Kind::Train {
                    let message = "this program has no gradients";
                    return Err(CliError::argument(message, "--program train_step has"));
                }
                vec![model.trace(kind, batch)?]
            }
            Loaded::Recorded(_) if self.differentiate.is_asked() => {
                let message = "--loss and --wrt are for files";
                return Err(CliError::argument(message, "a record has the stages that it has"));
            }
            Loaded::Recorded(program) => {
                let name = match stage {
                    Stage::Traced => "traced",
                    Stage::Grad => "grad",
                    Stage::Optimized | Stage::Dot => "optimized",
                    Stage::Kernels | Stage::Clif | Stage::Asm | Stage::Plan => {
                        let message = "this stage would be compiled anew by this version";
                        let help = "brolga show has the kernels, the CLIF and the plan of a record";
                        return Err(CliError::argument(message, help));
                    }
                };
                return Ok(vec![graph_at(&program, name)?]);
            }
            loaded @ (Loaded::Graphs(_) | Loaded::Imported(_)) => {
                let mut graphs = loaded.graphs()?;
                if stage == Stage::Grad || (stage > Stage::Grad && self.differentiate.is_asked()) {
                    graphs.iter_mut().try_for_each(|graph| self.differentiate.apply(graph))?;
                }
                graphs
            }
        };
        if stage > Stage::Grad {
            graphs.iter_mut().try_for_each(|graph| optimize(graph).map(|_| ()))?;
        }
        Ok(graphs)
    }

    fn show(&self, graph: &Graph) -> Result<(String, serde_json::Value), CliError> {
        let form = match self.stage {
            Stage::Traced | Stage::Grad | Stage::Optimized => {
                let options = TextOptions { locations: self.locations, ..TextOptions::default() };
                let text = graph_text(graph, &self.filter, &options);
                return Ok((text, graph_json(graph, &self.filter, &options)));
            }
            Stage::Dot => {
                let text = to_dot(graph);
                let document = json!({ "name": graph.name(), "text": text });
                return Ok((text, document));
            }
            Stage::Plan => return self.plan(graph),
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
