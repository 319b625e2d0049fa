//! The stages of the compiler at which a program is a graph.

use brolga_ir::Graph;
use brolga_nn::Kind;
use brolga_passes::optimize;
use clap::ValueEnum;

use crate::differentiate::Differentiate;
use crate::error::CliError;
use crate::subject::{Loaded, graph_at};

/// A stage whose result is a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum GraphStage {
    /// The graph as traced: of a training step, the loss before it is differentiated. Of a file,
    /// the graph as parsed
    Traced,
    /// With gradients and updates
    Grad,
    /// The graph of kernels after all passes
    Optimized,
}

impl GraphStage {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Traced => "traced",
            Self::Grad => "grad",
            Self::Optimized => "optimized",
        }
    }

    /// The stage at which a subject comes: with its gradients if it is a training step, or they are
    /// asked for.
    pub(crate) fn of(loaded: &Loaded, differentiate: &Differentiate) -> Self {
        match loaded {
            Loaded::Program { kind: Kind::Train, .. } => Self::Grad,
            Loaded::Recorded(program) if program.stage_names().any(|name| name == "grad") => {
                Self::Grad
            }
            _ if differentiate.is_asked() => Self::Grad,
            _ => Self::Traced,
        }
    }
}

/// The graphs of a subject at a stage.
pub(crate) fn graphs_at(
    loaded: Loaded,
    stage: GraphStage,
    differentiate: &Differentiate,
) -> Result<Vec<Graph>, CliError> {
    let mut graphs = match loaded {
        Loaded::Program { .. } if differentiate.is_asked() => {
            let message = "--loss and --wrt are for files";
            return Err(CliError::argument(
                message,
                "a model's training step has its gradients: --stage grad",
            ));
        }
        Loaded::Program { mut model, kind: Kind::Train, batch } if stage == GraphStage::Traced => {
            vec![model.trace_loss(batch)?]
        }
        Loaded::Program { mut model, kind, batch } => {
            if stage == GraphStage::Grad && kind != Kind::Train {
                let message = "this program has no gradients";
                return Err(CliError::argument(message, "--program train_step has"));
            }
            vec![model.trace(kind, batch)?]
        }
        Loaded::Recorded(_) if differentiate.is_asked() => {
            let message = "--loss and --wrt are for files";
            return Err(CliError::argument(message, "a record has the stages that it has"));
        }
        Loaded::Recorded(program) => return Ok(vec![graph_at(&program, stage.name())?]),
        loaded @ (Loaded::Graphs(_) | Loaded::Imported(_)) => {
            let mut graphs = loaded.graphs()?;
            let later = stage > GraphStage::Grad && differentiate.is_asked();
            if stage == GraphStage::Grad || later {
                graphs.iter_mut().try_for_each(|graph| differentiate.apply(graph))?;
            }
            graphs
        }
    };
    if stage > GraphStage::Grad {
        graphs.iter_mut().try_for_each(|graph| optimize(graph).map(|_| ()))?;
    }
    Ok(graphs)
}
