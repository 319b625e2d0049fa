//! Numbers at the ends of their types: the values of exact arithmetic, on the interpreter and
//! natively.

use brolga_codegen::compile;
use brolga_ir::{DType, Data, Tensor, Tracer, Type, Var};
use brolga_nn::activations::Activation as Function;
use brolga_nn::optimizers::Optimizer;
use brolga_nn::prelude::*;
use brolga_nn::trace::{Call, Context, Weights};
use brolga_runtime::{Backend, Executable, Options, State, StateLayout};
use ndarray::array;

const BACKENDS: [Backend; 2] = [Backend::Interpreter, Backend::Native];

/// `y = w·x` from `w = 0`, trained on one sample by the mean absolute error: each gradient is `−x`
/// or `x`.
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

/// The outputs of a graph for one batch of inputs.
fn outputs(tracer: Tracer, inputs: &[Tensor], backend: Backend) -> Vec<Vec<f64>> {
    let mut graph = tracer.finish().expect("a graph");
    brolga_passes::optimize(&mut graph).expect("a graph of kernels");
    let layout = StateLayout::of_graphs([&graph]).expect("no state");
    let options = Options { backend, threads: 1, ..Options::default() };
    let mut program = Executable::new(&graph, &layout, &options, compile).expect("a program");
    for (index, input) in inputs.iter().enumerate() {
        program.set_input(index, input).expect("an input of this type");
    }
    program.run(&mut State::zeros(&layout).expect("no state")).expect("a run");
    let output = |index| program.output_tensor(index).expect("an output").data().to_f64();
    (0..graph.outputs().len()).map(output).collect()
}

/// The activation of this name.
fn named(name: &str) -> impl Fn(&Var) -> Var {
    let function = Function::from(name);
    move |x| function.apply(x)
}

/// So many equal numbers of f16, which counts to 2048 and ends at 65504.
fn of_equal_halves(count: usize, function: impl Fn(&Var) -> Var, backend: Backend) -> Vec<f64> {
    let tracer = Tracer::new("halves");
    let x = tracer.input("x", Type::new(DType::F16, [count]));
    tracer.output(&function(&x));
    let x = Tensor::new([count], Data::from_f64(DType::F16, &vec![3.0; count]));
    outputs(tracer, &[x.expect("as many as the shape has")], backend).remove(0)
}

#[test]
fn half_types_count_further_than_they_can_hold() {
    let count = 70_000;
    let gradient = |function: fn(&Var) -> Var| {
        move |x: &Var| {
            let y = function(x);
            brolga_autodiff::gradients(x.tracer(), &y, std::slice::from_ref(x))
                .expect("a gradient")
                .remove(0)
        }
    };
    let share = 240.0 / 2f64.powi(24);
    assert_eq!(share as f32, 1.430_511_5e-5, "1/70000 in f16");
    for backend in BACKENDS {
        let equal = |function: &dyn Fn(&Var) -> Var| of_equal_halves(count, function, backend);
        assert_eq!(equal(&gradient(|x| x.reduce_max(&[0], false))), vec![share; count]);
        assert_eq!(equal(&gradient(|x| x.reduce_min(&[0], false))), vec![share; count]);
        assert_eq!(equal(&gradient(|x| x.reduce_mean(&[0], false))), vec![share; count]);
        assert_eq!(equal(&|x| x.reduce_mean(&[0], false)), [3.0]);
        assert_eq!(equal(&named("softmax")), vec![share; count]);
        assert_eq!(equal(&named("log_softmax")), vec![-11.156_25; count], "−ln 70000 in f16");
    }
}

/// A gradient of 10 in each step: its variance falls towards 0, and the steps grow as far as ε lets
/// them.
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

/// The same in `f64`, by Keras's formula; `v − a²` is written as what it is for a constant gradient
/// g: `g²·(p − p²)`, p = ρᵗ.
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
            assert_eq!(step(SGD::new(1.0).clipnorm(f64::from(x) * 1.1), x), x);
        }
        assert_eq!(step(SGD::new(1.0).clipnorm(1e-24), 1e-20), 1e-24);
        assert_eq!(step(SGD::new(1.0).global_clipnorm(1e-24), 1e-23), 1e-24);
        assert_eq!(step(SGD::new(1.0).clipnorm(1e-24), 1e-25), 1e-25);
        assert_eq!(step(SGD::new(1.0).clipnorm(1e30), 1e-25), 1e-25);
    }
}

/// Loss and gradient by the logits of one sample.
fn of_logits(
    loss: &dyn Loss,
    logits: [f32; 2],
    label: Tensor,
    backend: Backend,
) -> (f32, [f32; 2]) {
    let tracer = Tracer::new("loss");
    let z = tracer.input("z", Type::f32([1, 2]));
    let y = tracer.input("y", label.ty());
    let mut context = Context::inference(&tracer);
    let p = Call::new(&mut context, &mut Weights::default()).activate(&"softmax".into(), &z);
    let value = losses::compute(loss, &y, &context.prediction(p), None);
    tracer.output(&value);
    tracer.output(&brolga_autodiff::gradients(&tracer, &value, &[z]).expect("a gradient")[0]);
    let z = Tensor::f32([1, 2], logits.to_vec()).expect("two logits");
    let results = outputs(tracer, &[z, label], backend);
    (results[0][0] as f32, [0, 1].map(|index| results[1][index] as f32))
}

#[test]
fn cross_entropies_of_the_largest_logits() {
    let class = |class| Tensor::new([1], Data::I32(vec![class])).expect("one label");
    let one_hot = |p: [f32; 2]| Tensor::f32([1, 2], p.to_vec()).expect("two probabilities");
    let sparse = losses::SparseCategoricalCrossentropy::new();
    let categorical = losses::CategoricalCrossentropy::new();
    let logits = [-3e38, 3e38];
    for backend in BACKENDS {
        for (loss, right, wrong) in [
            (&sparse as &dyn Loss, class(1), class(0)),
            (&categorical, one_hot([0.0, 1.0]), one_hot([1.0, 0.0])),
        ] {
            assert_eq!(of_logits(loss, logits, right, backend), (0.0, [0.0, 0.0]));
            assert_eq!(of_logits(loss, logits, wrong, backend), (f32::INFINITY, [-1.0, 1.0]));
        }
        let ignored = losses::SparseCategoricalCrossentropy::new().ignore_class(0);
        assert_eq!(of_logits(&ignored, logits, class(0), backend), (0.0, [0.0, 0.0]));
        let smooth = losses::CategoricalCrossentropy::new().label_smoothing(0.5);
        let (loss, gradient) = of_logits(&smooth, logits, one_hot([0.0, 1.0]), backend);
        assert_eq!((loss, gradient), (f32::INFINITY, [-0.25, 0.25]));
    }
}

#[test]
fn a_sample_without_weight_does_not_count_even_if_its_loss_is_infinite() -> Result<(), NnError> {
    let mut infinite = vec![];
    for backend in BACKENDS {
        let mut model = Sequential::new();
        model.add(Input::new([2])).add(Activation::new("softmax"));
        let name = "sparse_categorical_crossentropy";
        let compile = Compile::new().loss(name).metrics([name]);
        model.compile(compile.backend(backend))?;
        let x = array![[-3e38f32, 3e38], [1.0, 1.0]];
        let verbose = || Evaluate::new().verbose(false);
        let scores = model.evaluate_with(&x, &[1, 0], verbose())?;
        assert_eq!(scores.loss(), f64::from(2f32.ln()) / 2.0);
        let weights = verbose().sample_weight(&[0.0, 1.0]);
        let scores = model.evaluate_with(&x, &[0, 0], weights)?;
        assert_eq!(scores.loss(), f64::from(2f32.ln()) / 2.0);
        infinite
            .push(model.evaluate_with(&x, &[0, 0], verbose()).expect_err("infinite").to_string());
    }
    assert_eq!(infinite[0], infinite[1]);
    insta::assert_snapshot!(infinite[0].split(", at ").next().unwrap_or_default(), @"
    evaluation, step 1: the loss is inf
      first made by `sub`: f32[2,2] of layer `loss` (forward)
    ");
    Ok(())
}

#[test]
fn binary_cross_entropy_of_the_largest_logits_and_of_certain_probabilities() {
    for backend in BACKENDS {
        let loss = |activation: &str, x: f32, label: f32| {
            let mut model = Sequential::new();
            model.add(Input::new([1])).add(Activation::new(activation));
            let compile = Compile::new().loss("binary_crossentropy").metrics(["binary_accuracy"]);
            model.compile(compile.backend(backend)).expect("the model is right");
            let evaluate = Evaluate::new().verbose(false);
            model.evaluate_with(&array![[x]], &array![[label]], evaluate).expect("finite").loss()
                as f32
        };
        for (x, label, expected) in [
            (3e38, 1.0, 0.0),
            (-3e38, 0.0, 0.0),
            (3e38, 0.0, 3e38),
            (-3e38, 1.0, 3e38),
            (3e38, 0.5, 1.5e38),
        ] {
            assert_eq!(loss("sigmoid", x, label), expected, "{x} {label}");
        }
        // Probabilities are kept 1e-7 away from 0 and 1, as in Keras.
        let (near, far) = (-(1f32 - 1e-7).ln(), -(1e-7f32.ln()));
        for (p, label, expected) in
            [(1.0, 1.0, near), (0.0, 0.0, near), (1.0, 0.0, far), (0.0, 1.0, far)]
        {
            let given = loss("linear", p, label);
            assert!((given - expected).abs() <= 0.2 * expected.abs(), "{p} {label}: {given}");
        }
    }
}
