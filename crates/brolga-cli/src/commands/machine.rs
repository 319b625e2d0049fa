//! `brolga machine`: what this machine can do.

use std::fmt::Write;

use brolga_codegen::VectorIsa;
use brolga_measure::limit::MultiplyAdds;
use brolga_measure::{LevelLimits, Limits, Meter, median};
use brolga_runtime::Options;
use brolga_runtime::table::bytes;
use clap::Args;
use serde_json::{Value, json};

use crate::Report;
use crate::columns::{table, threads_text};
use crate::error::CliError;

/// Measure what this machine can do: multiply-adds of each width, bytes from each level of memory
///
/// Everything is measured by code that is compiled as kernels are. Figures are medians of the
/// rounds; each moves with what else the machine does.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  brolga machine --threads 1")]
pub(crate) struct Machine {
    /// The number of threads [default: as many as the process may use]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

impl Machine {
    pub(crate) fn run(&self) -> Result<Report, CliError> {
        let threads = self.threads.map_or_else(|| Options::default().threads, usize::from);
        let rounds = usize::from(self.rounds);
        let mut rates = vec![];
        for isa in VectorIsa::supported() {
            let chains = MultiplyAdds::new(isa)?;
            let rate = |threads| {
                median((0..rounds).map(|_| chains.measure(threads)).collect::<Vec<f64>>())
            };
            rates.push((isa, rate(1), rate(threads)));
        }
        let limits = limits(VectorIsa::widest(), threads, rounds)?;
        Ok(Report { text: text(&rates, &limits), json: document(&rates, &limits), holds: true })
    }
}

/// The medians of some rounds.
pub(crate) fn limits(isa: VectorIsa, threads: usize, rounds: usize) -> Result<Limits, CliError> {
    let mut meter = Meter::new(isa, threads)?;
    let first = meter.round();
    let rounds: Vec<Limits> =
        std::iter::once(first.clone()).chain((1..rounds).map(|_| meter.round())).collect();
    Ok(Limits::median_of(&rounds).unwrap_or(first))
}

fn text(rates: &[(VectorIsa, f64, f64)], limits: &Limits) -> String {
    let threads = threads_text(limits.threads);
    let mut text =
        "multiply-adds that never leave their registers, each two operations\n".to_owned();
    let rate = |rate: f64| format!("{:.1}", rate / 1e9);
    let row = |&(isa, one, all): &(VectorIsa, f64, f64)| {
        let row = [isa.name().to_owned(), isa.bits().to_string(), rate(one), rate(all)];
        row.to_vec()
    };
    let all = format!("GFLOP/s, {threads}");
    let heading = ["isa", "bits", "GFLOP/s, 1 thread", &all];
    text.push_str(&table(1, &heading, &rates.iter().map(row).collect::<Vec<_>>()));
    let isa = limits.isa;
    let _ = writeln!(text, "\nmemory, {threads} of {isa} together, in GB/s");
    let row = |level: &LevelLimits| {
        let size = match level.level.bytes {
            usize::MAX => "-".to_owned(),
            size => bytes(size),
        };
        let measured = bytes(level.level.measured);
        let [read, write, copy] = [level.read, level.write, level.copy].map(rate);
        vec![level.level.name.to_owned(), size, measured, read, write, copy]
    };
    let heading = ["level", "of a thread", "measured with", "read", "write", "copy"];
    text.push_str(&table(1, &heading, &limits.levels.iter().map(row).collect::<Vec<_>>()));
    text
}

fn document(rates: &[(VectorIsa, f64, f64)], limits: &Limits) -> Value {
    let rate = |&(isa, one, all): &(VectorIsa, f64, f64)| {
        json!({
            "isa": isa.name(),
            "bits": isa.bits(),
            "flops_per_second_of_one_thread": one,
            "flops_per_second": all,
        })
    };
    json!({
        "threads": limits.threads,
        "multiply_adds": rates.iter().map(rate).collect::<Vec<_>>(),
        "isa": limits.isa.name(),
        "levels": limits.levels.iter().map(level_json).collect::<Vec<_>>(),
    })
}

fn level_json(level: &LevelLimits) -> Value {
    json!({
        "name": level.level.name,
        "bytes_of_a_thread": (level.level.bytes < usize::MAX).then_some(level.level.bytes),
        "measured_with_bytes": level.level.measured,
        "read_bytes_per_second": level.read,
        "write_bytes_per_second": level.write,
        "copy_bytes_per_second": level.copy,
    })
}
