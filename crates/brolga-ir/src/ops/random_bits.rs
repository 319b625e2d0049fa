//! Random integers.

use serde::{Deserialize, Serialize};

use super::random;
use crate::error::Mistake;
use crate::op::{Operation, Types, Vjp};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Type};

/// Random bits: every `i32` is equally probable.
///
/// Operands are a seed `i32[2]`, fixed for a training, and a step `i32[]`, another one for each step. Element e (row-major) is word
/// ⌊(e mod 64) / 16⌋ of Philox 4x32-10 with the counter (⌊e / 64⌋·16 + e mod 16 as two words, step, stream) and the seed as
/// key. So each element follows from seed, step, stream and its place alone. There is no gradient.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomBits {
    /// The type of the result, of `i32`.
    #[serde(rename = "type")]
    pub ty: Type,
    /// Which of the random ops of a graph this is: two with the same stream give the same bits.
    pub stream: u32,
}

impl Operation for RandomBits {
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        random::check("random_bits", operands, &self.ty, DType::I32)
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let shape = &results[0].shape;
        let bits = random::bits(operands, self.stream, shape.elements());
        vec![Tensor::of(shape.clone(), Data::I32(bits.map(|bits| bits as i32).collect()))]
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None, None])
    }
}

impl Var {
    /// Random bits for this seed; see [`RandomBits`].
    #[track_caller]
    #[must_use]
    pub fn random_bits(&self, step: &Var, ty: Type, stream: u32) -> Var {
        self.binary(RandomBits { ty, stream }, step)
    }
}
