//! The sum over axes.

use half::{bf16, f16};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::reduce::{reduce, reduced_shape, reduced_type};
use crate::error::Mistake;
use crate::op::{Operation, Types, Vjp};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `y = Σ x` over `axes`, in the order of [`reduce`](mod@super::reduce), starting from +0.
///
/// `bf16` and `f16` are summed in f32 and rounded at the end; integers wrap. The sum of nothing is 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReduceSum {
    /// The axes summed over, ascending.
    pub axes: SmallVec<[usize; 4]>,
    /// Whether they stay, with extent 1.
    #[serde(default)]
    pub keepdims: bool,
}

impl Operation for ReduceSum {
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let ty = reduced_type("reduce_sum", operands, &self.axes, self.keepdims)?;
        Ok(Types::from_elem(ty, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let (shape, axes) = (operands[0].shape(), &self.axes);
        let half = |v: Vec<f32>| reduce(&v, shape, axes, 0.0, |a, b| a + b).into_iter();
        let data = match operands[0].data() {
            Data::F32(v) => Data::F32(reduce(v, shape, axes, 0.0, |a, b| a + b)),
            Data::F64(v) => Data::F64(reduce(v, shape, axes, 0.0, |a, b| a + b)),
            Data::BF16(v) => {
                let sums = half(v.iter().map(|x| x.to_f32()).collect());
                Data::BF16(sums.map(bf16::from_f32).collect())
            }
            Data::F16(v) => {
                let sums = half(v.iter().map(|x| x.to_f32()).collect());
                Data::F16(sums.map(f16::from_f32).collect())
            }
            Data::I64(v) => Data::I64(reduce(v, shape, axes, 0, i64::wrapping_add)),
            Data::I32(v) => Data::I32(reduce(v, shape, axes, 0, i32::wrapping_add)),
            Data::U8(v) => Data::U8(reduce(v, shape, axes, 0, u8::wrapping_add)),
            Data::Bool(_) => unreachable!("the type rule does not admit bool"),
        };
        vec![Tensor::of(results[0].shape.clone(), data)]
    }

    /// The cotangent repeated along the axes.
    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let shape = node.operands[0].shape();
        Ok(vec![Some(node.cotangent().restore_axes(shape, &self.axes))])
    }
}

impl Var {
    /// See [`ReduceSum`].
    #[track_caller]
    #[must_use]
    pub fn reduce_sum(&self, axes: &[usize], keepdims: bool) -> Var {
        self.unary(ReduceSum { axes: axes.into(), keepdims })
    }

    /// Repeats the result of a reduction of a tensor of `shape` over `axes` to that shape.
    #[track_caller]
    #[must_use]
    pub fn restore_axes(&self, shape: &Shape, axes: &[usize]) -> Var {
        let kept = reduced_shape(shape, axes, true);
        self.reshape(kept).broadcast(shape.clone())
    }
}
