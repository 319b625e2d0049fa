//! No op without a test of its gradient.

use std::collections::BTreeSet;
use std::sync::Arc;

use brolga_autodiff::grad;
use brolga_ir::ops::Pooling;
use brolga_ir::ops::{
    And, Argmax, Constant, Eq, Floor, Ge, Gt, Iota, Kernel, KernelKind, Le, Lt, MaxPoolIndex, Ne,
    Not, OneHot, Or, Parameter, ParameterKind, RandomBernoulli, RandomBits, RandomUniform, Sign,
    StopGradient, WhileLoop,
};
use brolga_ir::{DType, Data, Graph, Op, Shape, Tensor, Type, parse_graph};

use crate::cases;
use crate::check::{Case, case};
use crate::numbers::{Numbers, doubles};

/// The ops whose rule says that there is no gradient by any operand.
fn without_gradient() -> Vec<Case> {
    let mut numbers = Numbers::default();
    let mut floats = || numbers.any([2, 3]);
    let mask = || integers(DType::Bool, [2, 3]);
    let seed_and_step = || [integers(DType::I32, [2]), integers(DType::I32, [])];
    let (bits, uniform, bernoulli) = (DType::I32, DType::F32, DType::Bool);
    vec![
        case(Floor, [floats()]),
        case(Sign, [floats()]),
        case(StopGradient, [floats()]),
        case(Lt, [floats(), floats()]),
        case(Le, [floats(), floats()]),
        case(Gt, [floats(), floats()]),
        case(Ge, [floats(), floats()]),
        case(Eq, [floats(), floats()]),
        case(Ne, [floats(), floats()]),
        case(And, [mask(), mask()]),
        case(Or, [mask(), mask()]),
        case(Not, [mask()]),
        case(Argmax { axis: 0, keepdims: false }, [floats()]),
        case(
            MaxPoolIndex { pool: Pooling::new([2, 2], [1, 1], [[0, 0]; 2]) },
            [numbers.any([1, 3, 3, 1])],
        ),
        case(OneHot { depth: 3, dtype: DType::F64 }, [integers(DType::I32, [2])]),
        case(RandomBits { ty: Type::new(bits, [3]), stream: 0 }, seed_and_step()),
        case(RandomUniform { ty: Type::new(uniform, [3]), stream: 0 }, seed_and_step()),
        case(
            RandomBernoulli { ty: Type::new(bernoulli, [3]), probability: 0.5.into(), stream: 0 },
            seed_and_step(),
        ),
        // These have no operands.
        case(Constant::new(doubles([1], vec![1.0])), []),
        case(Iota { ty: Type::new(DType::F64, [3]), axis: 0 }, []),
    ]
}

fn integers(dtype: DType, shape: impl Into<Shape>) -> Tensor {
    let shape = shape.into();
    let values: Vec<f64> = (0..shape.elements()).map(|place| (place % 2) as f64).collect();
    Tensor::new(shape, Data::from_f64(dtype, &values)).expect("as many values as elements")
}

/// An op that stands for a graph: differentiation comes before fusion.
fn fused() -> Op {
    let body =
        parse_graph("graph double(%x: f64[]) { %0: f64[] = add %x, %x return %0 }", "double");
    Kernel { kind: KernelKind::Rows, body: Arc::new(body.expect("a graph")) }.into()
}

/// A loop whose number of steps is not known before it runs.
fn forward_only() -> WhileLoop {
    let graph = |text: &str| Arc::new(parse_graph(text, "body").expect("a graph"));
    WhileLoop::new(
        7,
        1,
        graph("graph small(%x: f64[], %y: f64[]) { %0: bool[] = lt %x, %y return %0 }"),
        graph("graph double(%x: f64[], %y: f64[]) { %0: f64[] = add %x, %x return %0 }"),
    )
}

#[test]
fn every_op_is_checked_or_said_to_have_no_gradient() {
    let names = |cases: Vec<Case>| cases.iter().map(|case| case.op.name()).collect::<BTreeSet<_>>();
    let checked = names(cases::all());
    let mut silent = names(without_gradient());
    // An input is where gradients end.
    let input = Parameter { name: "x".to_owned(), kind: ParameterKind::Data, ty: Type::f32([]) };
    silent.extend([Op::from(input).name(), fused().name(), Op::from(forward_only()).name()]);

    assert_eq!(checked.intersection(&silent).collect::<Vec<_>>(), Vec::<&&str>::new());
    let tested: BTreeSet<&str> = checked.union(&silent).copied().collect();
    let all: BTreeSet<&str> = Op::NAMES.iter().copied().collect();
    assert_eq!(tested, all, "an op is added with cases of its gradient, or to those without");
}

#[test]
fn no_gradient_is_written_out() {
    for case in without_gradient() {
        let none = vec![None; case.operands.len()];
        assert_eq!(case.products(), none, "{:?}", case.op);
    }
}

#[test]
fn gradients_are_for_floats_alone() {
    for case in cases::all() {
        for (x, product) in case.operands.iter().zip(case.products()) {
            assert_eq!(product.is_some(), x.dtype().is_float(), "{case}");
        }
    }
}

#[test]
fn a_kernel_has_no_rule() {
    let mut graph = Graph::new("fused");
    let x = graph.add_input("x", ParameterKind::Data, Type::scalar(DType::F64), Default::default());
    let x = x.expect("a name");
    let y = graph.add(fused(), &[x], Default::default()).expect("one operand");
    let error = grad(&mut graph, y, &[x]).expect_err("kernels cannot be differentiated");
    insta::assert_snapshot!(error, @r"
    `kernel` has no gradient: kernel `double` cannot be differentiated
      help: differentiate first, fuse afterwards
    ");
}

#[test]
fn a_loop_that_ends_when_it_will_has_no_rule() {
    let mut graph = Graph::new("steps");
    let [x, y] = ["x", "y"].map(|name| {
        let ty = Type::scalar(DType::F64);
        graph.add_input(name, ParameterKind::Data, ty, Default::default()).expect("a name")
    });
    let node = graph.add_node(forward_only(), &[x, y], Default::default()).expect("the types fit");
    let last = brolga_ir::Value { node, port: 0 };
    let error = grad(&mut graph, last, &[x]).expect_err("it is forward only");
    insta::assert_snapshot!(error, @"
    `while_loop` has no gradient: `while_loop` is forward only: a gradient needs the carries of all steps, and their number is not known before the loop runs
      help: write it as a `scan` of length 7 whose step keeps the carries, with `select`, once the condition does not hold; or stop the gradient with `stop_gradient`
    ");
    let stopped = graph.add(StopGradient, &[last], Default::default()).expect("a value");
    let loss = graph.add(brolga_ir::ops::Mul, &[stopped, x], Default::default()).expect("floats");
    assert!(grad(&mut graph, loss, &[x]).is_ok(), "no gradient goes through the loop");
}
