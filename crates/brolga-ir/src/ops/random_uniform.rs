//! Random numbers between 0 and 1.

use serde::{Deserialize, Serialize};

use super::random;
use crate::error::Mistake;
use crate::op::{Operation, Types, Vjp};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Type};

/// `y = ⌊bits / 2⁸⌋ · 2⁻²⁴` with the bits of [`RandomBits`](super::RandomBits) as unsigned integers: uniform in [0, 1), exact.
///
/// Operands are a seed `i32[2]` and a step `i32[]`. There is no gradient.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomUniform {
    /// The type of the result, of `f32`.
    #[serde(rename = "type")]
    pub ty: Type,
    /// Which of the random ops of a graph this is: two with the same stream give the same bits.
    pub stream: u32,
}

impl Operation for RandomUniform {
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        random::check("random_uniform", operands, &self.ty, DType::F32)
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let shape = &results[0].shape;
        let bits = random::bits(operands, self.stream, shape.elements());
        vec![Tensor::of(shape.clone(), Data::F32(bits.map(random::uniform).collect()))]
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None, None])
    }
}

impl Var {
    /// Random numbers in [0, 1) for this seed; see [`RandomUniform`].
    #[track_caller]
    #[must_use]
    pub fn random_uniform(&self, step: &Var, ty: Type, stream: u32) -> Var {
        self.binary(RandomUniform { ty, stream }, step)
    }
}
