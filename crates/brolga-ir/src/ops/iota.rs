//! Ascending integers.

use serde::{Deserialize, Serialize};

use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Scalar, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::{Data, Tensor};
use crate::trace::{Tracer, Var};
use crate::types::{DType, Type};

/// `0, 1, 2, …` along an axis: each element is its index on that axis.
///
/// An index that the element type cannot hold is rounded to the nearest float, or wraps to the low
/// bits of an integer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Iota {
    /// Element type and shape.
    #[serde(rename = "type")]
    pub ty: Type,
    /// The axis along which the elements ascend.
    pub axis: usize,
}

impl Operation for Iota {
    fn family(&self) -> Family<'_> {
        Family::Indices
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let name = Self::NAME;
        let [] = expect_operands(Self::NAME, operands)?;
        let Self { ty, axis } = self;
        if *axis >= ty.shape.rank() {
            return Err(Mistake::new(format!("`{name}`: there is no axis {axis} in {ty}")));
        }
        if ty.dtype == DType::Bool {
            return Err(Mistake::new(format!("`{name}` gives numbers, not bool")));
        }
        Ok(Types::from_elem(ty.clone(), 1))
    }

    fn evaluate(&self, _: &[&Tensor], _: &[Type]) -> Vec<Tensor> {
        let shape = &self.ty.shape;
        let (extent, step) = (shape[self.axis], shape.strides()[self.axis]);
        let indices = (0..shape.elements()).map(|element| element / step % extent);
        let data = match self.ty.dtype {
            DType::I64 => Data::I64(indices.map(|i| i as i64).collect()),
            DType::I32 => Data::I32(indices.map(|i| i as i32).collect()),
            DType::U8 => Data::U8(indices.map(|i| i as u8).collect()),
            float => Data::from_f64(float, &indices.map(|i| i as f64).collect::<Vec<_>>()),
        };
        vec![Tensor::of(shape.clone(), data)]
    }

    fn loops(&self, w: &mut Writer, _: &[Buffer], results: &[Buffer]) {
        let Type { dtype, shape } = &self.ty;
        w.each(shape, |w, at| {
            let index = w.number(Scalar::I64, at[self.axis].clone());
            // Every index is exact in f64, so that its conversion to a float rounds once.
            let index = if dtype.is_float() { w.convert(index, DType::F64) } else { index };
            let index = w.convert(index, *dtype);
            w.store(results[0], w.at(shape, at), index);
        });
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![])
    }
}

impl Tracer {
    /// Ascending integers along an axis; see [`Iota`].
    #[track_caller]
    #[must_use]
    pub fn iota(&self, ty: Type, axis: usize) -> Var {
        self.apply(Iota { ty, axis }, &[])
    }
}

impl Draw for Iota {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let rank = pen.rng.between(1, 3);
        let ty = Type { dtype: pen.dtype(), shape: pen.shape(rank) };
        Some((Self { ty, axis: pen.rng.below(rank) }, vec![]))
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;
    use crate::ops::checks::{mistake, run, tensor};

    fn iota(ty: &str, axis: usize) -> Iota {
        Iota { ty: ty.parse().expect("a type"), axis }
    }

    #[test]
    fn elements_ascend_along_the_axis() {
        assert_eq!(run(iota("i64[3]", 0), &[]), tensor([3], [0_i64, 1, 2]));
        assert_eq!(
            run(iota("f32[2,3]", 0), &[]),
            tensor([2, 3], [0.0_f32, 0.0, 0.0, 1.0, 1.0, 1.0])
        );
        assert_eq!(run(iota("i32[2,3]", 1), &[]), tensor([2, 3], [0, 1, 2, 0, 1, 2]));
        assert_eq!(run(iota("i32[2,0]", 1), &[]), tensor::<i32>([2, 0], []));
    }

    #[test]
    fn indices_wrap_or_round() {
        let bytes = (0..300_i32).map(|i| i as u8);
        assert_eq!(run(iota("u8[300]", 0), &[]), tensor([300], bytes));
        let rounded = (0..300_u16).map(|i| bf16::from_f32(f32::from(i)));
        assert_eq!(run(iota("bf16[300]", 0), &[]), tensor([300], rounded));
    }

    #[test]
    fn wrong_axes_and_types_are_mistakes() {
        insta::assert_snapshot!(mistake(iota("f32[2]", 1), &[]), @"`iota`: there is no axis 1 in f32[2]");
        insta::assert_snapshot!(mistake(iota("bool[2]", 0), &[]), @"`iota` gives numbers, not bool");
        insta::assert_snapshot!(mistake(iota("i32[2]", 0), &["f32[]"]), @"`iota` takes 0 operands, not 1");
    }
}
