//! The same elements under another shape.

use serde::{Deserialize, Serialize};

use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{self, Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{Shape, Type};

/// The operand's elements in row-major order under another shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reshape {
    /// The shape of the result.
    pub shape: Shape,
}

impl Operation for Reshape {
    fn family(&self) -> Family<'_> {
        Family::View
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let name = Self::NAME;
        let [x] = expect_operands(Self::NAME, operands)?;
        let ty = Type { dtype: x.dtype, shape: self.shape.clone() };
        ty.check().map_err(|reason| format!("`{name}`: {reason}"))?;
        let (from, to) = (x.shape.elements(), ty.shape.elements());
        if from != to {
            let (x, shape) = (&x.shape, &self.shape);
            return Err(Mistake::new(format!(
                "`{name}`: {x} has {from} elements, {shape} has {to}"
            )));
        }
        Ok(Types::from_elem(ty, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        vec![Tensor::of(results[0].shape.clone(), operands[0].data().clone())]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        loops::copy(w, operands[0], results[0]);
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![Some(node.cotangent().reshape(node.operands[0].shape().clone()))])
    }
}

impl Var {
    /// See [`Reshape`].
    #[track_caller]
    #[must_use]
    pub fn reshape(&self, shape: impl Into<Shape>) -> Var {
        let shape = shape.into();
        if self.shape() == &shape { self.clone() } else { self.unary(Reshape { shape }) }
    }
}

impl Draw for Reshape {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.operand(|_| true, Pen::any_shape);
        Some((Self { shape: pen.regrouped(x.shape()) }, vec![x]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{assert_adjoint, integers, mistake, run, tensor};

    fn to(shape: impl Into<Shape>) -> Reshape {
        Reshape { shape: shape.into() }
    }

    #[test]
    fn elements_keep_their_order() {
        let x = tensor([2, 3], [0, 1, 2, 3, 4, 5]);
        assert_eq!(run(to([3, 1, 2]), &[&x]), tensor([3, 1, 2], [0, 1, 2, 3, 4, 5]));
        assert_eq!(run(to([]), &[&tensor([1, 1], [true])]), tensor([], [true]));
        assert_eq!(run(to([0]), &[&tensor::<f32>([2, 0], [])]), tensor::<f32>([0], []));
        assert_adjoint(to([6]), &[&integers([2, 3])], &integers([6]));
    }

    #[test]
    fn other_numbers_of_elements_are_mistakes() {
        insta::assert_snapshot!(mistake(to([4]), &["f32[2,3]"]), @"`reshape`: [2,3] has 6 elements, [4] has 4");
        insta::assert_snapshot!(
            mistake(to([usize::MAX, 2]), &["f32[2]"]),
            @"`reshape`: a tensor of type f32[18446744073709551615,2] is larger than the limit of 64 TiB"
        );
    }
}
