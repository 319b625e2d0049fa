//! What a file leaves open, and what is bound.

use brolga_ir::interpret;

use super::{Written, graph, input, ints, model, node, tensor};
use crate::{Bindings, ElementType, Known, OnnxModel};

fn relu(dims: &[&str]) -> (Written, OnnxModel) {
    let nodes = vec![node("Relu", &["x"], "y")];
    let written = Written::new(&model(graph(vec![input("x", dims)], nodes, vec![], "y")));
    let model = written.load().expect("the model is valid");
    (written, model)
}

/// The message for these bindings.
fn refused(dims: &[&str], bindings: Bindings) -> String {
    let (written, model) = relu(dims);
    written.message(&model.graph(&bindings).expect_err("the bindings do not fit"))
}

#[test]
fn open_extents_are_bound_by_name() {
    let (_written, model) = relu(&["N", "3"]);
    let imported = model.graph(&Bindings::new().dim("N", 2)).expect("all is bound");
    insta::assert_snapshot!(imported.graph, @r"
    graph test(%x: f32[2,3]) {
      %0: f32[2,3] = relu %x   @y
      return %0
    }
    ");
}

#[test]
fn what_is_open_must_be_bound() {
    insta::assert_snapshot!(refused(&["N", "3", "M"], Bindings::new()), @r#"
    model.onnx: input `x`: extents are open: `N`, `M`
      help: bind each: Bindings::new().dim("N", 1), or --dim N=1 on the command line
    "#);
    insta::assert_snapshot!(refused(&["N"], Bindings::new().dim("n", 1)), @r"
    model.onnx: the model has no open extent `n`
      help: it has `N`
    ");
    insta::assert_snapshot!(refused(&["3"], Bindings::new().dim("N", 1)), @r"
    model.onnx: the model has no open extent `N`
      help: it has none
    ");
    insta::assert_snapshot!(refused(&["3"], Bindings::new().shape("y", [1])), @r"
    model.onnx: the model has no input `y`
      help: it has `x`
    ");
    insta::assert_snapshot!(refused(&["N", "M"], Bindings::new().dim("N", 1 << 40).dim("M", 1 << 40)), @"model.onnx: input `x`: a tensor of type f32[1099511627776,1099511627776] is larger than the limit of 64 TiB");
}

#[test]
fn a_value_that_data_decides_names_its_inputs() {
    let nodes = vec![
        node("NonZero", &["x"], "places"),
        node("Shape", &["places"], "count"),
        node("Expand", &["one", "count"], "y"),
    ];
    let x = input("x", &["2"]);
    let one = ints("one", &[1]);
    let written = Written::new(&model(graph(vec![x], nodes, vec![one], "y")));
    let model = written.load().expect("the model is valid");
    let error = model.graph(&Bindings::new()).expect_err("x decides");
    insta::assert_snapshot!(written.message(&error), @r#"
    model.onnx: node `places` (NonZero, opset 21): operand 0, `x`, must be known when the model is loaded; it depends on `x`
      help: bind a value to `x`: Bindings::new().value("x", ..), or export the model with fixed shapes
    "#);
    let value = Known::Tensor(ElementType::F32, tensor(&[2], &[0.0, 3.0]));
    let imported = model.graph(&Bindings::new().value("x", value)).expect("x is known");
    let outputs = interpret(&imported.graph, &[]).expect("the graph has no inputs");
    assert_eq!(outputs[0].to_i64(), Some(vec![1]));
}
