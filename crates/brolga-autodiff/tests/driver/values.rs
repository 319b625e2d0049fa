//! What the gradients are.

use brolga_ir::{DType, Data, Graph, Tensor, Tracer, Type, interpret};

use brolga_autodiff::{grad, gradients};

use crate::{differentiated, graph, input, refused};

fn run(graph: &Graph, inputs: &[Tensor]) -> Vec<Tensor> {
    interpret(graph, inputs).expect("the inputs fit")
}

fn vector(values: &[f32]) -> Tensor {
    Tensor::f32([values.len()], values.to_vec()).expect("as many values as elements")
}

fn scalar(value: f32) -> Tensor {
    Tensor::f32([], vec![value]).expect("one element")
}

#[test]
fn the_loss_by_itself_is_one() {
    let mut graph = graph("graph f(%x: f32[1,1]) { %0: f32[1,1] = exp %x return %0 }");
    let (loss, x) = (graph.outputs()[0].value, input(&graph, "x"));
    let gradients = grad(&mut graph, loss, &[loss, x]).expect("a gradient");
    gradients.into_iter().for_each(|gradient| graph.add_output(gradient));
    let x = Tensor::f32([1, 1], vec![0.0]).expect("one element");
    let one = Tensor::f32([1, 1], vec![1.0]).expect("one element");
    assert_eq!(run(&graph, &[x]), [one.clone(), one.clone(), one]);
}

#[test]
fn an_input_that_is_the_loss() {
    let graph = differentiated("graph f(%x: f64[]) { return %x }", &["x"]);
    let x = Tensor::scalar(DType::F64, 5.0);
    assert_eq!(run(&graph, &[x]), [Tensor::scalar(DType::F64, 1.0)]);
}

#[test]
fn the_same_value_twice_has_one_gradient() {
    let text = "graph f(%x: f32[]) { %0: f32[] = mul %x, %x return %0 }";
    let twice = differentiated(text, &["x", "x"]);
    assert_eq!(twice.outputs()[0].value, twice.outputs()[1].value);
    assert_eq!(twice.len(), differentiated(text, &["x"]).len());
    assert_eq!(run(&twice, &[scalar(3.0)]), [scalar(6.0), scalar(6.0)]);
}

#[test]
fn nothing_to_differentiate_by_adds_nothing() {
    let text = "graph f(%x: f32[]) { %0: f32[] = exp %x return %0 }";
    assert_eq!(differentiated(text, &[]).len(), graph(text).len());
}

#[test]
fn a_value_inside_of_the_graph() {
    let mut graph = graph(
        "graph f(%x: f32[2]) {
          %0: f32[2] = exp %x
          %1: f32[2] = mul %0, %0
          %2: f32[2] = add %1, %0
          %3: f32[] = reduce_sum %2 {axes=[0]}
          return %3
        }",
    );
    let (loss, inside) = (graph.outputs()[0].value, crate::only(&graph, "exp").into());
    let before = graph.len();
    let gradients = grad(&mut graph, loss, &[inside]).expect("a gradient");
    graph.set_outputs(vec![]);
    graph.add_output(gradients[0]);
    assert_eq!(run(&graph, &[vector(&[0.0, 0.0])]), [vector(&[3.0, 3.0])]);
    // What lies in front of it gets no gradient: one, its broadcast, two products and two sums.
    assert_eq!(graph.len() - before, 6);
}

#[test]
fn a_scalar_parameter_collects_all_its_uses() {
    let graph = differentiated(
        "graph f(%x: f32[3], state %scale: f32[], state %shift: f32[1]) {
          %0: f32[3] = mul %x, %scale
          %1: f32[3] = add %0, %shift
          %2: f32[] = reduce_sum %1 {axes=[0]}
          return %2
        }",
        &["scale", "shift"],
    );
    let inputs = [vector(&[1.0, 2.0, 4.0]), scalar(7.0), vector(&[0.0])];
    assert_eq!(run(&graph, &inputs), [scalar(7.0), vector(&[3.0])]);
}

#[test]
fn gradients_without_elements() {
    let text = "graph f(%x: f32[0,3], state %w: f32[3,2]) {
      %0: f32[0,2] = matmul %x, %w
      %1: f32[] = reduce_sum %0 {axes=[0,1]}
      return %1
    }";
    let graph = differentiated(text, &["x", "w"]);
    let x = Tensor::f32([0, 3], vec![]).expect("no element");
    let w = Tensor::f32([3, 2], vec![1.0; 6]).expect("six elements");
    assert_eq!(run(&graph, &[x.clone(), w]), [x, Tensor::f32([3, 2], vec![0.0; 6]).expect("six")]);
}

#[test]
fn what_is_stopped_is_a_constant() {
    // The gradient of x · stop(x) is stop(x), and by w there is another way.
    let graph = differentiated(
        "graph f(%x: f32[], state %w: f32[]) {
          %0: f32[] = mul %x, %w
          %1: f32[] = stop_gradient %0
          %2: f32[] = mul %0, %1
          return %2
        }",
        &["x", "w"],
    );
    assert_eq!(run(&graph, &[scalar(3.0), scalar(5.0)]), [scalar(75.0), scalar(45.0)]);
}

/// Three cotangents whose sum depends on the order: 2²⁴ + 1 is 2²⁴ in f32, 2²⁴ + 2 is not.
#[test]
fn cotangents_are_added_from_the_last_use_to_the_first() {
    let fan_out = |weights: [f32; 3]| {
        let graph = differentiated(
            "graph f(%x: f32[], %a: f32[], %b: f32[], %c: f32[]) {
              %0: f32[] = mul %x, %a
              %1: f32[] = mul %x, %b
              %2: f32[] = mul %x, %c
              %3: f32[] = add %0, %1
              %4: f32[] = add %3, %2
              return %4
            }",
            &["x"],
        );
        let [a, b, c] = weights.map(scalar);
        run(&graph, &[scalar(1.0), a, b, c]).swap_remove(0)
    };
    let large = (1 << 24) as f32;
    assert_eq!(fan_out([1.0, 1.0, large]), scalar(large));
    assert_eq!(fan_out([large, 1.0, 1.0]), scalar(large + 2.0));
    assert_eq!(fan_out([1.0, large, 1.0]), scalar(large));
}

#[test]
fn operands_of_one_node_are_added_in_their_order() {
    // x is the operand 0, 1 and 2 of one node.
    let graph = differentiated(
        "graph f(%x: f32[1], %weights: f32[3]) {
          %0: f32[3] = concat %x, %x, %x {axis=0}
          %1: f32[3] = mul %0, %weights
          %2: f32[] = reduce_sum %1 {axes=[0]}
          return %2
        }",
        &["x"],
    );
    let large = (1 << 24) as f32;
    let at = |weights: [f32; 3]| run(&graph, &[vector(&[1.0]), vector(&weights)]).swap_remove(0);
    assert_eq!(at([large, 1.0, 1.0]), vector(&[large]));
    assert_eq!(at([1.0, 1.0, large]), vector(&[large + 2.0]));
}

#[test]
fn the_same_graph_gives_the_same_text() {
    let text = || {
        let graph = differentiated(
            "graph f(%x: f32[4,8], state %w: f32[8,8]) {
              %0: f32[4,8] = matmul %x, %w
              %1: f32[4,8] = tanh %0
              %2: f32[4,8] = mul %1, %0
              %3: f32[4,8] = matmul %2, %w
              %4: f32[] = reduce_mean %3 {axes=[0,1]}
              return %4
            }",
            &["w", "x"],
        );
        graph.to_string()
    };
    let first = text();
    (0..20).for_each(|_| assert_eq!(text(), first));
}

#[test]
fn state_and_its_update_stay_what_they_are() {
    let mut graph = graph(
        "graph f(%x: f32[2], state %w: f32[2], state %steps: i32[]) {
          %0: f32[2] = mul %x, %w
          %1: f32[] = reduce_sum %0 {axes=[0]}
          %2: i32[] = constant {value=1}
          %3: i32[] = add %steps, %2 #update
          return %1, %3 => %steps
        }",
    );
    let (outputs, inputs) = (graph.outputs().to_vec(), graph.inputs().to_vec());
    let (loss, w) = (outputs[0].value, input(&graph, "w"));
    let gradients = grad(&mut graph, loss, &[w]).expect("a gradient");
    assert_eq!(graph.outputs(), outputs);
    assert_eq!(graph.inputs(), inputs);
    graph.add_update(w.node, gradients[0]);
    let steps = Tensor::new([], Data::I32(vec![6])).expect("one element");
    let next = run(&graph, &[vector(&[3.0, 4.0]), vector(&[1.0, 1.0]), steps]);
    assert_eq!(next[2], vector(&[3.0, 4.0]));
}

/// x⁵ at 2, each order from the one before.
#[test]
fn gradients_of_gradients() {
    let tracer = Tracer::new("f");
    let x = tracer.input("x", Type::scalar(DType::F64));
    let mut y = &x * &x * &x * &x * &x;
    for _ in 0..5 {
        tracer.output(&y);
        y = gradients(&tracer, &y, std::slice::from_ref(&x)).expect("a gradient").swap_remove(0);
    }
    tracer.output(&y);
    let graph = tracer.finish().expect("no mistake");
    let orders = run(&graph, &[Tensor::scalar(DType::F64, 2.0)]);
    let expected = [32.0, 80.0, 160.0, 240.0, 240.0, 120.0];
    assert_eq!(orders, expected.map(|value| Tensor::scalar(DType::F64, value)));
}

/// The gradient of a constant gradient is not 0, but the error that there is none.
#[test]
fn the_gradient_of_a_linear_function_is_constant() {
    let text = "graph f(%x: f32[]) {
      %0: f32[] = constant {value=3}
      %1: f32[] = mul %x, %0
      return %1
    }";
    let mut graph = differentiated(text, &["x"]);
    let (slope, x) = (graph.outputs()[0].value, input(&graph, "x"));
    insta::assert_snapshot!(refused(&mut graph, slope, &[x]), @r"
    there is no gradient by `%x`: the path ends at `mul`, which the loss does not use
      help: use it in the model, or do not train it
    ");
}

/// Deep graphs need no stack and no squared time.
#[test]
fn a_long_chain() {
    let tracer = Tracer::new("chain");
    let x = tracer.input("x", Type::f32([]));
    let length = 20_000;
    let y = (0..length).fold(x.clone(), |y, _| -y);
    let before = tracer.with_graph(Graph::len);
    let gradient = gradients(&tracer, &y, &[x]).expect("a gradient").swap_remove(0);
    assert_eq!(tracer.with_graph(Graph::len) - before, length + 1);
    tracer.output(&gradient);
    let graph = tracer.finish().expect("no mistake");
    assert_eq!(run(&graph, &[scalar(2.0)]), [scalar(1.0)]);
}
