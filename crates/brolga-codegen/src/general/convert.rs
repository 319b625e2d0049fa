//! Conversions between element types, by the rules of [`Cast`](brolga_ir::ops::Cast), and the two
//! formats of half a word.

use brolga_ir::DType;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32, F64, I8, I32, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use cranelift_frontend::FunctionBuilder;

/// The number as an element of this type, in that type's register. A half is given as its bits.
pub(super) enum Converted {
    Register(Value),
    Half(Value),
}

/// Converts a number in any register.
pub(super) fn convert(b: &mut FunctionBuilder<'_>, number: Value, to: DType) -> Converted {
    let number = match b.func.dfg.value_type(number) {
        I8 => b.ins().uextend(I32, number),
        _ => number,
    };
    let from = b.func.dfg.value_type(number);
    let from_float = matches!(from, F32 | F64);
    Converted::Register(match to {
        DType::F32 if from_float => resize(b, number),
        DType::F32 => b.ins().fcvt_from_sint(F32, number),
        DType::F64 if from == F64 => number,
        DType::F64 if from == F32 => b.ins().fpromote(F64, number),
        DType::F64 => b.ins().fcvt_from_sint(F64, number),
        DType::BF16 | DType::F16 => {
            let narrow = match from {
                F32 => number,
                F64 => round_to_odd(b, number),
                _ => b.ins().fcvt_from_sint(F32, number),
            };
            return Converted::Half(narrow_half(b, narrow, to));
        }
        DType::I64 if from_float => b.ins().fcvt_to_sint_sat(I64, number),
        DType::I64 if from == I32 => b.ins().sextend(I64, number),
        DType::I64 => number,
        DType::I32 if from_float => b.ins().fcvt_to_sint_sat(I32, number),
        DType::I32 => low_word(b, number),
        DType::U8 if from_float => {
            let integer = b.ins().fcvt_to_sint_sat(I32, number);
            let (least, greatest) = (b.ins().iconst(I32, 0), b.ins().iconst(I32, 255));
            let integer = b.ins().smax(integer, least);
            b.ins().smin(integer, greatest)
        }
        DType::U8 => {
            let word = low_word(b, number);
            b.ins().band_imm_u(word, 255)
        }
        // NaN is not equal to 0.
        DType::Bool if from_float => {
            let zero = if from == F32 { b.ins().f32const(0.0) } else { b.ins().f64const(0.0) };
            b.ins().fcmp(FloatCC::NotEqual, number, zero)
        }
        DType::Bool => b.ins().icmp_imm_s(IntCC::NotEqual, number, 0),
    })
}

fn resize(b: &mut FunctionBuilder<'_>, number: Value) -> Value {
    match b.func.dfg.value_type(number) {
        F64 => b.ins().fdemote(F32, number),
        _ => number,
    }
}

fn low_word(b: &mut FunctionBuilder<'_>, number: Value) -> Value {
    match b.func.dfg.value_type(number) {
        I64 => b.ins().ireduce(I32, number),
        _ => number,
    }
}

/// An `f64` rounded towards 0 to an `f32`, with the last bit set if that is not exact. A later
/// rounding to a half then gives the same result as a single one.
///
/// Source: Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms
/// using rounding to odd" (2008).
fn round_to_odd(b: &mut FunctionBuilder<'_>, number: Value) -> Value {
    let nearest = b.ins().fdemote(F32, number);
    let back = b.ins().fpromote(F64, nearest);
    let (magnitude, back_magnitude) = (b.ins().fabs(number), b.ins().fabs(back));
    let beyond = b.ins().fcmp(FloatCC::GreaterThan, back_magnitude, magnitude);
    let beyond = b.ins().uextend(I32, beyond);
    let inexact = b.ins().fcmp(FloatCC::OrderedNotEqual, back, number);
    let inexact = b.ins().uextend(I32, inexact);
    let bits = b.ins().bitcast(I32, MemFlagsData::new(), nearest);
    let bits = b.ins().isub(bits, beyond);
    let bits = b.ins().bor(bits, inexact);
    b.ins().bitcast(F32, MemFlagsData::new(), bits)
}

/// The bits of the nearest half, ties to even, in the low 16 bits.
pub(super) fn narrow_half(b: &mut FunctionBuilder<'_>, number: Value, dtype: DType) -> Value {
    let bits = b.ins().bitcast(I32, MemFlagsData::new(), number);
    let is_nan = b.ins().fcmp(FloatCC::NotEqual, number, number);
    let (narrow, nan) = match dtype {
        DType::BF16 => (narrow_bf16(b, bits), 0x7fc0),
        _ => (narrow_f16(b, bits), 0x7e00),
    };
    let nan = b.ins().iconst(I32, nan);
    b.ins().select(is_nan, nan, narrow)
}

/// The upper half, rounded by an addition of half of its lowest bit, less one where that bit is
/// even.
fn narrow_bf16(b: &mut FunctionBuilder<'_>, bits: Value) -> Value {
    let upper = b.ins().ushr_imm_u(bits, 16);
    let odd = b.ins().band_imm_u(upper, 1);
    let rounded = b.ins().iadd_imm_s(bits, 0x7fff);
    let rounded = b.ins().iadd(rounded, odd);
    b.ins().ushr_imm_u(rounded, 16)
}

/// Normal results are rounded like those of bf16 after the exponent's bias has changed. Subnormal
/// ones are the last bits of a sum with ½, whose unit in the last place is theirs. A result of 2¹⁶
/// or more is infinite.
fn narrow_f16(b: &mut FunctionBuilder<'_>, bits: Value) -> Value {
    let magnitude = b.ins().band_imm_u(bits, 0x7fff_ffff);
    let sign = b.ins().ushr_imm_u(bits, 16);
    let sign = b.ins().band_imm_u(sign, 0x8000);

    let odd = b.ins().ushr_imm_u(magnitude, 13);
    let odd = b.ins().band_imm_u(odd, 1);
    let normal = b.ins().iadd_imm_s(magnitude, i64::from(((15 - 127) << 23) + 0xfff));
    let normal = b.ins().iadd(normal, odd);
    let normal = b.ins().ushr_imm_u(normal, 13);

    let float = b.ins().bitcast(F32, MemFlagsData::new(), magnitude);
    let half = b.ins().f32const(0.5);
    let sum = b.ins().fadd(float, half);
    let subnormal = b.ins().bitcast(I32, MemFlagsData::new(), sum);
    let subnormal = b.ins().iadd_imm_s(subnormal, -i64::from(0.5_f32.to_bits()));

    let smallest_normal = i64::from((113 << 23) as u32);
    let is_small = b.ins().icmp_imm_u(IntCC::UnsignedLessThan, magnitude, smallest_normal);
    let narrow = b.ins().select(is_small, subnormal, normal);
    let beyond = i64::from((143_u32) << 23);
    let is_large = b.ins().icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, magnitude, beyond);
    let infinity = b.ins().iconst(I32, 0x7c00);
    let narrow = b.ins().select(is_large, infinity, narrow);
    b.ins().bor(narrow, sign)
}

/// The `f32` of the half with these bits.
pub(super) fn widen_half(b: &mut FunctionBuilder<'_>, bits: Value, dtype: DType) -> Value {
    if dtype == DType::BF16 {
        let bits = b.ins().ishl_imm_u(bits, 16);
        return b.ins().bitcast(F32, MemFlagsData::new(), bits);
    }
    let magnitude = b.ins().band_imm_u(bits, 0x7fff);
    let sign = b.ins().band_imm_u(bits, 0x8000);
    let sign = b.ins().ishl_imm_u(sign, 16);
    let shifted = b.ins().ishl_imm_u(magnitude, 13);
    // The exponents' biases differ by 112; a product is right for subnormal halves, too.
    let float = b.ins().bitcast(F32, MemFlagsData::new(), shifted);
    let scale = b.ins().f32const(f32::from_bits((112 + 127) << 23));
    let float = b.ins().fmul(float, scale);
    let finite = b.ins().bitcast(I32, MemFlagsData::new(), float);
    let special = b.ins().bor_imm_u(shifted, 0x7f80_0000);
    let is_special = b.ins().icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, magnitude, 0x7c00);
    let bits = b.ins().select(is_special, special, finite);
    let bits = b.ins().bor(bits, sign);
    b.ins().bitcast(F32, MemFlagsData::new(), bits)
}
