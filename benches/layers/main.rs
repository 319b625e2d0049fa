//! Every layer forward and backward, at a small and at a large size, beside the limit that bounds
//! it.
//!
//!     cargo bench --bench layers -- [--only conv] [--threads 2] [--isa avx2] [--rounds 7] [--below 25]
//!
//! A layer's limit is the longest of two times: that of its operations at the rate of multiply-adds,
//! and that of its bytes at the rate of the level of memory that holds them. Its bytes are what no
//! program can avoid: forward, inputs and weights are read and outputs written; backward, inputs,
//! weights and the outputs' cotangents are read, and the gradients written. So a value that goes
//! through memory between two kernels of a layer costs it a part of its share.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

mod cases;
mod trace;

use std::error::Error;

use brolga::ir::Role;
use brolga::measure::{self, Case, KernelTime, Limits, Work};
use brolga::runtime::table::{bytes, write_table};
use brolga::runtime::{Options, VectorIsa};
use cases::SizedLayer;
use clap::Parser;
use trace::{Traced, Traffic};

/// Layers beside the machine's limits.
#[derive(Parser)]
struct Args {
    /// Only the layers whose names contain this word.
    #[arg(long, default_value = "")]
    only: String,
    /// Worker threads; all cores if not given.
    #[arg(long)]
    threads: Option<usize>,
    /// The vector instruction set: `scalar`, `128`, `avx2` or `avx512`; by default that of
    /// `BROLGA_ISA`, or else the widest.
    #[arg(long)]
    isa: Option<VectorIsa>,
    /// Rounds, each with some runs of everything and one measurement of the limits.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Only what reaches less than so many per cent of its limit.
    #[arg(long, default_value_t = f64::INFINITY)]
    below: f64,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let mut options = Options { isa: args.isa, ..Options::default() };
    options.threads = args.threads.unwrap_or(options.threads);
    let mut rows = vec![];
    let mut limits = None;
    for sized in cases::all().iter().filter(|sized| sized.name().contains(&args.only)) {
        let times = measured(sized, &options, args.rounds)?;
        rows.extend(times.rows.into_iter().filter(|row| 100.0 * row.share < args.below));
        limits = Some(times.limits);
    }
    let Some(limits) = limits else { return Err(format!("no layer is {:?}", args.only).into()) };
    println!("{limits}");
    println!("{}", Table(&rows));
    Ok(())
}

/// What a layer takes in one direction.
struct Row {
    layer: String,
    direction: &'static str,
    kernels: usize,
    work: Work,
    bound: &'static str,
    share: f64,
    seconds: f64,
}

struct Times {
    limits: Limits,
    rows: Vec<Row>,
}

/// Measures a layer by itself, so that the limits are those of the same moment.
fn measured(sized: &SizedLayer, options: &Options, rounds: usize) -> Result<Times, Box<dyn Error>> {
    let Traced { graph, forward, backward } = trace::graph(sized)?;
    let case = Case::new(sized.name(), graph, options)?;
    let measure::KernelTimes { limits, kernels } = measure::kernels(vec![case], options, rounds)?;
    let directions = [(Role::Forward, "forward", forward), (Role::Backward, "backward", backward)];
    let rows = directions.into_iter().filter_map(|(role, direction, traffic)| {
        let kernels: Vec<&KernelTime> = kernels.iter().filter(|k| k.role == role).collect();
        (!kernels.is_empty()).then(|| row(sized, direction, &kernels, traffic, &limits))
    });
    Ok(Times { rows: rows.collect(), limits })
}

fn row(
    sized: &SizedLayer,
    direction: &'static str,
    kernels: &[&KernelTime],
    traffic: Traffic,
    limits: &Limits,
) -> Row {
    let flops = kernels.iter().map(|kernel| kernel.work.flops).sum();
    let seconds: f64 = kernels.iter().map(|kernel| kernel.seconds).sum();
    let Traffic { read, written } = traffic;
    let work = Work { flops, read, written, working_set: read + written };
    let roof = limits.roof(&work);
    Row {
        layer: sized.name(),
        direction,
        kernels: kernels.len(),
        work,
        bound: roof.name,
        share: roof.seconds / seconds,
        seconds,
    }
}

struct Table<'a>(&'a [Row]);

impl std::fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let row = |row: &Row| {
            [
                row.layer.clone(),
                row.direction.to_owned(),
                row.kernels.to_string(),
                row.bound.to_owned(),
                format!("{:.1}", 100.0 * row.share),
                format!("{:.2}", 1e6 * row.seconds),
                format!("{:.1}", row.work.flops as f64 / row.seconds / 1e9),
                bytes(row.work.working_set),
            ]
        };
        let rows: Vec<_> = self.0.iter().map(row).collect();
        let heading =
            ["layer", "", "kernels", "bound by", "% of it", "µs", "GFLOP/s", "bytes at least"];
        write_table(f, 2, &heading, &rows)
    }
}
