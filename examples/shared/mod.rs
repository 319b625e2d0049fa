//! What the examples share: their arguments, and how they end.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use brolga::prelude::Compile;
use clap::Parser;

/// How an example ends.
pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// The arguments of all examples.
#[derive(Parser)]
pub(crate) struct Arguments {
    /// How often all training samples are seen.
    #[arg(long)]
    epochs: Option<usize>,
    /// How many training samples are used; all if not given.
    #[arg(long)]
    samples: Option<usize>,
    /// Samples in a step.
    #[arg(long, default_value_t = 32)]
    pub(crate) batch_size: usize,
    /// Worker threads; all cores if not given. The result does not depend on it.
    #[arg(long)]
    threads: Option<usize>,
    /// Decides about first weights, order of samples and dropout.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Where pictures are written; `target/` and the name of the example if not given.
    #[arg(long)]
    output: Option<PathBuf>,
}

impl Arguments {
    /// How often all training samples are seen, if the user does not say.
    pub(crate) fn epochs(&self, usual: usize) -> usize {
        self.epochs.unwrap_or(usual)
    }

    /// How many of these training samples are used.
    pub(crate) fn samples(&self, all: usize) -> usize {
        self.samples.unwrap_or(all).min(all)
    }

    /// What every model is compiled with.
    pub(crate) fn compile(&self) -> Compile {
        let compile = Compile::new();
        match self.threads {
            Some(threads) => compile.threads(threads),
            None => compile,
        }
    }

    /// The folder for pictures. It is made before the training: what cannot be saved is told first.
    pub(crate) fn folder(&self, example: &str) -> Result<PathBuf, String> {
        let folder = self.output.clone().unwrap_or_else(|| PathBuf::from("target").join(example));
        let made = fs::create_dir_all(&folder);
        made.map_err(|error| format!("--output {}: {error}", folder.display())).map(|()| folder)
    }
}

/// Runs an example with the arguments of the command line.
pub(crate) fn run<A: Parser>(example: impl FnOnce(&A) -> Outcome) -> ExitCode {
    match example(&A::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
