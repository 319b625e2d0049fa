//! `brolga record`: all stages of a program in one file.

use brolga_memory::bytes;
use brolga_record::Record;
use clap::Args;
use serde_json::json;

use crate::Report;
use crate::commands::log::named;
use crate::error::CliError;
use crate::inputs::Inputs;
use crate::layout::number_of;
use crate::memory::MemoryLimit;
use crate::recorded::{measure, values};
use crate::streams::Streams;
use crate::subject::{Depth, Subject, Target};

/// Compile a program and write the record of all stages
///
/// The program does not run, unless --values or --steps ask for it. Other commands take the record in place of the model, also on another
/// machine and another day. The variable BROLGA_RECORD=run.brolga makes any program that uses the
/// library write one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga record mnist_cnn --output before.brolga
  brolga record mnist_cnn --values --steps 20 --output run.brolga
  brolga diff before.brolga after.brolga")]
pub(crate) struct RecordCommand {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    target: Target,
    /// Keep hashes and statistics of the values of all nodes, which the interpreter computes
    #[arg(long)]
    values: bool,
    /// Keep the times of kernels over so many steps
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    memory: MemoryLimit,
    /// The file that is written
    #[arg(long, short, value_name = "FILE.brolga")]
    output: String,
}

impl RecordCommand {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        if !crate::subject::is_record(&self.output) {
            let message = format!("`{}` does not end in .brolga", self.output);
            return Err(CliError::argument(message, "that ending tells records from texts"));
        }
        let mut loaded = self.subject.load(streams)?;
        let stored = loaded.take_stored()?;
        let mut programs = loaded.programs(Depth::Code(self.target))?;
        for program in &mut programs {
            if self.values {
                let values = values(program, &self.inputs, &stored, &self.memory)?;
                program.values.retain(|other| other.stage != values.stage);
                program.values.push(values);
            }
            if let Some(steps) = self.steps {
                measure(program, &self.inputs, &stored, &self.target.options(), steps)?;
            }
        }
        let record = Record::of(programs);
        record.write(&self.output)?;
        let mut text = String::new();
        let mut documents = vec![];
        for program in &record.programs {
            let sizes = program.sizes();
            text.push_str(&format!(
                "{}: {}, {} of code, arena of {}\n",
                named(program),
                number_of(sizes.kernels, "kernel"),
                bytes(sizes.code),
                bytes(sizes.arena)
            ));
            let (name, batch) = (&program.name, program.batch);
            documents.push(json!({ "name": name, "batch": batch, "sizes": sizes }));
        }
        let json = json!({ "file": self.output, "programs": documents });
        Ok(Report { text, json, holds: true })
    }
}
