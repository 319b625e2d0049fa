//! How fast a model's training step is on this machine, beside what the machine can do.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use brolga_codegen::limit;
use brolga_ir::ops::ConvDims;
use brolga_ir::{Data, Graph, NodeId, Op, Tensor, Type};
use brolga_nn::{Kind, Sequential};
use brolga_runtime::{Executable, Options, Profile, State, StateLayout};

/// How often a step is compiled for the median.
const COMPILATIONS: usize = 5;
/// Steps between two measurements of the machine's limit.
const STEPS: u32 = 10;

/// A training step, measured in turns with the machine's limit. Times are medians.
#[derive(Debug, Clone)]
pub struct StepReport {
    /// Samples in a step.
    pub batch: usize,
    /// Worker threads.
    pub threads: usize,
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
    /// Operations a second that all threads reach together in 128-bit multiply-adds which never leave their registers.
    pub limit: f64,
    /// The median of the rounds' shares of the limit.
    pub share: f64,
    /// Stages of kernels, and barriers between them.
    pub stages: (usize, usize),
    /// Bytes of states and arena.
    pub memory: usize,
    /// Time by kernel, if it was asked for.
    pub profile: Option<Profile>,
}

/// Measures the training step of a compiled model on made-up numbers; the model's weights are not touched.
///
/// # Errors
/// If the model is not compiled or built, or cannot be compiled for this machine.
pub fn train_step(
    model: &mut Sequential,
    batch: usize,
    threads: usize,
    rounds: usize,
    profile: bool,
) -> Result<StepReport, Box<dyn Error>> {
    let mut compilations = Vec::new();
    let (mut executable, layout, flops) = loop {
        let start = Instant::now();
        let mut graph = model.trace(Kind::Train, batch)?;
        let traced = start.elapsed();
        let flops = contraction_flops(&graph);
        brolga_passes::optimize(&mut graph)?;
        let optimized = start.elapsed();
        let layout = StateLayout::of_graphs([&graph])?;
        let options = Options { threads, profile, ..Options::default() };
        let executable = Executable::new(&graph, &layout, &options)?;
        compilations.push((start.elapsed(), traced, optimized.saturating_sub(traced)));
        if compilations.len() == COMPILATIONS {
            break (executable, layout, flops);
        }
    };
    compilations.sort();
    let (compile, trace, passes) = compilations[COMPILATIONS / 2];

    let mut state = State::zeros(&layout)?;
    for (name, ty) in layout.iter() {
        state.set(name, &numbers(ty))?;
    }
    let inputs: Vec<(String, Type)> =
        executable.inputs().map(|(name, ty)| (name.to_owned(), ty.clone())).collect();
    for (name, ty) in &inputs {
        executable.set_input(name.as_str(), &numbers(ty))?;
    }
    let warm = Instant::now();
    while warm.elapsed() < Duration::from_millis(500) {
        executable.run(&mut state)?;
    }
    executable.reset_profile();
    let (mut steps, mut limits, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds.max(1) {
        let limit = limit::multiply_adds(threads, 1)?;
        let start = Instant::now();
        for _ in 0..STEPS {
            executable.run(&mut state)?;
        }
        let step = start.elapsed() / STEPS;
        shares.push(flops as f64 / step.as_secs_f64() / limit);
        limits.push(limit);
        steps.push(step);
    }
    steps.sort();
    let limit = median(limits);
    let schedule = executable.schedule();
    Ok(StepReport {
        batch,
        threads,
        compile,
        trace,
        passes,
        step: steps[steps.len() / 2],
        flops,
        limit,
        share: median(shares),
        stages: (schedule.len(), schedule.iter().filter(|stage| stage.barrier).count()),
        memory: executable.memory().total,
        profile: executable.profile().map(|profile| profile.with_limit(limit)),
    })
}

/// The most memory this process has had so far, in bytes; `None` where the system does not tell.
pub fn peak_memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok().map(|kilobytes| kilobytes * 1024)
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
            "program: {} stages, {} barriers, {:.1} MiB of states and arena",
            self.stages.0,
            self.stages.1,
            self.memory as f64 / f64::from(1 << 20)
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
        write!(
            f,
            "limit: {:.1} GFLOP/s in 128-bit multiply-adds, measured in turns; the step reaches {:.1} % of it",
            self.limit / 1e9,
            100.0 * self.share
        )?;
        if let Some(profile) = &self.profile {
            write!(f, "\n{profile}")?;
        }
        Ok(())
    }
}

/// Operations of all convolutions and matrix products and of their gradients.
fn contraction_flops(graph: &Graph) -> u64 {
    let shape = |id: NodeId, slot: usize| &graph.ty(graph.operands(id)[slot]).shape;
    let convolution = |dims: ConvDims| {
        let taps = |axis: usize| -> usize {
            let taps = |o| dims.window.taps(axis, o, dims.kernel[axis], dims.input[axis]).len();
            (0..dims.output[axis]).map(taps).sum()
        };
        2 * (dims.batch * taps(0) * taps(1) * dims.group_channels() * dims.filters) as u64
    };
    let node = |id| match &graph.node(id).op {
        Op::Matmul(op) => {
            let dims = op.dims(shape(id, 0), shape(id, 1));
            2 * (dims.batch * dims.m * dims.n * dims.k) as u64
        }
        Op::Conv2d(op) => op.dims(shape(id, 0), shape(id, 1)).map_or(0, convolution),
        Op::Conv2dGradInput(op) => op.dims(shape(id, 0), shape(id, 1)).map_or(0, convolution),
        Op::Conv2dGradFilter(op) => op.dims(shape(id, 0), shape(id, 1)).map_or(0, convolution),
        _ => 0,
    };
    // What no output needs is not computed, and not counted.
    let mut live = graph.clone();
    live.remove_dead();
    live.ids().map(node).sum()
}

/// Small numbers of both signs; integers from 0 to 7.
fn numbers(ty: &Type) -> Tensor {
    let mut state = 1_u64;
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let unit = (state >> 40) as f64 / f64::from(1 << 24);
        if ty.dtype.is_float() { (unit - 0.4) * 0.05 } else { (unit * 8.0).floor() }
    };
    let values: Vec<f64> = std::iter::repeat_with(next).take(ty.shape.elements()).collect();
    let data = Data::from_f64(ty.dtype, &values);
    Tensor::new(ty.shape.clone(), data).unwrap_or_else(|| Tensor::zeros(ty))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
