//! The elements in the opposite order.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::offsets::move_elements;
use super::offsets::strided_offsets;
use super::reduce::check_axes;
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Index, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
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
    fn family(&self) -> Family<'_> {
        Family::Movement
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [x] = expect_operands(Self::NAME, operands)?;
        check_axes(Self::NAME, &self.axes, &x.shape)?;
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
        let offsets = strided_offsets(start, shape, &steps);
        vec![Tensor::of(shape.clone(), operands[0].data().pick(&offsets))]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let shape = w.shape(operands[0]);
        move_elements(w, operands[0], results[0], |w, at| {
            let mut source = at.to_vec();
            for &axis in &self.axes {
                source[axis] = Index::number(shape[axis] - 1) - source[axis].clone();
            }
            w.at(&shape, &source)
        });
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

impl Draw for Reverse {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.operand(|_| true, Pen::any_shape);
        Some((Self { axes: pen.axes(x.shape().rank()) }, vec![x]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{assert_adjoint, integers, mistake, run, tensor, vector};

    fn reverse(axes: &[usize]) -> Reverse {
        Reverse { axes: axes.into() }
    }

    #[test]
    fn reverses_axes() {
        let x = tensor([2, 3], [0, 1, 2, 3, 4, 5]);
        let reversed = |axes| run(reverse(axes), &[&x]);
        assert_eq!(reversed(&[0]), tensor([2, 3], [3, 4, 5, 0, 1, 2]));
        assert_eq!(reversed(&[1]), tensor([2, 3], [2, 1, 0, 5, 4, 3]));
        assert_eq!(reversed(&[0, 1]), tensor([2, 3], [5, 4, 3, 2, 1, 0]));
        assert_eq!(reversed(&[]), x);
        let empty = vector::<f32>([]);
        assert_eq!(run(reverse(&[0]), &[&empty]), empty);
    }

    #[test]
    fn gradient_is_reversed_likewise() {
        assert_adjoint(reverse(&[0, 2]), &[&integers([2, 3, 4])], &integers([2, 3, 4]));
    }

    #[test]
    fn axes_that_do_not_ascend_are_a_mistake() {
        insta::assert_snapshot!(mistake(reverse(&[1, 1]), &["f32[2,3]"]), @"`reverse`: axes must ascend, [1, 1] do not");
    }
}
