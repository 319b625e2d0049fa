//! Loads and stores of as many narrow elements as a count leaves over, one by one.

use iced_x86::Code::*;
use iced_x86::Register::{AL, AX, EAX, R10, R11, RSP};

use super::encoder::Memory;
use super::{Assembler, Op, stack};
use crate::tile::program::{Count, LANES};
use crate::tile::x86::inst::{Mem, PackedSize, V, Width};

impl Assembler<'_> {
    /// Into a zeroed buffer, from the last element to the first.
    pub(super) fn packed_in(&mut self, dst: V, mem: Mem, count: Count, size: PackedSize) {
        let (register, low) = (self.register(dst, size.width()), self.register(dst, Width::X));
        let buffer = stack(self.frame.buffer);
        self.bytes.emit(VEX_Vpxor_xmm_xmm_xmmm128, &[low.into(); 3]);
        let (store, load) = match size {
            PackedSize::One => (VEX_Vmovups_xmmm128_xmm, VEX_Vmovups_xmm_xmmm128),
            PackedSize::Two => (VEX_Vmovups_ymmm256_ymm, VEX_Vmovups_ymm_ymmm256),
        };
        self.bytes.emit(store, &[buffer, register.into()]);
        self.copy_packed(mem, count, size, true);
        self.bytes.emit(load, &[register.into(), buffer]);
    }

    pub(super) fn packed_out(&mut self, src: V, mem: Mem, count: Count, size: PackedSize) {
        let register = self.register(src, size.width());
        let store = match size {
            PackedSize::One => VEX_Vmovups_xmmm128_xmm,
            PackedSize::Two => VEX_Vmovups_ymmm256_ymm,
        };
        self.bytes.emit(store, &[stack(self.frame.buffer), register.into()]);
        self.copy_packed(mem, count, size, false);
    }

    fn copy_packed(&mut self, mem: Mem, count: Count, size: PackedSize, into_buffer: bool) {
        let (top, exit) = (self.bytes.label(), self.bytes.label());
        let base = self.in_register(self.frame.pointer(mem.pointer), R11);
        self.load(R10, self.frame.count(count));
        self.bytes.emit(And_rm64_imm8, &[R10.into(), Op::Int(LANES as i32 - 1)]);
        self.bytes.jump(Je_rel32_64, exit);
        self.bytes.bind(top);
        let bytes = size.bytes();
        let scale = bytes.unsigned_abs();
        let outside = Memory::Indexed(base, R10, scale, mem.offset.wrapping_sub(bytes));
        let buffer = Memory::Indexed(RSP, R10, scale, self.frame.buffer - bytes);
        let (from, to) = if into_buffer { (outside, buffer) } else { (buffer, outside) };
        match size {
            PackedSize::One => {
                self.bytes.emit(Movzx_r32_rm8, &[EAX.into(), from.into()]);
                self.bytes.emit(Mov_rm8_r8, &[to.into(), AL.into()]);
            }
            PackedSize::Two => {
                self.bytes.emit(Movzx_r32_rm16, &[EAX.into(), from.into()]);
                self.bytes.emit(Mov_rm16_r16, &[to.into(), AX.into()]);
            }
        }
        self.bytes.emit(Dec_rm64, &[R10.into()]);
        self.bytes.jump(Jne_rel32_64, top);
        self.bytes.bind(exit);
    }
}
