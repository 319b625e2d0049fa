//! One training step of the first model beside what the machine's cores reach with 128-bit multiply-adds, measured in turns in one run.
//!
//!     cargo bench --bench train_step -- [--batch 32] [--threads 2] [--rounds 15] [--profile]

use std::time::{Duration, Instant};

use brolga::codegen::limit;
use brolga::ir::{Graph, Op, Tensor, Type};
use brolga::nn::{Kind, builtin};
use brolga::runtime::{Executable, Options, State, StateLayout};
use clap::Parser;

/// One training step beside the machine's limit.
#[derive(Parser)]
struct Args {
    /// A built-in model.
    #[arg(long, default_value = "mnist_cnn")]
    model: String,
    /// Samples in a step.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Worker threads; all cores if not given.
    #[arg(long)]
    threads: Option<usize>,
    /// Rounds, each with some steps and one measurement of the limit.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Prints the time of each kernel.
    #[arg(long)]
    profile: bool,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

const STEPS: u32 = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
    let mut model = builtin::by_name(&args.model)?;

    let (mut times, mut compile_times) = (Vec::new(), Vec::new());
    let mut built = None;
    for _ in 0..7 {
        let start = Instant::now();
        let mut graph = model.trace(Kind::Train, args.batch)?;
        let traced = start.elapsed();
        let flops = contraction_flops(&graph);
        let report = brolga::passes::optimize(&mut graph)?;
        let optimized = start.elapsed();
        let layout = StateLayout::of_graphs([&graph])?;
        let options = Options { threads, profile: args.profile, ..Options::default() };
        let executable = Executable::new(&graph, &layout, &options)?;
        compile_times.push([traced, optimized - traced, start.elapsed() - optimized, start.elapsed()]);
        built = Some((executable, layout, flops));
        drop(report);
    }
    compile_times.sort_by_key(|times| times[3]);
    let [trace, passes, code, all] = compile_times[compile_times.len() / 2].map(milliseconds);
    println!("compile: {all:.1} ms (trace and gradient {trace:.1}, passes {passes:.1}, machine code and plan {code:.1})");

    let Some((mut executable, layout, flops)) = built else { return Ok(()) };
    println!("kernels: {} stages, {} barriers", executable.schedule().len(), executable.schedule().iter().filter(|s| s.barrier).count());
    println!("memory: {}", executable.memory().total);
    let mut state = State::zeros(&layout)?;
    let types: Vec<(String, Type)> = layout.iter().map(|(name, ty)| (name.to_owned(), ty.clone())).collect();
    for (name, ty) in types {
        state.set(&name, &numbers(&ty, name.contains("rng") || name.contains("iterations")))?;
    }
    let inputs: Vec<(String, Type)> = executable.inputs().map(|(name, ty)| (name.to_owned(), ty.clone())).collect();
    for (name, ty) in inputs {
        executable.set_input(name.as_str(), &numbers(&ty, false))?;
    }

    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        executable.run(&mut state)?;
    }
    executable.reset_profile();
    let mut limits = Vec::new();
    for _ in 0..args.rounds {
        limits.push(limit::multiply_adds(threads, 1)?);
        let start = Instant::now();
        for _ in 0..STEPS {
            executable.run(&mut state)?;
        }
        times.push(start.elapsed() / STEPS);
    }
    let shares: Vec<f64> =
        times.iter().zip(&limits).map(|(time, limit)| flops as f64 / time.as_secs_f64() / limit).collect();
    println!("threads: {threads}, batch: {}", args.batch);
    println!("limit of 128-bit multiply-adds: {:.1} GFLOP/s", median(&limits) / 1e9);
    let seconds: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
    println!(
        "step: {:.3} ms (fastest {:.3}), {:.1} GFLOP/s of {:.3} GFLOP",
        1e3 * median(&seconds),
        1e3 * seconds.iter().copied().fold(f64::INFINITY, f64::min),
        flops as f64 / median(&seconds) / 1e9,
        flops as f64 / 1e9
    );
    println!("share of the limit: {:.1} %", 100.0 * median(&shares));
    if let Some(profile) = executable.profile() {
        println!("{profile}");
    }
    Ok(())
}

/// Operations of all convolutions and matrix products and of their gradients, a multiply-add counted as two.
fn contraction_flops(graph: &Graph) -> u64 {
    let shape = |id, slot: usize| graph.ty(graph.operands(id)[slot]).shape.clone();
    let taps = |dims: brolga::ir::ops::ConvDims| {
        let along = |axis: usize| -> usize {
            (0..dims.output[axis])
                .map(|o| dims.window.taps(axis, o, dims.kernel[axis], dims.input[axis]).len())
                .sum()
        };
        2 * (dims.batch * along(0) * along(1) * dims.channels / dims.groups * dims.filters) as u64
    };
    let node = |id| match &graph.node(id).op {
        Op::Matmul(op) => {
            let dims = op.dims(&shape(id, 0), &shape(id, 1));
            2 * (dims.batch * dims.m * dims.n * dims.k) as u64
        }
        Op::Conv2d(op) => op.dims(&shape(id, 0), &shape(id, 1)).map_or(0, taps),
        Op::Conv2dGradInput(op) => op.dims(&shape(id, 0), &shape(id, 1)).map_or(0, taps),
        Op::Conv2dGradFilter(op) => op.dims(&shape(id, 0), &shape(id, 1)).map_or(0, taps),
        _ => 0,
    };
    // The gradient by the images themselves is dead, and not counted.
    let mut live = graph.clone();
    live.remove_dead();
    live.ids().map(node).sum()
}

/// Small numbers of both signs; counters are whole.
fn numbers(ty: &Type, counter: bool) -> Tensor {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let values: Vec<f64> = (0..ty.shape.elements())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let unit = (state >> 40) as f64 / f64::from(1 << 24);
            if counter || !ty.dtype.is_float() { (unit * 8.0).floor() } else { (unit - 0.4) * 0.05 }
        })
        .collect();
    let data = brolga::ir::Data::from_f64(ty.dtype, &values);
    Tensor::new(ty.shape.clone(), data).unwrap_or_else(|| Tensor::zeros(ty))
}

fn milliseconds(time: Duration) -> f64 {
    1e3 * time.as_secs_f64()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
