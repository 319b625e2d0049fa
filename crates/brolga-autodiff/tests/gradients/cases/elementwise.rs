//! Elementwise ops, away from their kinks.

use brolga_ir::ops::{
    Abs, Add, Cast, Div, Erf, Exp, Flush, Log, Max, Min, Mul, Neg, Pow, Relu, Rsqrt, Select,
    Sigmoid, Sqrt, Sub, Tanh,
};
use brolga_ir::{DType, Data, Op, Tensor};

use crate::check::{Case, case, check, shapes};
use crate::numbers::Numbers;

/// Pairs of shapes that broadcast.
const PAIRS: [(&[usize], &[usize]); 14] = [
    (&[], &[]),
    (&[3], &[3]),
    (&[3], &[]),
    (&[], &[2, 3]),
    (&[2, 3], &[3]),
    (&[1], &[2, 3]),
    (&[2, 1], &[1, 3]),
    (&[2, 1], &[3]),
    (&[2, 1, 3], &[4, 1]),
    (&[1, 1], &[1]),
    (&[0], &[1]),
    (&[0], &[]),
    (&[2, 0], &[2, 1]),
    (&[1, 1, 1], &[0]),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = unary();
    cases.extend(binary());
    cases.extend(select());
    cases
}

fn unary() -> Vec<Case> {
    let anywhere: [Op; 9] = [
        Neg.into(),
        Exp.into(),
        Erf.into(),
        Tanh.into(),
        Sigmoid.into(),
        Relu.into(),
        Abs.into(),
        Flush.into(),
        Cast { dtype: DType::F64 }.into(),
    ];
    let positive: [Op; 3] = [Log.into(), Sqrt.into(), Rsqrt.into()];
    let mut cases = Vec::new();
    for shape in shapes() {
        let any =
            anywhere.iter().map(|op| case(op.clone(), [Numbers::default().any(shape.clone())]));
        cases.extend(any);
        let positive = positive
            .iter()
            .map(|op| case(op.clone(), [Numbers::default().positive(shape.clone())]));
        cases.extend(positive);
    }
    cases
}

fn binary() -> Vec<Case> {
    let mut cases = Vec::new();
    for (a, b) in PAIRS.into_iter().flat_map(|(a, b)| [(a, b), (b, a)]) {
        let ops: [Op; 5] = [Add.into(), Sub.into(), Mul.into(), Max.into(), Min.into()];
        for op in ops {
            let mut numbers = Numbers::default();
            cases.push(case(op, [numbers.any(a), numbers.any(b)]));
        }
        let mut numbers = Numbers::default();
        cases.push(case(Div, [numbers.any(a), numbers.nonzero(b)]));
        cases.push(case(Pow, [numbers.positive(a), numbers.any(b)]));
    }
    cases
}

fn select() -> Vec<Case> {
    let mask = |shape: &[usize]| {
        let count = shape.iter().product::<usize>();
        let mask = (0..count).map(|place| place * 5 % 7 < 3).collect();
        Tensor::new(shape, Data::Bool(mask)).expect("as many values as elements")
    };
    let shapes: [[&[usize]; 3]; 6] = [
        [&[], &[], &[]],
        [&[2, 3], &[2, 3], &[2, 3]],
        [&[3], &[2, 1], &[]],
        [&[2, 3], &[], &[3]],
        [&[], &[2, 1], &[1, 3]],
        [&[0], &[1], &[]],
    ];
    let mut cases = Vec::new();
    for [condition, a, b] in shapes {
        let mut numbers = Numbers::default();
        cases.push(case(Select, [mask(condition), numbers.any(a), numbers.any(b)]));
    }
    cases
}

#[test]
fn unary_ops() {
    check(&unary());
}

#[test]
fn binary_ops() {
    check(&binary());
}

#[test]
fn selections() {
    check(&select());
}
