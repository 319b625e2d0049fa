//! The elements in the opposite order.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::places::strided_places;
use super::reduce::check_axes;
use crate::error::Mistake;
use crate::op::{Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::Type;

/// The operand with its elements in the opposite order along each of `axes`.
///
/// The gradient is the cotangent, reversed likewise.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reverse {
    /// The axes reversed, ascending.
    pub axes: SmallVec<[usize; 4]>,
}

impl Operation for Reverse {
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [x] = expect_operands("reverse", operands)?;
        check_axes("reverse", &self.axes, &x.shape)?;
        Ok(Types::from_elem(x, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], _: &[Type]) -> Vec<Tensor> {
        let shape = operands[0].shape();
        let strides = shape.strides();
        let mut steps: Vec<_> = strides.iter().map(|&stride| stride as isize).collect();
        let mut start = 0;
        for &axis in &self.axes {
            start += shape[axis].saturating_sub(1) * strides[axis];
            steps[axis] = -steps[axis];
        }
        let places = strided_places(start, shape, &steps);
        vec![Tensor::of(shape.clone(), operands[0].data().pick(places.into_iter()))]
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![Some(node.cotangent().reverse(&self.axes))])
    }
}

impl Var {
    /// The elements in the opposite order along these axes; see [`Reverse`].
    #[track_caller]
    #[must_use]
    pub fn reverse(&self, axes: &[usize]) -> Var {
        self.unary(Reverse { axes: axes.into() })
    }
}
