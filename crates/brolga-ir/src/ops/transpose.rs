//! The axes in another order.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::offsets::move_elements;
use super::offsets::strided_offsets;
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Index, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::Type;

/// The operand with its axes in another order: axis `k` of the result is axis `permutation[k]` of
/// the operand.
///
/// The gradient is the cotangent under the inverse permutation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transpose {
    /// For each axis of the result, the axis of the operand.
    pub permutation: SmallVec<[usize; 4]>,
}

impl Operation for Transpose {
    fn family(&self) -> Family<'_> {
        Family::Movement
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let name = Self::NAME;
        let [x] = expect_operands(Self::NAME, operands)?;
        let permutation = self.permutation.as_slice();
        let mut axes = self.permutation.clone();
        axes.sort_unstable();
        if !axes.iter().copied().eq(0..x.shape.rank()) {
            return Err(Mistake::new(format!(
                "`{name}`: {permutation:?} is not an order of the axes of {x}"
            ))
            .help("each axis must occur once, counted from 0"));
        }
        let shape = permutation.iter().map(|&axis| x.shape[axis]).collect();
        Ok(Types::from_elem(Type { dtype: x.dtype, shape }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let strides = operands[0].shape().strides();
        let steps: Vec<_> = self.permutation.iter().map(|&axis| strides[axis] as isize).collect();
        let shape = &results[0].shape;
        let offsets = strided_offsets(0, shape, &steps);
        vec![Tensor::of(shape.clone(), operands[0].data().pick(&offsets))]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let own = w.shape(operands[0]);
        move_elements(w, operands[0], results[0], |w, at| {
            let mut source = vec![Index::default(); at.len()];
            for (index, &axis) in at.iter().zip(&self.permutation) {
                source[axis] = index.clone();
            }
            w.at(&own, &source)
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let mut inverse = self.permutation.clone();
        for (axis, &source) in self.permutation.iter().enumerate() {
            inverse[source] = axis;
        }
        Ok(vec![Some(node.cotangent().transpose(&inverse))])
    }
}

impl Var {
    /// The axes in another order; see [`Transpose`].
    ///
    /// ```
    /// # use brolga_ir::{Tracer, Type};
    /// let x = Tracer::new("example").input("x", Type::f32([2, 3, 5]));
    /// assert_eq!(x.transpose(&[2, 0, 1]).ty(), &Type::f32([5, 2, 3]));
    /// ```
    #[track_caller]
    #[must_use]
    pub fn transpose(&self, permutation: &[usize]) -> Var {
        if permutation.iter().copied().eq(0..self.shape().rank()) {
            return self.clone();
        }
        self.unary(Transpose { permutation: permutation.into() })
    }
}

impl Draw for Transpose {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.operand(|shape| shape.rank() > 1, Pen::any_shape);
        let rank = x.shape().rank();
        let mut permutation: SmallVec<[usize; 4]> = (0..rank).collect();
        for axis in (1..rank).rev() {
            permutation.swap(axis, pen.rng.below(axis + 1));
        }
        Some((Self { permutation }, vec![x]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{assert_adjoint, integers, mistake, run, tensor};

    fn transpose(permutation: &[usize]) -> Transpose {
        Transpose { permutation: permutation.into() }
    }

    #[test]
    fn moves_axes() {
        let x = tensor([2, 1, 3], [0_u8, 1, 2, 3, 4, 5]);
        let y = tensor([3, 2, 1], [0_u8, 3, 1, 4, 2, 5]);
        assert_eq!(run(transpose(&[2, 0, 1]), &[&x]), y);
        let empty = tensor::<bool>([2, 0], []);
        assert_eq!(run(transpose(&[1, 0]), &[&empty]), tensor::<bool>([0, 2], []));
        let scalar = tensor([], [f32::NAN]);
        assert_eq!(run(transpose(&[]), &[&scalar]), scalar);
    }

    #[test]
    fn gradient_is_the_inverse() {
        let x = integers([2, 3, 4, 5]);
        assert_adjoint(transpose(&[2, 0, 3, 1]), &[&x], &integers([4, 2, 5, 3]));
        assert_adjoint(transpose(&[]), &[&integers([])], &integers([]));
    }

    #[test]
    fn other_lists_of_axes_are_mistakes() {
        insta::assert_snapshot!(mistake(transpose(&[0, 0]), &["f32[2,3]"]), @r"
        `transpose`: [0, 0] is not an order of the axes of f32[2,3]
          help: each axis must occur once, counted from 0
        ");
        for wrong in [&[0][..], &[0, 2], &[0, 1, 2], &[]] {
            mistake(transpose(wrong), &["f32[2,3]"]);
        }
    }
}
