//! What the random ops share: their operands and their bits.

use crate::error::Mistake;
use crate::lanes;
use crate::op::{Types, expect_operands};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Type};

/// Fails unless the operands are a seed and a step and the result has the op's element type.
pub(super) fn check(
    op: &str,
    operands: &[&Type],
    result: &Type,
    dtype: DType,
) -> Result<Types, Mistake> {
    let [seed, step] = expect_operands(op, operands)?;
    if seed != Type::new(DType::I32, [2]) || step != Type::scalar(DType::I32) {
        return Err(Mistake::new(format!(
            "`{op}` takes a seed i32[2] and a step i32[], not {seed} and {step}"
        )));
    }
    if result.dtype != dtype {
        return Err(Mistake::new(format!("`{op}` gives {dtype}, not {result}")));
    }
    Ok(Types::from_elem(result.clone(), 1))
}

/// The random bits of each element of a tensor, in row-major order.
pub(super) fn bits(operands: &[&Tensor], stream: u32, count: usize) -> impl Iterator<Item = u32> {
    let (Data::I32(seed), Data::I32(step)) = (operands[0].data(), operands[1].data()) else {
        unreachable!("the type rule admits a seed and a step of i32")
    };
    let (seed, step) = ([seed[0] as u32, seed[1] as u32], step[0] as u32);
    (0..count).map(move |element| lanes::random_bits_at(seed, step, stream, element as u64))
}

/// The number in [0, 1) that random bits are: the upper 24 of them as a multiple of 2⁻²⁴.
pub(super) fn uniform(bits: u32) -> f32 {
    const STEP: f32 = 1.0 / (1 << 24) as f32;
    (bits >> 8) as f32 * STEP
}
