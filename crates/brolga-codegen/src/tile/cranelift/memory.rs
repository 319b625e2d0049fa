//! Loads and stores of one part, whole or its first lanes, without touching a byte outside them.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32, F32X4, I8, I8X16, I16, I16X8, I32, I32X4, I64, I64X2};
use cranelift_codegen::ir::{
    ConstantData, InstBuilder, MemFlagsData, StackSlot, StackSlotData, StackSlotKind, Type, Value,
};
use cranelift_frontend::FunctionBuilder;

use super::halves::{narrow, widen};
use super::parts::{cast, low_word, part_type};
use super::{PARTS, WIDTH};
use crate::tile::program::{Element, LANES};

/// Flags of an access that cannot trap. Vectors are aligned to their elements only.
pub(super) fn flags() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

/// The address `base + offset`.
#[derive(Clone, Copy)]
pub(super) struct Mem {
    pub(super) base: Value,
    pub(super) offset: i32,
}

impl Mem {
    pub(super) fn plus(self, bytes: usize) -> Self {
        // Offsets within a vector are at most 64 bytes.
        Self { offset: self.offset + i32::try_from(bytes).unwrap_or(i32::MAX), ..self }
    }

    fn load(self, b: &mut FunctionBuilder<'_>, ty: Type) -> Value {
        b.ins().load(ty, flags(), self.base, self.offset)
    }

    fn store(self, b: &mut FunctionBuilder<'_>, value: Value) {
        b.ins().store(flags(), value, self.base, self.offset);
    }
}

/// The first `lanes` (1 to 4) lanes of a part; the others are zero.
pub(super) fn load(b: &mut FunctionBuilder<'_>, element: Element, mem: Mem, lanes: usize) -> Value {
    let ty = part_type(element.kind());
    match (element, lanes) {
        (Element::F32 | Element::I32, WIDTH) => mem.load(b, ty),
        (Element::F32 | Element::I32, 1) => {
            let word = mem.load(b, I32);
            low_word(b, ty, word)
        }
        (Element::F32 | Element::I32, 2) => {
            let words = mem.load(b, I64);
            low_word(b, ty, words)
        }
        (Element::F32 | Element::I32, _) => {
            let words = mem.load(b, I64);
            let low = low_word(b, I32X4, words);
            let third = mem.plus(8).load(b, I32);
            let vector = b.ins().insertlane(low, third, 2);
            cast(b, ty, vector)
        }
        (Element::BF16 | Element::F16, _) => {
            let halves = load_halves(b, mem, lanes);
            let vector = low_word(b, I16X8, halves);
            let halves = b.ins().uwiden_low(vector);
            widen(b, element, halves)
        }
        (Element::U8, _) => {
            let bytes = load_bytes(b, mem, lanes);
            let vector = low_word(b, I8X16, bytes);
            let halves = b.ins().uwiden_low(vector);
            b.ins().uwiden_low(halves)
        }
    }
}

/// The first `lanes` (1 to 4) halves as one integer of 32 or 64 bits.
fn load_halves(b: &mut FunctionBuilder<'_>, mem: Mem, lanes: usize) -> Value {
    match lanes {
        WIDTH => mem.load(b, I64),
        1 => b.ins().uload16(I32, flags(), mem.base, mem.offset),
        2 => mem.load(b, I32),
        _ => {
            let low = b.ins().uload32(flags(), mem.base, mem.offset);
            let third = mem.plus(4);
            let high = b.ins().uload16(I64, flags(), third.base, third.offset);
            let high = b.ins().ishl_imm_u(high, 32);
            b.ins().bor(low, high)
        }
    }
}

/// The first `lanes` (1 to 4) bytes as one 32-bit integer.
fn load_bytes(b: &mut FunctionBuilder<'_>, mem: Mem, lanes: usize) -> Value {
    match lanes {
        WIDTH => mem.load(b, I32),
        1 => b.ins().uload8(I32, flags(), mem.base, mem.offset),
        2 => b.ins().uload16(I32, flags(), mem.base, mem.offset),
        _ => {
            let low = b.ins().uload16(I32, flags(), mem.base, mem.offset);
            let third = mem.plus(2);
            let high = b.ins().uload8(I32, flags(), third.base, third.offset);
            let high = b.ins().ishl_imm_u(high, 16);
            b.ins().bor(low, high)
        }
    }
}

/// The first `lanes` (1 to 4) lanes of a part to memory.
pub(super) fn store(
    b: &mut FunctionBuilder<'_>,
    element: Element,
    mem: Mem,
    lanes: usize,
    value: Value,
) {
    match (element, lanes) {
        (Element::F32 | Element::I32, WIDTH) => mem.store(b, value),
        (Element::F32 | Element::I32, _) => store_words(b, mem, lanes, value),
        (Element::BF16 | Element::F16, _) => {
            let halves = narrow(b, element, value);
            store_halves(b, mem, lanes, halves);
        }
        (Element::U8, _) => store_bytes(b, mem, lanes, value),
    }
}

fn store_words(b: &mut FunctionBuilder<'_>, mem: Mem, lanes: usize, value: Value) {
    let words = cast(b, I32X4, value);
    if lanes >= 2 {
        let pairs = cast(b, I64X2, value);
        let pair = b.ins().extractlane(pairs, 0);
        mem.store(b, pair);
    }
    if lanes % 2 == 1 {
        let last = lanes - 1;
        let word = b.ins().extractlane(words, if last == 0 { 0 } else { 2 });
        mem.plus(4 * last).store(b, word);
    }
}

/// The low 16 bits of each lane.
fn store_halves(b: &mut FunctionBuilder<'_>, mem: Mem, lanes: usize, value: Value) {
    let packed = pack(b, value, 2);
    let packed = cast(b, I64X2, packed);
    let word = b.ins().extractlane(packed, 0);
    match lanes {
        WIDTH => mem.store(b, word),
        1 => {
            b.ins().istore16(flags(), word, mem.base, mem.offset);
        }
        _ => {
            b.ins().istore32(flags(), word, mem.base, mem.offset);
            if lanes == 3 {
                let third = b.ins().ushr_imm_u(word, 32);
                let mem = mem.plus(4);
                b.ins().istore16(flags(), third, mem.base, mem.offset);
            }
        }
    }
}

/// The lowest `size` bytes of each lane, packed into the low lanes.
fn pack(b: &mut FunctionBuilder<'_>, value: Value, size: u8) -> Value {
    let bytes = cast(b, I8X16, value);
    let lowest = (0..LANES as u8).map(|i| 4 * (i / size % 4) + i % size);
    let lowest = b.func.dfg.immediates.push(ConstantData::from(lowest.collect::<Vec<u8>>()));
    b.ins().shuffle(bytes, bytes, lowest)
}

fn store_bytes(b: &mut FunctionBuilder<'_>, mem: Mem, lanes: usize, value: Value) {
    let packed = pack(b, value, 1);
    let packed = cast(b, I32X4, packed);
    let word = b.ins().extractlane(packed, 0);
    match lanes {
        WIDTH => mem.store(b, word),
        1 => {
            b.ins().istore8(flags(), word, mem.base, mem.offset);
        }
        _ => {
            b.ins().istore16(flags(), word, mem.base, mem.offset);
            if lanes == 3 {
                let third = b.ins().ushr_imm_u(word, 16);
                let mem = mem.plus(2);
                b.ins().istore8(flags(), third, mem.base, mem.offset);
            }
        }
    }
}

/// One element in all lanes.
pub(super) fn broadcast(b: &mut FunctionBuilder<'_>, element: Element, mem: Mem) -> Value {
    match element {
        Element::F32 => {
            let number = mem.load(b, F32);
            b.ins().splat(F32X4, number)
        }
        Element::I32 => {
            let number = mem.load(b, I32);
            b.ins().splat(I32X4, number)
        }
        Element::BF16 | Element::F16 => {
            let half = b.ins().uload16(I32, flags(), mem.base, mem.offset);
            let halves = b.ins().splat(I32X4, half);
            widen(b, element, halves)
        }
        Element::U8 => {
            let number = b.ins().uload8(I32, flags(), mem.base, mem.offset);
            b.ins().splat(I32X4, number)
        }
    }
}

/// The first `count` lanes (0 to 15, known at run time) of a vector; the others are zero.
///
/// The elements go through the stack one by one.
pub(super) fn load_counted(
    b: &mut FunctionBuilder<'_>,
    element: Element,
    mem: Mem,
    count: Value,
) -> [Value; PARTS] {
    let slot = vector_slot(b);
    let stack = stack_mem(b, slot);
    let zero = b.ins().iconst(I64, 0);
    for word in 0..element.size() * LANES / 8 {
        stack.plus(8 * word).store(b, zero);
    }
    copy(b, element, stack, mem, count);
    std::array::from_fn(|part| load(b, element, stack.plus(part * WIDTH * element.size()), WIDTH))
}

/// The first `count` lanes (0 to 15, known at run time) of a vector to memory.
pub(super) fn store_counted(
    b: &mut FunctionBuilder<'_>,
    element: Element,
    mem: Mem,
    count: Value,
    parts: [Value; PARTS],
) {
    let slot = vector_slot(b);
    let stack = stack_mem(b, slot);
    for (part, value) in parts.into_iter().enumerate() {
        store(b, element, stack.plus(part * WIDTH * element.size()), WIDTH, value);
    }
    copy(b, element, mem, stack, count);
}

fn vector_slot(b: &mut FunctionBuilder<'_>) -> StackSlot {
    b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 4 * LANES as u32, 4))
}

fn stack_mem(b: &mut FunctionBuilder<'_>, slot: StackSlot) -> Mem {
    Mem { base: b.ins().stack_addr(I64, slot, 0), offset: 0 }
}

/// Copies `count` elements.
fn copy(b: &mut FunctionBuilder<'_>, element: Element, to: Mem, from: Mem, count: Value) {
    let ty = match element.size() {
        1 => I8,
        2 => I16,
        _ => I32,
    };
    let (head, body, exit) = (b.create_block(), b.create_block(), b.create_block());
    let index = b.append_block_param(head, I64);
    let zero = b.ins().iconst(I64, 0);
    b.ins().jump(head, &[zero.into()]);
    b.switch_to_block(head);
    let more = b.ins().icmp(IntCC::SignedLessThan, index, count);
    b.ins().brif(more, body, &[], exit, &[]);
    b.switch_to_block(body);
    b.seal_block(body);
    let bytes = b.ins().imul_imm_s(index, element.size() as i64);
    let (from_base, to_base) = (b.ins().iadd(from.base, bytes), b.ins().iadd(to.base, bytes));
    let value = Mem { base: from_base, ..from }.load(b, ty);
    Mem { base: to_base, ..to }.store(b, value);
    let next = b.ins().iadd_imm_s(index, 1);
    b.ins().jump(head, &[next.into()]);
    b.seal_block(head);
    b.switch_to_block(exit);
    b.seal_block(exit);
}
