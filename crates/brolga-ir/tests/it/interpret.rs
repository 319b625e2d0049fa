//! The interpreter: results, observers, errors.

use brolga_ir::{DType, Graph, NodeId, Tensor, interpret, interpret_with};

use crate::sample::{graph, tensor, train_step};

fn sum_of_relu() -> Graph {
    graph(
        "graph f(%x: f32[2,2], state %s: f32[]) {
          %0: f32[2,2] = relu %x
          %1: f32[2,2] = exp %x
          %2: f32[] = reduce_sum %0 {axes=[0,1]}
          %3: f32[] = add %2, %s
          return %3, %x, %3 => %s
        }",
    )
}

#[test]
fn outputs_come_in_order_inputs_and_next_states_too() {
    let given = [tensor([2, 2], &[1.0, -2.0, 3.0, 4.0]), Tensor::scalar(DType::F32, 0.5)];
    let outputs = interpret(&sum_of_relu(), &given).expect("the inputs fit");
    let sum = Tensor::scalar(DType::F32, 8.5);
    assert_eq!(outputs, [sum.clone(), given[0].clone(), sum]);
}

#[test]
fn a_kernel_means_its_body() {
    let x = Tensor::f32([2, 6, 6, 1], (0..72).map(|i| (i * 7 % 13) as f32 - 6.0).collect());
    let w = Tensor::f32([3, 3, 1, 2], (0..18).map(|i| (i % 5) as f32 - 2.0).collect());
    let inputs = [x.expect("72 elements"), w.expect("18 elements"), tensor([2], &[0.5, -0.5])];
    let fused = interpret(&train_step(), &inputs).expect("the inputs fit");
    let unfused = graph(
        "graph f(%x: f32[2,6,6,1], state %w: f32[3,3,1,2], state %b: f32[2]) {
          %c: f32[2,4,4,2] = conv %x, %w {strides=[1,1]}
          %a: f32[2,4,4,2] = add %c, %b
          %r: f32[2,4,4,2] = relu %a
          %y: f32[2,2,2,2] = max_pool %r {window=[2,2], strides=[2,2]}
          %i: u8[2,2,2,2] = max_pool_index %r {window=[2,2], strides=[2,2]}
          %k: f32[2] = constant {value=[1.5,-0]}
          %z: f32[2,2,2,2] = mul %y, %k
          %l: f32[] = constant {value=0.001}
          %n: f32[2] = sub %b, %l
          return %z, %n => %b, %i
        }",
    );
    assert_eq!(fused, interpret(&unfused, &inputs).expect("the inputs fit"));
}

#[test]
fn the_observer_sees_every_node_once_and_in_order() {
    let graph = sum_of_relu();
    let mut seen = Vec::new();
    let given = [tensor([2, 2], &[0.0; 4]), Tensor::scalar(DType::F32, 0.0)];
    let mut observer = |graph: &Graph, node: NodeId, results: &[Tensor]| {
        assert_eq!(results[0].ty(), *graph.ty(node.into()));
        seen.push(graph.node(node).op.name());
    };
    interpret_with(&graph, &given, &mut observer).expect("the inputs fit");
    assert_eq!(seen, ["relu", "exp", "reduce_sum", "add"]);
}

#[test]
fn a_graph_may_return_nothing_or_the_same_twice() {
    assert_eq!(interpret(&graph("graph f() { return }"), &[]), Ok(vec![]));
    let one = Tensor::scalar(DType::I32, 1.0);
    let twice = graph("graph f(%x: i32[]) { return %x, %x }");
    assert_eq!(interpret(&twice, std::slice::from_ref(&one)), Ok(vec![one.clone(), one]));
}

#[test]
fn too_few_inputs() {
    let error = interpret(&sum_of_relu(), &[]).expect_err("there are two inputs");
    insta::assert_snapshot!(error, @"
    graph `f` takes 2 inputs, 0 were given
    ");
}

#[test]
fn an_input_of_another_type() {
    let given = [tensor([4], &[0.0; 4]), Tensor::scalar(DType::F32, 0.0)];
    insta::assert_snapshot!(interpret(&sum_of_relu(), &given).expect_err("another shape"), @"
    graph `f`: input `%x` is f32[2,2], f32[4] was given
    ");
}

#[test]
fn a_graph_that_is_not_valid() {
    let mut graph = sum_of_relu();
    let order = graph.order();
    graph.set_operand(order[2], 0, order[2].into());
    let given = [tensor([2, 2], &[0.0; 4]), Tensor::scalar(DType::F32, 0.0)];
    insta::assert_snapshot!(interpret(&graph, &given).expect_err("a cycle"), @"
    graph `f`: error: the node depends on itself: %1 → %1
      | %1: f32[2,2] = relu %1
      | ^~~~~~~~~~~~~~~~~~~~~~
    ");
}
