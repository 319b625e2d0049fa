//! Where arguments, loop counters and what fits no vector register are: general registers and the stack.
//!
//! `rax` and `r11` are free at any time; `r10` is, if elements are copied one by one.

use iced_x86::Register::{self, R8, R9, R10, R12, R13, R14, R15, RBP, RBX, RCX, RDI, RDX, RSI};

use super::allocate::Allocated;
use super::inst::{Inst, Item, Mem, Operand};
use crate::tile::program::{Count, LANES, Pointer, TileProgram, Trips};

/// The registers of the first arguments, by the calling convention of System V.
const ARGUMENTS: [Register; 6] = [RDI, RSI, RDX, RCX, R8, R9];
/// Registers that a function has to leave as it found them.
const PRESERVED: [Register; 6] = [RBX, RBP, R12, R13, R14, R15];
/// Bytes of a vector on the stack.
pub(super) const VECTOR: i32 = 64;

/// Where a 64-bit number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    Register(Register),
    /// So many bytes above the stack pointer.
    Stack(i32),
}

pub(super) struct Frame {
    pub(super) params: Vec<Home>,
    /// Of each loop, in the order of their beginnings.
    pub(super) counters: Vec<Home>,
    /// Registers that are saved at the beginning.
    pub(super) saved: Vec<Register>,
    /// Parameters that move from the stack to a register: how far they are above the stack pointer.
    pub(super) loaded: Vec<(Register, i32)>,
    /// Bytes of the frame below the saved registers.
    pub(super) bytes: i32,
    /// Where elements are copied one by one.
    pub(super) buffer: i32,
}

impl Frame {
    pub(super) fn of(program: &TileProgram, code: &Allocated) -> Self {
        let params = program.params.len();
        // How often each parameter and each counter is used, a loop counting eight times.
        let mut weights = vec![0_u64; params];
        let mut counters: Vec<u64> = Vec::new();
        // Bytes of the buffer for copies of elements one by one.
        let mut copied = 0;
        let mut weight = 1_u64;
        for item in &code.items {
            match item {
                Item::Inst(Inst { operands, .. }) => {
                    for operand in operands {
                        if let Operand::Mem(Mem { pointer: Pointer(p), .. }) = operand {
                            weights[usize::from(*p)] += weight;
                        }
                    }
                }
                Item::Rest { count: Count(c), .. } | Item::Splat { count: Count(c), .. } => {
                    weights[usize::from(*c)] += weight;
                }
                Item::Byte { mem, .. } => weights[usize::from(mem.pointer.0)] += weight,
                Item::PackedIn { mem, count, size, .. }
                | Item::PackedOut { mem, count, size, .. } => {
                    copied = copied.max(LANES as i32 * size.bytes());
                    weights[usize::from(mem.pointer.0)] += weight;
                    weights[usize::from(count.0)] += weight;
                }
                Item::Step { pointer, trips, .. } => {
                    weights[usize::from(pointer.0)] += weight;
                    if let Trips::Count(c) | Trips::Vectors(c) | Trips::Tail(c) = trips {
                        weights[usize::from(c.0)] += weight;
                    }
                }
                Item::Begin(trips) => {
                    if let Trips::Count(c) | Trips::Vectors(c) | Trips::Tail(c) = trips {
                        weights[usize::from(c.0)] += weight;
                    }
                    weight = weight.saturating_mul(8);
                    counters.push(if matches!(trips, Trips::Tail(_)) { 0 } else { weight });
                }
                Item::End => weight /= 8,
                Item::Fma { .. } | Item::Move { .. } | Item::Constant { .. } => {}
            }
        }

        let mut free: Vec<Register> = PRESERVED.into_iter().rev().collect();
        if copied == 0 {
            free.push(R10);
        }
        let mut wishes: Vec<(u64, usize)> = (ARGUMENTS.len()..params)
            .map(|param| (weights[param], param))
            .chain(counters.iter().enumerate().map(|(i, &weight)| (weight, params + i)))
            .filter(|&(weight, _)| weight > 0)
            .collect();
        wishes.sort_by_key(|&(weight, index)| (std::cmp::Reverse(weight), index));
        let mut given: Vec<(usize, Register)> = Vec::new();
        for (_, index) in wishes {
            if let Some(register) = free.pop() {
                given.push((index, register));
            }
        }
        let given_to = |index: usize| {
            given.iter().find(|(other, _)| *other == index).map(|&(_, register)| register)
        };

        let buffer = VECTOR * i32::try_from(code.slots).unwrap_or(i32::MAX / VECTOR);
        let first_counter = buffer + copied;
        let homeless = (counters.iter().enumerate())
            .any(|(i, &weight)| weight > 0 && given_to(params + i).is_none());
        let bytes = if code.slots > 0 || copied > 0 || homeless {
            first_counter + 8 * counters.len() as i32
        } else {
            0
        };
        let saved: Vec<Register> =
            given.iter().map(|&(_, register)| register).filter(|r| PRESERVED.contains(r)).collect();
        // Above the frame: the saved registers, the return address, and the arguments from the seventh on.
        let stacked = |param: usize| bytes + 8 * (saved.len() + 1 + param - ARGUMENTS.len()) as i32;
        let mut loaded = Vec::new();
        let homes = (0..params)
            .map(|param| match ARGUMENTS.get(param) {
                Some(&register) => Home::Register(register),
                None => match given_to(param) {
                    Some(register) => {
                        loaded.push((register, stacked(param)));
                        Home::Register(register)
                    }
                    None => Home::Stack(stacked(param)),
                },
            })
            .collect();
        let counters = (0..counters.len())
            .map(|i| match given_to(params + i) {
                Some(register) => Home::Register(register),
                None => Home::Stack(first_counter + 8 * i as i32),
            })
            .collect();
        Self { params: homes, counters, saved, loaded, bytes, buffer }
    }

    pub(super) fn pointer(&self, pointer: Pointer) -> Home {
        self.params[usize::from(pointer.0)]
    }

    pub(super) fn count(&self, count: Count) -> Home {
        self.params[usize::from(count.0)]
    }
}
