//! Graphs of whole training steps.

use brolga_autodiff::gradients;
use brolga_ir::ops::Pooling;
use brolga_ir::ops::window::Window;
use brolga_ir::{DType, Graph, Role, Tracer, Type, Var};

/// The size of the convolutional network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Images a step.
    pub(crate) batch: usize,
    /// Height and width of an image.
    pub(crate) image: usize,
    /// Filters of the two convolutions.
    pub(crate) filters: [usize; 2],
    /// Units of the hidden layer.
    pub(crate) units: usize,
}

/// The size for MNIST.
pub(crate) const MNIST: Size = Size { batch: 32, image: 28, filters: [32, 64], units: 128 };

/// A size for the interpreter.
pub(crate) const TINY: Size = Size { batch: 5, image: 14, filters: [3, 4], units: 6 };

/// The weights of the network, each with the slots of Adam.
struct Weights {
    tracer: Tracer,
    all: Vec<[Var; 3]>,
}

impl Weights {
    fn add(&mut self, name: &str, shape: &[usize]) -> Var {
        let state = |name: &str| self.tracer.state(name, Type::f32(shape));
        let w = state(name);
        let (m, v) = (state(&format!("optimizer/m/{name}")), state(&format!("optimizer/v/{name}")));
        self.all.push([w.clone(), m, v]);
        w
    }

    fn layer(&mut self, layer: &str, kernel: &[usize]) -> (Var, Var) {
        let kernel_name = format!("{layer}/kernel");
        let w = self.add(&kernel_name, kernel);
        (w, self.add(&format!("{layer}/bias"), &kernel[kernel.len() - 1..]))
    }
}

/// The training step of conv, pool, conv, pool, dense, dropout, dense with Adam, as in Keras.
pub(crate) fn train_step(size: Size) -> Graph {
    let Size { batch, image, .. } = size;
    let t = Tracer::new("train_step");
    let x = t.input("x", Type::f32([batch, image, image, 1]));
    let y = t.input("y", Type::new(DType::I32, [batch]));
    let seed = t.state("seed", Type::new(DType::I32, [2]));
    let step = t.state("optimizer/iterations", Type::scalar(DType::I32));
    let loss_total = t.state("metrics/loss", Type::f32([]));
    let accuracy_total = t.state("metrics/accuracy", Type::f32([]));
    let mut weights = Weights { tracer: t.clone(), all: Vec::new() };

    let logits = network(&mut weights, size, x, |shape| {
        seed.random_bernoulli(&step, Type::new(DType::Bool, shape), 0.5, 0)
    });
    let loss = cross_entropy(&t, &logits, &y);
    let w: Vec<Var> = weights.all.iter().map(|[w, ..]| w.clone()).collect();
    let gradients = gradients(&t, &loss, &w).expect("every weight has a gradient");

    t.output(&loss);
    let _role = t.role(Role::Update);
    {
        let _layer = t.enter("metrics");
        t.update(&loss_total, &(&loss_total + &loss * batch as f64));
        let right = logits.argmax(1, false).eq(&y).cast(DType::F32);
        t.update(&accuracy_total, &(&accuracy_total + right.reduce_sum(&[0], false)));
    }
    {
        let _layer = t.enter("adam");
        adam(&t, &step, &weights, &gradients);
    }
    t.finish().expect("the step is traced without a mistake")
}

/// The logits; `mask` gives random truth values of a shape.
fn network(
    weights: &mut Weights,
    Size { batch, filters, units, .. }: Size,
    x: Var,
    mask: impl Fn([usize; 2]) -> Var,
) -> Var {
    let t = weights.tracer.clone();
    let mut h = x;
    for (conv, pool, count) in
        [("conv2d", "max_pooling2d", filters[0]), ("conv2d_1", "max_pooling2d_1", filters[1])]
    {
        let (w, b) = weights.layer(conv, &[3, 3, h.shape()[3], count]);
        {
            let _layer = t.enter(conv);
            h = (h.conv(&w, Window::plain(2), 1) + b).relu();
        }
        let _layer = t.enter(pool);
        h = h.max_pool(Pooling::new([2, 2], [2, 2], [[0, 0]; 2]));
    }
    let flat = h.shape()[1..].iter().product();
    {
        let _layer = t.enter("flatten");
        h = h.reshape([batch, flat]);
    }
    let (w, b) = weights.layer("dense", &[flat, units]);
    {
        let _layer = t.enter("dense");
        h = (h.matmul(&w) + b).relu();
    }
    {
        let _layer = t.enter("dropout");
        h = mask([batch, units]).select(&(&h * 2.0), &h.constant_like(0.0));
    }
    let (w, b) = weights.layer("dense_1", &[units, 10]);
    let _layer = t.enter("dense_1");
    h.matmul(&w) + b
}

fn cross_entropy(t: &Tracer, logits: &Var, y: &Var) -> Var {
    let _layer = t.enter("loss");
    let shifted = logits - logits.reduce_max(&[1], true).stop_gradient();
    let log_probabilities = &shifted - shifted.exp().reduce_sum(&[1], true).log();
    let losses = -(log_probabilities * y.one_hot(10, DType::F32)).reduce_sum(&[1], false);
    losses.reduce_mean(&[0], false)
}

fn adam(t: &Tracer, step: &Var, weights: &Weights, gradients: &[Var]) {
    let next = step + 1.0;
    let time = next.cast(DType::F32);
    let power = |beta: f64| 1.0 - time.constant_like(beta).pow(&time);
    let rate = 0.001 * power(0.999).sqrt() / power(0.9);
    for ([w, m, v], g) in weights.all.iter().zip(gradients) {
        let m_next = (m + (g - m) * 0.1).flush();
        let v_next = (v + (g * g - v) * 0.001).flush();
        t.update(w, &(w - &m_next * &rate / (v_next.sqrt() + 1e-7)));
        t.update(m, &m_next);
        t.update(v, &v_next);
    }
    t.update(step, &next);
}
