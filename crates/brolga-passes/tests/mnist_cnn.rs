//! The training step of the first model, a convolutional network for MNIST.

mod common;

use brolga_ir::{Graph, Op};
use brolga_passes::{PassManager, optimize, pipeline};
use common::{MNIST, TINY, train_step};

/// Each kernel in a line: the types of its results, kind, name, layer and role.
fn kernels(graph: &Graph) -> String {
    let line = |id| {
        let node = graph.node(id);
        let Op::Kernel(kernel) = &node.op else { return None };
        let mut types: Vec<String> = node.types.iter().map(ToString::to_string).collect();
        if types.len() > 6 {
            types = vec![format!("{} results", types.len())];
        }
        let (kind, name) = (format!("{:?}", kernel.kind).to_lowercase(), kernel.body.name());
        let (layer, role) = (node.origin.layer.as_deref().unwrap_or("-"), node.origin.role.name());
        Some(format!("{} = {kind} {name} @{layer} #{role}", types.join(", ")))
    };
    graph.order().into_iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_step_is_a_few_kernels() {
    let mut graph = train_step(MNIST);
    optimize(&mut graph).expect("the step can be optimized");
    insta::assert_snapshot!(kernels(&graph), @"");
}

#[test]
fn no_activation_of_a_convolution_is_stored_at_full_size() {
    let mut graph = train_step(MNIST);
    optimize(&mut graph).expect("the step can be optimized");
    let full = |types: &[brolga_ir::Type]| {
        types.iter().any(|ty| ty.shape[..] == [32, 26, 26, 32] || ty.shape[..] == [32, 11, 11, 64])
    };
    let stored: Vec<_> = graph.ids().filter(|&id| full(&graph.node(id).types)).collect();
    assert!(stored.is_empty(), "{stored:?}");
}

#[test]
fn every_pass_keeps_the_bits() {
    let mut graph = train_step(TINY);
    let ran = PassManager::new(pipeline()).check_each_pass(true).run(&mut graph);
    assert!(ran.is_ok(), "{}", ran.expect_err("an error"));
}

#[test]
fn the_result_is_the_same_text_every_time() {
    let text = || {
        let mut graph = train_step(TINY);
        optimize(&mut graph).expect("the step can be optimized");
        graph.to_string()
    };
    assert_eq!(text(), text());
}
