//! Repetition along axes.

use serde::{Deserialize, Serialize};

use super::elementwise::broadcast_offsets;
use super::offsets::move_elements;
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{Shape, Type};

/// The operand repeated to `shape` by NumPy's rule: aligned at the last axis, axes of extent 1 and
/// missing ones repeat.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broadcast {
    /// The shape of the result.
    pub shape: Shape,
}

impl Operation for Broadcast {
    fn family(&self) -> Family<'_> {
        Family::Movement
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let name = Self::NAME;
        let [x] = expect_operands(Self::NAME, operands)?;
        if !x.shape.broadcasts_to(&self.shape) {
            let (from, to) = (&x.shape, &self.shape);
            return Err(Mistake::new(format!("`{name}`: {from} does not broadcast to {to}"))
                .help("aligned at the last axis, an extent must be 1 or that of the target"));
        }
        Ok(Types::from_elem(Type { dtype: x.dtype, shape: self.shape.clone() }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let shape = &results[0].shape;
        let offsets = broadcast_offsets(operands[0].shape(), shape);
        vec![Tensor::of(shape.clone(), operands[0].data().pick(&offsets))]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let own = w.shape(operands[0]);
        move_elements(w, operands[0], results[0], |w, at| w.broadcast_at(&own, at));
    }

    /// The cotangent, whose broadcasting the driver undoes.
    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![Some(node.cotangent().clone())])
    }
}

impl Var {
    /// See [`Broadcast`].
    #[track_caller]
    #[must_use]
    pub fn broadcast(&self, shape: impl Into<Shape>) -> Var {
        let shape = shape.into();
        if self.shape() == &shape { self.clone() } else { self.unary(Broadcast { shape }) }
    }
}

impl Draw for Broadcast {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.operand(|_| true, Pen::any_shape);
        Some((Self { shape: pen.wider(x.shape()) }, vec![x]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{assert_adjoint, integers, mistake, run, tensor, vector};

    fn to(shape: impl Into<Shape>) -> Broadcast {
        Broadcast { shape: shape.into() }
    }

    #[test]
    fn axes_of_extent_1_and_missing_ones_repeat() {
        let x = tensor([2, 1], [1, 2]);
        assert_eq!(
            run(to([2, 2, 3]), &[&x]),
            tensor([2, 2, 3], [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2])
        );
        assert_eq!(run(to([2]), &[&tensor([], [f32::NAN])]), vector([f32::NAN; 2]));
        assert_eq!(run(to([2, 0]), &[&x]), tensor::<i32>([2, 0], []));
        assert_eq!(run(to([2, 1]), &[&x]), x);
    }

    #[test]
    fn gradient_is_summed() {
        assert_adjoint(to([4, 2, 3]), &[&integers([2, 1])], &integers([4, 2, 3]));
        assert_adjoint(to([2, 0]), &[&integers([2, 1])], &integers([2, 0]));
    }

    #[test]
    fn other_shapes_are_a_mistake() {
        insta::assert_snapshot!(mistake(to([2, 4]), &["f32[2,3]"]), @r"
        `broadcast`: [2,3] does not broadcast to [2,4]
          help: aligned at the last axis, an extent must be 1 or that of the target
        ");
        insta::assert_snapshot!(mistake(to([3]), &["f32[2,3]"]), @r"
        `broadcast`: [2,3] does not broadcast to [3]
          help: aligned at the last axis, an extent must be 1 or that of the target
        ");
    }
}
