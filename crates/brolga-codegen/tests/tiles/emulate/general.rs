//! Instructions on general registers, and jumps.

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::operands::{all_ones, signed, size};
use super::registers::Flags;
use super::{Machine, Outcome, RSP};

/// Executes an instruction on general registers; `false` if it is unknown.
pub(super) fn execute(m: &mut Machine<'_, '_>, i: &Instruction) -> Outcome<bool> {
    use Mnemonic::*;
    match i.mnemonic() {
        Nop | Endbr64 | Prefetcht0 | Prefetcht1 | Prefetcht2 | Prefetchnta | Prefetchw
        | Prefetchwt1 => {}
        Mov | Movzx => {
            let value = m.number(i, 1)?;
            m.set_number(i, 0, value)?;
        }
        Movsx | Movsxd => {
            let value = signed(m.number(i, 1)?, size(i, 1)?);
            m.set_number(i, 0, value.cast_unsigned())?;
        }
        Lea => {
            let address = m.address(i, 1)?;
            m.set_number(i, 0, address)?;
        }
        Add | Sub | Cmp | And | Or | Xor | Test | Imul | Shl | Sal | Shr | Sar | Neg | Not
        | Inc | Dec | Bzhi => return arithmetic(m, i),
        Push => {
            let value = match i.op_kind(0) {
                OpKind::Immediate8to64 | OpKind::Immediate32to64 => i.immediate(0),
                _ if size(i, 0)? == 8 => m.number(i, 0)?,
                _ => return Ok(false),
            };
            let top = m.registers.general[RSP].wrapping_sub(8);
            m.memory.write(top, &value.to_le_bytes())?;
            m.registers.general[RSP] = top;
        }
        Pop if i.op_kind(0) == OpKind::Register && size(i, 0)? == 8 => {
            let value = pop(m)?;
            m.set_number(i, 0, value)?;
        }
        Ret if i.op_count() == 0 => m.next = pop(m)?,
        Jmp if i.op_kind(0) == OpKind::NearBranch64 => m.next = i.near_branch_target(),
        mnemonic => {
            let Some(condition) = condition(mnemonic) else { return Ok(false) };
            let holds = condition(&m.registers.flags)
                .ok_or_else(|| "depends on an undefined flag".to_owned())?;
            match i.op_kind(0) {
                OpKind::NearBranch64 if holds => m.next = i.near_branch_target(),
                OpKind::NearBranch64 => {}
                // A conditional move writes its destination in any case, and so clears the upper
                // half of a register.
                _ if i.op_count() == 2 => {
                    let (old, new) = (m.number(i, 0)?, m.number(i, 1)?);
                    m.set_number(i, 0, if holds { new } else { old })?;
                }
                _ => m.set_number(i, 0, holds.into())?,
            }
        }
    }
    Ok(true)
}

fn pop(m: &mut Machine<'_, '_>) -> Outcome<u64> {
    let top = m.registers.general[RSP];
    m.registers.general[RSP] = top.wrapping_add(8);
    m.load(top, 8)
}

/// The condition of a conditional jump, move or set; it gives `None` if a flag is undefined.
fn condition(mnemonic: Mnemonic) -> Option<fn(&Flags) -> Option<bool>> {
    use Mnemonic::*;
    fn less(f: &Flags) -> Option<bool> {
        Some(f.sign? != f.overflow?)
    }
    Some(match mnemonic {
        Jo | Cmovo | Seto => |f| f.overflow,
        Jno | Cmovno | Setno => |f| Some(!f.overflow?),
        Jb | Cmovb | Setb => |f| f.carry,
        Jae | Cmovae | Setae => |f| Some(!f.carry?),
        Je | Cmove | Sete => |f| f.zero,
        Jne | Cmovne | Setne => |f| Some(!f.zero?),
        Jbe | Cmovbe | Setbe => |f| Some(f.carry? | f.zero?),
        Ja | Cmova | Seta => |f| Some(!(f.carry? | f.zero?)),
        Js | Cmovs | Sets => |f| f.sign,
        Jns | Cmovns | Setns => |f| Some(!f.sign?),
        Jp | Cmovp | Setp => |f| f.parity,
        Jnp | Cmovnp | Setnp => |f| Some(!f.parity?),
        Jl | Cmovl | Setl => less,
        Jge | Cmovge | Setge => |f| Some(!less(f)?),
        Jle | Cmovle | Setle => |f| Some(less(f)? | f.zero?),
        Jg | Cmovg | Setg => |f| Some(!(less(f)? | f.zero?)),
        _ => return None,
    })
}

/// The result, the carry and the overflow of a shift by `count` bits, which is not 0.
fn shift(mnemonic: Mnemonic, a: u64, count: u32, size: usize) -> (u64, Option<bool>, Option<bool>) {
    let bits = 8 * size as u32;
    let sign = |value: u64| value >> (bits - 1) & 1 == 1;
    // Beyond the operand's own bits (for 8 and 16 of them) the carry is undefined.
    let shifted_out = |bit: u32| (count <= bits).then(|| a >> (bit & 63) & 1 == 1);
    let once = |overflow: bool| (count == 1).then_some(overflow);
    match mnemonic {
        Mnemonic::Shr => (a >> count, shifted_out(count - 1), once(sign(a))),
        Mnemonic::Sar => {
            let shifted = signed(a, size) >> count;
            (shifted.cast_unsigned(), shifted_out(count - 1), once(false))
        }
        _ => {
            let carry = shifted_out(bits.wrapping_sub(count));
            let shifted = a << count;
            (shifted, carry, once(carry.is_some_and(|carry| carry != sign(shifted))))
        }
    }
}

/// Instructions that compute a number and set flags.
fn arithmetic(m: &mut Machine<'_, '_>, i: &Instruction) -> Outcome<bool> {
    use Mnemonic::*;
    let size = size(i, 0)?;
    let bits = 8 * size as u32;
    let sign = |value: u64| value >> (bits - 1) & 1 == 1;
    let old = m.registers.flags;
    // The first factor of a product with three operands is the second operand, as the source of
    // `bzhi`.
    let (first, second) = match i.op_count() {
        3 => (1, Some(2)),
        2 => (0, Some(1)),
        _ => (0, None),
    };
    let a = m.number(i, first)?;
    let b = second.map(|op| m.number(i, op)).transpose()?;
    let (result, carry, overflow) = match (i.mnemonic(), b) {
        (Add, Some(b)) => {
            let sum = a.wrapping_add(b) & all_ones(size);
            (sum, Some(sum < a), Some(sign((a ^ sum) & (b ^ sum))))
        }
        (Sub | Cmp, Some(b)) => {
            let difference = a.wrapping_sub(b) & all_ones(size);
            (difference, Some(a < b), Some(sign((a ^ b) & (a ^ difference))))
        }
        (And | Test, Some(b)) => (a & b, Some(false), Some(false)),
        (Or, Some(b)) => (a | b, Some(false), Some(false)),
        (Xor, Some(b)) => (a ^ b, Some(false), Some(false)),
        (Imul, Some(b)) => product(a, b, size),
        (Shl | Sal | Shr | Sar, Some(b)) => {
            let count = (b as u32) & if size == 8 { 63 } else { 31 };
            if count == 0 {
                // No flag changes, but the destination is written.
                m.set_number(i, 0, a)?;
                return Ok(true);
            }
            shift(i.mnemonic(), a, count, size)
        }
        (Bzhi, Some(n)) => {
            let n = n & 0xff;
            let kept = if n < u64::from(bits) { a & ((1 << n) - 1) } else { a };
            (kept, Some(n >= u64::from(bits)), Some(false))
        }
        (mnemonic, None) => match unary(mnemonic, a, size, old.carry) {
            Some(result) => result,
            None => return Ok(false),
        },
        _ => return Ok(false),
    };
    let result = result & all_ones(size);
    if !matches!(i.mnemonic(), Cmp | Test) {
        m.set_number(i, 0, result)?;
    }
    if i.mnemonic() != Not {
        m.registers.flags = flags(i.mnemonic(), result, sign(result), [carry, overflow]);
    }
    Ok(true)
}

/// The result, the carry and the overflow of an instruction with one operand.
fn unary(
    mnemonic: Mnemonic,
    a: u64,
    size: usize,
    carry: Option<bool>,
) -> Option<(u64, Option<bool>, Option<bool>)> {
    use Mnemonic::*;
    let sign = |value: u64| value >> (8 * size - 1) & 1 == 1;
    Some(match mnemonic {
        Neg => {
            let negated = a.wrapping_neg() & all_ones(size);
            (negated, Some(a != 0), Some(a != 0 && a == negated))
        }
        Not => (!a, None, None),
        Inc => {
            let next = a.wrapping_add(1) & all_ones(size);
            (next, carry, Some(!sign(a) && sign(next)))
        }
        Dec => {
            let next = a.wrapping_sub(1) & all_ones(size);
            (next, carry, Some(sign(a) && !sign(next)))
        }
        _ => return None,
    })
}

/// The low half of a product, with carry and overflow if the upper half is lost.
fn product(a: u64, b: u64, size: usize) -> (u64, Option<bool>, Option<bool>) {
    let product = i128::from(signed(a, size)) * i128::from(signed(b, size));
    let low = product as u64 & all_ones(size);
    let lost = Some(product != i128::from(signed(low, size)));
    (low, lost, lost)
}

/// The flags after an instruction with this result.
fn flags(
    mnemonic: Mnemonic,
    result: u64,
    sign: bool,
    [carry, overflow]: [Option<bool>; 2],
) -> Flags {
    let product = mnemonic == Mnemonic::Imul;
    let parity = (result as u8).count_ones().is_multiple_of(2);
    Flags {
        zero: (!product).then_some(result == 0),
        sign: (!product).then_some(sign),
        parity: (!product && mnemonic != Mnemonic::Bzhi).then_some(parity),
        carry,
        overflow,
    }
}
