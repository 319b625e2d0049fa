//! Arithmetic on one number in a register, of any of the kinds that [`Scalar`] names.
//!
//! Truth values are `I8`, 0 or 1.

use brolga_ir::lanes::{Binary, Shift, Unary};
use brolga_ir::loops::Scalar;
use cranelift_codegen::ir::types::{F32, F64, I8, I32, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value};
use cranelift_frontend::FunctionBuilder;

use crate::clif;

/// The type of a register.
pub(super) fn register(scalar: Scalar) -> Type {
    match scalar {
        Scalar::F32 => F32,
        Scalar::F64 => F64,
        Scalar::I32 => I32,
        Scalar::I64 => I64,
        Scalar::Mask => I8,
    }
}

/// The integers as wide as a float, and the float as wide as integers.
fn counterpart(ty: Type) -> Type {
    match ty {
        F32 => I32,
        F64 => I64,
        I32 => F32,
        _ => F64,
    }
}

/// The number with these bits.
pub(super) fn constant(b: &mut FunctionBuilder<'_>, scalar: Scalar, bits: u64) -> Value {
    match scalar {
        Scalar::F32 => b.ins().f32const(f32::from_bits(bits as u32)),
        Scalar::F64 => b.ins().f64const(f64::from_bits(bits)),
        Scalar::I32 => b.ins().iconst(I32, i64::from(bits as u32)),
        Scalar::I64 => b.ins().iconst(I64, bits.cast_signed()),
        Scalar::Mask => b.ins().iconst(I8, bits.cast_signed()),
    }
}

pub(super) fn unary(b: &mut FunctionBuilder<'_>, op: Unary, a: Value, to: Scalar) -> Value {
    let ty = b.func.dfg.value_type(a);
    match op {
        Unary::Sqrt => b.ins().sqrt(a),
        Unary::Neg => b.ins().fneg(a),
        Unary::Abs => b.ins().fabs(a),
        Unary::Floor => b.ins().floor(a),
        Unary::Round => b.ins().nearest(a),
        Unary::ToInt => b.ins().fcvt_to_sint_sat(counterpart(ty), a),
        Unary::ToFloat => b.ins().fcvt_from_sint(counterpart(ty), a),
        Unary::Bits | Unary::FromBits => b.ins().bitcast(counterpart(ty), MemFlagsData::new(), a),
        Unary::Not => b.ins().bxor_imm_u(a, 1),
        Unary::MaskToInt => b.ins().uextend(register(to), a),
    }
}

pub(super) fn binary(b: &mut FunctionBuilder<'_>, op: Binary, x: Value, y: Value) -> Value {
    clif::binary(b, op, x, y, umulhi)
}

/// The upper 32 bits of the product of the low 32 bits.
fn umulhi(b: &mut FunctionBuilder<'_>, x: Value, y: Value) -> Value {
    let ty = b.func.dfg.value_type(x);
    let [x, y] = [x, y].map(|factor| match ty {
        I32 => b.ins().uextend(I64, factor),
        _ => b.ins().band_imm_u(factor, i64::from(u32::MAX)),
    });
    let product = b.ins().imul(x, y);
    let upper = b.ins().ushr_imm_u(product, 32);
    if ty == I32 { b.ins().ireduce(I32, upper) } else { upper }
}

pub(super) fn shift(b: &mut FunctionBuilder<'_>, op: Shift, a: Value, bits: u32) -> Value {
    let bits = i64::from(bits);
    match op {
        Shift::Left => b.ins().ishl_imm_u(a, bits),
        Shift::Right => b.ins().ushr_imm_u(a, bits),
        Shift::RightSigned => b.ins().sshr_imm_u(a, bits),
    }
}
