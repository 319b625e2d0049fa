//! The operands and the bits of random ops.

use crate::error::Mistake;
use crate::lanes::{self, Lanes, Width};
use crate::loops::{Buffer, Index, Number, Scalar, Writer};
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

/// Writes scalar loops that store for each element the result of `number` for its random bits, an
/// `i32`.
pub(super) fn write(
    w: &mut Writer,
    operands: &[Buffer],
    stream: u32,
    result: Buffer,
    number: impl FnOnce(&mut Writer, Number) -> Number,
) {
    w.each(&[w.shape(result).elements()], |w, at| {
        let bits = write_bits(w, operands, stream, &at[0]);
        let number = number(w, bits);
        w.store(result, at[0].clone(), number);
    });
}

/// The random bits of an element in registers of scalar loops; `operands` are seed and step.
pub(super) fn write_bits(
    w: &mut Writer,
    operands: &[Buffer],
    stream: u32,
    element: &Index,
) -> Number {
    let lanes = lanes::PHILOX_BLOCK / 4;
    let (block, within) = w.divide(element, lanes::PHILOX_BLOCK);
    let (word, lane) = w.divide(&within, lanes);
    let call = block * lanes + lane;
    let (high, _) = w.divide(&call, 1 << 32);
    let [low, high, word] = [call, high, word].map(|index| w.number(Scalar::I32, index));
    let step = w.load(operands[1], Index::default());
    let key = [0, 1].map(|half| w.load(operands[0], Index::number(half)));
    let mut l = w.lanes(Width::W32);
    let stream = l.int(i64::from(stream));
    let words = lanes::philox4x32(&mut l, [low, high, step, stream], key);
    let mut bits = words[0];
    for (n, &other) in (1..).zip(&words[1..]) {
        let n = l.int(n);
        let chosen = l.ieq(word, n);
        bits = l.iselect(chosen, other, bits);
    }
    bits
}

/// [`uniform`] in registers of scalar loops.
pub(super) fn write_uniform(w: &mut Writer, bits: Number) -> Number {
    let mut l = w.lanes(Width::W32);
    let step = l.float((-24.0_f64).exp2());
    let upper = l.shr(bits, 8);
    let upper = l.to_float(upper);
    l.mul(upper, step)
}

/// The number in [0, 1) of random bits: the upper 24 of them as a multiple of 2⁻²⁴.
pub(super) fn uniform(bits: u32) -> f32 {
    const STEP: f32 = 1.0 / (1 << 24) as f32;
    (bits >> 8) as f32 * STEP
}
