//! Random numbers between 0 and 1.

use serde::{Deserialize, Serialize};

use super::random;
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Type};

/// `y = ⌊bits / 2⁸⌋ · 2⁻²⁴` with the bits of [`RandomBits`](super::RandomBits) as unsigned
/// integers: uniform in [0, 1), exact.
///
/// Operands are a seed `i32[2]` and a step `i32[]`. There is no gradient.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomUniform {
    /// The type of the result, of `f32`.
    #[serde(rename = "type")]
    pub ty: Type,
    /// The stream: random ops with the same stream give the same bits.
    pub stream: u32,
}

impl Operation for RandomUniform {
    fn family(&self) -> Family<'_> {
        Family::Random { stream: self.stream }
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        random::check(Self::NAME, operands, &self.ty, DType::F32)
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let shape = &results[0].shape;
        let bits = random::bits(operands, self.stream, shape.elements());
        vec![Tensor::of(shape.clone(), Data::F32(bits.map(random::uniform).collect()))]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        random::write(w, operands, self.stream, results[0], random::write_uniform);
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

impl Draw for RandomUniform {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let (seed, step) = pen.seed_and_step();
        let ty = Type { dtype: DType::F32, shape: pen.any_shape() };
        Some((Self { ty, stream: pen.rng.below(3) as u32 }, vec![seed, step]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::uniform;
    use super::*;
    use crate::ops::checks::{mistake, run};
    use crate::types::Shape;

    #[test]
    fn numbers_are_multiples_of_two_to_the_minus_24_below_1() {
        assert_eq!(uniform(0xff), 0.0);
        assert_eq!(uniform(0x100), 2.0f32.powi(-24));
        assert_eq!(uniform(u32::MAX), 1.0 - 2.0f32.powi(-24));
        assert_eq!(uniform(1 << 31), 0.5);
    }

    #[test]
    fn numbers_are_uniform() {
        let seed = Tensor::of([2], Data::I32(vec![7, 8]));
        let step = Tensor::of(Shape::scalar(), Data::I32(vec![0]));
        let y = run(RandomUniform { ty: Type::f32([100, 100]), stream: 0 }, &[&seed, &step]);
        let Some(y) = y.as_f32() else { unreachable!() };
        assert!(y.iter().all(|u| (0.0..1.0).contains(u)));
        // Ten classes of 1000 ± 5 σ.
        for class in 0..10 {
            let count = y.iter().filter(|&&u| (u * 10.0) as usize == class).count();
            assert!(count.abs_diff(1000) < 150, "{count} in class {class}");
        }
    }

    #[test]
    fn mistakes() {
        let op = RandomUniform { ty: Type::new(DType::F64, [4]), stream: 0 };
        insta::assert_snapshot!(mistake(op, &["i32[2]", "i32[]"]), @r"
        `random_uniform` gives f32, not f64[4]
        ");
    }
}
