//! Random integers.

use serde::{Deserialize, Serialize};

use super::random;
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Type};

/// Random bits: every `i32` is equally probable.
///
/// Operands are a seed `i32[2]`, fixed for a training, and a step `i32[]`, another one for each
/// step. Element e (row-major) is word ⌊(e mod 64) / 16⌋ of Philox 4x32-10 with the counter (⌊e /
/// 64⌋·16 + e mod 16 as two words, step, stream) and the seed as key. So each element depends only
/// on seed, step, stream and its index. There is no gradient.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomBits {
    /// The type of the result, of `i32`.
    #[serde(rename = "type")]
    pub ty: Type,
    /// The stream: random ops with the same stream give the same bits.
    pub stream: u32,
}

impl Operation for RandomBits {
    fn family(&self) -> Family<'_> {
        Family::Random { stream: self.stream }
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        random::check(Self::NAME, operands, &self.ty, DType::I32)
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let shape = &results[0].shape;
        let bits = random::bits(operands, self.stream, shape.elements());
        vec![Tensor::of(shape.clone(), Data::I32(bits.map(|bits| bits as i32).collect()))]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        random::write(w, operands, self.stream, results[0], |_, bits| bits);
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

impl Draw for RandomBits {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let (seed, step) = pen.seed_and_step();
        let ty = Type { dtype: DType::I32, shape: pen.any_shape() };
        Some((Self { ty, stream: pen.rng.below(3) as u32 }, vec![seed, step]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{mistake, run};
    use crate::types::Shape;

    fn bits(shape: impl Into<Shape>, seed: [i32; 2], step: i32, stream: u32) -> Vec<i32> {
        let seed = Tensor::of([2], Data::I32(seed.to_vec()));
        let step = Tensor::of(Shape::scalar(), Data::I32(vec![step]));
        let op = RandomBits { ty: Type::new(DType::I32, shape), stream };
        match run(op, &[&seed, &step]).into_data() {
            Data::I32(bits) => bits,
            other => unreachable!("{other:?}"),
        }
    }

    /// The known answer of Salmon et al. for counter and key of zeros, and for ones in all bits.
    #[test]
    fn words_are_those_of_philox() {
        let zeros = bits([64], [0, 0], 0, 0);
        let words = [0, 16, 32, 48].map(|element| zeros[element] as u32);
        assert_eq!(words, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    }

    #[test]
    fn bits_depend_on_seed_step_stream_and_index_alone() {
        let long = bits([130], [1, 2], 3, 4);
        assert_eq!(bits([2, 5, 13], [1, 2], 3, 4), long);
        for count in [0, 1, 15, 16, 17, 63, 64, 65] {
            assert_eq!(bits([count], [1, 2], 3, 4), long[..count]);
        }
        for other in [
            bits([130], [9, 2], 3, 4),
            bits([130], [1, 9], 3, 4),
            bits([130], [1, 2], 9, 4),
            bits([130], [1, 2], 3, 9),
        ] {
            assert!(other.iter().zip(&long).all(|(a, b)| a != b));
        }
    }

    #[test]
    fn mistakes() {
        let op = RandomBits { ty: Type::new(DType::I32, [4]), stream: 0 };
        insta::assert_snapshot!(mistake(op.clone(), &["i32[2]", "i64[]"]), @r"
        `random_bits` takes a seed i32[2] and a step i32[], not i32[2] and i64[]
        ");
        insta::assert_snapshot!(mistake(op.clone(), &["i32[]", "i32[]"]), @r"
        `random_bits` takes a seed i32[2] and a step i32[], not i32[] and i32[]
        ");
        insta::assert_snapshot!(mistake(op, &["i32[2]"]), @r"
        `random_bits` takes 2 operands, not 1
        ");
        let op = RandomBits { ty: Type::f32([4]), stream: 0 };
        insta::assert_snapshot!(mistake(op, &["i32[2]", "i32[]"]), @r"
        `random_bits` gives i32, not f32[4]
        ");
    }
}
