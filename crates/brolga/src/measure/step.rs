//! How fast a model's training step is.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use brolga_codegen::{VectorIsa, compile};
use brolga_ir::ops::ConvDims;
use brolga_ir::{Graph, NodeId, Op};
use brolga_nn::Kind;
use brolga_nn::model::{Model, Network};
use brolga_runtime::table::bytes;
use brolga_runtime::{Executable, MemoryReport, Options, Profile, State, StateLayout};

use super::limit::MultiplyAdds;
use super::{fill, median};

/// How often a step is compiled for the median.
const COMPILATIONS: usize = 5;
/// Steps between two measurements of the machine's limits.
const STEPS: u32 = 10;

/// What all threads together reach in multiply-adds of an instruction set that never leave their
/// registers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IsaLimit {
    /// The instruction set.
    pub isa: VectorIsa,
    /// Operations a second, a multiply-add counted as two: the median of the rounds.
    pub flops_per_second: f64,
    /// The part of it that the step reaches: the median of the rounds' parts.
    pub share: f64,
}

/// A training step, measured in turns with the machine's limits. Times are medians.
#[derive(Debug, Clone)]
pub struct StepReport {
    /// Samples in a step.
    pub batch: usize,
    /// Worker threads.
    pub threads: usize,
    /// The instruction set of the step.
    pub isa: VectorIsa,
    /// From the layers to machine code, memory plan and schedule included.
    pub compile: Duration,
    /// Of it: tracing and differentiating.
    pub trace: Duration,
    /// Of it: the passes.
    pub passes: Duration,
    /// One step.
    pub step: Duration,
    /// Operations of the step's convolutions and matrix products, a multiply-add counted as two.
    pub flops: u64,
    /// The limit of 128-bit vectors, which every host has, and that of the step's own instruction
    /// set, which is the last.
    pub limits: Vec<IsaLimit>,
    /// Stages of kernels.
    pub stages: usize,
    /// Barriers between them.
    pub barriers: usize,
    /// Stages in which threads help each other.
    pub shared: usize,
    /// States, arena, and the plan of it.
    pub memory: MemoryReport,
    /// Time by kernel, if it was asked for.
    pub profile: Option<Profile>,
}

impl StepReport {
    /// The limit of the step's own instruction set.
    #[must_use]
    pub fn limit(&self) -> Option<&IsaLimit> {
        self.limits.last()
    }
}

/// Measures the training step of a compiled model on artificial numbers, without a change of the
/// model's weights. The options are those of the program; the report has a profile if they ask for
/// one.
///
/// # Errors
/// If the model is not compiled or built, or cannot be compiled for this machine.
pub fn train_step<N: Network>(
    model: &mut Model<N>,
    batch: usize,
    options: &Options,
    rounds: usize,
) -> Result<StepReport, Box<dyn Error>> {
    let isa = options.isa.map_or_else(VectorIsa::chosen, Ok)?;
    let options = Options { isa: Some(isa), ..options.clone() };
    let Compilation { mut executable, layout, flops, times } = compilation(model, batch, &options)?;
    let [compile, trace, passes] = times;
    let mut state = warm_up(&mut executable, &layout)?;
    let mut isas = vec![VectorIsa::V128, isa];
    isas.dedup();
    let limits: Vec<MultiplyAdds> =
        isas.into_iter().map(MultiplyAdds::new).collect::<Result<_, _>>()?;
    let (mut steps, mut rates, mut shares) =
        (Vec::new(), vec![vec![]; limits.len()], vec![vec![]; limits.len()]);
    for _ in 0..rounds.max(1) {
        for (limit, rates) in limits.iter().zip(&mut rates) {
            rates.push(limit.measure(options.threads));
        }
        let start = Instant::now();
        for _ in 0..STEPS {
            executable.run(&mut state)?;
        }
        let step = start.elapsed() / STEPS;
        for (shares, rates) in shares.iter_mut().zip(&rates) {
            let limit = rates.last().copied().unwrap_or(f64::INFINITY);
            shares.push(flops as f64 / step.as_secs_f64() / limit);
        }
        steps.push(step);
    }
    steps.sort();
    let limits: Vec<IsaLimit> = (limits.iter().zip(rates).zip(shares))
        .map(|((limit, rates), shares)| IsaLimit {
            isa: limit.isa(),
            flops_per_second: median(rates),
            share: median(shares),
        })
        .collect();
    let limit = limits.last().map_or(f64::INFINITY, |limit| limit.flops_per_second);
    let schedule = executable.schedule();
    Ok(StepReport {
        batch,
        threads: options.threads,
        isa,
        compile,
        trace,
        passes,
        step: steps[steps.len() / 2],
        flops,
        limits,
        stages: schedule.len(),
        barriers: schedule.iter().filter(|stage| stage.barrier).count(),
        shared: schedule.iter().filter(|stage| stage.shared).count(),
        memory: executable.memory().clone(),
        profile: executable.profile().map(|profile| profile.with_limit(limit)),
    })
}

/// The program of a training step, and the median times of compilation: all of it, tracing, passes.
struct Compilation {
    executable: Executable,
    layout: StateLayout,
    flops: u64,
    times: [Duration; 3],
}

fn compilation<N: Network>(
    model: &mut Model<N>,
    batch: usize,
    options: &Options,
) -> Result<Compilation, Box<dyn Error>> {
    let mut times = Vec::new();
    loop {
        let start = Instant::now();
        let mut graph = model.trace(Kind::Train, batch)?;
        let traced = start.elapsed();
        let flops = contraction_flops(&graph);
        brolga_passes::optimize(&mut graph)?;
        let optimized = start.elapsed();
        let layout = StateLayout::of_graphs([&graph])?;
        let executable = Executable::new(&graph, &layout, options, compile)?;
        times.push([start.elapsed(), traced, optimized.saturating_sub(traced)]);
        if times.len() == COMPILATIONS {
            times.sort();
            return Ok(Compilation { executable, layout, flops, times: times[COMPILATIONS / 2] });
        }
    }
}

/// Runs steps on made-up numbers until the machine is warm.
fn warm_up(executable: &mut Executable, layout: &StateLayout) -> Result<State, Box<dyn Error>> {
    let mut state = fill(executable, layout)?;
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(500) {
        executable.run(&mut state)?;
    }
    executable.reset_profile();
    Ok(state)
}

impl fmt::Display for StepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| 1e3 * time.as_secs_f64();
        let code = self.compile.saturating_sub(self.trace + self.passes);
        writeln!(
            f,
            "compile: {:.1} ms from layers to machine code (trace and gradient {:.1}, passes {:.1}, code and plan {:.1})",
            ms(self.compile),
            ms(self.trace),
            ms(self.passes),
            ms(code)
        )?;
        writeln!(
            f,
            "program: {} stages, {} of them shared, {} barriers, vectors of {} bits ({})",
            self.stages,
            self.shared,
            self.barriers,
            self.isa.bits(),
            self.isa
        )?;
        let MemoryReport { states, arena, planned, ref planner, .. } = self.memory;
        writeln!(
            f,
            "memory: {} of states, {} of arena; of it {} planned, {:.3} times the lower bound ({planner})",
            bytes(states),
            bytes(arena),
            bytes(planned),
            self.memory.planned_ratio()
        )?;
        writeln!(
            f,
            "step: {:.2} ms for a batch of {} on {} threads, {:.1} GFLOP/s of {:.3} GFLOP",
            ms(self.step),
            self.batch,
            self.threads,
            self.flops as f64 / self.step.as_secs_f64() / 1e9,
            self.flops as f64 / 1e9
        )?;
        for (index, limit) in self.limits.iter().enumerate() {
            let new_line = if index > 0 { "\n" } else { "" };
            write!(
                f,
                "{new_line}limit: {:.1} GFLOP/s in {}-bit multiply-adds ({}), measured in turns; the step reaches {:.1} % of it",
                limit.flops_per_second / 1e9,
                limit.isa.bits(),
                limit.isa,
                100.0 * limit.share
            )?;
        }
        if let Some(profile) = &self.profile {
            write!(f, "\n{profile}")?;
        }
        Ok(())
    }
}

/// Operations of all convolutions and matrix products and of their gradients.
fn contraction_flops(graph: &Graph) -> u64 {
    let shape = |id: NodeId, slot: usize| &graph.ty(graph.operands(id)[slot]).shape;
    let convolution = |dims: ConvDims| dims.flops();
    let node = |id| match &graph.node(id).op {
        Op::Matmul(op) => {
            let dims = op.dims(shape(id, 0), shape(id, 1));
            2 * (dims.batch * dims.m * dims.n * dims.k) as u64
        }
        Op::Conv(op) => op.dims(shape(id, 0), shape(id, 1)).map_or(0, convolution),
        Op::ConvGradInput(op) => op.dims(shape(id, 0), shape(id, 1)).map_or(0, convolution),
        Op::ConvGradFilter(op) => op.dims(shape(id, 0), shape(id, 1)).map_or(0, convolution),
        _ => 0,
    };
    // What no output needs is not computed, and not counted.
    let mut live = graph.clone();
    live.remove_dead();
    live.ids().map(node).sum()
}
