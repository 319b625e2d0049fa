//! The driver: what it adds to a graph, and what it refuses.

mod added;
mod calls;
mod errors;
mod own;
mod printed;
mod values;

use brolga_autodiff::{GradError, grad};
use brolga_ir::{Graph, NodeId, TextOptions, Value, parse_graph, verify};

/// The graph of a text that has no mistake.
fn graph(text: &str) -> Graph {
    parse_graph(text, "<text>").unwrap_or_else(|errors| panic!("{errors}"))
}

/// The input of this name.
fn input(graph: &Graph, name: &str) -> Value {
    graph.input(name).expect("an input of this name").into()
}

/// The node with this op; there must be one alone.
fn only(graph: &Graph, op: &str) -> NodeId {
    let found: Vec<NodeId> = graph.ids().filter(|&id| graph.node(id).op.name() == op).collect();
    let [id] = found[..] else { panic!("{} nodes are `{op}`", found.len()) };
    id
}

/// The graph with the gradients of its first output by these inputs as outputs instead of that.
fn differentiated(text: &str, wrt: &[&str]) -> Graph {
    let mut graph = graph(text);
    let wrt: Vec<Value> = wrt.iter().map(|name| input(&graph, name)).collect();
    let loss = graph.outputs()[0].value;
    let gradients = grad(&mut graph, loss, &wrt).unwrap_or_else(|error| panic!("{error}"));
    verify(&graph).unwrap_or_else(|errors| panic!("{errors}"));
    for (gradient, x) in gradients.iter().zip(&wrt) {
        assert_eq!(graph.ty(*gradient), graph.ty(*x));
    }
    graph.set_outputs(vec![]);
    gradients.into_iter().for_each(|gradient| graph.add_output(gradient));
    graph
}

/// The error of differentiating; the graph is the same after it, origins included.
fn refused(graph: &mut Graph, loss: Value, wrt: &[Value]) -> GradError {
    let text =
        |graph: &Graph| graph.to_text(&TextOptions { locations: true, ..TextOptions::default() });
    let before = text(graph);
    let error = grad(graph, loss, wrt).expect_err("there is no gradient");
    assert_eq!(text(graph), before, "an error leaves the graph as it was");
    error
}

/// The error of differentiating the first output of a text by these inputs.
fn refused_text(text: &str, wrt: &[&str]) -> GradError {
    let mut graph = graph(text);
    let wrt: Vec<Value> = wrt.iter().map(|name| input(&graph, name)).collect();
    let loss = graph.outputs()[0].value;
    refused(&mut graph, loss, &wrt)
}
