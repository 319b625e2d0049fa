//! An emulator for the machine code of tile programs: it decodes bytes and executes them on checked
//! memory.
//!
//! It knows AVX2 and AVX-512, whatever the host has, so that the code of both is compared with the
//! interpreter everywhere. It is independent of the compiler. Mistakes that results may not show
//! are errors too:
//!
//! - an access to a byte outside the buffers, the arguments on the stack, the stack below and the
//!   constants after the code;
//! - a misaligned operand of an aligned move (the code lies at a multiple of 64 bytes);
//! - a read of a byte of the stack that was not written, an access more than 128 bytes below the
//!   stack pointer;
//! - a condition on a flag that the last instruction leaves undefined;
//! - at the return, another stack pointer, another value in a callee-saved register, or upper
//!   halves of registers 0 to 15 that were written after the last `vzeroupper`.
//!
//! Registers that are no arguments start as garbage, vectors as signalling NaNs.

mod general;
mod lanes;
mod memory;
mod operands;
mod opmask;
mod pieces;
mod registers;
mod shuffle;
mod transfer;
mod vector;

mod tests;

use brolga_codegen::tile::Buffer;
use iced_x86::{Decoder, DecoderOptions, Instruction, Register};

use memory::{CODE, Memory, RETURN, STACK};
use registers::{GARBAGE, Registers};

/// The most instructions of a run.
const LIMIT: usize = 20_000_000;

/// The registers of the first six arguments, in order.
const ARGUMENTS: [Register; 6] =
    [Register::RDI, Register::RSI, Register::RDX, Register::RCX, Register::R8, Register::R9];

/// The general registers that a function preserves: rbx, rbp, r12 to r15.
const CALLEE_SAVED: [(usize, &str); 6] =
    [(3, "rbx"), (5, "rbp"), (12, "r12"), (13, "r13"), (14, "r14"), (15, "r15")];

/// The number of rsp among the general registers.
const RSP: usize = 4;

/// The result of an instruction, or its mistake.
type Outcome<T = ()> = Result<T, String>;

/// A processor in the middle of a function.
struct Machine<'a, 'b> {
    registers: Registers,
    memory: Memory<'a, 'b>,
    /// The address of the next instruction.
    next: u64,
}

/// Executes `code`, a function by the C calling convention of System V with one 64-bit integer
/// argument for each buffer and no result, beginning at its first byte.
///
/// Constants after the code are read relative to rip.
///
/// # Errors
/// The first mistake, and the instruction that makes it.
pub(crate) fn run(code: &[u8], buffers: &mut [Buffer<'_>]) -> Result<(), String> {
    run_at_most(LIMIT, code, buffers)
}

fn run_at_most(limit: usize, code: &[u8], buffers: &mut [Buffer<'_>]) -> Outcome {
    let mut machine = Machine::start(code, buffers);
    // The decoded instructions by the offset of their first byte.
    let mut decoded = vec![None; code.len()];
    for _ in 0..limit {
        if machine.next == RETURN {
            return machine.check_return();
        }
        let offset = usize::try_from(machine.next.wrapping_sub(CODE)).unwrap_or(usize::MAX);
        let instruction = match decoded.get_mut(offset) {
            Some(Some(instruction)) => *instruction,
            Some(new) => *new.insert(decode(code, offset)?),
            None => return Err(format!("there is no code at {:#x}", machine.next)),
        };
        machine
            .step(&instruction)
            .map_err(|problem| format!("code+{offset:#x} `{instruction}`: {problem}"))?;
    }
    Err(format!("no return within {limit} instructions"))
}

/// The instruction at an offset from the start of the code.
fn decode(code: &[u8], offset: usize) -> Outcome<Instruction> {
    let bytes = &code[offset..];
    let address = CODE + offset as u64;
    let instruction = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).decode();
    if instruction.is_invalid() {
        let shown = &bytes[..bytes.len().min(15)];
        return Err(format!("code+{offset:#x}: no instruction begins with {shown:02x?}"));
    }
    Ok(instruction)
}

impl<'a, 'b> Machine<'a, 'b> {
    fn start(code: &'a [u8], buffers: &'a mut [Buffer<'b>]) -> Self {
        let args = memory::arguments(buffers);
        let (in_registers, on_stack) = args.split_at(args.len().min(ARGUMENTS.len()));
        let mut registers = Registers::garbage();
        for (register, &arg) in ARGUMENTS.iter().zip(in_registers) {
            registers.general[*register as usize - Register::RAX as usize] = arg;
        }
        let memory = Memory::new(code, buffers, on_stack);
        registers.general[RSP] = STACK - 8;
        Self { registers, memory, next: CODE }
    }

    fn step(&mut self, i: &Instruction) -> Outcome {
        self.next = i.next_ip();
        self.memory.set_stack_pointer(self.registers.general[RSP]);
        let prefixed = i.has_lock_prefix() || i.has_rep_prefix() || i.has_repne_prefix();
        let known = !prefixed
            && (general::execute(self, i)?
                || opmask::execute(self, i)?
                || vector::execute(self, i)?);
        if known {
            Ok(())
        } else {
            Err(format!("the emulator does not know the instruction {:?}", i.code()))
        }
    }

    fn check_return(&self) -> Outcome {
        let rsp = self.registers.general[RSP];
        if rsp != STACK {
            return Err(format!("returns with rsp {} bytes off", rsp.wrapping_sub(STACK) as i64));
        }
        for (index, name) in CALLEE_SAVED {
            let value = self.registers.general[index];
            if value != GARBAGE.wrapping_add(index as u64) {
                return Err(format!("returns with {name} changed to {value:#x}"));
            }
        }
        if self.registers.dirty {
            return Err("returns without vzeroupper after writing an upper half".to_owned());
        }
        Ok(())
    }
}
