//! Instructions on opmasks.

use iced_x86::{Instruction, Mnemonic};

use super::operands::immediate8;
use super::registers::Flags;
use super::{Machine, Outcome};

/// An operation on opmasks.
#[derive(Clone, Copy)]
enum Operation {
    Copy,
    Invert,
    Two(fn(u64, u64) -> u64),
    ShiftLeft,
    ShiftRight,
    /// The zero and the carry flag: whether the first number is zero, and whether the second is.
    Check(fn(u64, u64) -> (u64, u64)),
}

/// The operation, and the number of bits it works on.
fn operation(mnemonic: Mnemonic) -> Option<(Operation, u32)> {
    use Mnemonic::*;
    use Operation::*;
    macro_rules! widths {
        ($($b:ident $w:ident $d:ident $q:ident => $operation:expr,)+) => {
            match mnemonic {
                $($b => ($operation, 8), $w => ($operation, 16), $d => ($operation, 32), $q => ($operation, 64),)+
                _ => return None,
            }
        };
    }
    Some(widths! {
        Kmovb Kmovw Kmovd Kmovq => Copy,
        Knotb Knotw Knotd Knotq => Invert,
        Kandb Kandw Kandd Kandq => Two(|a, b| a & b),
        Kandnb Kandnw Kandnd Kandnq => Two(|a, b| !a & b),
        Korb Korw Kord Korq => Two(|a, b| a | b),
        Kxorb Kxorw Kxord Kxorq => Two(|a, b| a ^ b),
        Kxnorb Kxnorw Kxnord Kxnorq => Two(|a, b| !(a ^ b)),
        Kshiftlb Kshiftlw Kshiftld Kshiftlq => ShiftLeft,
        Kshiftrb Kshiftrw Kshiftrd Kshiftrq => ShiftRight,
        Kortestb Kortestw Kortestd Kortestq => Check(|a, b| (a | b, !(a | b))),
        Ktestb Ktestw Ktestd Ktestq => Check(|a, b| (a & b, !a & b)),
    })
}

/// Executes an instruction on opmasks; `false` if it is unknown.
pub(super) fn execute(m: &mut Machine<'_, '_>, i: &Instruction) -> Outcome<bool> {
    let Some((operation, bits)) = operation(i.mnemonic()) else { return Ok(false) };
    let all = u64::MAX >> (64 - bits);
    let shift = u32::from(immediate8(i).unwrap_or(0));
    let result = match operation {
        Operation::Copy => m.number(i, 1)?,
        Operation::Invert => !m.number(i, 1)?,
        Operation::Two(f) => f(m.number(i, 1)?, m.number(i, 2)?),
        Operation::ShiftLeft => m.number(i, 1)?.checked_shl(shift).unwrap_or(0),
        Operation::ShiftRight => (m.number(i, 1)? & all).checked_shr(shift).unwrap_or(0),
        Operation::Check(f) => {
            let (zero, carry) = f(m.number(i, 0)?, m.number(i, 1)?);
            m.registers.flags = Flags {
                zero: Some(zero & all == 0),
                carry: Some(carry & all == 0),
                sign: Some(false),
                overflow: Some(false),
                parity: Some(false),
            };
            return Ok(true);
        }
    };
    m.set_number(i, 0, result & all)?;
    Ok(true)
}
