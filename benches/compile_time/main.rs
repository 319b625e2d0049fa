//! The time to compile models and graphs of growing size, by stage.
//!
//!     cargo bench --bench compile_time -- [--only dense] [--from 50] [--to 6400] [--threads 2] [--rounds 3] [--passes]
//!
//! Each family doubles its size from row to row; `growth` is the total beside that of the row
//! above.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

mod families;

use std::error::Error;
use std::fmt::Write;
use std::time::{Duration, Instant};

use brolga::codegen::{self, CodegenOptions};
use brolga::ir::{Graph, parse_graph, verify};
use brolga::passes::{self, Report};
use brolga::runtime::{Options, Planned, StateLayout, VectorIsa};
use clap::Parser;
use families::{Family, Traced};

/// Compile times by stage.
#[derive(Parser)]
struct Args {
    /// Only the families whose names contain this word.
    #[arg(long, default_value = "")]
    only: String,
    /// The smallest size; by default the family's.
    #[arg(long)]
    from: Option<usize>,
    /// The largest size; by default the family's.
    #[arg(long)]
    to: Option<usize>,
    /// Worker threads of the plan; all cores if not given.
    #[arg(long)]
    threads: Option<usize>,
    /// The vector instruction set: `scalar`, `128`, `avx2` or `avx512`; by default that of
    /// `BROLGA_ISA`, or else the widest.
    #[arg(long)]
    isa: Option<VectorIsa>,
    /// How often everything is compiled; the quickest counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Prints the time of each pass for the largest size.
    #[arg(long)]
    passes: bool,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The stages in order; the total leaves out the text, which compiling does not need.
const STAGES: [&str; 9] =
    ["trace", "grad", "verify", "passes", "kernels", "plan", "drop", "print", "parse"];
/// Printing and parsing.
const OF_TEXT: usize = 2;

/// One compilation.
struct Measured {
    nodes: usize,
    kernels: usize,
    times: [Duration; STAGES.len()],
    passes: Report,
}

impl Measured {
    fn total(&self) -> Duration {
        self.times[..STAGES.len() - OF_TEXT].iter().sum()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let mut options = Options { isa: args.isa, ..Options::default() };
    options.threads = args.threads.unwrap_or(options.threads);
    println!("milliseconds; the quickest of {} compilations\n", args.rounds);
    for family in families::all().into_iter().filter(|f| f.name.contains(&args.only)) {
        table(&family, &args, &options)?;
    }
    Ok(())
}

fn table(family: &Family, args: &Args, options: &Options) -> Result<(), Box<dyn Error>> {
    let (from, to) = (args.from.unwrap_or(family.from), args.to.unwrap_or(family.to));
    println!("{}: {}", family.name, family.what);
    let heads: String = STAGES.iter().fold(String::new(), |mut heads, stage| {
        let _ = write!(heads, "{stage:>9}");
        heads
    });
    println!("{:>7}{:>8}{:>8}{heads}{:>10}{:>8}", "n", "nodes", "kernels", "total", "growth");
    let (mut size, mut before, mut last) = (from, None, None);
    while size <= to {
        let measured = quickest(family, size, args.rounds, options)?;
        let total = measured.total();
        let row: String = measured.times.iter().fold(String::new(), |mut row, time| {
            let _ = write!(row, "{:>9.1}", millis(*time));
            row
        });
        let growth = before.map_or(String::new(), |before: Duration| {
            format!("{:.2}", total.as_secs_f64() / before.as_secs_f64())
        });
        let Measured { nodes, kernels, .. } = measured;
        println!("{size:>7}{nodes:>8}{kernels:>8}{row}{:>10.1}{growth:>8}", millis(total));
        (size, before, last) = (2 * size, Some(total), Some(measured));
    }
    if let Some(measured) = last.filter(|_| args.passes) {
        println!("\n{}", measured.passes);
    }
    println!();
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn quickest(
    family: &Family,
    size: usize,
    rounds: usize,
    options: &Options,
) -> Result<Measured, Box<dyn Error>> {
    let mut quickest = measure(family, size, options)?;
    for _ in 1..rounds {
        let again = measure(family, size, options)?;
        if again.total() < quickest.total() {
            quickest = again;
        }
    }
    Ok(quickest)
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

fn measure(family: &Family, size: usize, options: &Options) -> Result<Measured, Box<dyn Error>> {
    let Traced { mut graph, trace, grad } = (family.trace)(size)?;
    let nodes = graph.len();
    let (text, print) = timed(|| graph.to_string());
    let (parsed, parse) = timed(|| parse_graph(&text, "<printed>"));
    drop(parsed?);
    let (verified, verify) = timed(|| verify(&graph));
    verified?;
    let (report, passes) = timed(|| passes::optimize(&mut graph));
    let report = report?;
    // What was compiled before would not be compiled again.
    codegen::cache::clear();
    let (compiled, kernels) =
        timed(|| codegen::compile(&graph, &CodegenOptions { isa: options.isa }));
    let compiled = compiled?;
    let count = compiled.kernels().len();
    let layout = StateLayout::of_graphs([&graph])?;
    let (program, plan) = timed(|| Planned::native(compiled, &layout, options));
    let program = program?;
    let ((), drop) = timed(|| drop::<(Graph, _)>((graph, program)));
    let times = [trace, grad, verify, passes, kernels, plan, drop, print, parse];
    Ok(Measured { nodes, kernels: count, times, passes: report })
}
