//! Single kernels of every kind.

use brolga::ir::ops::Pooling;
use brolga::ir::ops::window::{Spatial, Window};
use brolga::ir::{DType, Data, Graph, Role, Tensor, TraceError, Tracer, Type, Var};

/// Rows and columns of what goes through the caches: half a megabyte.
const ROWS: [usize; 2] = [512, 256];
/// Elements of what goes through memory.
const LARGE: usize = 8 << 20;

type Traced = Result<Graph, TraceError>;

/// The graph whose outputs these are.
fn graph(
    name: &str,
    trace: impl FnOnce(&Tracer) -> Vec<Var>,
) -> Result<(String, Graph), TraceError> {
    let tracer = Tracer::new("single");
    trace(&tracer).iter().for_each(|output| tracer.output(output));
    let graph: Traced = tracer.finish();
    Ok((name.to_owned(), graph?))
}

fn x(t: &Tracer, shape: impl Into<brolga::ir::Shape>) -> Var {
    t.input("x", Type::f32(shape))
}

/// All of them, with their names.
pub(crate) fn all() -> Result<Vec<(String, Graph)>, TraceError> {
    let mut all = vec![];
    elementwise(&mut all)?;
    rows_and_columns(&mut all)?;
    moves_and_windows(&mut all)?;
    contractions(&mut all)?;
    Ok(all)
}

fn elementwise(all: &mut Vec<(String, Graph)>) -> Result<(), TraceError> {
    for (name, elements) in [("add, L1", 1 << 11), ("add, L2", 1 << 15), ("add, memory", LARGE)] {
        all.push(graph(name, |t| {
            let y = t.input("y", Type::f32([elements]));
            vec![x(t, [elements]) + y]
        })?);
    }
    all.push(graph("exp chain", |t| {
        let x = x(t, ROWS);
        vec![((&x * &x).exp() * 0.5 + 1.0).log().tanh()]
    })?);
    all.push(graph("adam", adam)?);
    all.push(graph("random bits", |t| {
        let (seed, step) = seed_and_step(t);
        vec![seed.random_bits(&step, Type::new(DType::I32, ROWS), 1)]
    })?);
    all.push(graph("dropout", |t| {
        let (seed, step) = seed_and_step(t);
        let kept = seed.random_bernoulli(&step, Type::new(DType::Bool, ROWS), 0.5, 1);
        let x = x(t, ROWS);
        vec![kept.select(&(&x * 2.0), &x.constant_like(0.0).broadcast(ROWS))]
    })?);
    Ok(())
}

fn seed_and_step(t: &Tracer) -> (Var, Var) {
    let seed = t.input("seed", Type::new(DType::I32, [2]));
    (seed, t.input("step", Type::scalar(DType::I32)))
}

/// Keras's Adam on the weights of one layer. The states are updated in place.
fn adam(t: &Tracer) -> Vec<Var> {
    let ty = Type::f32([1600, 128]);
    let [w, m, v] = ["w", "m", "v"].map(|name| t.state(name, ty.clone()));
    let (gradient, rate) = (t.input("gradient", ty), t.input("rate", Type::scalar(DType::F32)));
    let role = t.role(Role::Update);
    let next_m = &m + (&gradient - &m) * 0.1;
    // Squares keep the second moment from becoming negative, whatever numbers the state starts
    // with.
    let next_v = (&v + (&gradient * &gradient - &v) * 0.001).abs();
    let next_w = &w - &next_m * &rate / (next_v.sqrt() + 1e-7);
    for (state, next) in [(&w, &next_w), (&m, &next_m), (&v, &next_v)] {
        t.update(state, next);
    }
    drop(role);
    vec![]
}

fn rows_and_columns(all: &mut Vec<(String, Graph)>) -> Result<(), TraceError> {
    all.push(graph("softmax rows", |t| {
        let x = x(t, ROWS);
        let e = (&x - x.reduce_max(&[1], true)).exp();
        vec![&e / e.reduce_sum(&[1], true)]
    })?);
    all.push(graph("layer norm rows", |t| {
        let x = x(t, ROWS);
        let [scale, offset] = ["scale", "offset"].map(|name| t.input(name, Type::f32([ROWS[1]])));
        let centred = &x - x.reduce_mean(&[1], true);
        let variance = (&centred * &centred).reduce_mean(&[1], true);
        vec![centred * (variance + 1e-3).rsqrt() * scale + offset]
    })?);
    all.push(graph("sum of rows", |t| vec![x(t, ROWS).reduce_sum(&[1], false)])?);
    all.push(graph("sum of columns", |t| vec![x(t, ROWS).reduce_sum(&[0], false)])?);
    all.push(graph("sum of columns, memory", |t| {
        vec![x(t, [LARGE / ROWS[1], ROWS[1]]).reduce_sum(&[0], false)]
    })?);
    Ok(())
}

fn moves_and_windows(all: &mut Vec<(String, Graph)>) -> Result<(), TraceError> {
    // Each row once, in an order that no prefetcher knows.
    let order = (0..ROWS[0]).map(|row| (row * 197 % ROWS[0]) as i32).collect();
    let order = Tensor::new([ROWS[0]], Data::I32(order))
        .unwrap_or_else(|| Tensor::zeros(&Type::new(DType::I32, [ROWS[0]])));
    all.push(graph("gather rows", |t| vec![x(t, ROWS).gather(&t.constant(order.clone()))])?);
    all.push(graph("scatter rows", |t| {
        vec![x(t, ROWS).scatter_add(&t.constant(order.clone()), ROWS[0])]
    })?);
    all.push(graph("transpose", |t| vec![x(t, ROWS).transpose(&[1, 0])])?);

    let (window, padding) = ([2, 2], [[0, 0]; 2]);
    all.push(graph("max pooling", |t| {
        vec![x(t, [8, 32, 32, 64]).max_pool(Pooling::new(window, window, padding))]
    })?);
    all.push(graph("max pooling gradient", |t| {
        let dy = t.input("dy", Type::f32([8, 16, 16, 64]));
        let index = x(t, [8, 32, 32, 64]).max_pool_index(Pooling::new(window, window, padding));
        vec![dy.max_unpool(&index, [32, 32], Pooling::new(window, window, padding))]
    })?);
    Ok(())
}

fn contractions(all: &mut Vec<(String, Graph)>) -> Result<(), TraceError> {
    for [m, k, n] in [[32, 1600, 128], [512, 512, 512], [2048, 128, 512]] {
        all.push(graph(&format!("matmul {m}x{k}x{n}"), |t| {
            vec![x(t, [m, k]).matmul(&t.input("y", Type::f32([k, n])))]
        })?);
    }
    // Those of one axis do the work of those of two before them.
    let convolutions: [Case<'_>; 7] = [
        (32, &[13, 13], 32, &[3, 3], 64),
        (8, &[14, 14], 256, &[1, 1], 1024),
        (32, &[14, 14], 64, &[3, 3], 64),
        (32, &[196], 64, &[9], 64),
        (1, &[56, 56], 64, &[3, 3], 64),
        (1, &[3136], 64, &[9], 64),
        (4, &[16, 16, 16], 16, &[3, 3, 3], 32),
    ];
    for (batch, extents, channels, kernel, filters) in convolutions {
        convolution(all, [batch, channels, filters], extents, kernel)?;
    }
    Ok(())
}

/// Batch, extents of the images, channels, extents of the filter, filters.
type Case<'a> = (usize, &'a [usize], usize, &'a [usize], usize);

/// A convolution with padding so that images keep their extents, and its gradients.
fn convolution(
    all: &mut Vec<(String, Graph)>,
    [batch, channels, filters]: [usize; 3],
    extents: &[usize],
    kernel: &[usize],
) -> Result<(), TraceError> {
    let spatial = |list: &[usize]| Spatial::from_fn(list.len(), |axis| list[axis]);
    let padding = Spatial::from_fn(kernel.len(), |axis| [kernel[axis] / 2; 2]);
    let window = || Window { padding, ..Window::plain(kernel.len()) };
    let images = |channels| Type::f32([&[batch], extents, &[channels]].concat());
    let (image, taps) = (spatial(extents), spatial(kernel));
    let case = |pass: &str| format!("conv {batch}x{image}x{channels}, {taps}, {filters}: {pass}");
    let x = |t: &Tracer| t.input("x", images(channels));
    let dy = |t: &Tracer| t.input("dy", images(filters));
    let filter = |t: &Tracer| t.input("w", Type::f32([kernel, &[channels, filters]].concat()));
    all.push(graph(&case("forward"), |t| vec![x(t).conv(&filter(t), window(), 1)])?);
    all.push(graph(&case("input gradient"), |t| {
        vec![dy(t).conv_grad_input(&filter(t), image, window(), 1)]
    })?);
    all.push(graph(&case("filter gradient"), |t| {
        vec![x(t).conv_grad_filter(&dy(t), taps, window(), 1)]
    })?);
    Ok(())
}
