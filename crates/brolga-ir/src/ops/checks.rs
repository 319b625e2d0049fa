//! Helpers for the tests of ops.

use std::cmp::Ordering;
use std::sync::Arc;

use half::{bf16, f16};
use proptest::prelude::*;

use crate::error::Mistake;
use crate::graph::Graph;
use crate::interpret::interpret;
use crate::op::{Backward, DifferentiateBody, Op, Vjp};
use crate::tensor::{Data, Tensor};
use crate::trace::{Tracer, Var};
use crate::types::{DType, Shape, Type};

/// The result of an op for these operands.
pub(crate) fn run(op: impl Into<Op>, operands: &[&Tensor]) -> Tensor {
    let op = op.into();
    let types: Vec<Type> = operands.iter().map(|operand| operand.ty()).collect();
    let results = op.infer(&types.iter().collect::<Vec<_>>()).expect("the operands fit");
    let result = op.definition().evaluate(operands, &results).swap_remove(0);
    assert_eq!(result.ty(), results[0], "the type rule says what evaluation gives");
    result
}

/// The mistake that the type rule finds in operands of these types.
pub(crate) fn mistake(op: impl Into<Op>, operands: &[&str]) -> String {
    let types: Vec<Type> = operands.iter().map(|ty| ty.parse().expect("a type")).collect();
    match op.into().infer(&types.iter().collect::<Vec<_>>()) {
        Ok(types) => format!("no mistake: {types:?}"),
        Err(mistake) => mistake.to_string(),
    }
}

/// These tests differentiate no bodies: the driver is another crate's.
#[derive(Debug)]
struct NoBodies;

impl DifferentiateBody for NoBodies {
    fn backward(&self, body: &Arc<Graph>, _: &[bool], _: &[bool]) -> Result<Backward, Mistake> {
        Err(Mistake::new(format!("`{}` is not differentiated here", body.name())))
    }
}

/// The op's gradient rule, evaluated: for each operand the vector-Jacobian product with `dy`.
pub(crate) fn vjp(op: impl Into<Op>, operands: &[&Tensor], dy: &Tensor) -> Vec<Option<Tensor>> {
    let op = op.into();
    let tracer = Tracer::new("vjp");
    let inputs: Vec<Tensor> = operands.iter().copied().chain([dy]).cloned().collect();
    let names = (0..).map(|index| format!("x{index}"));
    let vars: Vec<Var> =
        inputs.iter().zip(names).map(|(input, name)| tracer.input(&name, input.ty())).collect();
    let (vars, dy) = vars.split_at(operands.len());
    let results = tracer.apply_all(op.clone(), &vars.iter().collect::<Vec<_>>());
    let (cotangents, wanted) = ([Some(dy[0].clone())], vec![true; vars.len()]);
    let node = Vjp {
        operands: vars,
        results: &results,
        cotangents: &cotangents,
        wanted: &wanted,
        bodies: &NoBodies,
    };
    let gradients = op.definition().vjp(&node).expect("a gradient rule");
    for (operand, gradient) in vars.iter().zip(&gradients) {
        if let Some(gradient) = gradient {
            let gradient = gradient.unbroadcast(operand.shape());
            assert_eq!(gradient.ty(), operand.ty());
            tracer.output(&gradient);
        }
    }
    let graph = tracer.finish().expect("a gradient");
    let mut outputs = interpret(&graph, &inputs).expect("the inputs fit").into_iter();
    gradients.iter().map(|g| g.as_ref().map(|_| outputs.next().expect("an output"))).collect()
}

/// The gradient of the only operand.
pub(crate) fn gradient(op: impl Into<Op>, x: &Tensor, dy: &Tensor) -> Tensor {
    vjp(op, &[x], dy).swap_remove(0).expect("the operand has a gradient")
}

/// Fails unless `⟨dy, op(operands)⟩ = ⟨x, vjp⟩` for each operand x that has a gradient, exactly.
/// The op must be linear in each of them, and the elements small integers in f64, so that nothing
/// rounds.
pub(crate) fn assert_adjoint(op: impl Into<Op>, operands: &[&Tensor], dy: &Tensor) {
    let op = op.into();
    let forward = dot(dy, &run(op.clone(), operands));
    for (x, gradient) in operands.iter().zip(vjp(op, operands, dy)) {
        if let Some(gradient) = gradient {
            assert_eq!(dot(x, &gradient), forward);
        }
    }
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.ty(), b.ty());
    a.data().to_f64().iter().zip(b.data().to_f64()).map(|(a, b)| a * b).sum()
}

/// Fails unless a comparison of any two of these values gives the result of `expected` for their
/// order, and has no gradient.
pub(crate) fn assert_compares<T: Element + Copy + PartialOrd>(
    op: impl Into<Op>,
    values: &[T],
    expected: fn(Option<Ordering>) -> bool,
) {
    let op = op.into();
    let pairs = || values.iter().flat_map(|&a| values.iter().map(move |&b| (a, b)));
    let (a, b) = (vector(pairs().map(|pair| pair.0)), vector(pairs().map(|pair| pair.1)));
    let y = vector(pairs().map(|(a, b)| expected(a.partial_cmp(&b))));
    assert_eq!(run(op.clone(), &[&a, &b]), y, "{} {a:?} {b:?}", op.name());
    assert_eq!(vjp(op, &[&a, &b], &y), [None, None]);
}

/// [`assert_compares`] of integers, floats and their extremes, by several element types.
pub(crate) fn assert_compares_numbers(op: impl Into<Op>, expected: fn(Option<Ordering>) -> bool) {
    let op = op.into();
    let floats = [f32::NEG_INFINITY, -1.0, -0.0, 0.0, 1.0, 2.0, f32::INFINITY, f32::NAN];
    assert_compares(op.clone(), &floats, expected);
    assert_compares(op.clone(), &floats.map(f64::from), expected);
    assert_compares(op.clone(), &floats.map(bf16::from_f32), expected);
    assert_compares(op.clone(), &floats.map(f16::from_f32), expected);
    assert_compares(op.clone(), &[i64::MIN, -5, 0, 5, i64::MAX], expected);
    assert_compares(op.clone(), &[i32::MIN, -5, 0, 5, i32::MAX], expected);
    assert_compares(op, &[0, 1, 100, 200, u8::MAX], expected);
}

/// A Rust type of elements.
pub(crate) trait Element: Sized {
    /// These elements.
    fn data(values: Vec<Self>) -> Data;
}

macro_rules! element {
    ($($rust:ident: $variant:ident),*) => {$(
        impl Element for $rust {
            fn data(values: Vec<Self>) -> Data {
                Data::$variant(values)
            }
        }
    )*};
}

element!(f32: F32, f64: F64, bf16: BF16, f16: F16, i64: I64, i32: I32, u8: U8, bool: Bool);

/// A tensor of these elements.
pub(crate) fn tensor<T: Element>(
    shape: impl Into<Shape>,
    values: impl IntoIterator<Item = T>,
) -> Tensor {
    let values = values.into_iter().collect();
    Tensor::new(shape, T::data(values)).expect("as many elements as the shape has")
}

/// A tensor of rank 1.
pub(crate) fn vector<T: Element>(values: impl IntoIterator<Item = T>) -> Tensor {
    let values: Vec<T> = values.into_iter().collect();
    tensor([values.len()], values)
}

/// An f64 tensor of small integers, always the same ones.
pub(crate) fn integers(shape: impl Into<Shape>) -> Tensor {
    let shape = shape.into();
    let values: Vec<f64> = (0..shape.elements()).map(|i| ((i * 7 + 3) % 11) as f64 - 5.0).collect();
    tensor(shape, values)
}

/// An f32 tensor.
pub(crate) fn f32s(shape: impl Into<Shape>, values: &[f32]) -> Tensor {
    Tensor::f32(shape, values.to_vec()).expect("as many values as the shape has")
}

/// A tensor of small integers in f64.
pub(crate) fn whole(shape: impl Into<Shape>) -> impl Strategy<Value = Tensor> {
    multiples(1, shape)
}

/// A tensor of small multiples of a number in f64.
pub(crate) fn multiples(of: i32, shape: impl Into<Shape>) -> impl Strategy<Value = Tensor> {
    let shape = shape.into();
    prop::collection::vec(-9..=9i32, shape.elements()).prop_map(move |values| {
        let values = values.into_iter().map(|value| f64::from(of * value)).collect();
        Tensor::of(shape.clone(), Data::F64(values))
    })
}

/// A tensor of numbers between −1 and 1 in f32, of full precision, so that another order of
/// arithmetic gives other bits.
pub(crate) fn fraction(shape: impl Into<Shape>) -> impl Strategy<Value = Tensor> {
    let shape = shape.into();
    prop::collection::vec(-1.0..1.0f32, shape.elements())
        .prop_map(move |values| Tensor::of(shape.clone(), Data::F32(values)))
}

/// The same numbers as another element type.
pub(crate) fn cast(x: &Tensor, dtype: DType) -> Tensor {
    Tensor::of(x.shape().clone(), Data::from_f64(dtype, &x.data().to_f64()))
}
