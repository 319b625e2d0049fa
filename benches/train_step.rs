//! One training step beside what the machine's cores reach with 128-bit multiply-adds, measured in turns in one run.
//!
//!     cargo bench --bench train_step -- [--model mnist_cnn] [--batch 32] [--threads 2] [--rounds 21] [--profile]

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use brolga::measure;
use brolga::nn::builtin;
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
    /// Rounds, each with some steps and one measurement of the limit.
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
    let cores = || std::thread::available_parallelism().map_or(1, Into::into);
    let threads = args.threads.unwrap_or_else(cores);
    let mut model = builtin::by_name(&args.model)?;
    let report = measure::train_step(&mut model, args.batch, threads, args.rounds, args.profile)?;
    println!("{report}");
    Ok(())
}
