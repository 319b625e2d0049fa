//! The time of a step by kernel.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use brolga_ir::{Origin, Role, Uid};
use serde::{Deserialize, Serialize};

use crate::table::{bytes, write_table};
use crate::trace::{Event, Events, Part};

/// The time of one kernel, all steps together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KernelProfile {
    /// The kernel's name.
    pub name: String,
    /// The kernel's node; a copy of a state is none.
    #[serde(default)]
    pub node: Option<Uid>,
    /// The layer's path; empty for what belongs to no layer.
    pub layer: String,
    /// The part of the step.
    pub role: Role,
    /// The number of its calls.
    pub calls: u64,
    /// Nanoseconds: the sum over its stages of the time of the slowest worker, without waiting.
    pub time_ns: u64,
    /// Its part of the time of all steps, between 0 and 1.
    pub share: f64,
    /// Floating-point operations of one call, a multiply-add counted as two.
    pub flops: u64,
    /// Billions of floating-point operations a second.
    pub gflops: f64,
    /// The same as a fraction of the machine's limit; `None` without [`Profile::with_limit`].
    #[serde(default)]
    pub of_limit: Option<f64>,
    /// Bytes of operands, results and workspace that one call reads or writes, counted once for
    /// each stage.
    pub bytes: usize,
    /// The part of these bytes that is written.
    #[serde(default)]
    pub written: usize,
    /// Bytes of the distinct operands, results and workspace, which a cache has to hold.
    #[serde(default)]
    pub working_set: usize,
}

/// The time of the steps since the start or the last reset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The graph's name.
    pub graph: String,
    /// The number of threads.
    pub threads: usize,
    /// The number of steps.
    pub steps: u64,
    /// Nanoseconds of all steps.
    pub time_ns: u64,
    /// Nanoseconds, of all threads together, of these steps spent waiting for each other or for a
    /// core.
    pub waiting_ns: u64,
    /// The kernels in the order of the schedule.
    pub kernels: Vec<KernelProfile>,
}

impl Profile {
    /// Compares each kernel with the machine's limit: the floating-point operations per second of
    /// all threads of the program together, as `brolga::measure::limit::multiply_adds` measures
    /// them.
    #[must_use]
    pub fn with_limit(mut self, flops_per_second: f64) -> Self {
        for kernel in &mut self.kernels {
            kernel.of_limit = Some(1e9 * kernel.gflops / flops_per_second);
        }
        self
    }
}

/// A kernel to be timed.
#[derive(Debug, Clone)]
pub(crate) struct Timed {
    pub(crate) name: String,
    pub(crate) node: Option<Uid>,
    pub(crate) layer: String,
    pub(crate) role: Role,
    pub(crate) flops: u64,
    pub(crate) read: usize,
    pub(crate) written: usize,
    pub(crate) working_set: usize,
    /// The number of its stages.
    pub(crate) stages: usize,
}

impl Timed {
    /// A kernel of one stage whose operations and bytes are not counted.
    pub(crate) fn new(name: &str, node: Option<Uid>, origin: &Origin) -> Self {
        Self {
            name: name.to_owned(),
            node,
            layer: origin.layer.as_deref().unwrap_or_default().to_owned(),
            role: origin.role,
            flops: 0,
            read: 0,
            written: 0,
            working_set: 0,
            stages: 1,
        }
    }
}

/// Clocks of all stages and workers, in nanoseconds.
#[derive(Debug)]
pub(crate) struct Timers {
    kernels: Box<[Timed]>,
    threads: usize,
    stages: Box<[AtomicU64]>,
    feeds: Box<[AtomicU64]>,
    steps: AtomicU64,
    time: AtomicU64,
    events: Events,
}

impl Timers {
    /// Clocks for these kernels, with the stages of all kernels in one list, and memory for
    /// `events` events of each thread.
    pub(crate) fn new(kernels: Vec<Timed>, threads: usize, events: usize) -> Self {
        let clocks = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect();
        let stages: usize = kernels.iter().map(|kernel| kernel.stages).sum();
        Self {
            kernels: kernels.into(),
            threads,
            stages: clocks(stages * threads),
            feeds: clocks(threads),
            steps: AtomicU64::new(0),
            time: AtomicU64::new(0),
            events: Events::new(threads, events),
        }
    }

    /// Times a whole step.
    pub(crate) fn step<R>(&self, work: impl FnOnce() -> R) -> R {
        self.steps.fetch_add(1, Ordering::Relaxed);
        self.timed(&self.time, 0, Part::Step, work)
    }

    /// Times a part of a worker's units of a stage.
    pub(crate) fn stage<R>(&self, stage: usize, worker: usize, work: impl FnOnce() -> R) -> R {
        let clock = &self.stages[stage * self.threads + worker];
        self.timed(clock, worker, Part::Stage(stage), work)
    }

    /// Adds to the time of a stage on worker 0.
    pub(crate) fn add(&self, stage: usize, nanoseconds: u64) {
        self.stages[stage * self.threads].fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Times a worker's part of feeding.
    pub(crate) fn feed(&self, worker: usize, work: impl FnOnce()) {
        self.timed(&self.feeds[worker], worker, Part::Feed, work);
    }

    fn timed<R>(
        &self,
        clock: &AtomicU64,
        worker: usize,
        part: Part,
        work: impl FnOnce() -> R,
    ) -> R {
        let start = Instant::now();
        let result = work();
        let nanoseconds = start.elapsed().as_nanos() as u64;
        clock.fetch_add(nanoseconds, Ordering::Relaxed);
        self.events.keep(worker, part, start, nanoseconds);
        result
    }

    /// The events since the start or the last reset.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.list()
    }

    /// Sets all clocks to zero.
    pub(crate) fn reset(&self) {
        let clocks = self.stages.iter().chain(&self.feeds).chain([&self.steps, &self.time]);
        clocks.for_each(|clock| clock.store(0, Ordering::Relaxed));
        self.events.reset();
    }

    pub(crate) fn profile(&self, graph: &str) -> Profile {
        let read = |clock: &AtomicU64| clock.load(Ordering::Relaxed);
        let (steps, time_ns) = (read(&self.steps), read(&self.time));
        let busy: u64 = self.stages.iter().chain(&self.feeds).map(read).sum();
        let mut clocks = self.stages.chunks(self.threads);
        let kernels = self.kernels.iter().map(|kernel| {
            let stages = clocks.by_ref().take(kernel.stages);
            let slowest = |workers: &[AtomicU64]| workers.iter().map(read).max().unwrap_or(0);
            let own = stages.map(slowest).sum::<u64>();
            let Timed { name, node, layer, role, flops, read, written, working_set, .. } =
                kernel.clone();
            let ratio = |part: f64, whole: u64| if whole == 0 { 0.0 } else { part / whole as f64 };
            let share = ratio(own as f64, time_ns);
            let gflops = ratio(flops as f64 * steps as f64, own);
            KernelProfile {
                name,
                node,
                layer,
                role,
                calls: steps,
                time_ns: own,
                share,
                flops,
                gflops,
                of_limit: None,
                bytes: read + written,
                written,
                working_set,
            }
        });
        Profile {
            graph: graph.to_owned(),
            threads: self.threads,
            steps,
            time_ns,
            kernels: kernels.collect(),
            waiting_ns: match self.threads as u64 {
                1 => 0,
                threads => (time_ns * threads).saturating_sub(busy),
            },
        }
    }
}

/// A table of the kernels, the slowest first, with times of one step.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |ns: u64| ns as f64 / 1e3 / self.steps.max(1) as f64;
        let Self { graph, threads, steps, .. } = self;
        let (time, wait) = (micros(self.time_ns), micros(self.waiting_ns) / *threads as f64);
        writeln!(
            f,
            "{graph}: {steps} steps of {time:.1} µs on {threads} threads; {wait:.1} µs waiting"
        )?;
        let mut kernels: Vec<_> = self.kernels.iter().collect();
        kernels.sort_by_key(|kernel| std::cmp::Reverse(kernel.time_ns));
        let row = |kernel: &&KernelProfile| {
            let layer = if kernel.layer.is_empty() { "-" } else { &kernel.layer };
            let mut row = vec![
                kernel.name.clone(),
                layer.to_owned(),
                kernel.role.name().to_owned(),
                kernel.calls.to_string(),
                format!("{:.1}", micros(kernel.time_ns)),
                format!("{:.1}", kernel.share * 100.0),
                format!("{:.3}", kernel.flops as f64 / 1e6),
                format!("{:.1}", kernel.gflops),
                bytes(kernel.bytes),
            ];
            row.extend(kernel.of_limit.map(|part| format!("{:.1}", part * 100.0)));
            row
        };
        let mut heading =
            vec!["kernel", "layer", "role", "calls", "µs", "%", "MFLOP", "GFLOP/s", "memory"];
        if kernels.iter().any(|kernel| kernel.of_limit.is_some()) {
            heading.push("% of limit");
        }
        write_table(f, 3, &heading, &kernels.iter().map(row).collect::<Vec<_>>())
    }
}
