//! Graphs of models, and nodes that do not fit.

use brolga_ir::interpret;

use super::{Written, floats, graph, input, int, ints, model, node, tensor};
use crate::Bindings;
use crate::proto::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
};

/// The message for a model that is loaded, but has no graph.
fn refused(proto: &ModelProto) -> String {
    let written = Written::new(proto);
    let model = written.load().expect("the model is loaded");
    written.message(&model.graph(&Bindings::new()).expect_err("the nodes do not fit"))
}

fn of_nodes(nodes: Vec<NodeProto>) -> ModelProto {
    let weights = vec![floats("w", &[2, 3], &[1.0; 6]), ints("shape", &[3, -1])];
    model(graph(vec![input("x", &["2", "3"])], nodes, weights, "y"))
}

#[test]
fn weights_are_states_and_shapes_are_computed() {
    let nodes = vec![
        node("Add", &["x", "w"], "sum"),
        node("Shape", &["sum"], "extents"),
        node("Concat", &["extents"], "joined"),
        node("Mul", &["joined", "one"], "same"),
        node("Reshape", &["sum", "same"], "kept"),
        node("Reshape", &["kept", "shape"], "y"),
    ];
    let mut proto = of_nodes(nodes);
    if let Some(graph) = &mut proto.graph {
        graph.node[2].attribute.push(int("axis", 0));
        graph.initializer.push(ints("one", &[1]));
    }
    let model = Written::new(&proto);
    let imported = model.load().and_then(|model| model.graph(&Bindings::new()));
    let imported = imported.expect("the model is valid");
    insta::assert_snapshot!(imported.graph, @r"
    graph test(%x: f32[2,3], state %w: f32[2,3] @sum) {
      %0: f32[2,3] = add %x, %w   @sum
      %1: f32[3,2] = reshape %0 {shape=[3,2]}   @y
      return %1
    }
    ");
    let x = tensor(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let inputs = [x, (*imported.states[0].1).clone()];
    let y = interpret(&imported.graph, &inputs).expect("the types fit");
    assert_eq!(y[0], tensor(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
}

#[test]
fn nodes_that_do_not_fit() {
    insta::assert_snapshot!(refused(&of_nodes(vec![node("MatMul", &["x", "w"], "y")])), @"model.onnx: node `y` (MatMul, opset 21): `matmul`: the contracted extents differ, 3 in f32[2,3] and 2 in f32[2,3]");
    insta::assert_snapshot!(refused(&of_nodes(vec![node("Add", &["x"], "y")])), @r"
    model.onnx: node `y` (Add, opset 21): operand 1 is missing
      help: the node has one operand
    ");
    insta::assert_snapshot!(refused(&of_nodes(vec![node("Add", &["x", "z"], "y")])), @r"
    model.onnx: node `y` (Add, opset 21): it takes `z`, which no node before it gives
      help: nodes must stand in the order in which they are computed
    ");
    insta::assert_snapshot!(refused(&of_nodes(vec![node("Relu", &["x"], "z")])), @r"
    model.onnx: the output `y` is not computed by any node
      help: the model is not valid; `onnx.checker` tells more
    ");
    let reshape =
        vec![node("Unsqueeze", &["w", "shape"], "wide"), node("Reshape", &["wide", "shape"], "y")];
    insta::assert_snapshot!(refused(&of_nodes(reshape)), @r"
    model.onnx: node `wide` (Unsqueeze, opset 21): the new axes [3, -1]
      help: each axis is new once
    ");
    let mut softmax = node("Softmax", &["x"], "y");
    softmax.attribute.push(int("axis", 5));
    insta::assert_snapshot!(refused(&of_nodes(vec![softmax])), @r"
    model.onnx: node `y` (Softmax, opset 21): axis 5 of a tensor of rank 2
      help: axes are −2 to 1
    ");
    let mut two = node("Relu", &["x"], "y");
    two.output.push("more".to_owned());
    insta::assert_snapshot!(refused(&of_nodes(vec![two])), @r"
    model.onnx: node `y` (Relu, opset 21): it has an output `more` that the op does not give
      help: the model is not valid; `onnx.checker` tells more
    ");
}

fn calling(name: &str, body: Vec<NodeProto>) -> FunctionProto {
    FunctionProto {
        name: name.to_owned(),
        domain: "own".to_owned(),
        input: vec!["a".to_owned()],
        output: vec!["b".to_owned()],
        node: body,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 21 }],
        ..FunctionProto::default()
    }
}

fn call(name: &str, input: &str, output: &str) -> NodeProto {
    NodeProto { domain: "own".to_owned(), ..node(name, &[input], output) }
}

#[test]
fn functions_are_written_out() {
    let body = vec![node("Relu", &["a"], "c"), node("Neg", &["c"], "b")];
    let nodes = vec![call("Twice", "x", "h"), call("Twice", "h", "y")];
    let proto = ModelProto { functions: vec![calling("Twice", body)], ..of_nodes(nodes) };
    let imported = Written::new(&proto).load().and_then(|model| model.graph(&Bindings::new()));
    insta::assert_snapshot!(imported.expect("the model is valid").graph, @r"
    graph test(%x: f32[2,3]) {
      %0: f32[2,3] = relu %x   @h/c
      %1: f32[2,3] = neg %0   @h/b
      %2: f32[2,3] = relu %1   @y/c
      %3: f32[2,3] = neg %2   @y/b
      return %3
    }
    ");
}

#[test]
fn a_function_that_calls_itself() {
    let functions = vec![calling("F", vec![call("F", "a", "b")])];
    let proto = ModelProto { functions, ..of_nodes(vec![call("F", "x", "y")]) };
    insta::assert_snapshot!(refused(&proto), @r"
    model.onnx: functions and graphs are nested more than 64 deep
      help: a function must not call itself
    ");
}

#[test]
fn functions_that_double_themselves() {
    // Each function calls the one before it twice: 2^40 nodes.
    let pair = |level: usize| {
        let inner = format!("F{}", level - 1);
        calling(&format!("F{level}"), vec![call(&inner, "a", "c"), call(&inner, "c", "b")])
    };
    let mut functions = vec![calling("F0", vec![node("Relu", &["a"], "b")])];
    functions.extend((1..40).map(pair));
    let proto = ModelProto { functions, ..of_nodes(vec![call("F39", "x", "y")]) };
    insta::assert_snapshot!(refused(&proto), @r"
    model.onnx: with functions written out and loops unrolled the model has more than 131072 nodes
      help: export a smaller model
    ");
}

#[test]
fn a_loop_without_an_end() {
    let body = GraphProto {
        node: vec![node("Identity", &["go"], "goes"), node("Relu", &["state"], "next")],
        input: ["at", "go", "state"].map(|name| input(name, &[])).to_vec(),
        output: ["goes", "next"].map(|name| input(name, &[])).to_vec(),
        ..GraphProto::default()
    };
    let mut forever = node("Loop", &["", "", "x"], "y");
    let g = Some(Box::new(body));
    forever.attribute.push(AttributeProto {
        name: "body".to_owned(),
        g,
        ..AttributeProto::default()
    });
    insta::assert_snapshot!(refused(&of_nodes(vec![forever])), @r"
    model.onnx: with functions written out and loops unrolled the model has more than 131072 nodes
      help: export a smaller model
    ");
}

#[test]
fn a_mistake_inside_of_a_function() {
    let functions = vec![calling("F", vec![node("Add", &["a"], "b")])];
    let proto = ModelProto { functions, ..of_nodes(vec![call("F", "x", "y")]) };
    insta::assert_snapshot!(refused(&proto), @r"
    model.onnx: node `y` (own.F, opset 1): in its function, node `b` (Add, opset 21): operand 1 is missing
      help: the node has one operand
    ");
}
