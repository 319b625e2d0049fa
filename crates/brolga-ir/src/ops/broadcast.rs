//! Repetition along axes.

use serde::{Deserialize, Serialize};

use super::elementwise::broadcast_places;
use crate::error::Mistake;
use crate::op::{Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{Shape, Type};

/// The operand repeated to `shape` by NumPy's rule: aligned at the last axis, axes of extent 1 and missing ones repeat.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broadcast {
    /// The shape of the result.
    pub shape: Shape,
}

impl Operation for Broadcast {
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [x] = expect_operands("broadcast", operands)?;
        if !x.shape.broadcasts_to(&self.shape) {
            let (from, to) = (&x.shape, &self.shape);
            return Err(Mistake::new(format!("`broadcast`: {from} does not broadcast to {to}"))
                .help("aligned at the last axis, an extent must be 1 or that of the target"));
        }
        Ok(Types::from_elem(Type { dtype: x.dtype, shape: self.shape.clone() }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let shape = &results[0].shape;
        let places = broadcast_places(operands[0].shape(), shape);
        vec![Tensor::of(shape.clone(), operands[0].data().pick(places.into_iter()))]
    }

    /// The sum over the repeated axes; it is the driver's undoing of broadcasting.
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
