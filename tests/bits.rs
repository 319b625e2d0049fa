//! The promise that everything else rests on: a step gives the same bits on the interpreter and in
//! machine code, with each op a kernel of its own and fused, with 1, 2, 3 and 8 threads.

use brolga::codegen::compile;
use brolga::ir::{DType, Data, Graph, Tensor, Type};
use brolga::nn::{Kind, Sequential, builtin};
use brolga::passes::{PassManager, optimize, passes_by_name};
use brolga::runtime::{Backend, Executable, Options, State};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const STEPS: usize = 3;
const THREADS: [usize; 4] = [1, 2, 3, 8];

#[test]
fn the_convolutional_model_trains_to_the_same_bits() -> Result {
    same_bits(builtin::mnist_cnn()?, Kind::Train, 3)
}

#[test]
fn the_perceptron_trains_to_the_same_bits() -> Result {
    same_bits(builtin::mlp()?, Kind::Train, 17)?;
    same_bits(builtin::mlp()?, Kind::Train, 33)
}

#[test]
fn one_sample_trains_to_the_same_bits() -> Result {
    same_bits(builtin::mnist_cnn()?, Kind::Train, 1)
}

#[test]
fn evaluation_gives_the_same_bits() -> Result {
    same_bits(builtin::mnist_cnn()?, Kind::Evaluate, 2)?;
    same_bits(builtin::mlp()?, Kind::Evaluate, 16)
}

#[test]
fn prediction_gives_the_same_bits() -> Result {
    same_bits(builtin::mnist_cnn()?, Kind::Predict, 2)?;
    same_bits(builtin::mlp()?, Kind::Predict, 33)
}

/// Runs a program on all backends from the same state on the same batches, and compares the outputs
/// and the states after it.
fn same_bits(mut model: Sequential, kind: Kind, batch: usize) -> Result {
    let traced = model.trace(kind, batch)?;
    let start = model.session()?.snapshot()?;
    let expected = run(&traced, &start, Backend::Interpreter, 1)?;
    assert_ne!(expected[0], expected[1], "the batches differ");

    let mut unfused = traced.clone();
    PassManager::new(passes_by_name("outline")?).run(&mut unfused)?;
    let mut fused = traced.clone();
    optimize(&mut fused)?;
    assert!(fused.len() < unfused.len());
    for (graph, form) in [(&unfused, "unfused"), (&fused, "fused")] {
        assert_same(
            &expected,
            &run(graph, &start, Backend::Interpreter, 1)?,
            &format!("interpreter, {form}"),
        );
        for threads in THREADS {
            let native = run(graph, &start, Backend::Native, threads)?;
            assert_same(&expected, &native, &format!("{threads} threads, {form}"));
        }
    }
    Ok(())
}

/// The outputs of a step, and all states after it.
type Step = Vec<(String, Tensor)>;

fn run(graph: &Graph, start: &State, backend: Backend, threads: usize) -> Result<Vec<Step>> {
    let options = Options { backend, threads, oversubscribe: true, ..Options::default() };
    let mut executable = Executable::new(graph, start.layout(), &options, compile)?;
    let mut state = start.try_clone()?;
    let mut steps = vec![];
    for step in 0..STEPS {
        let inputs = executable.inputs().map(|(name, ty)| (name.to_owned(), ty.clone()));
        for (name, ty) in inputs.collect::<Vec<_>>() {
            executable.set_input(name.as_str(), &samples(&ty, step as u64))?;
        }
        executable.run(&mut state)?;
        let outputs = (0..executable.outputs().len())
            .map(|index| Ok((format!("output {index}"), executable.output_tensor(index)?)));
        let names = state.layout().iter();
        let states = names.map(|(name, _)| Ok((name.to_owned(), state.get(name)?)));
        steps.push(outputs.chain(states).collect::<Result<_>>()?);
    }
    Ok(steps)
}

/// Pixels or labels, other ones for each seed.
fn samples(ty: &Type, seed: u64) -> Tensor {
    let mut state = seed + 1;
    let number = |_| {
        // A linear congruential generator (Knuth, MMIX).
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bits = state >> 32;
        match ty.dtype {
            DType::F32 => (bits % 256) as f64 / 255.0,
            _ => (bits % 10) as f64,
        }
    };
    let numbers: Vec<f64> = (0..ty.shape.elements()).map(number).collect();
    let data = Data::from_f64(ty.dtype, &numbers);
    Tensor::new(ty.shape.clone(), data).expect("there are as many numbers as elements")
}

fn assert_same(expected: &[Step], given: &[Step], case: &str) {
    for (number, (expected, given)) in expected.iter().zip(given).enumerate() {
        for ((name, expected), (_, given)) in expected.iter().zip(given) {
            if expected == given {
                continue;
            }
            let bits = |tensor: &Tensor| tensor.data().canonical_bits();
            let index = bits(expected).iter().zip(bits(given)).position(|(a, b)| *a != b);
            let value = |tensor: &Tensor| index.map(|index| tensor.data().to_f64()[index]);
            let (expected, given) = (value(expected), value(given));
            panic!(
                "{case}, step {number}: {name} differs at {index:?}: {expected:?} became {given:?}"
            );
        }
        assert_eq!(expected.len(), given.len(), "{case}");
    }
}
