//! The verifier finds all mistakes that a pass can make, and never panics.

use std::sync::Arc;

use brolga_ir::ops::{Call, Constant, Kernel, KernelKind, ParameterKind};
use brolga_ir::{
    DType, Graph, Mistake, NodeId, Origin, Output, Role, Tensor, Type, Value, parse_graph, verify,
};

use crate::sample::{graph, train_step};

fn valid() -> Graph {
    graph(
        "graph f(%x: f32[2], %n: i32[2], state %s: f32[2]) {
          %0: f32[2] = relu %x @dense
          %1: f32[2] = add %0, %x @dense #backward
          return %1, %1 => %s
        }",
    )
}

/// The node of this op.
fn find(graph: &Graph, name: &str) -> NodeId {
    graph.ids().find(|&id| graph.node(id).op.name() == name).expect("the graph has such a node")
}

fn errors(graph: &Graph) -> String {
    verify(graph).expect_err("the graph is not valid").to_string()
}

#[test]
fn valid_graphs_have_no_errors() {
    assert_eq!(verify(&valid()), Ok(()));
    assert_eq!(verify(&train_step()), Ok(()));
    assert_eq!(verify(&Graph::default()), Ok(()));
}

#[test]
fn a_removed_operand() {
    let mut graph = valid();
    graph.remove(find(&graph, "relu"));
    insta::assert_snapshot!(errors(&graph), @"
    graph `f`: error: operand 0 is missing
      | %0: f32[2] = add %x   @dense #backward
      | ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
    ");
}

#[test]
fn a_result_that_does_not_exist() {
    let mut graph = valid();
    let (relu, add) = (find(&graph, "relu"), find(&graph, "add"));
    graph.set_operand(add, 1, Value { node: relu, port: 1 });
    insta::assert_snapshot!(errors(&graph), @"
    graph `f`: error: operand 1 is a result that does not exist
      | %1: f32[2] = add %0, %?   @dense #backward
      | ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
    ");
}

#[test]
fn a_cycle() {
    let mut graph = valid();
    let (relu, add) = (find(&graph, "relu"), find(&graph, "add"));
    graph.set_operand(relu, 0, add.into());
    insta::assert_snapshot!(errors(&graph), @"
    graph `f`: error: the node depends on itself: %0 → %1 → %0
      | %0: f32[2] = relu %1   @dense
      | ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~
    ");
}

#[test]
fn a_node_that_is_its_own_operand() {
    let mut graph = valid();
    let relu = find(&graph, "relu");
    graph.set_operand(relu, 0, relu.into());
    insta::assert_snapshot!(errors(&graph), @"
    graph `f`: error: the node depends on itself: %0 → %0
      | %0: f32[2] = relu %0   @dense
      | ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~
    ");
}

#[test]
fn types_that_no_longer_follow() {
    let mut graph = valid();
    let relu = find(&graph, "relu");
    let wide = graph.add_input("wide", ParameterKind::Data, Type::f32([3]), Origin::default());
    graph.set_operand(relu, 0, wide.expect("a name"));
    insta::assert_snapshot!(errors(&graph), @"
    graph `f`: error: the node has type f32[2], its op gives f32[3]
      | %0: f32[2] = relu %wide   @dense
      | ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
    ");
}

#[test]
fn operands_that_no_longer_fit() {
    let mut graph = valid();
    let add = find(&graph, "add");
    let n = graph.input("n").expect("an input");
    graph.set_operand(add, 1, n.into());
    insta::assert_snapshot!(errors(&graph), @"
    graph `f`: error: `add`: the operands have different element types, f32 and i32
      | %1: f32[2] = add %0, %n   @dense #backward
      | ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      help: convert one of them with `cast`
    ");
}

#[test]
fn an_unlisted_parameter() {
    let mut graph = valid();
    let parameter = brolga_ir::ops::Parameter {
        name: "y".to_owned(),
        kind: ParameterKind::Data,
        ty: Type::scalar(DType::F32),
    };
    graph.add(parameter, &[], Origin::default()).expect("a parameter has no operands");
    insta::assert_snapshot!(errors(&graph), @r#"
    graph `f`: error: the parameter is not listed as an input
      | %2: f32[] = parameter {kind="data", name="y"}
      | ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
    "#);
}

#[test]
fn outputs_and_updates_that_are_wrong() {
    let mut graph = valid();
    let (relu, add) = (find(&graph, "relu"), find(&graph, "add"));
    let [x, n, s] = ["x", "n", "s"].map(|name| graph.input(name).expect("an input"));
    let output = |value: Value, replaces| Output { value, replaces };
    let constant =
        graph.add(Constant::new(Tensor::scalar(DType::F32, 1.0)), &[], Origin::default());
    let constant = constant.expect("a constant has no operands");
    graph.set_outputs(vec![
        output(Value { node: add, port: 3 }, None),
        output(add.into(), Some(x)),
        output(n.into(), Some(s)),
        output(add.into(), Some(s)),
        output(x.into(), Some(s)),
        output(add.into(), Some(constant.node)),
        output(relu.into(), None),
    ]);
    graph.remove(relu);
    insta::assert_snapshot!(errors(&graph), @"
    graph `f`: error: operand 0 is missing
      | %0: f32[2] = add %x   @dense #backward
      | ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~

    graph `f`: error: an output is a result that does not exist
      | return %?, %0 => %x, %n => %s, %0 => %s, %x => %s, %0 => %1, %?
      |        ^~

    graph `f`: error: %0 replaces %x, which is data and not state
      | return %?, %0 => %x, %n => %s, %0 => %s, %x => %s, %0 => %1, %?
      |            ^~~~~~~~

    graph `f`: error: %n is i32[2] and cannot replace %s, which is f32[2]
      | return %?, %0 => %x, %n => %s, %0 => %s, %x => %s, %0 => %1, %?
      |                      ^~~~~~~~

    graph `f`: error: the state %s is replaced twice
      | return %?, %0 => %x, %n => %s, %0 => %s, %x => %s, %0 => %1, %?
      |                                          ^~~~~~~~

    graph `f`: error: %0 replaces a value that is not an input
      | return %?, %0 => %x, %n => %s, %0 => %s, %x => %s, %0 => %1, %?
      |                                                    ^~~~~~~~

    graph `f`: error: an output is a result that does not exist
      | return %?, %0 => %x, %n => %s, %0 => %s, %x => %s, %0 => %1, %?
      |                                                              ^~
    ");
}

#[test]
fn bodies_that_are_wrong() {
    let mut state = graph("graph stateful(state %x: f32[2]) { return %x => %x }");
    let empty = graph("graph empty(%x: f32[2]) { return }");
    let mut broken =
        graph("graph broken(%x: f32[2]) { %0: f32[2] = relu %x %1: f32[2] = relu %0 return %1 }");
    let first = broken.ids().nth(1).expect("a node");
    broken.remove(first);
    state.set_name("stateful");
    let mut outer = Graph::new("outer");
    let x = outer
        .add_input("x", ParameterKind::Data, Type::f32([2]), Origin::default())
        .expect("a name");
    for body in [state, empty, broken] {
        let kernel = Kernel { kind: KernelKind::Rows, body: Arc::new(body) };
        outer.add_node(kernel, &[x], Origin::layer("dense", Role::Forward)).expect("the types fit");
    }
    insta::assert_snapshot!(errors(&outer), @r#"
    graph `outer`: error: the body of a kernel takes a state; it must take data alone
      | %0: f32[2] = kernel %x {kind="rows"}   @dense
      | ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~

    graph `outer`: error: the body of a kernel returns nothing
      |  = kernel %x {kind="rows"}   @dense
      | ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~

    graph `outer/broken`: error: operand 0 is missing
      | %0: f32[2] = relu
      | ^~~~~~~~~~~~~~~~~
    "#);
}

/// A kernel around a graph.
fn around(inner: Graph) -> Result<Graph, Mistake> {
    let mut outer = Graph::new("outer");
    let x = outer.add_input("x", ParameterKind::Data, Type::f32([2]), Origin::default())?;
    let kernel = Kernel { kind: KernelKind::Rows, body: Arc::new(inner) };
    let y = outer.add(kernel, &[x], Origin::default())?;
    outer.add_output(y);
    Ok(outer)
}

#[test]
fn bodies_nest_so_deep_and_no_deeper() {
    let mut nested =
        graph("graph inner(%x: f32[2]) { %0: f32[2] = cast %x {dtype=\"f32\"} return %0 }");
    for _ in 0..64 {
        nested = around(nested).expect("it is not too deep");
    }
    assert_eq!(verify(&nested), Ok(()));
    crate::text::round_trip(&nested);
    let text = format!(
        "graph f(%x: f32[2]) {{ %0: f32[2] = kernel %x {{kind=\"rows\"}} {} return %0 }}",
        nested.to_string().trim_start_matches("graph ")
    );
    let mistake = around(nested).expect_err("the body is too deep");
    assert_eq!(mistake.message, "bodies nest deeper than 64 levels");
    let errors = parse_graph(&text, "<input>").expect_err("the text is too deep");
    assert_eq!(errors.errors().len(), 1, "{errors}");
    assert_eq!(errors.errors()[0].message, "nested deeper than 64 levels");
}

#[test]
fn printing_and_comparing_malformed_graphs_do_not_panic() {
    let mut graph = valid();
    let relu = find(&graph, "relu");
    let add = find(&graph, "add");
    graph.set_operand(add, 1, add.into());
    graph.remove(relu);
    graph.add_output(relu.into());
    insta::assert_snapshot!(graph, @"
    graph f(%x: f32[2], %n: i32[2], state %s: f32[2]) {
      %0: f32[2] = add %0   @dense #backward
      return %0, %0 => %s, %?
    }
    ");
    assert!(graph == graph.clone() && graph != valid());
    let error = serde_json::to_string(&graph).expect_err("the graph cannot be written");
    insta::assert_snapshot!(error, @"
    the graph is not valid; `verify` tells why
    ");
    assert!(!brolga_ir::to_dot(&graph).is_empty());
}

#[test]
fn what_is_wrong_in_a_shared_function_is_said_once() {
    let mut broken =
        graph("graph broken(%x: f32[2]) { %0: f32[2] = relu %x %1: f32[2] = relu %0 return %1 }");
    let first = broken.ids().nth(1).expect("a node");
    broken.remove(first);
    let call = Call { function: Arc::new(broken) };
    let mut outer = graph("graph outer(%x: f32[2]) { return %x }");
    let x = outer.inputs()[0].into();
    for _ in 0..3 {
        outer.add_node(call.clone(), &[x], Origin::default()).expect("the types fit");
    }
    let stateful = graph("graph stateful(state %x: f32[2]) { return %x }");
    let call = Call { function: Arc::new(stateful) };
    outer.add_node(call, &[x], Origin::default()).expect("the types fit");
    insta::assert_snapshot!(errors(&outer), @"
    graph `outer/broken`: error: operand 0 is missing
      | %0: f32[2] = relu
      | ^~~~~~~~~~~~~~~~~

    graph `outer`: error: the body of a call takes a state; it must take data alone
      | %3: f32[2] = call stateful %x
      | ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~
    ");
}
