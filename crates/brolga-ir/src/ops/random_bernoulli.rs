//! Random truth values.

use serde::{Deserialize, Serialize};

use super::random;
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Type};

/// True with a probability: `y = u < probability` with the numbers u of
/// [`RandomUniform`](super::RandomUniform).
///
/// Operands are a seed `i32[2]` and a step `i32[]`. Probability 0 gives only false, 1 only true.
/// There is no gradient.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomBernoulli {
    /// The type of the result, of `bool`.
    #[serde(rename = "type")]
    pub ty: Type,
    /// The probability of true, from 0 to 1.
    pub probability: Probability,
    /// The stream: random ops with the same stream give the same bits.
    pub stream: u32,
}

/// An `f32` that is compared by its bits, so that ops are values; in text it is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
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
    fn family(&self) -> Family<'_> {
        Family::Random { stream: self.stream }
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let name = Self::NAME;
        let probability = f32::from(self.probability);
        if !(0.0..=1.0).contains(&probability) {
            return Err(Mistake::new(format!(
                "`{name}`: {probability} is not a probability between 0 and 1"
            )));
        }
        random::check(Self::NAME, operands, &self.ty, DType::Bool)
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let shape = &results[0].shape;
        let probability = f32::from(self.probability);
        let truth = random::bits(operands, self.stream, shape.elements())
            .map(|bits| random::uniform(bits) < probability);
        vec![Tensor::of(shape.clone(), Data::Bool(truth.collect()))]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        random::write(w, operands, self.stream, results[0], |w, bits| {
            let uniform = random::write_uniform(w, bits);
            let probability = w.float(DType::F32, f32::from(self.probability).into());
            w.greater(probability, uniform)
        });
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

impl Draw for RandomBernoulli {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let (seed, step) = pen.seed_and_step();
        let ty = Type { dtype: DType::Bool, shape: pen.any_shape() };
        let probability = pen.rng.pick(&[0.0_f32, 1e-8, 0.25, 0.5, 0.9, 1.0]).into();
        let stream = pen.rng.below(3) as u32;
        Some((Self { ty, probability, stream }, vec![seed, step]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::RandomUniform;
    use crate::ops::checks::{mistake, run};
    use crate::types::Shape;

    fn bernoulli(probability: f32) -> RandomBernoulli {
        let ty = Type::new(DType::Bool, [1000]);
        RandomBernoulli { ty, probability: probability.into(), stream: 5 }
    }

    #[test]
    fn true_is_as_probable_as_it_says() {
        let seed = Tensor::of([2], Data::I32(vec![7, 8]));
        let step = Tensor::of(Shape::scalar(), Data::I32(vec![0]));
        let uniform = run(RandomUniform { ty: Type::f32([1000]), stream: 5 }, &[&seed, &step]);
        let Some(uniform) = uniform.as_f32() else { unreachable!() };
        for probability in [0.0, 0.1, 0.5, 0.75, 1.0] {
            let truth = run(bernoulli(probability), &[&seed, &step]);
            let expected = uniform.iter().map(|&u| u < probability).collect();
            assert_eq!(truth.data(), &Data::Bool(expected));
        }
        assert_eq!(run(bernoulli(0.0), &[&seed, &step]).data(), &Data::Bool(vec![false; 1000]));
        assert_eq!(run(bernoulli(1.0), &[&seed, &step]).data(), &Data::Bool(vec![true; 1000]));
    }

    #[test]
    fn probabilities_are_equal_if_their_bits_are() {
        assert_eq!(bernoulli(0.5), bernoulli(0.5));
        assert_ne!(bernoulli(0.5), bernoulli(0.25));
    }

    #[test]
    fn mistakes() {
        for probability in [-0.1, 1.5, f32::NAN] {
            let message = mistake(bernoulli(probability), &["i32[2]", "i32[]"]);
            assert_eq!(
                message,
                format!("`random_bernoulli`: {probability} is not a probability between 0 and 1")
            );
        }
        let op = RandomBernoulli { ty: Type::f32([4]), ..bernoulli(0.5) };
        insta::assert_snapshot!(mistake(op, &["i32[2]", "i32[]"]), @r"
        `random_bernoulli` gives bool, not f32[4]
        ");
    }
}
