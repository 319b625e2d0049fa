//! Every contraction tile that fits the registers beside what the cost model expects of it, and
//! what its choices lose.
//!
//!     cargo bench --bench tile_shapes -- [--isa avx2] [--rounds 21]

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use brolga::measure;
use brolga::runtime::VectorIsa;
use clap::Parser;

/// The tiles of contractions.
#[derive(Parser)]
struct Args {
    /// The vector instruction set: `128`, `avx2` or `avx512`; by default that of `BROLGA_ISA`, or
    /// else the widest.
    #[arg(long)]
    isa: Option<VectorIsa>,
    /// Rounds, each with one measurement of every tile and as many of the limit.
    #[arg(long, default_value_t = 21)]
    rounds: usize,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let isa = args.isa.map_or_else(VectorIsa::chosen, Ok)?;
    println!("{}", measure::tile_shapes(isa, args.rounds)?);
    Ok(())
}
