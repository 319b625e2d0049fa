//! Functions from the tracer to machine code: called often, differentiated and compiled once.

mod common;

use std::collections::BTreeSet;

use brolga::autodiff::gradients;
use brolga::codegen::{CodegenOptions, compile};
use brolga::ir::{Graph, Op, Tensor, Tracer, Type};
use brolga::passes::optimize;

use common::{Outcome, runs_as_interpreted};

/// A cell called so often, and with `backward` the gradients of a sum by its first operand and its
/// weight.
fn repeated(calls: usize, backward: bool) -> Outcome<Graph> {
    let t = Tracer::new("repeated");
    let (x, w) = (t.input("x", Type::f32([8, 16])), t.input("w", Type::f32([16, 16])));
    let inputs = [("h", x.ty().clone()), ("w", w.ty().clone())];
    let cell = t.function("cell", inputs, |f| {
        let _layer = f[0].tracer().enter("cell");
        vec![f[0].matmul(&f[1]).tanh()]
    });
    let mut h = x.clone();
    for call in 0..calls {
        let _step = t.enter(&format!("step{call}"));
        h = cell.apply(&[&h, &w]);
    }
    t.output(&h);
    if backward {
        let loss = (&h * &h).reduce_sum(&[0, 1], false);
        gradients(&t, &loss, &[x, w])?.iter().for_each(|gradient| t.output(gradient));
    }
    Ok(t.finish()?)
}

/// How many kernels a graph has after the passes, and how many functions of machine code all their
/// stages are.
fn compiled(graph: &Graph) -> Outcome<(usize, usize)> {
    let mut kernels = graph.clone();
    optimize(&mut kernels)?;
    let compiled = compile(&kernels, &CodegenOptions::default())?;
    let stages = compiled.kernels().values().flat_map(|kernel| &kernel.stages);
    let symbols: BTreeSet<&str> = stages.map(|stage| stage.symbol.as_str()).collect();
    Ok((compiled.kernels().len(), symbols.len()))
}

#[test]
fn a_function_is_compiled_once_for_all_its_calls() -> Outcome {
    let (kernels, functions) = compiled(&repeated(8, false)?)?;
    let (_, of_one) = compiled(&repeated(1, false)?)?;
    assert_eq!((kernels, functions), (8, of_one));
    Ok(())
}

#[test]
fn a_backward_function_is_made_and_compiled_once() -> Outcome {
    let (eight, sixteen) = (repeated(8, true)?, repeated(16, true)?);
    for graph in [&eight, &sixteen] {
        let names: Vec<&str> = graph.bodies().iter().map(|body| body.name()).collect();
        assert_eq!(names, ["cell", "cell.grad"]);
    }
    let ((few, of_few), (many, of_many)) = (compiled(&eight)?, compiled(&sixteen)?);
    assert!(
        many > few && of_many == of_few,
        "{few} kernels, {of_few} functions; {many}, {of_many}"
    );
    Ok(())
}

#[test]
fn calls_run_natively_with_the_bits_of_the_interpreter() -> Outcome {
    let graph = repeated(8, true)?;
    let inputs: Vec<Tensor> = (graph.inputs().iter())
        .map(|&id| {
            let ty = graph.ty(id.into());
            let numbers = (0..ty.shape.elements()).map(|index| (index as f32 * 0.37).sin());
            Tensor::f32(ty.shape.clone(), numbers.collect()).ok_or("as many as there are elements")
        })
        .collect::<Result<_, _>>()?;
    let mut kernels = graph.clone();
    optimize(&mut kernels)?;
    assert!(kernels.ids().all(|id| !matches!(kernels.node(id).op, Op::Call(_))));
    [1, 2, 3].into_iter().try_for_each(|threads| runs_as_interpreted(&graph, &inputs, threads))
}

#[test]
fn nodes_belong_to_the_layer_of_the_call_and_of_the_function() -> Outcome {
    let mut kernels = repeated(2, true)?;
    optimize(&mut kernels)?;
    let layers: BTreeSet<&str> =
        kernels.ids().filter_map(|id| kernels.node(id).origin.layer.as_deref()).collect();
    assert!(layers.contains("step0/cell") && layers.contains("step1/cell"), "{layers:?}");
    Ok(())
}
