//! Ascending integers.

use serde::{Deserialize, Serialize};

use crate::error::Mistake;
use crate::op::{Operation, Types, Vjp, expect_operands};
use crate::tensor::{Data, Tensor};
use crate::trace::{Tracer, Var};
use crate::types::{DType, Type};

/// `0, 1, 2, …` along an axis: each element is its index on that axis.
///
/// An index that the element type cannot hold is rounded to the nearest float, or wraps to the low bits of an integer.
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
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [] = expect_operands("iota", operands)?;
        let Self { ty, axis } = self;
        if *axis >= ty.shape.rank() {
            return Err(Mistake::new(format!("`iota`: there is no axis {axis} in {ty}")));
        }
        if ty.dtype == DType::Bool {
            return Err(Mistake::new("`iota` gives numbers, not bool"));
        }
        Ok(Types::from_elem(ty.clone(), 1))
    }

    fn evaluate(&self, _: &[&Tensor], _: &[Type]) -> Vec<Tensor> {
        let shape = &self.ty.shape;
        let (extent, step) = (shape[self.axis], shape.strides()[self.axis]);
        let indices = (0..shape.elements()).map(|place| place / step % extent);
        let data = match self.ty.dtype {
            DType::I64 => Data::I64(indices.map(|i| i as i64).collect()),
            DType::I32 => Data::I32(indices.map(|i| i as i32).collect()),
            DType::U8 => Data::U8(indices.map(|i| i as u8).collect()),
            float => Data::from_f64(float, &indices.map(|i| i as f64).collect::<Vec<_>>()),
        };
        vec![Tensor::of(shape.clone(), data)]
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
