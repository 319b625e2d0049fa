//! Functions: differentiated once, however often they are called.

use brolga_autodiff::grad;
use brolga_ir::{Graph, Op, Tensor, Type, Value, interpret};

use crate::{differentiated, graph, input, refused_text};

/// A function of a state and a weight, called three times in a row.
const REPEATED: &str = "func cell(%h: f32[2,3], %w: f32[3,3]) {
        %0: f32[2,3] = matmul %h, %w @product
        %1: f32[2,3] = tanh %0
        return %1
    }
    graph f(%x: f32[2,3], state %w: f32[3,3]) {
        %0: f32[2,3] = call cell %x, %w @first
        %1: f32[2,3] = call cell %0, %w @second
        %2: f32[2,3] = call cell %1, %w @third
        %3: f32[] = reduce_sum %2 {axes=[0,1], keepdims=false} @loss
        return %3
    }";

#[test]
fn a_function_is_differentiated_once() {
    insta::assert_snapshot!(differentiated(REPEATED, &["w"]), @"
    func cell(%h: f32[2,3], %w: f32[3,3]) {
      %0: f32[2,3] = matmul %h, %w {transpose_a=false, transpose_b=false}   @product
      %1: f32[2,3] = tanh %0
      return %1
    }

    func cell.grad(%h: f32[2,3], %w: f32[3,3], %d0: f32[2,3] #backward) {
      %0: f32[2,3] = matmul %h, %w {transpose_a=false, transpose_b=false}   @product
      %1: f32[2,3] = tanh %0
      %2: f32[2,3] = mul %1, %1   #backward
      %3: f32[] = constant {value=1}   #backward
      %4: f32[2,3] = sub %3, %2   #backward
      %5: f32[2,3] = mul %d0, %4   #backward
      %6: f32[2,3] = matmul %5, %w {transpose_a=false, transpose_b=true}   @product #backward
      %7: f32[3,3] = matmul %h, %5 {transpose_a=true, transpose_b=false}   @product #backward
      return %6, %7
    }

    graph f(%x: f32[2,3], state %w: f32[3,3]) {
      %0: f32[2,3] = call cell %x, %w   @first
      %1: f32[2,3] = call cell %0, %w   @second
      %2: f32[2,3] = call cell %1, %w   @third
      %3: f32[] = reduce_sum %2 {axes=[0,1], keepdims=false}   @loss
      %4: f32[] = constant {value=1}   @loss #backward
      %5: f32[2,3] = broadcast %4 {shape=[2,3]}   @loss #backward
      %6: f32[2,3], %7: f32[3,3] = call cell.grad %1, %w, %5   @third #backward
      %8: f32[2,3], %9: f32[3,3] = call cell.grad %0, %w, %6   @second #backward
      %10: f32[3,3] = add %7, %9   @second #backward
      %11: f32[2,3], %12: f32[3,3] = call cell.grad %x, %w, %8   @first #backward
      %13: f32[3,3] = add %10, %12   @first #backward
      return %13
    }
    ");
}

/// Functions with the nodes of their calls in place of these, as a user would have written them.
const WRITTEN_OUT: &str = "graph f(%x: f32[2,3], state %w: f32[3,3]) {
        %0: f32[2,3] = matmul %x, %w
        %1: f32[2,3] = tanh %0
        %2: f32[2,3] = matmul %1, %w
        %3: f32[2,3] = tanh %2
        %4: f32[2,3] = matmul %3, %w
        %5: f32[2,3] = tanh %4
        %6: f32[] = reduce_sum %5 {axes=[0,1], keepdims=false}
        return %6
    }";

#[test]
fn the_gradient_has_the_bits_of_the_graph_written_out() {
    let numbers = |ty: &Type| {
        let elements = (0..ty.shape.elements()).map(|place| (place as f64 * 0.7).sin());
        let data = brolga_ir::Data::from_f64(ty.dtype, &elements.collect::<Vec<_>>());
        Tensor::new(ty.shape.clone(), data).expect("as many as there are elements")
    };
    let run = |text| {
        let graph = differentiated(text, &["x", "w"]);
        let inputs: Vec<Tensor> =
            graph.inputs().iter().map(|&id| numbers(graph.ty(id.into()))).collect();
        interpret(&graph, &inputs).expect("the inputs fit")
    };
    for (called, written) in run(REPEATED).iter().zip(run(WRITTEN_OUT)) {
        assert_eq!(called.data().canonical_bits(), written.data().canonical_bits());
    }
}

/// The functions of a graph whose gradients by these inputs were added.
fn functions(text: &str, wrt: &[&str]) -> Vec<String> {
    differentiated(text, wrt).bodies().iter().map(|body| body.name().to_owned()).collect()
}

#[test]
fn functions_that_call_functions_are_differentiated_once() {
    let text = "func leaf(%x: f32[]) { %0: f32[] = exp %x return %0 }
        func twice(%x: f32[]) {
            %0: f32[] = call leaf %x
            %1: f32[] = call leaf %0
            return %1
        }
        graph f(%x: f32[]) {
            %0: f32[] = call twice %x
            %1: f32[] = call twice %0
            %2: f32[] = call leaf %1
            return %2
        }";
    assert_eq!(functions(text, &["x"]), ["leaf", "twice", "leaf.grad", "twice.grad"]);
}

#[test]
fn each_set_of_cotangents_has_a_backward_function() {
    let text = "func both(%x: f32[2], %n: i32[2]) {
            %0: f32[2] = exp %x
            %1: f32[2] = cast %n {dtype=\"f32\"}
            %2: f32[2] = mul %0, %1
            return %0, %2, %1
        }
        graph f(%x: f32[2], %n: i32[2]) {
            %0: f32[2], %1: f32[2], %2: f32[2] = call both %x, %n
            %3: f32[2], %4: f32[2], %5: f32[2] = call both %0, %n
            %6: f32[2] = mul %3, %4
            %7: f32[2] = mul %6, %5
            %8: f32[] = reduce_sum %7 {axes=[0], keepdims=false}
            return %8
        }";
    insta::assert_snapshot!(differentiated(text, &["x"]), @r#"
    func both(%x: f32[2], %n: i32[2]) {
      %0: f32[2] = exp %x
      %1: f32[2] = cast %n {dtype="f32"}
      %2: f32[2] = mul %0, %1
      return %0, %2, %1
    }

    func both.grad(
      %x: f32[2],
      %n: i32[2],
      %d0: f32[2] #backward,
      %d1: f32[2] #backward,
      %d2: f32[2] #backward
    ) {
      %0: f32[2] = exp %x
      %1: f32[2] = cast %n {dtype="f32"}
      %2: f32[2] = mul %d1, %1   #backward
      %3: f32[2] = add %d0, %2   #backward
      %4: f32[2] = mul %3, %0   #backward
      return %4
    }

    func both.grad.1(%x: f32[2], %n: i32[2], %d0: f32[2] #backward) {
      %0: f32[2] = exp %x
      %1: f32[2] = mul %d0, %0   #backward
      return %1
    }

    graph f(%x: f32[2], %n: i32[2]) {
      %0: f32[2], %1: f32[2], %2: f32[2] = call both %x, %n
      %3: f32[2], %4: f32[2], %5: f32[2] = call both %0, %n
      %6: f32[2] = mul %3, %4
      %7: f32[2] = mul %6, %5
      %8: f32[] = reduce_sum %7 {axes=[0], keepdims=false}
      %9: f32[] = constant {value=1}   #backward
      %10: f32[2] = broadcast %9 {shape=[2]}   #backward
      %11: f32[2] = mul %10, %5   #backward
      %12: f32[2] = mul %10, %6   #backward
      %13: f32[2] = mul %11, %4   #backward
      %14: f32[2] = mul %11, %3   #backward
      %15: f32[2] = call both.grad %0, %n, %13, %14, %12   #backward
      %16: f32[2] = call both.grad.1 %x, %n, %15   #backward
      return %16
    }
    "#);
}

#[test]
fn a_function_is_differentiated_again() {
    let mut graph = graph(
        "func cube(%x: f64[]) {
            %0: f64[] = mul %x, %x
            %1: f64[] = mul %0, %x
            return %1
        }
        graph f(%x: f64[]) {
            %0: f64[] = call cube %x
            return %0
        }",
    );
    let x = input(&graph, "x");
    let mut loss = graph.outputs()[0].value;
    let mut outputs: Vec<Value> = Vec::new();
    for _ in 0..3 {
        loss = grad(&mut graph, loss, &[x]).expect("a gradient")[0];
        outputs.push(loss);
    }
    graph.set_outputs(Vec::new());
    outputs.into_iter().for_each(|value| graph.add_output(value));
    let five = Tensor::new([0; 0], brolga_ir::Data::F64(vec![5.0])).expect("a scalar");
    let values = interpret(&graph, &[five]).expect("the input fits");
    let values: Vec<Vec<f64>> = values.iter().map(|value| value.data().to_f64()).collect();
    assert_eq!(values, [[75.0], [30.0], [6.0]]);
}

#[test]
fn what_has_no_gradient_in_a_function_is_an_error_where_it_is_called() {
    let text = "func steps(%x: f32[], %y: f32[]) {
            %0: f32[] = floor %x
            %1: f32[] = mul %0, %y
            return %1
        }
        graph f(%x: f32[], %y: f32[]) {
            %0: f32[] = call steps %x, %y @dense
            return %0
        }";
    insta::assert_snapshot!(refused_text(text, &["x"]), @"
    there is no gradient by `%x`: the path to the loss ends at `call` of layer `dense`, which has no gradient by its operand 0
      help: use a differentiable op there, or do not train it
    ");
    let both = differentiated(text, &["y"]);
    assert_eq!(both.outputs().len(), 1);
}

/// A function with a kernel, which has no rule, on the path from one of its inputs.
const FUSED: &str = "func fused(%x: f32[], %y: f32[]) {
        %0: f32[] = kernel %x {kind=\"rows\"} double(%x: f32[]) {
            %0: f32[] = add %x, %x
            return %0
        }
        %1: f32[] = mul %0, %y
        return %1
    }
    graph f(%x: f32[], %y: f32[]) {
        %0: f32[] = call fused %x, %y @dense
        return %0
    }";

#[test]
fn an_op_without_rule_in_a_function_matters_only_if_its_gradient_is_wanted() {
    insta::assert_snapshot!(refused_text(FUSED, &["x"]), @"
    `call` of layer `dense` has no gradient: in its body `fused`, `kernel` has no gradient: kernel `double` cannot be differentiated
      help: differentiate first, fuse afterwards
    ");
    let by_y = differentiated(FUSED, &["y"]);
    let backward = by_y.ids().filter(|&id| matches!(by_y.node(id).op, Op::Call(_))).count();
    assert_eq!(backward, 2);
}

#[test]
fn results_that_are_inputs_pass_cotangents_on() {
    let text = "func same(%x: f32[], %y: f32[]) { return %y, %x, %x }
        graph f(%x: f32[], %y: f32[]) {
            %0: f32[], %1: f32[], %2: f32[] = call same %x, %y
            %3: f32[] = mul %0, %1
            %4: f32[] = mul %3, %2
            return %4
        }";
    let graph: Graph = differentiated(text, &["x", "y"]);
    let scalars = [2.0, 3.0].map(|x| Tensor::f32([], vec![x]).expect("a scalar"));
    let values = interpret(&graph, &scalars).expect("the inputs fit");
    // y · x · x.
    assert_eq!(values[0].as_f32(), Some([12.0].as_slice()));
    assert_eq!(values[1].as_f32(), Some([4.0].as_slice()));
}
