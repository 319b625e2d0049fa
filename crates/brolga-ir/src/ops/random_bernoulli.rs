//! Random truth values.

use serde::{Deserialize, Serialize};

use super::random;
use crate::error::Mistake;
use crate::op::{Operation, Types, Vjp};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Type};

/// True with a probability: `y = u < probability` with the numbers u of [`RandomUniform`](super::RandomUniform).
///
/// Operands are a seed `i32[2]` and a step `i32[]`. Probability 0 gives false alone, 1 true alone. There is no gradient.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomBernoulli {
    /// The type of the result, of `bool`.
    #[serde(rename = "type")]
    pub ty: Type,
    /// How probable true is, from 0 to 1.
    pub probability: Probability,
    /// Which of the random ops of a graph this is: two with the same stream give the same bits.
    pub stream: u32,
}

/// An `f32` that is compared by its bits, so that ops are values; in text it is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "f32", into = "f32")]
pub struct Probability {
    bits: u32,
}

impl From<f32> for Probability {
    fn from(value: f32) -> Self {
        Self { bits: value.to_bits() }
    }
}

impl From<Probability> for f32 {
    fn from(value: Probability) -> Self {
        Self::from_bits(value.bits)
    }
}

impl Operation for RandomBernoulli {
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let probability = f32::from(self.probability);
        if !(0.0..=1.0).contains(&probability) {
            return Err(Mistake::new(format!(
                "`random_bernoulli`: {probability} is not a probability between 0 and 1"
            )));
        }
        random::check("random_bernoulli", operands, &self.ty, DType::Bool)
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let shape = &results[0].shape;
        let probability = f32::from(self.probability);
        let truth = random::bits(operands, self.stream, shape.elements())
            .map(|bits| random::uniform(bits) < probability);
        vec![Tensor::of(shape.clone(), Data::Bool(truth.collect()))]
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None, None])
    }
}

impl Var {
    /// Truth values for this seed, true with this probability; see [`RandomBernoulli`].
    #[track_caller]
    #[must_use]
    pub fn random_bernoulli(&self, step: &Var, ty: Type, probability: f32, stream: u32) -> Var {
        self.binary(RandomBernoulli { ty, probability: probability.into(), stream }, step)
    }
}
