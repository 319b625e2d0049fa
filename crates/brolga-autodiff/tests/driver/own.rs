//! Functions with a gradient rule of their own.

use brolga_autodiff::grad;
use brolga_ir::{
    Data, Graph, Origin, Tensor, TraceError, Tracer, Type, Value, Var, custom_gradient, interpret,
};

use crate::{differentiated, graph, input};

/// Twice the derived gradient, which shows that it is the own one.
const DOUBLED: &str = "func square(%x: f32[2], %n: i32[]) {
        %0: f32[2] = mul %x, %x
        return %0, %n, %x
    }
    func square.gradient(%x: f32[2], %n: i32[], %y: f32[2], %m: i32[], %z: f32[2], %d: f32[2], %e: f32[2]) {
        %0: f32[] = constant {value=4}
        %1: f32[2] = mul %x, %0
        %2: f32[2] = mul %1, %d
        return %2
    }
    graph f(%x: f32[2], %n: i32[]) {
        %0: f32[2], %1: i32[], %2: f32[2] = custom_gradient square, square.gradient %x, %n @first
        %3: f32[2], %4: i32[], %5: f32[2] = custom_gradient square, square.gradient %0, %1 @second
        %6: f32[] = reduce_sum %3 {axes=[0], keepdims=false} @loss
        return %6
    }";

#[test]
fn the_own_gradient_is_called_where_the_function_is() {
    insta::assert_snapshot!(differentiated(DOUBLED, &["x"]), @"
    func square(%x: f32[2], %n: i32[]) {
      %0: f32[2] = mul %x, %x
      return %0, %n, %x
    }

    func square.gradient(
      %x: f32[2],
      %n: i32[],
      %y: f32[2],
      %m: i32[],
      %z: f32[2],
      %d: f32[2],
      %e: f32[2]
    ) {
      %0: f32[] = constant {value=4}
      %1: f32[2] = mul %x, %0
      %2: f32[2] = mul %1, %d
      return %2
    }

    graph f(%x: f32[2], %n: i32[]) {
      %0: f32[2], %1: i32[], %2: f32[2] = custom_gradient square, square.gradient %x, %n   @first
      %3: f32[2], %4: i32[], %5: f32[2] = custom_gradient square, square.gradient %0, %1   @second
      %6: f32[] = reduce_sum %3 {axes=[0], keepdims=false}   @loss
      %7: f32[] = constant {value=1}   @loss #backward
      %8: f32[2] = broadcast %7 {shape=[2]}   @loss #backward
      %9: f32[] = constant {value=0}   @second #backward
      %10: f32[2] = broadcast %9 {shape=[2]}   @second #backward
      %11: f32[2] = call square.gradient %0, %1, %3, %4, %5, %8, %10   @second #backward
      %12: f32[] = constant {value=0}   @first #backward
      %13: f32[2] = broadcast %12 {shape=[2]}   @first #backward
      %14: f32[2] = call square.gradient %x, %n, %0, %1, %2, %11, %13   @first #backward
      return %14
    }
    ");
}

fn f64s(values: &[f64]) -> Tensor {
    Tensor::new([values.len()], Data::F64(values.to_vec())).expect("as many as there are elements")
}

#[test]
fn the_own_gradient_is_differentiated_in_its_turn() {
    // y = x², dy = 3·x·y·d where the derived gradient is 2·x·d. The derivative of 3·x·y is 3·y +
    // 3·x·(3·x·y): y has its own gradient again.
    let t = Tracer::new("cubes");
    let x = t.input("x", Type::new(brolga_ir::DType::F64, [2]));
    let y =
        custom_gradient([&x], |x| vec![&x[0] * &x[0]], |x, y, d| vec![&x[0] * &y[0] * 3.0 * &d[0]]);
    t.output(&y[0].reduce_sum(&[0], false));
    let mut graph = t.finish().expect("no mistakes");
    let x = input(&graph, "x");
    let loss = graph.outputs()[0].value;
    let first = grad(&mut graph, loss, &[x]).expect("a gradient")[0];
    let total = sum(&mut graph, first);
    let second = grad(&mut graph, total, &[x]).expect("a gradient of the gradient")[0];
    graph.set_outputs(Vec::new());
    [first, second].into_iter().for_each(|value| graph.add_output(value));
    let values = interpret(&graph, &[f64s(&[1.0, 2.0])]).expect("the input fits");
    assert_eq!(values[0].data().to_f64(), [3.0, 24.0]);
    assert_eq!(values[1].data().to_f64(), [3.0 + 9.0, 12.0 + 144.0]);
}

/// Adds the sum of a vector.
fn sum(graph: &mut Graph, value: Value) -> Value {
    let t = Tracer::resume(std::mem::take(graph));
    let total = t.at(value).reduce_sum(&[0], false).value().expect("a vector");
    *graph = t.finish().expect("no mistakes");
    total
}

#[test]
fn functions_that_call_functions_with_own_gradients_use_them() {
    let text = "func step(%x: f32[]) { %0: f32[] = floor %x return %0 }
        func step.gradient(%x: f32[], %y: f32[], %d: f32[]) { return %d }
        func twice(%x: f32[]) {
            %0: f32[] = custom_gradient step, step.gradient %x
            %1: f32[] = mul %0, %x
            return %1
        }
        graph f(%x: f32[]) {
            %0: f32[] = call twice %x
            return %0
        }";
    let graph: Graph = differentiated(text, &["x"]);
    let x = Tensor::f32([], vec![2.5]).expect("a scalar");
    // ⌊x⌋ + x.
    assert_eq!(
        interpret(&graph, &[x]).expect("the input fits")[0].as_f32(),
        Some([4.5].as_slice())
    );
}

#[test]
fn what_is_read_back_has_the_same_gradient() {
    let written = graph(DOUBLED);
    let read = graph(&written.to_string());
    assert_eq!(read.to_string(), written.to_string());
    assert_eq!(
        differentiated(&read.to_string(), &["x"]).to_string(),
        differentiated(DOUBLED, &["x"]).to_string()
    );
}

fn refused(
    function: impl FnOnce(&[Var]) -> Vec<Var>,
    gradient: impl FnOnce(&[Var], &[Var], &[Var]) -> Vec<Var>,
) -> String {
    let t = Tracer::new("wrong");
    let (x, n) =
        (t.input("x", Type::f32([2, 3])), t.input("n", Type::new(brolga_ir::DType::I32, [2])));
    let _layer = t.enter("dense");
    custom_gradient([&x, &n], function, gradient).iter().for_each(|y| t.output(y));
    let TraceError { mistake, origin } = t.finish().expect_err("a mistake");
    TraceError { mistake, origin: Origin { location: None, ..origin } }.to_string()
}

#[test]
fn gradients_that_do_not_fit_say_what_is_expected() {
    let double = |x: &[Var]| vec![&x[0] * 2.0];
    insta::assert_snapshot!(refused(double, |_, _, d| vec![d[0].reduce_sum(&[0], false)]), @"
    layer `dense`: `custom_gradient custom.gradient`: the gradient gives (f32[3]), not (f32[2,3])
      help: it gives one value for each operand of floats, in their order and of their types
    ");
    insta::assert_snapshot!(refused(double, |x, _, d| vec![d[0].clone(), x[1].clone()]), @"
    layer `dense`: `custom_gradient custom.gradient`: the gradient gives (f32[2,3], i32[2]), not (f32[2,3])
      help: it gives one value for each operand of floats, in their order and of their types
    ");
    insta::assert_snapshot!(refused(double, |_, _, _| vec![]), @"layer `dense`: the body of a custom_gradient returns nothing");
    insta::assert_snapshot!(refused(double, |x, y, d| vec![x[0].matmul(&y[0]) * &d[0]]), @"layer `dense`: `matmul`: the contracted extents differ, 3 in f32[2,3] and 2 in f32[2,3]");
    insta::assert_snapshot!(refused(|x| vec![x[1].clone()], |_, _, d| d.to_vec()), @"
    layer `dense`: `custom_gradient`: no result is of floats
      help: only floats have gradients; a function without any is a `call`
    ");
    insta::assert_snapshot!(refused(|_| vec![], |_, _, d| d.to_vec()), @"layer `dense`: the body of a call returns nothing");
}
