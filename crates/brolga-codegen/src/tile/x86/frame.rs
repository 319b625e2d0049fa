//! The general registers and the stack: arguments, loop counters, and spilled vectors.
//!
//! `rax` and `r11` are free at any time; `r10` is, if elements are copied one by one.

use std::cmp::Reverse;

use iced_x86::Register::{self, R8, R9, R10, R12, R13, R14, R15, RBP, RBX, RCX, RDI, RDX, RSI};

use super::allocate::Allocated;
use super::inst::{Inst, Item, Mem, Operand};
use crate::tile::program::{Count, LANES, Pointer, TileProgram, Trips};

/// The registers of the first arguments, by the calling convention of System V.
const ARGUMENTS: [Register; 6] = [RDI, RSI, RDX, RCX, R8, R9];
/// The registers that a function has to preserve.
const PRESERVED: [Register; 6] = [RBX, RBP, R12, R13, R14, R15];
/// Bytes of a vector on the stack.
pub(super) const VECTOR: i32 = 64;

/// The location of a 64-bit number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    Register(Register),
    /// At this offset from the stack pointer.
    Stack(i32),
}

pub(super) struct Frame {
    pub(super) params: Vec<Home>,
    /// The home of each loop's counter, in the order of their beginnings.
    pub(super) counters: Vec<Home>,
    /// Registers that are saved at the beginning.
    pub(super) saved: Vec<Register>,
    /// Parameters that move from the stack to a register, with their offsets from the stack
    /// pointer.
    pub(super) loaded: Vec<(Register, i32)>,
    /// Bytes of the frame below the saved registers.
    pub(super) bytes: i32,
    /// The offset of the buffer for copies of elements one by one from the stack pointer.
    pub(super) buffer: i32,
}

/// The numbers of uses of parameters and loop counters, a loop counting eight times.
struct Uses {
    params: Vec<u64>,
    /// The number for each loop's counter; 0 if it needs none.
    counters: Vec<u64>,
    /// The weight of a use at the scan's position.
    weight: u64,
    /// Bytes of the buffer for copies of elements one by one.
    copied: i32,
}

impl Uses {
    fn of(params: usize, items: &[Item]) -> Self {
        let mut uses = Self { params: vec![0; params], counters: Vec::new(), weight: 1, copied: 0 };
        items.iter().for_each(|item| uses.item(item));
        uses
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Inst(Inst { operands, .. }) => {
                for operand in operands {
                    if let Operand::Mem(Mem { pointer, .. }) = operand {
                        self.param(pointer.0);
                    }
                }
            }
            Item::Rest { count, .. } | Item::Splat { count, .. } => self.param(count.0),
            Item::Byte { mem, .. } => self.param(mem.pointer.0),
            Item::PackedIn { mem, count, size, .. } | Item::PackedOut { mem, count, size, .. } => {
                self.copied = self.copied.max(LANES as i32 * size.bytes());
                self.param(mem.pointer.0);
                self.param(count.0);
            }
            Item::Step { pointer, trips, .. } => {
                self.param(pointer.0);
                self.trips(*trips);
            }
            Item::Begin(trips) => {
                self.trips(*trips);
                self.weight = self.weight.saturating_mul(8);
                self.counters.push(if matches!(trips, Trips::Tail(_)) { 0 } else { self.weight });
            }
            Item::End => self.weight /= 8,
            Item::Fma { .. } | Item::Move { .. } | Item::Constant { .. } | Item::Mark(_) => {}
        }
    }

    fn param(&mut self, param: u16) {
        self.params[usize::from(param)] += self.weight;
    }

    fn trips(&mut self, trips: Trips) {
        if let Trips::Count(count) | Trips::Vectors(count) | Trips::Tail(count) = trips {
            self.param(count.0);
        }
    }

    /// Assigns the free general registers to the most used of parameters on the stack and counters,
    /// which are numbered after all parameters.
    fn registers(&self) -> Vec<(usize, Register)> {
        let mut free: Vec<Register> = PRESERVED.into_iter().rev().collect();
        if self.copied == 0 {
            free.push(R10);
        }
        let params = self.params.iter().enumerate().skip(ARGUMENTS.len());
        let counters = (self.params.len()..).zip(&self.counters);
        let mut wishes: Vec<(usize, u64)> =
            params.chain(counters).map(|(number, &uses)| (number, uses)).collect();
        wishes.retain(|&(_, uses)| uses > 0);
        wishes.sort_by_key(|&(number, uses)| (Reverse(uses), number));
        wishes.into_iter().map_while(|(number, _)| Some((number, free.pop()?))).collect()
    }
}

impl Frame {
    pub(super) fn of(program: &TileProgram, code: &Allocated) -> Self {
        let params = program.params.len();
        let uses = Uses::of(params, &code.items);
        let given = uses.registers();
        let given_to = |number: usize| {
            given.iter().find(|(other, _)| *other == number).map(|&(_, register)| register)
        };
        let buffer = VECTOR * i32::try_from(code.slots).unwrap_or(i32::MAX / VECTOR);
        let first_counter = buffer + uses.copied;
        let counters: Vec<Home> = (0..uses.counters.len())
            .map(|i| match given_to(params + i) {
                Some(register) => Home::Register(register),
                None => Home::Stack(first_counter + 8 * i as i32),
            })
            .collect();
        let is_stacked = |(home, &uses): (&Home, &u64)| uses > 0 && matches!(home, Home::Stack(_));
        let is_needed = code.slots > 0
            || uses.copied > 0
            || counters.iter().zip(&uses.counters).any(is_stacked);
        let bytes = if is_needed { first_counter + 8 * counters.len() as i32 } else { 0 };
        let saved: Vec<Register> =
            given.iter().map(|&(_, register)| register).filter(|r| PRESERVED.contains(r)).collect();
        // Above the frame: the saved registers, the return address, and the arguments from the
        // seventh on.
        let first_argument = bytes + 8 * (saved.len() as i32 + 1);
        let mut loaded = Vec::new();
        let mut stacked = |param: usize| {
            let offset = first_argument + 8 * (param - ARGUMENTS.len()) as i32;
            given_to(param).map_or(Home::Stack(offset), |register| {
                loaded.push((register, offset));
                Home::Register(register)
            })
        };
        let argument =
            |param: usize| ARGUMENTS.get(param).map(|&register| Home::Register(register));
        let params = (0..params).map(|param| argument(param).unwrap_or_else(|| stacked(param)));
        Self { params: params.collect(), counters, saved, loaded, bytes, buffer }
    }

    pub(super) fn pointer(&self, pointer: Pointer) -> Home {
        self.params[usize::from(pointer.0)]
    }

    pub(super) fn count(&self, count: Count) -> Home {
        self.params[usize::from(count.0)]
    }
}
