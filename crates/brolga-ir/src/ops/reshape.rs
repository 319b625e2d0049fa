//! The same elements under another shape.

use serde::{Deserialize, Serialize};

use crate::error::Mistake;
use crate::op::{Operation, Types, Vjp, expect_operands};
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
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [x] = expect_operands("reshape", operands)?;
        let ty = Type { dtype: x.dtype, shape: self.shape.clone() };
        ty.check().map_err(|reason| format!("`reshape`: {reason}"))?;
        let (from, to) = (x.shape.elements(), ty.shape.elements());
        if from != to {
            let (x, shape) = (&x.shape, &self.shape);
            return Err(Mistake::new(format!(
                "`reshape`: {x} has {from} elements, {shape} has {to}"
            )));
        }
        Ok(Types::from_elem(ty, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        vec![Tensor::of(results[0].shape.clone(), operands[0].data().clone())]
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
