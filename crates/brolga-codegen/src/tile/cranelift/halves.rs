//! 16-bit formats by integer arithmetic on one part, without instructions for them and independent
//! of the machine's modes for subnormal numbers and rounding.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32X4, I32X4};
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;

use super::parts::{cast, select, shift, words};
use crate::tile::program::{Element, Shift};

/// The sign bit of a float.
const SIGN: u32 = 1 << 31;
/// The sign bit of half precision.
const HALF_SIGN: u32 = 1 << 15;
/// The bits of infinity; those of a NaN are greater.
const INFINITY: u32 = 0x7f80_0000;
/// The difference of the exponents' biases of a float and half precision, at the exponent bits of a
/// float.
const REBIAS: u32 = (127 - 15) << 23;
/// The least normal number of half precision as a float: 2⁻¹⁴.
const LEAST_NORMAL: u32 = (127 - 14) << 23;
/// A float whose last bit is that of a subnormal half: 2⁻¹.
const SAME_LAST_BIT: u32 = (127 - 1) << 23;
/// The last bit of a subnormal half: 2⁻²⁴.
const LEAST: u32 = (127 - 24) << 23;
/// The least float that rounds to no finite half, whatever the rounding: 2¹⁶.
const ABOVE: u32 = (127 + 16) << 23;
/// The bits of infinity in half precision.
const HALF_INFINITY: u32 = 0x7c00;

/// Halves in the low 16 bits of each lane, with zeros above, as floats.
pub(super) fn widen(b: &mut FunctionBuilder<'_>, element: Element, halves: Value) -> Value {
    let bits = match element {
        Element::F16 => f16_to_float(b, halves),
        _ => shift(b, Shift::Left, halves, 16),
    };
    cast(b, F32X4, bits)
}

/// Floats as the nearest halves, ties to even, in the low 16 bits of each lane, with zeros above.
pub(super) fn narrow(b: &mut FunctionBuilder<'_>, element: Element, floats: Value) -> Value {
    let bits = cast(b, I32X4, floats);
    match element {
        Element::F16 => float_to_f16(b, bits),
        _ => float_to_bf16(b, bits),
    }
}

/// The floats that a load gives after a store of the element.
pub(super) fn round_to(b: &mut FunctionBuilder<'_>, element: Element, floats: Value) -> Value {
    let halves = narrow(b, element, floats);
    widen(b, element, halves)
}

fn splat(b: &mut FunctionBuilder<'_>, word: u32) -> Value {
    words(b, I32X4, [word; 4])
}

fn is_above(b: &mut FunctionBuilder<'_>, x: Value, limit: u32) -> Value {
    let limit = splat(b, limit);
    b.ins().icmp(IntCC::SignedGreaterThan, x, limit)
}

/// These bits of each lane.
fn masked(b: &mut FunctionBuilder<'_>, x: Value, bits: u32) -> Value {
    let bits = splat(b, bits);
    b.ins().band(x, bits)
}

/// Rounds to a multiple of 2ᵇⁱᵗˢ, ties to even; the bits below are unspecified.
fn round_up(b: &mut FunctionBuilder<'_>, x: Value, bits: u8) -> Value {
    let last = shift(b, Shift::Right, x, bits);
    let last = masked(b, last, 1);
    let below_half = splat(b, (1 << (bits - 1)) - 1);
    let x = b.ins().iadd(x, below_half);
    b.ins().iadd(x, last)
}

fn float_to_bf16(b: &mut FunctionBuilder<'_>, bits: Value) -> Value {
    let magnitude = masked(b, bits, !SIGN);
    let is_nan = is_above(b, magnitude, INFINITY);
    let nan = splat(b, f32::NAN.to_bits());
    let rounded = round_up(b, bits, 16);
    let chosen = select(b, is_nan, nan, rounded);
    shift(b, Shift::Right, chosen, 16)
}

fn float_to_f16(b: &mut FunctionBuilder<'_>, bits: Value) -> Value {
    let (sign, magnitude) = (masked(b, bits, SIGN), masked(b, bits, !SIGN));
    // A carry out of the fraction goes into the exponent, from the greatest number to infinity.
    let rounded = round_up(b, magnitude, 13);
    let rebias = splat(b, REBIAS);
    let normal = b.ins().isub(rounded, rebias);
    let normal = shift(b, Shift::Right, normal, 13);
    // The sum with a number whose last bit is that of the result is rounded at that bit.
    let unit = splat(b, SAME_LAST_BIT);
    let (number, float_unit) = (cast(b, F32X4, magnitude), cast(b, F32X4, unit));
    let sum = b.ins().fadd(number, float_unit);
    let sum = cast(b, I32X4, sum);
    let subnormal = b.ins().isub(sum, unit);
    let (infinity, nan) = (splat(b, HALF_INFINITY), splat(b, HALF_INFINITY | 0x200));
    let is_normal = is_above(b, magnitude, LEAST_NORMAL - 1);
    let finite = select(b, is_normal, normal, subnormal);
    let is_large = is_above(b, magnitude, ABOVE - 1);
    let number = select(b, is_large, infinity, finite);
    let is_nan = is_above(b, magnitude, INFINITY);
    let half = select(b, is_nan, nan, number);
    let sign = shift(b, Shift::Right, sign, 16);
    b.ins().bor(half, sign)
}

fn f16_to_float(b: &mut FunctionBuilder<'_>, halves: Value) -> Value {
    let (sign, magnitude) = (masked(b, halves, HALF_SIGN), masked(b, halves, HALF_SIGN - 1));
    let rebias = splat(b, REBIAS);
    let normal = shift(b, Shift::Left, magnitude, 13);
    let normal = b.ins().iadd(normal, rebias);
    let special = b.ins().iadd(normal, rebias);
    // A subnormal number is an integer times its unit; the product is a normal float.
    let integer = b.ins().fcvt_from_sint(F32X4, magnitude);
    let unit = words(b, F32X4, [LEAST; 4]);
    let subnormal = b.ins().fmul(integer, unit);
    let subnormal = cast(b, I32X4, subnormal);
    let is_normal = is_above(b, magnitude, 0x3ff);
    let finite = select(b, is_normal, normal, subnormal);
    let is_special = is_above(b, magnitude, HALF_INFINITY - 1);
    let float = select(b, is_special, special, finite);
    let sign = shift(b, Shift::Left, sign, 16);
    b.ins().bor(float, sign)
}
