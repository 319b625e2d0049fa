//! No stack grows with the depth of a graph: deep graphs are parsed, differentiated, optimized,
//! compiled and run on a thread with a small stack.

mod common;

use std::fmt::Write;
use std::thread;

use brolga::autodiff::grad;
use brolga::ir::{Graph, Tensor, Type, interpret, parse_graph, verify};

use common::{Outcome, runs_as_interpreted};

/// Less than a twentieth of what a recursion through the graphs below would take.
const STACK: usize = 512 << 10;

/// Runs a test on a thread, and on workers, with small stacks.
fn on_a_small_stack(test: fn() -> Outcome) -> Outcome {
    let workers = rayon::ThreadPoolBuilder::new().num_threads(1).stack_size(STACK).build()?;
    let run = move || workers.install(test);
    let small = thread::Builder::new().stack_size(STACK).spawn(run)?;
    small.join().map_err(|_| "the test panicked")?
}

/// A graph of so many nodes, each after the other: `node` writes the statement of a number.
fn chain(signature: &str, nodes: usize, node: impl Fn(usize) -> String) -> String {
    let mut text = format!("graph deep({signature}) {{\n");
    for number in 0..nodes {
        let _ = writeln!(text, "  {}", node(number));
    }
    text + &format!("  return %n{}\n}}\n", nodes - 1)
}

fn before(number: usize, first: &str) -> String {
    number.checked_sub(1).map_or(first.to_owned(), |before| format!("%n{before}"))
}

fn additions(nodes: usize) -> String {
    chain("%x: f32[], %y: f32[]", nodes, |number| {
        format!("%n{number}: f32[] = add {}, %y", before(number, "%x"))
    })
}

fn vectors(nodes: usize) -> String {
    chain("%x: f32[24], %y: f32[24]", nodes, |number| {
        let op = ["add", "mul", "max"][number % 3];
        format!("%n{number}: f32[24] = {op} {}, %y", before(number, "%x"))
    })
}

/// Reads, verifies, prints, differentiates and drops a graph.
fn through_the_ir(text: &str) -> Outcome<Graph> {
    let graph = parse_graph(text, "deep")?;
    verify(&graph)?;
    drop(parse_graph(&graph.to_string(), "printed")?);
    assert_eq!(graph, graph.clone());
    Ok(graph)
}

/// Adds the sum of the only output, and its gradient by the first input, to the outputs.
fn differentiate(graph: &mut Graph) -> Outcome {
    let x = graph.inputs()[0].into();
    let mut loss = graph.outputs()[0].value;
    let rank = graph.ty(loss).shape.rank();
    if rank > 0 {
        let sum = brolga::ir::ops::ReduceSum { axes: (0..rank).collect(), keepdims: false };
        loss = graph.add(sum, &[loss], Default::default())?;
    }
    let gradients = grad(graph, loss, &[x])?;
    graph.add_output(gradients[0]);
    Ok(())
}

/// The native program gives the interpreter's bits.
fn compile_and_run(graph: &Graph) -> Outcome {
    let inputs: Vec<Tensor> =
        graph.inputs().iter().map(|&id| Tensor::full(graph.ty(id.into()), 0.5)).collect();
    runs_as_interpreted(graph, &inputs, 1)
}

#[test]
fn graphs_of_200_000_nodes_are_read_printed_differentiated_and_interpreted() -> Outcome {
    on_a_small_stack(|| {
        let mut graph = through_the_ir(&additions(200_000))?;
        differentiate(&mut graph)?;
        interpret(&graph, &[Tensor::full(&Type::f32([]), 0.5), Tensor::full(&Type::f32([]), 2.0)])?;
        Ok(())
    })
}

#[test]
fn chains_of_64_000_nodes_run_natively() -> Outcome {
    on_a_small_stack(|| {
        for text in [additions(64_000), vectors(64_000)] {
            let mut graph = through_the_ir(&text)?;
            differentiate(&mut graph)?;
            compile_and_run(&graph)?;
        }
        Ok(())
    })
}

#[test]
fn deep_graphs_of_reductions_run_natively() -> Outcome {
    on_a_small_stack(|| {
        // Each needs a reduction of the one before.
        let alternating = chain("%x: f32[3,24]", 4000, |number| match number % 2 {
            0 => format!(
                "%n{number}: f32[3,1] = reduce_mean {} {{axes=[1], keepdims=true}}",
                before(number, "%x")
            ),
            _ => format!("%n{number}: f32[3,24] = mul {}, %x", before(number, "%x")),
        });
        compile_and_run(&through_the_ir(&alternating)?)?;
        // A sum of reductions that gets its last axis back.
        let mut sums = chain("%x: f32[3,24]", 40_000, |number| match number % 2 {
            0 => format!("%n{number}: f32[3] = reduce_max %x {{axes=[1], keepdims=false}}"),
            1 if number == 1 => "%n1: f32[3] = neg %n0".to_owned(),
            _ => format!("%n{number}: f32[3] = add %n{}, %n{}", number - 2, number - 1),
        });
        let end = sums.rfind("  return").ok_or("the text has an end")?;
        sums.replace_range(
            end..,
            "  %r: f32[3,1] = reshape %n39999 {shape=[3,1]}\n  %s: f32[3,24] = mul %r, %x\n  return %s\n}\n",
        );
        compile_and_run(&through_the_ir(&sums)?)
    })
}

#[test]
fn functions_that_call_functions_go_as_deep_as_bodies_nest() -> Outcome {
    on_a_small_stack(|| {
        let mut text = String::from("func f1(%x: f32[24]) { %0: f32[24] = tanh %x return %0 }\n");
        for level in 2..=64 {
            let inner = level - 1;
            let _ = writeln!(
                text,
                "func f{level}(%x: f32[24]) {{ %0: f32[24] = call f{inner} %x %1: f32[24] = mul %0, %x return %1 }}"
            );
        }
        text += "graph deep(%x: f32[24]) { %0: f32[24] = call f64 %x return %0 }";
        let mut graph = through_the_ir(&text)?;
        differentiate(&mut graph)?;
        compile_and_run(&graph)
    })
}
