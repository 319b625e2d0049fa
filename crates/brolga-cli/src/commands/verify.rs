//! `brolga verify`: the mistakes in a text.

use brolga_passes::{PassError, check_kernels};
use clap::Args;
use serde_json::json;

use crate::Report;
use crate::error::CliError;
use crate::streams::Streams;
use crate::subject::Subject;

/// Report everything that is wrong with a text
///
/// Prints `ok`, or all mistakes, each with its line and a caret under it; the exit code is then 1.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  brolga verify dense.ir")]
pub(crate) struct Verify {
    #[command(flatten)]
    subject: Subject,
    /// Also check that the graphs are graphs of kernels, as code generation takes them
    #[arg(long)]
    kernels: bool,
}

impl Verify {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let graphs = self.subject.graphs(streams)?;
        if self.kernels {
            graphs.iter().try_for_each(check_kernels).map_err(PassError::Contract)?;
        }
        let names: Vec<&str> = graphs.iter().map(|graph| graph.name()).collect();
        Ok(Report {
            text: "ok\n".to_owned(),
            json: json!({ "ok": true, "graphs": names }),
            holds: true,
        })
    }
}
