//! Operations of [`Lanes`](brolga_ir::lanes::Lanes) that are one instruction of CLIF, on a number
//! as on a vector.

use brolga_ir::lanes::Binary;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;

/// An operation on two values of one type. CLIF has no [`Binary::UMulHi`] of 32 bits: `umulhi`
/// writes it.
pub(crate) fn binary(
    b: &mut FunctionBuilder<'_>,
    op: Binary,
    x: Value,
    y: Value,
    umulhi: fn(&mut FunctionBuilder<'_>, Value, Value) -> Value,
) -> Value {
    match op {
        Binary::Add => b.ins().fadd(x, y),
        Binary::Sub => b.ins().fsub(x, y),
        Binary::Mul => b.ins().fmul(x, y),
        Binary::Div => b.ins().fdiv(x, y),
        Binary::Lt => b.ins().fcmp(FloatCC::LessThan, x, y),
        Binary::Le => b.ins().fcmp(FloatCC::LessThanOrEqual, x, y),
        Binary::Eq => b.ins().fcmp(FloatCC::Equal, x, y),
        Binary::IAdd => b.ins().iadd(x, y),
        Binary::ISub => b.ins().isub(x, y),
        Binary::IMul => b.ins().imul(x, y),
        Binary::UMulHi => umulhi(b, x, y),
        Binary::IAnd | Binary::And => b.ins().band(x, y),
        Binary::IOr | Binary::Or => b.ins().bor(x, y),
        Binary::IXor => b.ins().bxor(x, y),
        Binary::ILt => b.ins().icmp(IntCC::SignedLessThan, x, y),
        Binary::IEq => b.ins().icmp(IntCC::Equal, x, y),
    }
}
