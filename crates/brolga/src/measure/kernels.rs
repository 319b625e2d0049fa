//! How fast single kernels are.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use brolga_codegen::compile;
use brolga_ir::{Graph, Role};
use brolga_runtime::table::{bytes, write_table};
use brolga_runtime::{Executable, Options, Profile, State, StateLayout};

use super::{Limits, Meter, Work, fill, median};

/// How long a program runs before it is measured in a round, so that its memory is in the caches
/// where it finds room.
const WARM_UP: Duration = Duration::from_millis(3);
/// How long it is measured in a round, if one run is not longer.
const SLOT: Duration = Duration::from_millis(10);

/// A program whose kernels are measured.
pub struct Case {
    name: String,
    executable: Executable,
    state: State,
    /// For each kernel its seconds in each round.
    seconds: Vec<Vec<f64>>,
}

impl Case {
    /// The program of a graph, which is optimized and compiled, on made-up numbers.
    ///
    /// # Errors
    /// If the graph cannot be compiled for this machine.
    pub fn new(
        name: impl Into<String>,
        mut graph: Graph,
        options: &Options,
    ) -> Result<Self, Box<dyn Error>> {
        brolga_passes::optimize(&mut graph)?;
        let layout = StateLayout::of_graphs([&graph])?;
        let options = Options { profile: true, ..options.clone() };
        let mut executable = Executable::new(&graph, &layout, &options, compile)?;
        let state = fill(&mut executable, &layout)?;
        Ok(Self { name: name.into(), executable, state, seconds: vec![] })
    }

    /// Runs for a while, and adds what each kernel took.
    fn round(&mut self) -> Result<(), Box<dyn Error>> {
        self.run_for(WARM_UP)?;
        self.executable.reset_profile();
        self.run_for(SLOT)?;
        let kernels = self.profile()?.kernels;
        self.seconds.resize(kernels.len(), vec![]);
        for (seconds, kernel) in self.seconds.iter_mut().zip(kernels) {
            seconds.push(kernel.time_ns as f64 / 1e9 / kernel.calls.max(1) as f64);
        }
        Ok(())
    }

    fn run_for(&mut self, time: Duration) -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        while {
            self.executable.run(&mut self.state)?;
            start.elapsed() < time
        } {}
        Ok(())
    }

    fn profile(&self) -> Result<Profile, Box<dyn Error>> {
        Ok(self.executable.profile().ok_or("the program is compiled with a profile")?)
    }

    fn times(self, limits: &[Limits]) -> Result<Vec<KernelTime>, Box<dyn Error>> {
        let middle = Limits::median_of(limits).ok_or("there is a round")?;
        let rows =
            self.profile()?.kernels.into_iter().zip(self.seconds).map(|(kernel, seconds)| {
                let work = Work {
                    flops: kernel.flops,
                    read: kernel.bytes.saturating_sub(kernel.written),
                    written: kernel.written,
                    working_set: kernel.working_set,
                };
                let shares = limits.iter().zip(&seconds).filter(|&(_, &seconds)| seconds > 0.0);
                let shares = shares.map(|(limits, seconds)| limits.roof(&work).seconds / seconds);
                KernelTime {
                    case: self.name.clone(),
                    kernel: kernel.name,
                    layer: kernel.layer,
                    role: kernel.role,
                    work,
                    share: median(shares.collect()),
                    seconds: median(seconds),
                    bound: middle.roof(&work).name,
                }
            });
        Ok(rows.collect())
    }
}

/// How fast a kernel is. What is measured are medians over the rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelTime {
    /// The program's name.
    pub case: String,
    /// The kernel's name.
    pub kernel: String,
    /// The layer's path; empty for what belongs to no layer.
    pub layer: String,
    /// The part of the step.
    pub role: Role,
    /// What it has to do.
    pub work: Work,
    /// How long that takes: for each of its stages the time of the slowest worker, waiting
    /// excluded.
    pub seconds: f64,
    /// The limit that bounds it.
    pub bound: &'static str,
    /// The time that it would take at that limit as a part of the time that it takes.
    pub share: f64,
}

impl KernelTime {
    /// Billions of floating-point operations a second.
    #[must_use]
    pub fn gflops(&self) -> f64 {
        self.work.flops as f64 / self.seconds / 1e9
    }

    /// The program and the layer: `mnist_cnn: dense backward`.
    fn title(&self) -> String {
        let Self { case, layer, role, .. } = self;
        match (layer.is_empty(), role) {
            (true, Role::Forward) => case.clone(),
            (true, _) => format!("{case}: {}", role.name()),
            (false, _) => format!("{case}: {layer} {}", role.name()),
        }
    }

    /// Billions of bytes a second, read and written.
    #[must_use]
    pub fn gigabytes(&self) -> f64 {
        (self.work.read + self.work.written) as f64 / self.seconds / 1e9
    }
}

/// How fast the kernels of some programs are, and the limits of the same run.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelTimes {
    /// Medians of the limits.
    pub limits: Limits,
    /// The kernels, those of one program in the order in which they run.
    pub kernels: Vec<KernelTime>,
}

/// Measures the kernels of these programs in turns with the machine's limits.
///
/// # Errors
/// If the limits cannot be measured on this machine, or a program cannot run.
pub fn kernels(
    mut cases: Vec<Case>,
    options: &Options,
    rounds: usize,
) -> Result<KernelTimes, Box<dyn Error>> {
    let isa = options.isa.map_or_else(brolga_codegen::VectorIsa::chosen, Ok)?;
    let mut meter = Meter::new(isa, options.threads)?;
    let mut limits = vec![];
    for _ in 0..rounds.max(1) {
        limits.push(meter.round());
        cases.iter_mut().try_for_each(Case::round)?;
    }
    let mut kernels = vec![];
    for case in cases {
        kernels.extend(case.times(&limits)?);
    }
    let limits = Limits::median_of(&limits).ok_or("there is a round")?;
    Ok(KernelTimes { limits, kernels })
}

impl fmt::Display for KernelTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.limits)?;
        let rows: Vec<_> = self
            .kernels
            .iter()
            .map(|kernel| {
                [
                    kernel.title(),
                    kernel.kernel.clone(),
                    kernel.bound.to_owned(),
                    format!("{:.1}", 100.0 * kernel.share),
                    format!("{:.2}", 1e6 * kernel.seconds),
                    format!("{:.1}", kernel.gflops()),
                    format!("{:.1}", kernel.gigabytes()),
                    bytes(kernel.work.working_set),
                ]
            })
            .collect();
        let heading =
            ["case", "kernel", "bound by", "% of it", "µs", "GFLOP/s", "GB/s", "working set"];
        write_table(f, 3, &heading, &rows)
    }
}
