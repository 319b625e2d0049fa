//! Every error, as it is printed. None changes the graph.

use std::sync::Arc;

use brolga_autodiff::gradients;
use brolga_ir::ops::{Kernel, KernelKind, ParameterKind, ReduceSum, Slice};
use brolga_ir::{Graph, Origin, Role, Tracer, Type, Value};

use crate::{graph, input, only, refused, refused_text};

#[test]
fn a_loss_that_is_not_one_float() {
    let vector = "graph f(%x: f32[3]) {
      %0: f32[3] = relu %x @dense // model.rs:7
      return %0
    }";
    insta::assert_snapshot!(refused_text(vector, &["x"]), @r"
    the loss, `relu` of layer `dense` at model.rs:7, must be one float, it is f32[3]
      help: reduce it with `reduce_mean` or `reduce_sum`
    ");
    let integer = "graph f(%x: i32[]) { return %x }";
    insta::assert_snapshot!(refused_text(integer, &[]), @r"
    the loss, `%x`, must be one float, it is i32[]
      help: what it counts has no slope; use a differentiable measure of it
    ");
    let nothing = "graph f(%x: f32[0,2]) { return %x }";
    insta::assert_snapshot!(refused_text(nothing, &["x"]), @r"
    the loss, `%x`, must be one float, it is f32[0,2]
      help: reduce it with `reduce_mean` or `reduce_sum`
    ");
}

#[test]
fn a_value_that_is_not_of_floats() {
    let text = "graph f(%x: f32[2], %labels: i32[2]) {
      %0: f32[2] = cast %labels {dtype=\"f32\"}
      %1: f32[2] = mul %0, %x
      %2: f32[] = reduce_sum %1 {axes=[0]}
      return %2
    }";
    insta::assert_snapshot!(refused_text(text, &["x", "labels"]), @r"
    there is no gradient by `%labels`: it is i32[2], not of floats
      help: only floats have gradients; `cast` it to floats and differentiate by those
    ");
    let mut graph = graph(
        "graph f(%x: f32[2]) {
          %0: bool[2] = gt %x, %x @mask
          %1: f32[] = reduce_sum %x {axes=[0]}
          return %1
        }",
    );
    let (loss, mask) = (graph.outputs()[0].value, only(&graph, "gt").into());
    insta::assert_snapshot!(refused(&mut graph, loss, &[mask]), @r"
    there is no gradient by `gt` of layer `mask`: it is bool[2], not of floats
      help: only floats have gradients; `cast` it to floats and differentiate by those
    ");
}

#[test]
fn a_parameter_that_nothing_uses() {
    let text = "graph f(%x: f32[], state %dense/bias: f32[4]) { return %x }";
    insta::assert_snapshot!(refused_text(text, &["dense/bias"]), @r"
    there is no gradient by `%dense/bias`: nothing uses it
      help: use it in the model, or do not train it
    ");
}

#[test]
fn a_way_that_leads_away_from_the_loss() {
    let text = "graph f(%x: f32[2], state %w: f32[2]) {
      %0: f32[2] = mul %x, %w     @auxiliary           // model.rs:20
      %1: f32[] = reduce_sum %0 {axes=[0]}   @auxiliary/head    // model.rs:21
      %2: f32[] = reduce_sum %x {axes=[0]}   @loss              // model.rs:30
      return %2, %1
    }";
    insta::assert_snapshot!(refused_text(text, &["x", "w"]), @r"
    there is no gradient by `%w`: the path ends at `reduce_sum` of layer `auxiliary/head` at model.rs:21, which the loss does not use
      help: use it in the model, or do not train it
    ");
}

#[test]
fn a_value_behind_the_loss() {
    let mut graph = graph(
        "graph f(%x: f32[]) {
          %0: f32[] = exp %x
          %1: f32[] = neg %0 @after
          return %0, %1
        }",
    );
    let (loss, behind) = (graph.outputs()[0].value, graph.outputs()[1].value);
    insta::assert_snapshot!(refused(&mut graph, loss, &[behind]), @r"
    there is no gradient by `neg` of layer `after`: nothing uses it
      help: use it in the model, or do not train it
    ");
}

#[test]
fn a_way_that_ends_at_an_op_without_gradient() {
    let text = "graph f(%x: f32[2], state %scale: f32[2]) {
      %0: f32[2] = mul %x, %scale   @quantize   // model.rs:7
      %1: f32[2] = floor %0         @quantize   // model.rs:8
      %2: f32[2] = exp %1           @head       // model.rs:9
      %3: f32[] = reduce_sum %2 {axes=[0]}
      return %3
    }";
    insta::assert_snapshot!(refused_text(text, &["scale"]), @r"
    there is no gradient by `%scale`: the path to the loss ends at `floor` of layer `quantize` at model.rs:8, which has no gradient
      help: use a differentiable op there, or do not train it
    ");
    let stopped = "graph f(%x: f32[], state %w: f32[]) {
      %0: f32[] = stop_gradient %w @target
      %1: f32[] = sub %x, %0
      return %1
    }";
    insta::assert_snapshot!(refused_text(stopped, &["x", "w"]), @r"
    there is no gradient by `%w`: the path to the loss ends at `stop_gradient` of layer `target`, which has no gradient
      help: use a differentiable op there, or do not train it
    ");
}

#[test]
fn a_way_that_ends_at_an_operand_without_gradient() {
    let mask = "graph f(%x: f32[2], state %threshold: f32[]) {
      %0: bool[2] = gt %x, %threshold
      %1: f32[2] = select %0, %x, %threshold   @cut   // model.rs:3
      %2: f32[2] = select %0, %x, %x           @mask  // model.rs:4
      %3: f32[] = reduce_sum %2 {axes=[0]}
      return %3
    }";
    insta::assert_snapshot!(refused_text(mask, &["threshold"]), @r"
    there is no gradient by `%threshold`: the path to the loss ends at `select` of layer `mask` at model.rs:4, which has no gradient by its operand 0
      help: use a differentiable op there, or do not train it
    ");
    let rows = "graph f(%x: f32[3], state %table: f32[3,2]) {
      %0: i32[] = argmax %x {axis=0}
      %1: f32[2] = gather %table, %0   @embedding
      %2: f32[] = reduce_sum %1 {axes=[0]}
      return %2
    }";
    insta::assert_snapshot!(refused_text(rows, &["table", "x"]), @r"
    there is no gradient by `%x`: the path to the loss ends at `gather` of layer `embedding`, which has no gradient by its operand 1
      help: use a differentiable op there, or do not train it
    ");
}

#[test]
fn an_op_without_rule() {
    let body = graph("graph double(%x: f32[]) { %0: f32[] = add %x, %x return %0 }");
    let kernel = Kernel { kind: KernelKind::Rows, body: Arc::new(body) };
    let mut graph = graph("graph f(%x: f32[], %y: f32[]) { %0: f32[] = mul %x, %y return %0 }");
    let product = graph.outputs()[0].value;
    let origin = Origin::layer("dense", Role::Forward);
    let loss = graph.add(kernel, &[product], origin).expect("one operand");
    let x = input(&graph, "x");
    insta::assert_snapshot!(refused(&mut graph, loss, &[x]), @r"
    `kernel` of layer `dense` has no gradient: kernel `double` cannot be differentiated
      help: differentiate first, fuse afterwards
    ");
}

/// A rule can be right and its result too large: the strided slice of a tensor as large as can be
/// has a gradient that is written down with a larger one.
#[test]
fn a_gradient_beyond_the_limits() {
    let mut graph = Graph::new("large");
    let kind = ParameterKind::Data;
    let x = graph.add_input("x", kind, Type::f32([1 << 44]), Origin::default()).expect("a name");
    let slice =
        Slice { starts: [0][..].into(), limits: [1 << 44][..].into(), strides: [3][..].into() };
    let part = graph.add(slice, &[x], Origin::layer("part", Role::Forward)).expect("it is inside");
    let sum = ReduceSum { axes: [0][..].into(), keepdims: false };
    let loss = graph.add(sum, &[part], Origin::default()).expect("an axis");
    insta::assert_snapshot!(refused(&mut graph, loss, &[x]), @"`slice` of layer `part` has no gradient: `pad`: a tensor of type f32[5864062014806,3] is larger than the limit of 64 TiB");
}

#[test]
fn values_of_another_graph() {
    let mut graph = graph("graph f(%x: f32[]) { %0: f32[] = exp %x return %0 }");
    let (loss, x) = (graph.outputs()[0].value, input(&graph, "x"));
    let nowhere = Value { node: loss.node, port: 1 };
    insta::assert_snapshot!(refused(&mut graph, nowhere, &[x]), @r"
    the loss is not in the graph
      help: the loss and what to differentiate by must be values of one graph
    ");
    insta::assert_snapshot!(refused(&mut graph, loss, &[x, nowhere]), @r"
    `wrt[1]` is not in the graph
      help: the loss and what to differentiate by must be values of one graph
    ");

    let [one, other] = ["one", "other"].map(Tracer::new);
    let [x, y] = [&one, &other].map(|tracer| tracer.input("x", Type::f32([])));
    let refused =
        |error: Result<_, _>| error.map(|_: Vec<_>| ()).expect_err("values of two graphs");
    insta::assert_snapshot!(refused(gradients(&one, &y, std::slice::from_ref(&x))), @r"
    the loss is not in the graph
      help: the loss and what to differentiate by must be values of one graph
    ");
    insta::assert_snapshot!(refused(gradients(&one, &x, &[y])), @r"
    `wrt[0]` is not in the graph
      help: the loss and what to differentiate by must be values of one graph
    ");
}

#[test]
fn a_mistake_in_tracing_comes_before_any_error_here() {
    let tracer = Tracer::new("f");
    let (x, y) = (tracer.input("x", Type::f32([2])), tracer.input("y", Type::f32([3])));
    let void = (&x + &y).reduce_sum(&[0], false);
    let gradients = gradients(&tracer, &void, &[x]).expect("the tracer has the error");
    assert_eq!(gradients.len(), 1);
    let error = tracer.finish().expect_err("the shapes do not fit");
    insta::assert_snapshot!(error.mistake, @r"
    `add`: f32[2] and f32[3] do not broadcast
      help: aligned at the last axis, two extents must be equal or one of them 1
    ");
}
