//! Every kernel of a model's training step, and some alone, each beside the limit that bounds it.
//!
//!     cargo bench --bench kernels -- [--model mnist_cnn] [--batch 32] [--threads 2] [--isa avx2] [--rounds 21] [--only softmax] [--json FILE]

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

mod cases;

use std::path::PathBuf;

use brolga::measure::{self, Case, KernelTimes};
use brolga::nn::{Kind, builtin};
use brolga::runtime::{Options, VectorIsa};
use clap::Parser;
use serde_json::{Value, json};

/// Kernels beside the machine's limits.
#[derive(Parser)]
struct Args {
    /// A built-in model, each kernel of whose training step is measured.
    #[arg(long, default_value = "mnist_cnn")]
    model: String,
    /// Samples in a step of the model.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Worker threads; all cores if not given.
    #[arg(long)]
    threads: Option<usize>,
    /// The vector instruction set: `scalar`, `128`, `avx2` or `avx512`; by default that of
    /// `BROLGA_ISA`, or else the widest.
    #[arg(long)]
    isa: Option<VectorIsa>,
    /// Rounds, each with some runs of everything and one measurement of the limits.
    #[arg(long, default_value_t = 21)]
    rounds: usize,
    /// Only the cases whose names contain this word; the model's case has its name.
    #[arg(long, default_value = "")]
    only: String,
    /// Writes what was measured to this file, too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let mut options = Options { isa: args.isa, ..Options::default() };
    options.threads = args.threads.unwrap_or(options.threads);

    let step = builtin::by_name(&args.model)?.trace(Kind::Train, args.batch)?;
    let mut cases = vec![];
    for (name, graph) in [(args.model, step)].into_iter().chain(cases::all()?) {
        if name.contains(&args.only) {
            cases.push(Case::new(name, graph, &options)?);
        }
    }
    let times = measure::kernels(cases, &options, args.rounds)?;
    println!("{times}");
    if let Some(file) = args.json {
        let text = serde_json::to_string_pretty(&document(&times, args.rounds))?;
        std::fs::write(file, text + "\n")?;
    }
    Ok(())
}

/// Everything that was measured; rates are a second, times are seconds.
fn document(times: &KernelTimes, rounds: usize) -> Value {
    let limits = &times.limits;
    let levels = limits.levels.iter().map(|limits| {
        json!({
            "level": limits.level.name,
            "set": limits.level.measured,
            "read": limits.read,
            "write": limits.write,
            "copy": limits.copy,
        })
    });
    let kernels = times.kernels.iter().map(|kernel| {
        json!({
            "case": kernel.case,
            "kernel": kernel.kernel,
            "layer": kernel.layer,
            "role": kernel.role.name(),
            "seconds": kernel.seconds,
            "flops": kernel.work.flops,
            "read": kernel.work.read,
            "written": kernel.work.written,
            "working_set": kernel.work.working_set,
            "bound": kernel.bound,
            "share": kernel.share,
        })
    });
    json!({
        "isa": limits.isa.name(),
        "threads": limits.threads,
        "rounds": rounds,
        "multiply_adds": limits.multiply_adds,
        "levels": levels.collect::<Vec<_>>(),
        "kernels": kernels.collect::<Vec<_>>(),
    })
}
