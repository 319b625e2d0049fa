//! Where added nodes come from, and that none is added in vain.

use std::collections::BTreeSet;

use brolga_autodiff::{grad, gradients};
use brolga_ir::{Graph, NodeId, Origin, Role, Tracer, Type};

use crate::{differentiated, graph, input};

/// The nodes that differentiation added.
fn added(before: &Graph, after: &Graph) -> Vec<NodeId> {
    let old: BTreeSet<NodeId> = before.ids().collect();
    after.ids().filter(|id| !old.contains(id)).collect()
}

const LAYERS: &str = "graph f(%x: f32[2,3], state %w: f32[3,4], state %b: f32[4]) {
  %0: f32[2,4] = matmul %x, %w               @dense         // model.rs:1
  %1: f32[2,4] = add %0, %b                  @dense         // model.rs:2
  %2: f32[2,4] = relu %1                     @activation    // model.rs:3
  %3: f32[] = reduce_mean %2 {axes=[0,1]}    @loss #update  // model.rs:4
  return %3
}";

#[test]
fn added_nodes_have_the_layer_and_location_of_what_they_are_the_gradient_of() {
    let before = graph(LAYERS);
    let after = differentiated(LAYERS, &["w", "b"]);
    let added = added(&before, &after);
    let forward: Vec<Origin> = before.ids().map(|id| before.node(id).origin.clone()).collect();
    for &id in &added {
        let origin = &after.node(id).origin;
        assert_eq!(origin.role, Role::Backward);
        let of_a_node = |forward: &Origin| {
            (&forward.layer, &forward.location) == (&origin.layer, &origin.location)
        };
        assert!(forward.iter().any(of_a_node), "{:?}", after.node(id));
    }
    let lines = |op: &str| -> Vec<Option<u32>> {
        let nodes = added.iter().map(|&id| after.node(id)).filter(|node| node.op.name() == op);
        nodes.map(|node| node.origin.location.as_ref().map(|location| location.line)).collect()
    };
    assert_eq!(lines("matmul"), [Some(1)]);
    assert_eq!(lines("reduce_sum"), [Some(2)]);
    assert_eq!(lines("select"), [Some(3)]);
    assert_eq!(lines("div"), [Some(4)]);
}

#[test]
fn nodes_without_a_location_have_gradients_without_one() {
    let text = "graph f(%x: f32[2]) {
      %0: f32[2] = tanh %x @dense
      %1: f32[] = reduce_mean %0 {axes=[0]}
      return %1
    }";
    let after = differentiated(text, &["x"]);
    assert!(after.ids().all(|id| after.node(id).origin.location.is_none()));
}

#[test]
fn a_gradient_of_a_gradient_keeps_the_layer() {
    let mut graph = graph("graph f(%x: f32[]) { %0: f32[] = exp %x @dense // m.rs:1\n return %0 }");
    let (mut loss, x) = (graph.outputs()[0].value, input(&graph, "x"));
    for _ in 0..3 {
        loss = grad(&mut graph, loss, &[x]).expect("a gradient")[0];
    }
    let origins = graph.ids().skip(2).map(|id| &graph.node(id).origin);
    origins.for_each(|origin| {
        assert_eq!((origin.layer.as_deref(), origin.role), (Some("dense"), Role::Backward));
    });
}

#[test]
fn what_is_not_asked_for_is_not_computed() {
    let text =
        "graph f(%x: f32[1,4,4,1], state %w: f32[3,3,1,2], %a: f32[2,2], state %b: f32[2,2]) {
      %0: f32[1,2,2,2] = conv %x, %w {strides=[1,1]}
      %1: f32[2,2] = matmul %a, %b
      %2: f32[2,2] = div %1, %a
      %3: f32[2,2] = pow %2, %a
      %4: f32[2,2] = max %3, %a
      %5: f32[2,2] = sub %a, %4
      %6: f32[1,2,2,2] = sub %5, %0
      %7: f32[] = reduce_sum %6 {axes=[0,1,2,3]}
      return %7
    }";
    let after = differentiated(text, &["w", "b"]);
    let count = |op: &str| {
        added(&graph(text), &after).into_iter().filter(|&id| after.node(id).op.name() == op).count()
    };
    assert_eq!((count("conv_grad_input"), count("conv_grad_filter")), (0, 1));
    assert_eq!((count("matmul"), count("pow"), count("log")), (1, 1, 0));
    assert_eq!((count("gt"), count("neg")), (1, 2));
}

/// Nothing added waits for the pass that removes dead nodes, not even what arrives at a node
/// without gradient.
#[test]
fn every_added_node_is_needed() {
    let stopped = "graph f(%x: f32[2,3], state %w: f32[3], %b: f32[]) {
      %0: f32[2,3] = mul %x, %w
      %1: f32[2,1] = reduce_max %0 {axes=[1], keepdims=true}
      %2: f32[2,1] = stop_gradient %1
      %3: f32[2,3] = sub %0, %2
      %4: f32[2,3] = exp %3
      %5: f32[] = reduce_sum %4 {axes=[0,1]}
      return %5
    }";
    for text in [LAYERS, stopped] {
        let before = graph(text);
        let mut after = differentiated(text, &["w"]);
        let count = added(&before, &after).len();
        after.remove_dead();
        assert_eq!(added(&before, &after).len(), count);
    }
}

#[test]
fn nothing_is_added_where_there_is_no_gradient() {
    let tracer = Tracer::new("f");
    let [x, unused] = ["x", "unused"].map(|name| tracer.input(name, Type::f32([])));
    let loss = x.exp();
    let before = tracer.with_graph(Graph::len);
    gradients(&tracer, &loss, &[x, unused]).expect_err("nothing uses it");
    assert_eq!(tracer.with_graph(Graph::len), before);
}
