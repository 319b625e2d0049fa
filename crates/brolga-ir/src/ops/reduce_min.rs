//! The minimum over axes.

use half::{bf16, f16};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::min::minimum;
use super::reduce::{extremum_vjp, reduce, reduced_type};
use crate::error::Mistake;
use crate::op::{Operation, Types, Vjp};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::Type;

/// `y = min x` over `axes`, by the choice of [`Min`](super::Min) in the order of [`reduce`](mod@super::reduce). NaN wins.
///
/// The minimum of nothing is ∞, or the greatest integer.
///
/// The gradient is divided equally among all elements that equal the minimum: `dx = [x = y] / n · dy`, where `n` is their number.
/// Where the minimum is NaN, so is the gradient.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReduceMin {
    /// The axes reduced, ascending.
    pub axes: SmallVec<[usize; 4]>,
    /// Whether they stay, with extent 1.
    #[serde(default)]
    pub keepdims: bool,
}

impl Operation for ReduceMin {
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let ty = reduced_type("reduce_min", operands, &self.axes, self.keepdims)?;
        Ok(Types::from_elem(ty, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let (shape, axes) = (operands[0].shape(), &self.axes);
        let data = match operands[0].data() {
            Data::F32(v) => Data::F32(reduce(v, shape, axes, f32::INFINITY, minimum)),
            Data::F64(v) => Data::F64(reduce(v, shape, axes, f64::INFINITY, minimum)),
            Data::BF16(v) => Data::BF16(reduce(v, shape, axes, bf16::INFINITY, minimum)),
            Data::F16(v) => Data::F16(reduce(v, shape, axes, f16::INFINITY, minimum)),
            Data::I64(v) => Data::I64(reduce(v, shape, axes, i64::MAX, minimum)),
            Data::I32(v) => Data::I32(reduce(v, shape, axes, i32::MAX, minimum)),
            Data::U8(v) => Data::U8(reduce(v, shape, axes, u8::MAX, minimum)),
            Data::Bool(_) => unreachable!("the type rule does not admit bool"),
        };
        vec![Tensor::of(results[0].shape.clone(), data)]
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![Some(extremum_vjp(node, &self.axes))])
    }
}

impl Var {
    /// See [`ReduceMin`].
    #[track_caller]
    #[must_use]
    pub fn reduce_min(&self, axes: &[usize], keepdims: bool) -> Var {
        self.unary(ReduceMin { axes: axes.into(), keepdims })
    }
}
