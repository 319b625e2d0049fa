//! Activations with arguments: values are those of the formulas, gradients those of differences,
//! and native code gives the interpreter's bits. Those with default arguments are compared with
//! Keras in `tests/golden`.

use brolga_autodiff::gradients;
use brolga_codegen::compile;
use brolga_ir::{DType, Graph, Tensor, Tracer, Type, Var, interpret};
use brolga_nn::activations::{
    Activation, Celu, Elu, Gelu, Glu, HardShrink, LeakyRelu, LogSoftmax, Relu, SoftShrink, Softmax,
    Sparsemax, Squareplus, Threshold,
};
use brolga_nn::prelude::*;
use brolga_nn::registry::{Value, from_config};
use brolga_runtime::{Executable, Options, State, StateLayout};
use serde_json::json;

/// A function of each element, and its formula in f64.
type Elementwise = (Activation, fn(f64) -> f64);

fn elementwise() -> Vec<Elementwise> {
    let relu = |negative_slope, max_value, threshold| Relu { negative_slope, max_value, threshold };
    vec![
        (relu(0.0, Some(1.5), 0.0).into(), |x| x.clamp(0.0, 1.5)),
        (relu(0.25, None, 0.0).into(), |x| if x > 0.0 { x } else { 0.25 * x }),
        (relu(0.0, None, 0.5).into(), |x| if x > 0.5 { x } else { 0.0 }),
        (
            relu(0.25, Some(1.5), 0.5).into(),
            |x| {
                if x > 0.5 { x.min(1.5) } else { 0.25 * (x - 0.5) }
            },
        ),
        (LeakyRelu { negative_slope: -0.5 }.into(), |x| if x > 0.0 { x } else { -0.5 * x }),
        (Elu { alpha: 0.5 }.into(), |x| if x > 0.0 { x } else { 0.5 * x.exp_m1() }),
        (Celu { alpha: 0.5 }.into(), |x| if x > 0.0 { x } else { 0.5 * (x / 0.5).exp_m1() }),
        (Gelu { approximate: true }.into(), |x| {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }),
        (HardShrink { threshold: 1.0 }.into(), |x| if x.abs() > 1.0 { x } else { 0.0 }),
        (SoftShrink { threshold: 1.0 }.into(), |x| x - x.clamp(-1.0, 1.0)),
        (Squareplus { b: 0.25 }.into(), |x| 0.5 * (x + (x * x + 0.25).sqrt())),
        (Threshold { threshold: 0.25, default_value: -3.0 }.into(), |x| {
            if x > 0.25 { x } else { -3.0 }
        }),
    ]
}

/// Numbers of both signs, none of which is where a formula changes.
fn numbers(count: usize) -> Vec<f64> {
    (0..count).map(|i| (i as f64 * 0.731).sin() * 2.7 + 0.013).collect()
}

fn tensor(dtype: DType, shape: &[usize], values: &[f64]) -> Tensor {
    let data = brolga_ir::Data::from_f64(dtype, values);
    Tensor::new(shape, data).expect("as many as the shape says")
}

/// An activation and the gradient of `Σ y·c`, with c from 1 on.
fn graph(activation: &Activation, ty: &Type) -> Graph {
    let tracer = Tracer::new("activation");
    let x = tracer.input("x", ty.clone());
    let y = activation.apply(&x);
    let weights: Vec<f64> = (0..y.shape().elements()).map(|i| 1.0 + i as f64 / 8.0).collect();
    let weights = tracer.constant(tensor(ty.dtype, y.shape(), &weights));
    let axes: Vec<usize> = (0..y.shape().rank()).collect();
    let sum = (&y * weights).reduce_sum(&axes, false);
    let gradient = gradients(&tracer, &sum, &[x]).expect("a gradient");
    for output in [&y, &sum, &gradient[0]] {
        tracer.output(output);
    }
    tracer.finish().expect("a graph")
}

/// The results of the interpreter, which are also those of native code.
fn run(activation: &Activation, x: &Tensor) -> Vec<Vec<f64>> {
    let mut graph = graph(activation, &x.ty());
    let expected = interpret(&graph, std::slice::from_ref(x)).expect("a valid graph");
    brolga_passes::optimize(&mut graph).expect("a graph of kernels");
    let layout = StateLayout::of_graphs([&graph]).expect("no state");
    let mut program =
        Executable::new(&graph, &layout, &Options::default(), compile).expect("a program");
    program.set_input(0, x).expect("an input of this type");
    program.run(&mut State::zeros(&layout).expect("no state")).expect("a run");
    for (index, expected) in expected.iter().enumerate() {
        assert_eq!(program.output_tensor(index).as_ref().ok(), Some(expected), "{activation:?}");
    }
    expected.iter().map(|tensor| tensor.data().to_f64()).collect()
}

/// Fails unless the gradients agree with central differences of `Σ y·c` in f64.
fn check_gradient(activation: &Activation, shape: &[usize], values: &[f64]) {
    const STEP: f64 = 1e-5;
    let results = run(activation, &tensor(DType::F64, shape, values));
    for (index, gradient) in results[2].iter().enumerate() {
        let moved = |by: f64| {
            let mut values = values.to_vec();
            values[index] += by;
            run(activation, &tensor(DType::F64, shape, &values))[1][0]
        };
        let expected = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
        let off = (gradient - expected).abs();
        assert!(off < 1e-7, "{activation:?}, element {index}: {gradient}, not {expected}");
    }
}

#[test]
fn values_are_those_of_the_formulas() {
    let values = numbers(67);
    for (activation, formula) in elementwise() {
        let x = tensor(DType::F32, &[67], &values);
        for (x, y) in x.data().to_f64().iter().zip(&run(&activation, &x)[0]) {
            let expected = formula(*x);
            let off = (y - expected).abs();
            assert!(off <= 4e-7 * expected.abs().max(1.0), "{activation:?} of {x}: {y}");
        }
    }
}

#[test]
fn gradients_are_those_of_differences() {
    let values = numbers(12);
    for (activation, _) in elementwise() {
        check_gradient(&activation, &[12], &values);
    }
    for axis in [0, -2] {
        for activation in [
            Activation::from(Glu { axis }),
            Softmax { axis }.into(),
            LogSoftmax { axis }.into(),
            Sparsemax { axis }.into(),
        ] {
            check_gradient(&activation, &[4, 3], &values);
        }
    }
    check_gradient(&"gelu".into(), &[12], &values);
}

/// The columns of an activation along axis 0, which is that along the last axis of the transpose.
#[test]
fn axes_are_counted_as_in_keras() {
    let values = numbers(12);
    let x = tensor(DType::F64, &[4, 3], &values);
    let columns: Vec<f64> = (0..12).map(|i| values[i % 4 * 3 + i / 4]).collect();
    let transpose = tensor(DType::F64, &[3, 4], &columns);
    let with = |axis: i64| -> [Activation; 4] {
        [
            Glu { axis }.into(),
            Softmax { axis }.into(),
            LogSoftmax { axis }.into(),
            Sparsemax { axis }.into(),
        ]
    };
    for ((first, second), last) in with(0).into_iter().zip(with(-2)).zip(with(-1)) {
        let along = run(&first, &x).swap_remove(0);
        let near = |a: &[f64], b: &[f64]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-14)
        };
        assert_eq!(run(&second, &x)[0], along);
        let rows = run(&last, &transpose).swap_remove(0);
        let width = rows.len() / 3;
        let again: Vec<f64> = (0..rows.len()).map(|i| rows[i % 3 * width + i / 3]).collect();
        assert!(near(&along, &again), "{first:?}: {along:?}, not {again:?}");
    }
}

#[test]
fn sparsemax_is_the_nearest_distribution() {
    let of = |values: &[f64]| {
        run(&"sparsemax".into(), &tensor(DType::F64, &[values.len()], values)).swap_remove(0)
    };
    assert_eq!(of(&[1.0, 0.5]), [0.75, 0.25]);
    assert_eq!(of(&[3.0, 1.0]), [1.0, 0.0]);
    assert_eq!(of(&[0.5, 0.5, 0.5, 0.5]), [0.25; 4]);
    assert_eq!(of(&[1e300, 1e300, -1e300]), [0.5, 0.5, 0.0]);
    let y = of(&numbers(31));
    assert!((y.iter().sum::<f64>() - 1.0).abs() < 1e-12 && y.iter().all(|&y| y >= 0.0));
    assert!(y.contains(&0.0) && y.iter().filter(|&&y| y > 0.0).count() > 1);
}

/// Beyond where Φ is 0 or 1 the cube of the approximation would overflow, and its gradient be NaN.
#[test]
fn gelu_is_finite_at_the_ends_of_its_type() {
    let x = tensor(DType::F32, &[4], &[-3e38, -1e15, 1e15, 3e38]);
    for approximate in [false, true] {
        let [y, _, gradient] = &run(&Gelu { approximate }.into(), &x)[..] else { panic!() };
        assert_eq!(y[..2], [0.0, 0.0]);
        assert_eq!(y[2..], x.data().to_f64()[2..]);
        assert_eq!(gradient[..], [0.0, 0.0, 1.25, 1.375]);
    }
}

#[test]
fn configs_hold_arguments_that_are_not_the_defaults() -> Result<(), NnError> {
    let written = |activation: Activation| -> Result<Value, NnError> {
        let layer = Dense::new(1).activation(activation);
        let config = brolga_nn::registry::to_config(&layer)?;
        let again: std::sync::Arc<dyn Layer> = from_config(&config)?;
        assert_eq!(brolga_nn::registry::to_config(&*again)?, config);
        Ok(config["config"]["activation"].clone())
    };
    assert_eq!(written("relu".into())?, "relu");
    assert_eq!(written(Relu::default().into())?, "relu");
    assert_eq!(written("hard_swish".into())?, "hard_silu");
    assert_eq!(written(Activation::default())?, "linear");
    let elu = json!({
        "module": "keras.activations",
        "class_name": "Elu",
        "config": { "alpha": 0.5 },
        "registered_name": null,
    });
    assert_eq!(written(Elu { alpha: 0.5 }.into())?, elu);
    let config = json!({ "class_name": "Dense", "config": { "units": 1, "activation": null } });
    let layer: std::sync::Arc<dyn Layer> = from_config(&config)?;
    assert_eq!(layer.config()?["activation"], "linear");
    Ok(())
}

/// The mistake of a function of a vector.
fn mistake(activation: impl Into<Activation>, shape: &[usize]) -> String {
    let tracer = Tracer::new("mistake");
    let x: Var = tracer.input("x", Type::f32(shape));
    let _ = activation.into().apply(&x);
    let message = tracer.error().expect("a mistake").to_string();
    message.lines().filter(|line| !line.starts_with("  at ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn arguments_out_of_their_range_are_mistakes() {
    insta::assert_snapshot!(mistake("sofmax", &[3]), @"
    there is no activation `sofmax`; did you mean `softmax`?
      help: there are celu, elu, exponential, gelu, glu, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, leaky_relu, linear, log_sigmoid, log_softmax, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softmax, softplus, softsign, sparse_plus, sparse_sigmoid, sparsemax, squareplus, tanh, tanh_shrink, threshold
    ");
    insta::assert_snapshot!(mistake(Celu { alpha: 0.0 }, &[3]), @"
    Celu: `alpha` is 0
      help: it must be a number above 0 that f32 can hold
    ");
    insta::assert_snapshot!(mistake(Softmax { axis: 1 }, &[3]), @"
    `softmax` works along axis 1: shape [3] has no axis 1
      help: its axis is 0, or -1 from the end
    ");
    insta::assert_snapshot!(mistake(Softmax { axis: -1 }, &[]), @"
    `softmax` works along axis -1: shape [] has no axis -1
      help: it has no axes
    ");
    insta::assert_snapshot!(mistake(Glu { axis: 0 }, &[3]), @"
    `glu` halves axis 0, which f32[3] does not allow
      help: its extent must be even
    ");
    insta::assert_snapshot!(mistake("threshold", &[3]), @"Threshold: missing field `threshold`");
}
