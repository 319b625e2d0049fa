//! The first model's training step as `brolga dump` shows it: convolution, bias, ReLU and pooling
//! are one kernel, so are their gradients, and no kernel stores an activation of a convolution at
//! full size.

use brolga_cli::{Streams, run};
use brolga_codegen::{CodegenOptions, compile};
use brolga_ir::{Graph, NodeId, Op};
use brolga_nn::{Kind, builtin};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The results of the two convolutions for a batch of 32, before pooling.
const ACTIVATIONS: [[usize; 4]; 2] = [[32, 26, 26, 32], [32, 11, 11, 64]];

/// The kernels of one layer and role, as the command prints them.
fn dump(layer: &str, role: &str) -> Result<String> {
    let (mut stdout, mut stderr) = (vec![], vec![]);
    let mut streams = Streams { stdin: &mut &[][..], stdout: &mut stdout, stderr: &mut stderr };
    let arguments =
        ["brolga", "dump", "mnist_cnn", "--stage", "optimized", "--layer", layer, "--role", role];
    let code = run(arguments, &mut streams);
    assert_eq!((code, String::from_utf8(stderr)?.as_str()), (0, ""));
    Ok(String::from_utf8(stdout)?)
}

#[test]
fn the_first_convolution_is_one_kernel_forward() -> Result {
    insta::assert_snapshot!(dump("conv2d", "forward")?);
    Ok(())
}

#[test]
fn the_second_convolution_is_one_kernel_forward() -> Result {
    insta::assert_snapshot!(dump("conv2d_1", "forward")?);
    Ok(())
}

#[test]
fn the_first_convolution_has_its_unpooling_in_its_prologue_and_its_mask_in_the_next_gradient()
-> Result {
    insta::assert_snapshot!(dump("conv2d", "backward")?);
    Ok(())
}

#[test]
fn the_second_convolution_has_its_mask_and_unpooling_in_the_prologues_of_its_gradients() -> Result {
    insta::assert_snapshot!(dump("conv2d_1", "backward")?);
    Ok(())
}

#[test]
fn no_activation_of_a_convolution_is_stored_in_full_size() -> Result {
    let mut graph = builtin::mnist_cnn()?.trace(Kind::Train, 32)?;
    assert_eq!(full_size(&graph).len(), 12, "conv, add, relu, max_unpool, gt and select, twice");
    brolga_passes::optimize(&mut graph)?;
    assert_eq!(full_size(&graph), [], "{graph}");

    // Nor does a kernel keep one for itself.
    let smallest = ACTIVATIONS.map(|shape| shape.iter().product::<usize>()).into_iter().min();
    let compiled = compile(&graph, &CodegenOptions::default())?;
    for (&id, kernel) in compiled.kernels() {
        let held = kernel.workspace.max(kernel.scratch) / size_of::<f32>();
        assert!(Some(held) < smallest, "{} holds {held} floats", name(&graph, id));
    }
    Ok(())
}

/// The nodes with a result that has as many elements as an activation of a convolution, of any
/// shape and element type.
fn full_size(graph: &Graph) -> Vec<NodeId> {
    let sizes = ACTIVATIONS.map(|shape| shape.iter().product::<usize>());
    let is_full =
        |id: &NodeId| graph.node(*id).types.iter().any(|ty| sizes.contains(&ty.shape.elements()));
    graph.ids().filter(is_full).collect()
}

fn name(graph: &Graph, id: NodeId) -> String {
    match &graph.node(id).op {
        Op::Kernel(kernel) => kernel.body.name().to_owned(),
        op => op.name().to_owned(),
    }
}
