//! The maximum over axes.

use half::{bf16, f16};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::max::maximum;
use super::reduce::{extremum_vjp, reduce, reduced_type};
use crate::error::Mistake;
use crate::op::{Operation, Types, Vjp};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::Type;

/// `y = max x` over `axes`, by the choice of [`Max`](super::Max) in the order of [`reduce`](mod@super::reduce). NaN wins.
///
/// The maximum of nothing is −∞, or the least integer.
///
/// The gradient is divided equally among all elements that equal the maximum: `dx = [x = y] / n · dy`, where `n` is their number.
/// Where the maximum is NaN, so is the gradient.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReduceMax {
    /// The axes reduced, ascending.
    pub axes: SmallVec<[usize; 4]>,
    /// Whether they stay, with extent 1.
    #[serde(default)]
    pub keepdims: bool,
}

impl Operation for ReduceMax {
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let ty = reduced_type("reduce_max", operands, &self.axes, self.keepdims)?;
        Ok(Types::from_elem(ty, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let (shape, axes) = (operands[0].shape(), &self.axes);
        let data = match operands[0].data() {
            Data::F32(v) => Data::F32(reduce(v, shape, axes, f32::NEG_INFINITY, maximum)),
            Data::F64(v) => Data::F64(reduce(v, shape, axes, f64::NEG_INFINITY, maximum)),
            Data::BF16(v) => Data::BF16(reduce(v, shape, axes, bf16::NEG_INFINITY, maximum)),
            Data::F16(v) => Data::F16(reduce(v, shape, axes, f16::NEG_INFINITY, maximum)),
            Data::I64(v) => Data::I64(reduce(v, shape, axes, i64::MIN, maximum)),
            Data::I32(v) => Data::I32(reduce(v, shape, axes, i32::MIN, maximum)),
            Data::U8(v) => Data::U8(reduce(v, shape, axes, u8::MIN, maximum)),
            Data::Bool(_) => unreachable!("the type rule does not admit bool"),
        };
        vec![Tensor::of(results[0].shape.clone(), data)]
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![Some(extremum_vjp(node, &self.axes))])
    }
}

impl Var {
    /// See [`ReduceMax`].
    #[track_caller]
    #[must_use]
    pub fn reduce_max(&self, axes: &[usize], keepdims: bool) -> Var {
        self.unary(ReduceMax { axes: axes.into(), keepdims })
    }
}
