//! Numbers at the ends of their types: the values of exact arithmetic, on the interpreter and natively.

use brolga_ir::{DType, Data, Tensor, Tracer, Type, Var, interpret};
use brolga_nn::activations::{log_softmax, softmax};
use brolga_nn::optimizers::Optimizer;
use brolga_nn::prelude::*;
use brolga_runtime::Backend;
use ndarray::array;

const BACKENDS: [Backend; 2] = [Backend::Interpreter, Backend::Native];

/// `y = w·x` from `w = 0`, trained on one sample by the mean absolute error: each gradient is `−x` or `x`.
fn line(optimizer: impl Optimizer + 'static, backend: Backend) -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([1]));
    model.add(Dense::new(1).use_bias(false).kernel_initializer("zeros"));
    let compile = Compile::new().optimizer(optimizer).loss("mae").backend(backend);
    model.compile(compile).expect("the model is right");
    model
}

/// The weight after so many steps.
fn after(steps: usize, model: &mut Sequential, x: f32, y: f32) -> f32 {
    let fit = Fit::new().epochs(steps).verbose(false);
    model.fit(&array![[x]], &array![[y]], fit).expect("every number is finite");
    model.get_weights().expect("a built model")[0][[0, 0]]
}

#[test]
fn softmax_of_more_classes_than_a_half_type_counts() {
    let classes = 70_000;
    let result = |activation: fn(&Var) -> Var| {
        let tracer = Tracer::new("softmax");
        let x = tracer.input("x", Type::new(DType::F16, [classes]));
        tracer.output(&activation(&x));
        let graph = tracer.finish().expect("a graph");
        let x = Tensor::new([classes], Data::from_f64(DType::F16, &vec![3.0; classes]));
        let y = interpret(&graph, &[x.expect("as many as classes")]).expect("the input fits");
        y[0].data().to_f64()
    };
    assert_eq!(result(softmax), vec![240.0 / 2f64.powi(24); classes], "1/70000 in f16");
    assert_eq!(result(log_softmax), vec![-11.156_25; classes], "−ln 70000 in f16");
}

/// A gradient of 10 in each step: its variance falls towards 0, and the steps grow as far as ε lets them.
#[test]
fn rmsprop_centered_has_a_variance_of_0_or_more() {
    for backend in BACKENDS {
        let optimizer = RMSprop::new(1e-3).rho(0.5).centered(true);
        let mut model = line(optimizer, backend);
        let w = after(23, &mut model, 10.0, -1e6);
        assert!((w - exact_rmsprop(23)).abs() < 1e-4 * w.abs(), "{w}");
        assert!((w + 9.868).abs() < 1e-3, "{w}");
        let w = after(377, &mut model, 10.0, -1e6);
        assert!((w - exact_rmsprop(400)).abs() < 1e-4 * w.abs(), "{w}");
    }
}

/// The same in `f64`, by Keras's formula; `v − a²` is written as what it is for a constant gradient g: `g²·(p − p²)`, p = ρᵗ.
fn exact_rmsprop(steps: i32) -> f32 {
    let step = |t: i32| {
        let p = 0.5f64.powi(t);
        1e-3 * 10.0 / (100.0 * (p - p * p) + 1e-7).sqrt()
    };
    -(1..=steps).map(step).sum::<f64>() as f32
}

#[test]
fn norms_are_right_where_squares_overflow_or_vanish() {
    for backend in BACKENDS {
        let step =
            |optimizer: SGD, x: f32| after(1, &mut line(optimizer, backend), x, 1e5f32.copysign(x));
        for x in [1e20, 3e38, 1e10, 1.5] {
            assert_eq!(step(SGD::new(1.0).clipnorm(1.0), x), 1.0, "{x}");
            assert_eq!(step(SGD::new(1.0).global_clipnorm(1.0), x), 1.0, "{x}");
            assert_eq!(step(SGD::new(1.0).clipnorm(f64::from(x) * 2.0), x), x);
        }
        assert_eq!(step(SGD::new(1.0).clipnorm(1e-24), 1e-20), 1e-24);
        assert_eq!(step(SGD::new(1.0).global_clipnorm(1e-24), 1e-23), 1e-24);
        assert_eq!(step(SGD::new(1.0).clipnorm(1e-24), 1e-25), 1e-25);
        assert_eq!(step(SGD::new(1.0).clipnorm(1e30), 1e-25), 1e-25);
    }
}
