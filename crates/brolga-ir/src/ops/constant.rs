//! Constants.

use serde::{Deserialize, Serialize};

use crate::error::Mistake;
use crate::op::{Operation, Types, Vjp, expect_operands};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::Type;

/// A tensor that is part of the graph. If all elements are the same bits, only one is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// Element type and shape.
    #[serde(rename = "type")]
    ty: Type,
    /// All elements in row-major order, or the one that all of them are.
    value: Data,
}

impl Constant {
    /// This tensor as an op.
    pub fn new(tensor: Tensor) -> Self {
        let ty = tensor.ty();
        let value = tensor.splat().unwrap_or(tensor).into_data();
        Self { ty, value }
    }

    /// Element type and shape.
    pub fn ty(&self) -> &Type {
        &self.ty
    }

    /// The tensor.
    pub fn tensor(&self) -> Tensor {
        let count = self.ty.shape.elements();
        let stride = usize::from(self.value.len() != 1);
        Tensor::of(self.ty.shape.clone(), self.value.pick((0..count).map(|i| i * stride)))
    }

    /// The only element there is, if all are the same, as `f64`.
    pub fn splat(&self) -> Option<f64> {
        (self.value.len() == 1).then(|| self.value.to_f64()[0])
    }
}

impl Operation for Constant {
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [] = expect_operands("constant", operands)?;
        let (given, expected) = (self.value.len(), self.ty.shape.elements());
        if self.value.dtype() != self.ty.dtype || (given != expected && given != 1) {
            let (ty, dtype) = (&self.ty, self.value.dtype());
            return Err(Mistake::new(format!(
                "`constant` of type {ty} has {given} values of type {dtype}, expected {expected} or one for all"
            )));
        }
        Ok(Types::from_elem(self.ty.clone(), 1))
    }

    fn evaluate(&self, _: &[&Tensor], _: &[Type]) -> Vec<Tensor> {
        vec![self.tensor()]
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![])
    }
}
