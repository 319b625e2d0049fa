//! Operands in general registers, memory and immediates.

use iced_x86::{Instruction, OpKind, Register};

use super::registers::{Slot, slot};
use super::{Machine, Outcome};

/// The mask of an unsigned number of `size` bytes.
pub(super) fn all_ones(size: usize) -> u64 {
    u64::MAX >> (64 - 8 * size)
}

/// A number of `size` bytes, sign-extended.
pub(super) fn signed(value: u64, size: usize) -> i64 {
    let unused = 64 - 8 * size;
    (value << unused).cast_signed() >> unused
}

pub(super) fn is_immediate(i: &Instruction, op: u32) -> bool {
    !matches!(i.op_kind(op), OpKind::Register | OpKind::Memory)
}

/// The immediate byte, if the last operand is one.
pub(super) fn immediate8(i: &Instruction) -> Option<u8> {
    let last = i.op_count().checked_sub(1)?;
    (i.op_kind(last) == OpKind::Immediate8).then(|| i.immediate8())
}

/// Bytes of an operand; an immediate has as many as the first operand.
pub(super) fn size(i: &Instruction, op: u32) -> Outcome<usize> {
    match i.op_kind(op) {
        OpKind::Register => match slot(i.op_register(op))? {
            Slot::General { size, .. } | Slot::Vector { size, .. } => Ok(size),
            Slot::Mask(_) => Ok(8),
        },
        OpKind::Memory => Ok(i.memory_size().size()),
        _ if op > 0 => size(i, 0),
        _ => Ok(8),
    }
}

impl Machine<'_, '_> {
    /// The address of an operand in memory.
    pub(super) fn address(&self, i: &Instruction, op: u32) -> Outcome<u64> {
        let value = |register, _, _| match register {
            Register::CS | Register::DS | Register::ES | Register::SS => Some(0),
            register => match slot(register) {
                Ok(Slot::General { index, size }) => {
                    Some(self.registers.general[index] & all_ones(size))
                }
                _ => None,
            },
        };
        i.virtual_address(op, 0, value)
            .ok_or_else(|| "the emulator does not know this kind of address".to_owned())
    }

    /// Up to eight bytes of memory as a number.
    pub(super) fn load(&self, address: u64, size: usize) -> Outcome<u64> {
        let mut bytes = [0; 8];
        self.memory.read(address, &mut bytes[..size])?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// A number in a general register, in memory or in the instruction, without sign.
    pub(super) fn number(&self, i: &Instruction, op: u32) -> Outcome<u64> {
        match i.op_kind(op) {
            OpKind::Register => match slot(i.op_register(op))? {
                Slot::General { index, size } => Ok(self.registers.general[index] & all_ones(size)),
                Slot::Mask(index) => Ok(self.registers.masks[index]),
                Slot::Vector { .. } => Err("a vector is no number".to_owned()),
            },
            OpKind::Memory => self.load(self.address(i, op)?, i.memory_size().size()),
            _ => Ok(i.try_immediate(op).map_err(|e| e.to_string())? & all_ones(size(i, op)?)),
        }
    }

    /// Sets a general register, an opmask or memory. Four bytes clear the upper half of a general
    /// register, fewer keep the rest.
    pub(super) fn set_number(&mut self, i: &Instruction, op: u32, value: u64) -> Outcome {
        match i.op_kind(op) {
            OpKind::Register => match slot(i.op_register(op))? {
                Slot::General { index, size } => {
                    let kept = if size < 4 { !all_ones(size) } else { 0 };
                    let register = &mut self.registers.general[index];
                    *register = *register & kept | value & all_ones(size);
                    Ok(())
                }
                Slot::Mask(index) => {
                    self.registers.masks[index] = value;
                    Ok(())
                }
                Slot::Vector { .. } => Err("a vector is no number".to_owned()),
            },
            OpKind::Memory => {
                let bytes = &value.to_le_bytes()[..i.memory_size().size()];
                self.memory.write(self.address(i, op)?, bytes)
            }
            _ => Err("an immediate cannot be set".to_owned()),
        }
    }
}
