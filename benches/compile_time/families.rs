//! Models and graphs of any size.

use std::error::Error;
use std::time::{Duration, Instant};

use brolga::autodiff::gradients;
use brolga::ir::{Graph, Tracer, Type, Var};
use brolga::nn::Kind;
use brolga::prelude::*;

/// A graph and how long it took to write it down.
pub(super) struct Traced {
    pub(super) graph: Graph,
    pub(super) trace: Duration,
    /// Differentiating; of a model, its update too.
    pub(super) grad: Duration,
}

/// Graphs of one kind.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// The smallest and the largest size of the table.
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) trace: fn(usize) -> Result<Traced, Box<dyn Error>>,
}

pub(super) fn all() -> Vec<Family> {
    let layers = |name, what, trace| Family { name, what, from: 50, to: 6400, trace };
    let nodes = |name, what, trace| Family { name, what, from: 1000, to: 64_000, trace };
    vec![
        layers("dense", "the training step of n times Dense(64, relu), batch 32, Adam", dense),
        layers("conv", "the training step of n times Conv2D(8, 3x3, relu), batch 8, SGD", conv),
        nodes("additions", "a chain of n additions", |n| forward(n, additions)),
        nodes("additions_grad", "a chain of n additions and its gradient", |n| {
            backward(n, additions)
        }),
        nodes("scalars", "a chain of n additions of scalars", |n| forward(n, scalars)),
        nodes("exponentials", "a chain of n exp and its gradient", |n| backward(n, exponentials)),
        layers("products", "n products with bias and relu side by side", |n| forward(n, products)),
        layers("products_sum", "the sum of n products, one after the other", |n| {
            forward(n, products_sum)
        }),
        layers("losses", "the sum of n means, and its gradient", |n| backward(n, losses)),
        nodes("fan_out", "n sums of one input and another", |n| forward(n, fan_out)),
        layers("fan_out_fused", "n sums of one computed value and another", |n| {
            forward(n, fan_out_fused)
        }),
        nodes("concat", "the concatenation of n inputs", |n| forward(n, concat)),
        layers("concat_grad", "the concatenation of n computed values, and its gradient", |n| {
            backward(n, concat_computed)
        }),
        nodes("alternating", "n times a sum along rows and a product with it", |n| {
            forward(n, alternating)
        }),
    ]
}

fn model(mut model: Sequential, optimizer: &str) -> Result<Traced, Box<dyn Error>> {
    model.compile(Compile::new().optimizer(optimizer).loss("mean_squared_error"))?;
    let batch = 32;
    let start = Instant::now();
    model.trace_loss(batch)?;
    let trace = start.elapsed();
    let start = Instant::now();
    let graph = model.trace(Kind::Train, batch)?;
    Ok(Traced { graph, trace, grad: start.elapsed().saturating_sub(trace) })
}

fn dense(n: usize) -> Result<Traced, Box<dyn Error>> {
    let mut layers = Sequential::new();
    layers.add(Input::new([64]));
    for _ in 0..n {
        layers.add(Dense::new(64).activation("relu"));
    }
    model(layers, "adam")
}

fn conv(n: usize) -> Result<Traced, Box<dyn Error>> {
    let mut layers = Sequential::new();
    layers.add(Input::new([8, 8, 8]));
    for _ in 0..n {
        layers.add(Conv2D::new(8, (3, 3)).padding("same").activation("relu"));
    }
    model(layers, "sgd")
}

/// What a family computes of an input of this type; the results are returned.
type Formula = fn(&Tracer, usize) -> Vec<Var>;

fn forward(n: usize, formula: Formula) -> Result<Traced, Box<dyn Error>> {
    let start = Instant::now();
    let tracer = Tracer::new("forward");
    formula(&tracer, n).iter().for_each(|var| tracer.output(var));
    let graph = tracer.finish()?;
    Ok(Traced { graph, trace: start.elapsed(), grad: Duration::ZERO })
}

/// The sum of the only result and its gradients by all inputs.
fn backward(n: usize, formula: Formula) -> Result<Traced, Box<dyn Error>> {
    let start = Instant::now();
    let tracer = Tracer::new("backward");
    let results = formula(&tracer, n);
    let loss = results[0].reduce_sum(&(0..results[0].shape().rank()).collect::<Vec<_>>(), false);
    let inputs = tracer.with_graph(|graph| graph.inputs().to_vec());
    let inputs: Vec<Var> = inputs.into_iter().map(|id| tracer.at(id.into())).collect();
    let trace = start.elapsed();
    let start = Instant::now();
    tracer.output(&loss);
    gradients(&tracer, &loss, &inputs)?.iter().for_each(|var| tracer.output(var));
    let grad = start.elapsed();
    Ok(Traced { graph: tracer.finish()?, trace, grad })
}

/// So many inputs of one type.
fn inputs(tracer: &Tracer, n: usize, ty: &Type) -> Vec<Var> {
    (0..n).map(|place| tracer.input(&format!("x{place}"), ty.clone())).collect()
}

fn additions(tracer: &Tracer, n: usize) -> Vec<Var> {
    chain(&inputs(tracer, 2, &Type::f32([32, 64])), n)
}

fn scalars(tracer: &Tracer, n: usize) -> Vec<Var> {
    chain(&inputs(tracer, 2, &Type::f32([])), n)
}

fn chain(inputs: &[Var], n: usize) -> Vec<Var> {
    vec![(0..n).fold(inputs[0].clone(), |sum, _| sum + &inputs[1])]
}

fn exponentials(tracer: &Tracer, n: usize) -> Vec<Var> {
    let x = tracer.input("x", Type::f32([32, 64]));
    vec![(0..n).fold(x, |x, _| x.exp())]
}

fn products(tracer: &Tracer, n: usize) -> Vec<Var> {
    let x = tracer.input("x", Type::f32([32, 64]));
    let layer = |place| {
        let weight = tracer.input(&format!("w{place}"), Type::f32([64, 64]));
        let bias = tracer.input(&format!("b{place}"), Type::f32([64]));
        (x.matmul(&weight) + bias).relu()
    };
    (0..n).map(layer).collect()
}

fn products_sum(tracer: &Tracer, n: usize) -> Vec<Var> {
    let x = tracer.input("x", Type::f32([32, 64]));
    let weights: Vec<Var> =
        (0..n).map(|place| tracer.input(&format!("w{place}"), Type::f32([64, 64]))).collect();
    let sum = weights[1..].iter().fold(x.matmul(&weights[0]), |sum, w| sum + x.matmul(w));
    vec![sum]
}

fn losses(tracer: &Tracer, n: usize) -> Vec<Var> {
    let inputs = inputs(tracer, n, &Type::f32([64]));
    let mut means = inputs.iter().map(|x| {
        x.unary(brolga::ir::ops::ReduceMean { axes: [0].into_iter().collect(), keepdims: false })
    });
    let first = means.next().unwrap_or_else(|| tracer.scalar(brolga::ir::DType::F32, 0.0));
    vec![means.fold(first, |sum, mean| sum + mean)]
}

fn fan_out(tracer: &Tracer, n: usize) -> Vec<Var> {
    let x = tracer.input("x", Type::f32([64]));
    inputs(tracer, n, &Type::f32([64])).iter().map(|y| &x + y).collect()
}

fn fan_out_fused(tracer: &Tracer, n: usize) -> Vec<Var> {
    let x = tracer.input("x", Type::f32([64])).exp();
    inputs(tracer, n, &Type::f32([64])).iter().map(|y| &x + y).collect()
}

fn concat(tracer: &Tracer, n: usize) -> Vec<Var> {
    joined(&inputs(tracer, n, &Type::f32([4, 8])))
}

fn concat_computed(tracer: &Tracer, n: usize) -> Vec<Var> {
    let values: Vec<Var> = inputs(tracer, n, &Type::f32([4, 8])).iter().map(Var::tanh).collect();
    joined(&values)
}

fn joined(values: &[Var]) -> Vec<Var> {
    let others: Vec<&Var> = values[1..].iter().collect();
    vec![values[0].concat(&others, 1)]
}

fn alternating(tracer: &Tracer, n: usize) -> Vec<Var> {
    let x = tracer.input("x", Type::f32([32, 64]));
    vec![(0..n).fold(x, |x, _| &x * x.reduce_sum(&[1], true))]
}
