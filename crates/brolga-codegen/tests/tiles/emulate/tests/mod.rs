//! The emulator against this machine, against Intel's manual, and the mistakes it finds.

mod evex;
mod host;
mod mistakes;

use iced_x86::{Encoder, Instruction, MemoryOperand, Register};

/// An instruction from its code and its operands.
macro_rules! asm {
    ($code:ident) => {
        iced_x86::Instruction::with(iced_x86::Code::$code)
    };
    ($code:ident, $a:expr) => {
        iced_x86::Instruction::with1(iced_x86::Code::$code, $a).expect("the operand fits")
    };
    ($code:ident, $a:expr, $b:expr) => {
        iced_x86::Instruction::with2(iced_x86::Code::$code, $a, $b).expect("the operands fit")
    };
    ($code:ident, $a:expr, $b:expr, $c:expr) => {
        iced_x86::Instruction::with3(iced_x86::Code::$code, $a, $b, $c).expect("the operands fit")
    };
    ($code:ident, $a:expr, $b:expr, $c:expr, $d:expr) => {
        iced_x86::Instruction::with4(iced_x86::Code::$code, $a, $b, $c, $d)
            .expect("the operands fit")
    };
}
use asm;

/// Machine code. Targets of jumps and addresses relative to rip count from the beginning of their
/// instruction.
fn assemble(instructions: &[Instruction]) -> Vec<u8> {
    let mut encoder = Encoder::new(64);
    for instruction in instructions {
        encoder.encode(instruction, 0).unwrap_or_else(|e| panic!("{instruction}: {e}"));
    }
    encoder.take_buffer()
}

/// Memory at an offset from a register.
fn at(base: Register, displacement: i64) -> MemoryOperand {
    MemoryOperand::with_base_displ(base, displacement)
}
