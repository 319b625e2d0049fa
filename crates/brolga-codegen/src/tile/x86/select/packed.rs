//! Elements narrower than a lane: bytes, and the 16-bit float formats.
//!
//! AVX2 has no masks for them: the first lanes are loaded and stored in pieces. bfloat16 is integer
//! arithmetic; half precision uses the instructions of F16C and AVX-512 F, which do not depend on
//! the machine's modes: the rounding is in the instruction, and subnormal numbers are converted
//! exactly.

use iced_x86::Code::*;

use super::Select;
use crate::tile::program::{Binary, Element, Shift};
use crate::tile::x86::inst::{Mem, Operand, V, Width};
use crate::tile::x86::{Isa, codes};

use Width::{X, Y};

impl Select<'_> {
    /// The first 1 to 8 elements, one in each lane, with AVX2.
    pub(super) fn load_packed(&mut self, element: Element, mem: Mem, lanes: usize) -> V {
        let source = match (lanes, element) {
            (8, _) => Operand::Mem(mem),
            (4, Element::U8) => {
                return self.make_at(VEX_Vpmovzxbd_xmm_xmmm32, X, &[Operand::Mem(mem)]);
            }
            _ => Operand::Reg(self.load_pieces(mem, lanes * element.size()), X),
        };
        self.unpack(element, source)
    }

    /// The first 1 to 15 bytes, zeros after them.
    fn load_pieces(&mut self, mem: Mem, bytes: usize) -> V {
        let (mut offset, mut loaded) = match bytes {
            8.. => (8, self.make_at(VEX_Vmovq_xmm_xmmm64, X, &[Operand::Mem(mem)])),
            4.. => (4, self.make_at(VEX_Vmovd_xmm_rm32, X, &[Operand::Mem(mem)])),
            _ => (0, self.word(0)),
        };
        for (size, code) in [
            (4, VEX_Vpinsrd_xmm_xmm_rm32_imm8),
            (2, VEX_Vpinsrw_xmm_xmm_r32m16_imm8),
            (1, VEX_Vpinsrb_xmm_xmm_r32m8_imm8),
        ] {
            if (bytes - offset) & size != 0 {
                let index = Operand::Imm((offset / size) as u8);
                let sources = [Operand::Reg(loaded, X), Operand::Mem(mem.plus(offset)), index];
                loaded = self.make_at(code, X, &sources);
                offset += size;
            }
        }
        loaded
    }

    /// Eight elements that lie side by side, one in each lane, with AVX2.
    fn unpack(&mut self, element: Element, source: Operand) -> V {
        match element {
            Element::F16 => self.make(VEX_Vcvtph2ps_ymm_xmmm128, &[source]),
            Element::BF16 => {
                let words = self.make(VEX_Vpmovzxwd_ymm_xmmm128, &[source]);
                self.shift(Shift::Left, words, 16)
            }
            Element::F32 | Element::I32 | Element::U8 => {
                self.make(VEX_Vpmovzxbd_ymm_xmmm64, &[source])
            }
        }
    }

    /// One part of sixteen elements that lie side by side, with AVX2.
    pub(super) fn unpack_part(&mut self, element: Element, packed: V, part: usize) -> V {
        let packed = match (part, element.size()) {
            (0, _) => packed,
            (_, 1) => {
                let sources = [Operand::Reg(packed, X), Operand::Imm(8)];
                self.make_at(VEX_Vpsrldq_xmm_xmm_imm8, X, &sources)
            }
            _ => {
                let sources = [Operand::Reg(packed, Y), Operand::Imm(1)];
                self.make_at(VEX_Vextracti128_xmmm128_ymm_imm8, X, &sources)
            }
        };
        self.unpack(element, Operand::Reg(packed, X))
    }

    pub(super) fn broadcast_half(&mut self, element: Element, mem: Mem) -> V {
        let mem = Operand::Mem(mem);
        if element == Element::BF16 {
            let code =
                self.isa.either(VEX_Vpbroadcastw_ymm_xmmm16, EVEX_Vpbroadcastw_zmm_k1z_xmmm16);
            let pairs = self.make(code, &[mem]);
            return self.shift(Shift::Left, pairs, 16);
        }
        let code = self.isa.either(VEX_Vpbroadcastw_xmm_xmmm16, EVEX_Vpbroadcastw_ymm_k1z_xmmm16);
        let halves = self.make_at(code, self.half_width(), &[mem]);
        self.widen_f16(halves)
    }

    /// The width of its lanes in a 16-bit format.
    fn half_width(&self) -> Width {
        match self.isa {
            Isa::Avx2 => X,
            Isa::Avx512 => Y,
        }
    }

    fn widen_f16(&mut self, halves: V) -> V {
        let code = self.isa.either(VEX_Vcvtph2ps_ymm_xmmm128, EVEX_Vcvtph2ps_zmm_k1z_ymmm256_sae);
        self.make(code, &[Operand::Reg(halves, self.half_width())])
    }

    fn narrow_f16(&mut self, value: V) -> V {
        let code = self
            .isa
            .either(VEX_Vcvtps2ph_xmmm128_ymm_imm8, EVEX_Vcvtps2ph_ymmm256_k1z_zmm_imm8_sae);
        let sources = [Operand::Reg(value, self.full()), Operand::Imm(codes::TO_NEAREST)];
        self.make_at(code, self.half_width(), &sources)
    }

    /// The floats that a load gives after a store of the element.
    pub(super) fn round_to(&mut self, element: Element, value: V) -> V {
        if element == Element::F16 {
            let halves = self.narrow_f16(value);
            return self.widen_f16(halves);
        }
        let (rounded, upper) = (self.rounded_up_bf16(value), self.word(0xffff_0000));
        self.binary(Binary::IAnd, rounded, upper)
    }

    /// The bits of the nearest bfloat16 in the low half of each lane, zeros above.
    pub(super) fn bf16_bits(&mut self, value: V) -> V {
        let rounded = self.rounded_up_bf16(value);
        self.shift(Shift::Right, rounded, 16)
    }

    /// The nearest bfloat16, ties to even, in the upper half of each lane; the lower one is
    /// unspecified. A carry out of the fraction goes into the exponent, so that the greatest number
    /// becomes infinity; a NaN stays one.
    fn rounded_up_bf16(&mut self, value: V) -> V {
        let (one, below_half) = (self.word(1), self.word(0x7fff));
        let last = self.shift(Shift::Right, value, 16);
        let last = self.binary(Binary::IAnd, last, one);
        let rounded = self.binary(Binary::IAdd, value, below_half);
        let rounded = self.binary(Binary::IAdd, rounded, last);
        let (number, nan) =
            (self.compare_floats(codes::ORDERED, value, value), self.word(f32::NAN.to_bits()));
        self.choose(number, rounded, nan)
    }

    /// The first 1 to 8 lanes, with AVX2.
    pub(super) fn store_packed(&mut self, element: Element, mem: Mem, lanes: usize, value: V) {
        if (element, lanes) == (Element::F16, 8) {
            let imm = Some(codes::TO_NEAREST);
            return self.put(VEX_Vcvtps2ph_xmmm128_ymm_imm8, mem, value, Y, imm);
        }
        let packed = self.pack(element, value);
        let bytes = lanes * element.size();
        if bytes == 16 {
            return self.put(VEX_Vmovups_xmmm128_xmm, mem, packed, X, None);
        }
        let mut offset = 0;
        for (size, code) in [
            (8, VEX_Vmovq_xmmm64_xmm),
            (4, VEX_Vpextrd_rm32_xmm_imm8),
            (2, VEX_Vpextrw_r32m16_xmm_imm8),
            (1, VEX_Vpextrb_r32m8_xmm_imm8),
        ] {
            if bytes & size != 0 {
                let (code, index) = match (size, offset) {
                    (8, _) => (code, None),
                    (4, 0) => (VEX_Vmovd_rm32_xmm, None),
                    _ => (code, Some((offset / size) as u8)),
                };
                self.put(code, mem.plus(offset), packed, X, index);
                offset += size;
            }
        }
    }

    /// Eight lanes as elements that lie side by side, at the bottom of a 128-bit register, with
    /// AVX2.
    fn pack(&mut self, element: Element, value: V) -> V {
        match element {
            Element::F16 => self.narrow_f16(value),
            Element::BF16 => {
                let words = self.bf16_bits(value);
                let [low, high] = self.halves_of(words);
                self.make_at(VEX_Vpackusdw_xmm_xmm_xmmm128, X, &[low, high])
            }
            Element::F32 | Element::I32 | Element::U8 => {
                // In each half the lowest byte of each lane, then zeros.
                let picks =
                    self.words(|lane| if lane % 4 == 0 { 0x0c08_0400 } else { 0x8080_8080 });
                let sources = [Operand::Reg(value, Y), Operand::Any(picks, Y)];
                let bytes = self.make(VEX_Vpshufb_ymm_ymm_ymmm256, &sources);
                let [low, high] = self.halves_of(bytes);
                self.make_at(VEX_Vpunpckldq_xmm_xmm_xmmm128, X, &[low, high])
            }
        }
    }

    /// The lower and the upper 128 bits.
    fn halves_of(&mut self, value: V) -> [Operand; 2] {
        let sources = [Operand::Reg(value, Y), Operand::Imm(1)];
        let high = self.make_at(VEX_Vextracti128_xmmm128_ymm_imm8, X, &sources);
        [Operand::Reg(value, X), Operand::Reg(high, X)]
    }

    /// Both parts as elements that lie side by side, with AVX2.
    pub(super) fn pack_vector(&mut self, element: Element, parts: [V; 2]) -> V {
        let [low, high] = parts.map(|part| self.pack(element, part));
        if element.size() == 1 {
            let sources = [Operand::Reg(low, X), Operand::Reg(high, X)];
            return self.make_at(VEX_Vpunpcklqdq_xmm_xmm_xmmm128, X, &sources);
        }
        let sources = [Operand::Reg(low, Y), Operand::Reg(high, X), Operand::Imm(1)];
        self.make(VEX_Vinserti128_ymm_ymm_xmmm128_imm8, &sources)
    }
}
