//! `brolga cost`: what kernels and layers have to do, and how long they take.

use std::fmt::Write;
use std::time::{Duration, Instant};

use brolga_codegen::VectorIsa;
use brolga_ir::Role;
use brolga_measure::{Limits, Meter, Work, median};
use brolga_runtime::table::bytes;
use brolga_runtime::{KernelProfile, Options};
use clap::Args;
use serde_json::{Value, json};

use crate::Report;
use crate::columns::{cut, table, threads_text};
use crate::differentiate::Differentiate;
use crate::error::CliError;
use crate::filter::Filter;
use crate::inputs::Inputs;
use crate::native::{kernels, program};
use crate::stage::{GraphStage, graphs_at};
use crate::streams::Streams;
use crate::subject::Subject;

/// How long a program runs in a round before it is measured, and how long it is measured.
const SLOT: Duration = Duration::from_millis(20);

/// Show what each kernel and layer costs: operations, bytes, time, share of the machine's limits
///
/// The limits are measured in turns with the program. Intensity is operations per byte: below that
/// of the machine a kernel waits for memory, above it for arithmetic.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga cost mnist_cnn
  brolga cost mnist_cnn --layer conv2d --role backward
  brolga cost mnist_cnn --batch 256 --no-time      nothing is run")]
pub(crate) struct Cost {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    differentiate: Differentiate,
    #[command(flatten)]
    inputs: Inputs,
    /// Leave out all that has to be measured
    #[arg(long)]
    no_time: bool,
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// The number of threads [default: as many as the process may use]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The vector instruction set [default: the widest that this machine has]
    #[arg(long, value_name = "scalar|128|avx2|avx512")]
    isa: Option<VectorIsa>,
}

/// The limits and the seconds of each kernel, measured in turns.
type Round = (Limits, Vec<f64>);

/// The cost of a kernel or of all kernels of a layer.
#[derive(Debug, Clone, Default)]
struct Entry {
    name: String,
    layer: String,
    role: Role,
    flops: u64,
    read: usize,
    written: usize,
    /// Seconds of a step, and the seconds that the limits allow.
    time: Option<(f64, f64)>,
    bound: &'static str,
}

impl Cost {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let mut loaded = self.subject.load(streams)?;
        let stored = loaded.take_stored()?;
        let stage = GraphStage::of(&loaded, &self.differentiate);
        let graphs = graphs_at(loaded, stage, &self.differentiate)?;
        self.inputs.check(&graphs)?;
        graphs.iter().try_for_each(|graph| self.filter.check(graph))?;
        let isa = match self.isa {
            Some(isa) => isa,
            None => VectorIsa::chosen()?,
        };
        let mut options = Options { isa: Some(isa), profile: true, ..Options::default() };
        options.threads = self.threads.unwrap_or(options.threads);
        let (mut text, mut documents) = (String::new(), vec![]);
        for graph in &graphs {
            let kernels = kernels(graph)?;
            let (mut executable, mut state) =
                program(&kernels, &self.inputs.of(graph, &stored)?, &options)?;
            let mut rounds: Vec<Round> = vec![];
            if !self.no_time {
                // Scalar loops are beside the limit of the narrowest vectors.
                let mut meter = Meter::new(isa.max(VectorIsa::V128), options.threads)?;
                for _ in 0..self.rounds {
                    let limits = meter.round();
                    for measured in [false, true] {
                        if measured {
                            executable.reset_profile();
                        }
                        let start = Instant::now();
                        while {
                            executable.run(&mut state)?;
                            start.elapsed() < SLOT
                        } {}
                    }
                    let profile = executable.profile().map(|profile| profile.kernels);
                    let seconds = |kernel: &KernelProfile| {
                        kernel.time_ns as f64 / 1e9 / kernel.calls.max(1) as f64
                    };
                    rounds.push((limits, profile.iter().flatten().map(seconds).collect()));
                }
            }
            let profile = executable.profile().map(|profile| profile.kernels).unwrap_or_default();
            let kept = |kernel: &KernelProfile| {
                let node = kernel.node;
                let id = kernels.ids().find(|&id| Some(kernels.uid(id)) == node);
                id.map_or(self.filter.is_empty(), |id| {
                    self.filter.is_empty() || self.filter.keeps(&kernels, id)
                })
            };
            let entries: Vec<Entry> = (profile.iter().enumerate())
                .filter(|(_, kernel)| kept(kernel))
                .map(|(index, kernel)| entry(index, kernel, &rounds))
                .collect();
            let layers = by_layer(&entries);
            let _ = writeln!(
                text,
                "graph {}, {}, {isa}{}",
                graph.name(),
                threads_text(options.threads),
                if self.no_time { "" } else { ", times of a step" }
            );
            text.push_str(&entries_text(&entries, &layers, !self.no_time));
            let limits =
                Limits::median_of(&rounds.iter().map(|(l, _)| l.clone()).collect::<Vec<_>>());
            if let Some(limits) = limits {
                let memory = limits.levels.last().map_or(0.0, |level| level.read);
                let _ = writeln!(
                    text,
                    "\nlimits: {:.1} GFLOP/s, {:.1} GB/s from memory: {:.1} FLOP a byte",
                    limits.multiply_adds / 1e9,
                    memory / 1e9,
                    limits.multiply_adds / memory
                );
            }
            documents.push(json!({
                "name": graph.name(),
                "threads": options.threads,
                "isa": isa.name(),
                "kernels": entries.iter().map(Entry::json).collect::<Vec<_>>(),
                "layers": layers.iter().map(Entry::json).collect::<Vec<_>>(),
            }));
        }
        let json = json!({ "graphs": documents });
        Ok(Report { text, json, holds: true })
    }
}

fn entry(index: usize, kernel: &KernelProfile, rounds: &[Round]) -> Entry {
    let work = Work {
        flops: kernel.flops,
        read: kernel.bytes.saturating_sub(kernel.written),
        written: kernel.written,
        working_set: kernel.working_set,
    };
    let of = |part: &dyn Fn(&Round) -> f64| median(rounds.iter().map(part).collect::<Vec<f64>>());
    let seconds = |(_, seconds): &Round| seconds.get(index).copied().unwrap_or(0.0);
    let least = |(limits, _): &Round| limits.roof(&work).seconds;
    Entry {
        name: kernel.name.clone(),
        layer: kernel.layer.clone(),
        role: kernel.role,
        flops: work.flops,
        read: work.read,
        written: work.written,
        time: (!rounds.is_empty()).then(|| (of(&seconds), of(&least))),
        bound: rounds.first().map_or("", |(limits, _)| limits.roof(&work).name),
    }
}

/// The sums of each layer and role, in the order of their first kernels.
fn by_layer(entries: &[Entry]) -> Vec<Entry> {
    let mut layers: Vec<Entry> = vec![];
    for entry in entries {
        let same = |other: &&mut Entry| other.layer == entry.layer && other.role == entry.role;
        match layers.iter_mut().find(same) {
            None => layers.push(Entry { name: String::new(), bound: "", ..entry.clone() }),
            Some(layer) => {
                layer.flops += entry.flops;
                layer.read += entry.read;
                layer.written += entry.written;
                layer.time = match (layer.time, entry.time) {
                    (Some((a, b)), Some((c, d))) => Some((a + c, b + d)),
                    _ => None,
                };
            }
        }
    }
    layers
}

impl Entry {
    fn bytes(&self) -> usize {
        self.read.saturating_add(self.written)
    }

    fn intensity(&self) -> f64 {
        self.flops as f64 / self.bytes().max(1) as f64
    }

    fn json(&self) -> Value {
        json!({
            "name": (!self.name.is_empty()).then_some(&self.name),
            "layer": self.layer,
            "role": self.role,
            "flops": self.flops,
            "bytes_read": self.read,
            "bytes_written": self.written,
            "intensity": self.intensity(),
            "seconds": self.time.map(|(seconds, _)| seconds),
            "seconds_at_the_limit": self.time.map(|(_, least)| least),
            "bound": (!self.bound.is_empty()).then_some(self.bound),
        })
    }

    fn cells(&self, first: String, all: f64) -> Vec<String> {
        let mflop = self.flops as f64 / 1e6;
        let mut cells = vec![
            first,
            if mflop < 100.0 { format!("{mflop:.3}") } else { format!("{mflop:.0}") },
            bytes(self.bytes()),
            format!("{:.1}", self.intensity()),
        ];
        if let Some((seconds, least)) = self.time {
            let part = |part: f64, whole: f64| match whole > 0.0 {
                true => format!("{:.0}%", 100.0 * part / whole),
                false => "-".to_owned(),
            };
            cells.push(format!("{:.1}", 1e6 * seconds));
            cells.push(part(seconds, all));
            cells.push(part(least, seconds));
            cells.push(self.bound.replace("multiply-adds", "FMA").replace("memory", "RAM"));
        }
        cells
    }
}

fn entries_text(entries: &[Entry], layers: &[Entry], timed: bool) -> String {
    let all: f64 = entries.iter().filter_map(|entry| entry.time).map(|(seconds, _)| seconds).sum();
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    let time = |entry: &Entry| entry.time.map_or(0.0, |(seconds, _)| seconds);
    sorted.sort_by(|a, b| time(b).total_cmp(&time(a)));
    let place = |entry: &Entry| {
        let layer = if entry.layer.is_empty() { "-" } else { &entry.layer };
        match entry.role {
            Role::Forward => layer.to_owned(),
            role => format!("{layer} {}", role.name()),
        }
    };
    // With times, layer and kernel share a column of 80.
    let kernel = |entry: &&Entry| {
        if timed {
            return entry.cells(cut(&format!("{}: {}", place(entry), entry.name), 27), all);
        }
        let mut cells = entry.cells(cut(&entry.name, 30), all);
        cells.insert(1, cut(&place(entry), 20));
        cells
    };
    let layer = |entry: &Entry| entry.cells(cut(&place(entry), 27), all);
    let numbers: &[&str] = match timed {
        true => &["MFLOP", "bytes", "FLOP/B", "µs", "time", "limit", "by"],
        false => &["MFLOP", "bytes", "FLOP/B"],
    };
    let heading = |first: &[&'static str]| [first, numbers].concat();
    let rows: Vec<_> = sorted.iter().map(kernel).collect();
    let mut text = match timed {
        true => table(1, &heading(&["layer: kernel"]), &rows),
        false => table(2, &heading(&["kernel", "layer"]), &rows),
    };
    text.push('\n');
    // The limit of a layer is that of its kernels together: no single one bounds it.
    let rows: Vec<_> = layers.iter().map(layer).collect();
    text.push_str(&table(1, &heading(&["layer"]), &rows));
    text
}
