//! Reference evaluation over floats: written once, run in f32 or in f64.

use std::borrow::Cow;
use std::ops::{Add, Div};

use half::{bf16, f16};

use crate::tensor::{Data, Tensor};
use crate::types::DType;

/// The arithmetic that `f32` and `f64` share.
pub(super) trait Float: Copy + Add<Output = Self> + Div<Output = Self> {
    /// +0.
    const ZERO: Self;
    /// `self · factor + addend`, rounded once.
    fn fma(self, factor: Self, addend: Self) -> Self;
    /// A number of elements, rounded to nearest.
    fn count(count: usize) -> Self;
}

impl Float for f32 {
    const ZERO: Self = 0.0;

    fn fma(self, factor: Self, addend: Self) -> Self {
        self.mul_add(factor, addend)
    }

    fn count(count: usize) -> Self {
        count as Self
    }
}

impl Float for f64 {
    const ZERO: Self = 0.0;

    fn fma(self, factor: Self, addend: Self) -> Self {
        self.mul_add(factor, addend)
    }

    fn count(count: usize) -> Self {
        count as Self
    }
}

/// Runs a program on float operands of one element type: `wide` on `f64`, `narrow` on all others.
/// `bf16` and `f16` are widened to f32, and the result is rounded to them.
pub(super) fn compute<const N: usize>(
    operands: [&Tensor; N],
    narrow: impl Fn([&[f32]; N]) -> Vec<f32>,
    wide: impl Fn([&[f64]; N]) -> Vec<f64>,
) -> Data {
    let dtype = operands[0].dtype();
    if let Data::F64(_) = operands[0].data() {
        return Data::F64(wide(operands.map(|operand| match operand.data() {
            Data::F64(values) => values.as_slice(),
            _ => unreachable!("the type rule admits operands of one element type"),
        })));
    }
    let widened = operands.map(|operand| widen(operand.data()));
    let result = narrow(widened.each_ref().map(|values| &**values));
    match dtype {
        DType::BF16 => Data::BF16(result.into_iter().map(bf16::from_f32).collect()),
        DType::F16 => Data::F16(result.into_iter().map(f16::from_f32).collect()),
        _ => Data::F32(result),
    }
}

/// The floats, those of 16 bits as `f32`.
pub(super) fn widen(data: &Data) -> Cow<'_, [f32]> {
    match data {
        Data::F32(values) => Cow::Borrowed(values),
        Data::BF16(values) => values.iter().map(|x| x.to_f32()).collect(),
        Data::F16(values) => values.iter().map(|x| x.to_f32()).collect(),
        _ => unreachable!("the type rule admits floats of one element type"),
    }
}
