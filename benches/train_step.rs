//! One training step beside what the machine's cores reach in multiply-adds, with 128-bit vectors
//! and with those of the step, measured in turns in one run.
//!
//!     cargo bench --bench train_step -- [--model mnist_cnn] [--batch 32] [--threads 2] [--isa avx2] [--rounds 21] [--profile]

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use brolga::measure;
use brolga::nn::builtin;
use brolga::runtime::{Options, VectorIsa};
use clap::Parser;

/// One training step beside the machine's limit.
#[derive(Parser)]
struct Args {
    /// A built-in model.
    #[arg(long, default_value = "mnist_cnn")]
    model: String,
    /// Samples in a step.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Worker threads; all cores if not given.
    #[arg(long)]
    threads: Option<usize>,
    /// The vector instruction set: `scalar`, `128`, `avx2` or `avx512`; by default that of
    /// `BROLGA_ISA`, or else the widest.
    #[arg(long)]
    isa: Option<VectorIsa>,
    /// Rounds, each with some steps and one measurement of the limits.
    #[arg(long, default_value_t = 21)]
    rounds: usize,
    /// Prints the time of each kernel.
    #[arg(long)]
    profile: bool,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let mut options = Options { isa: args.isa, profile: args.profile, ..Options::default() };
    options.threads = args.threads.unwrap_or(options.threads);
    let mut model = builtin::by_name(&args.model)?;
    let report = measure::train_step(&mut model, args.batch, &options, args.rounds)?;
    println!("{report}");
    Ok(())
}
