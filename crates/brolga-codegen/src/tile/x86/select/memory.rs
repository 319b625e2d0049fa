//! Loads and stores, of whole registers and of the first lanes.

use iced_x86::Code::{self, *};
use smallvec::SmallVec;

use super::Select;
use crate::tile::demand::lanes_of;
use crate::tile::program::{Address, Element, Extent};
use crate::tile::x86::Isa;
use crate::tile::x86::inst::{First, Mem, Operand, V, Width};

use Width::{X, Y, Z};

impl Mem {
    fn plus(self, bytes: usize) -> Self {
        Self { offset: self.offset.wrapping_add(bytes as i32), ..self }
    }
}

impl Select<'_> {
    pub(super) fn load(
        &mut self,
        element: Element,
        address: Address,
        extent: Extent,
        part: usize,
    ) -> V {
        let lanes = lanes_of(extent, part, self.isa.parts());
        if lanes == 0 {
            return self.word(0);
        }
        let mem = self.part_mem(element, address, part);
        match (self.isa, element, extent) {
            (Isa::Avx512, element, extent) => {
                let code = match element {
                    Element::F32 | Element::I32 => EVEX_Vmovups_zmm_k1z_zmmm512,
                    Element::U8 => EVEX_Vpmovzxbd_zmm_k1z_xmmm128,
                };
                if extent == Extent::Full {
                    return self.make(code, &[Operand::Mem(mem)]);
                }
                let mask = self.first_lanes(extent, part);
                let dst = self.vector();
                let operands = [Operand::Reg(dst, Z), Operand::Mem(mem)];
                self.push_masked(code, First::Written, &operands, mask, true);
                dst
            }
            (Isa::Avx2, Element::F32 | Element::I32, Extent::Rest(_)) => {
                let mask = self.first_lanes(extent, part);
                self.make(VEX_Vmaskmovps_ymm_ymm_m256, &[Operand::Reg(mask, Y), Operand::Mem(mem)])
            }
            (Isa::Avx2, Element::F32 | Element::I32, _) => self.load_words(mem, lanes),
            (Isa::Avx2, Element::U8, _) => self.load_bytes(mem, lanes),
        }
    }

    /// The first 1 to 8 words of a register; the others are zero.
    pub(super) fn load_words(&mut self, mem: Mem, lanes: usize) -> V {
        let mem = Operand::Mem(mem);
        match lanes {
            8 => self.make_at(VEX_Vmovups_ymm_ymmm256, Y, &[mem]),
            4 => self.make_at(VEX_Vmovups_xmm_xmmm128, X, &[mem]),
            2 => self.make_at(VEX_Vmovsd_xmm_m64, X, &[mem]),
            1 => self.make_at(VEX_Vmovss_xmm_m32, X, &[mem]),
            _ => {
                let mask = self.words(|lane| if lane < lanes { u32::MAX } else { 0 });
                self.make(VEX_Vmaskmovps_ymm_ymm_m256, &[Operand::Reg(mask, Y), mem])
            }
        }
    }

    /// The first 1 to 8 bytes, one in each lane.
    fn load_bytes(&mut self, mem: Mem, lanes: usize) -> V {
        match lanes {
            8 => return self.make(VEX_Vpmovzxbd_ymm_xmmm64, &[Operand::Mem(mem)]),
            4 => return self.make_at(VEX_Vpmovzxbd_xmm_xmmm32, X, &[Operand::Mem(mem)]),
            _ => {}
        }
        let mut bytes = if lanes & 4 != 0 {
            self.make_at(VEX_Vmovd_xmm_rm32, X, &[Operand::Mem(mem)])
        } else {
            self.word(0)
        };
        let mut place = lanes & 4;
        for (size, code) in
            [(2, VEX_Vpinsrw_xmm_xmm_r32m16_imm8), (1, VEX_Vpinsrb_xmm_xmm_r32m8_imm8)]
        {
            if lanes & size != 0 {
                let index = Operand::Imm((place / size) as u8);
                let sources = [Operand::Reg(bytes, X), Operand::Mem(mem.plus(place)), index];
                bytes = self.make_at(code, X, &sources);
                place += size;
            }
        }
        self.widened(bytes, 0)
    }

    /// Eight bytes of a 128-bit register, one in each lane.
    pub(super) fn widened(&mut self, bytes: V, part: usize) -> V {
        let bytes = match part {
            0 => bytes,
            _ => {
                let sources = [Operand::Reg(bytes, X), Operand::Imm(8)];
                self.make_at(VEX_Vpsrldq_xmm_xmm_imm8, X, &sources)
            }
        };
        self.make(VEX_Vpmovzxbd_ymm_xmmm64, &[Operand::Reg(bytes, X)])
    }

    pub(super) fn broadcast(&mut self, element: Element, address: Address) -> V {
        let mem = self.mem(address);
        match element {
            Element::F32 | Element::I32 => self.broadcast_word(mem),
            Element::U8 => {
                let dst = self.vector();
                self.listing.items.push(crate::tile::x86::inst::Item::Byte { dst, mem });
                dst
            }
        }
    }

    pub(super) fn broadcast_word(&mut self, mem: Mem) -> V {
        let code = self.isa.either(VEX_Vbroadcastss_ymm_m32, EVEX_Vbroadcastss_zmm_k1z_xmmm32);
        self.make(code, &[Operand::Mem(mem)])
    }

    pub(super) fn store(
        &mut self,
        element: Element,
        address: Address,
        extent: Extent,
        part: usize,
        value: V,
    ) {
        let lanes = lanes_of(extent, part, self.isa.parts());
        let mem = self.part_mem(element, address, part);
        match (self.isa, element, extent) {
            (Isa::Avx512, element, extent) => {
                let code = match element {
                    Element::F32 | Element::I32 => EVEX_Vmovups_zmmm512_k1z_zmm,
                    Element::U8 => EVEX_Vpmovdb_xmmm128_k1z_zmm,
                };
                let operands = [Operand::Mem(mem), Operand::Reg(value, Z)];
                if extent == Extent::Full {
                    self.push(code, First::Read, &operands);
                } else {
                    let mask = self.first_lanes(extent, part);
                    self.push_masked(code, First::Read, &operands, mask, false);
                }
            }
            (Isa::Avx2, Element::F32 | Element::I32, Extent::Rest(_)) => {
                let mask = self.first_lanes(extent, part);
                let operands = [Operand::Mem(mem), Operand::Reg(mask, Y), Operand::Reg(value, Y)];
                self.push(VEX_Vmaskmovps_m256_ymm_ymm, First::Read, &operands);
            }
            (Isa::Avx2, Element::F32 | Element::I32, _) => self.store_words(mem, lanes, value),
            (Isa::Avx2, Element::U8, _) => {
                let bytes = self.packed(value);
                self.store_bytes(mem, lanes, bytes);
            }
        }
    }

    fn put(&mut self, code: Code, mem: Mem, value: V, width: Width, imm: Option<u8>) {
        let operands = [Operand::Mem(mem), Operand::Reg(value, width)];
        match imm {
            Some(imm) => {
                self.push(code, First::Read, &[operands[0], operands[1], Operand::Imm(imm)])
            }
            None => self.push(code, First::Read, &operands),
        }
    }

    /// The first 1 to 8 words in pieces: a masked store costs many times as much.
    fn store_words(&mut self, mem: Mem, lanes: usize, value: V) {
        if lanes == 8 {
            return self.put(VEX_Vmovups_ymmm256_ymm, mem, value, Y, None);
        }
        let (mut mem, mut value) = (mem, value);
        if lanes >= 4 {
            self.put(VEX_Vmovups_xmmm128_xmm, mem, value, X, None);
            mem = mem.plus(16);
            if lanes > 4 {
                let sources = [Operand::Reg(value, Y), Operand::Imm(1)];
                value = self.make_at(VEX_Vextractf128_xmmm128_ymm_imm8, X, &sources);
            }
        }
        match lanes % 4 {
            0 => {}
            1 => self.put(VEX_Vmovss_m32_xmm, mem, value, X, None),
            rest => {
                self.put(VEX_Vmovlps_m64_xmm, mem, value, X, None);
                if rest == 3 {
                    self.put(VEX_Vextractps_rm32_xmm_imm8, mem.plus(8), value, X, Some(2));
                }
            }
        }
    }

    /// The lanes of four registers, each block of four lanes for itself: first pairs of rows are interleaved, then pairs of pairs.
    pub(super) fn store_transposed(
        &mut self,
        address: Address,
        step: i64,
        part: usize,
        [a, b, c, d]: [V; 4],
    ) {
        let full = self.full();
        let mut pair = |avx2: Code, avx512: Code, x: V, y: V| {
            let code = self.isa.either(avx2, avx512);
            self.make(code, &[Operand::Reg(x, full), Operand::Reg(y, full)])
        };
        let mut columns = SmallVec::<[V; 4]>::new();
        for (avx2, avx512) in [
            (VEX_Vunpcklps_ymm_ymm_ymmm256, EVEX_Vunpcklps_zmm_k1z_zmm_zmmm512b32),
            (VEX_Vunpckhps_ymm_ymm_ymmm256, EVEX_Vunpckhps_zmm_k1z_zmm_zmmm512b32),
        ] {
            let (upper, lower) = (pair(avx2, avx512, a, b), pair(avx2, avx512, c, d));
            for (avx2, avx512) in [
                (VEX_Vunpcklpd_ymm_ymm_ymmm256, EVEX_Vunpcklpd_zmm_k1z_zmm_zmmm512b64),
                (VEX_Vunpckhpd_ymm_ymm_ymmm256, EVEX_Vunpckhpd_zmm_k1z_zmm_zmmm512b64),
            ] {
                columns.push(pair(avx2, avx512, upper, lower));
            }
        }
        for lane in 0..self.isa.width() {
            let place = (part * self.isa.width() + lane) as i64;
            let mem = self.mem(address.plus(step * place));
            let (column, block) = (columns[lane % 4], lane / 4);
            if block == 0 {
                let code = self.isa.either(VEX_Vmovups_xmmm128_xmm, EVEX_Vmovups_xmmm128_k1z_xmm);
                self.put(code, mem, column, X, None);
            } else {
                let code = self.isa.either(
                    VEX_Vextractf128_xmmm128_ymm_imm8,
                    EVEX_Vextractf32x4_xmmm128_k1z_zmm_imm8,
                );
                self.put(code, mem, column, full, Some(block as u8));
            }
        }
    }

    /// The low bytes of eight lanes, in the low half of a 128-bit register.
    fn packed(&mut self, value: V) -> V {
        // In each half the lowest byte of each lane, then zeros.
        let picks = self.words(|lane| if lane % 4 == 0 { 0x0c08_0400 } else { 0x8080_8080 });
        let sources = [Operand::Reg(value, Y), Operand::Any(picks, Y)];
        let low = self.make(VEX_Vpshufb_ymm_ymm_ymmm256, &sources);
        let sources = [Operand::Reg(low, Y), Operand::Imm(1)];
        let high = self.make_at(VEX_Vextracti128_xmmm128_ymm_imm8, X, &sources);
        let sources = [Operand::Reg(low, X), Operand::Reg(high, X)];
        self.make_at(VEX_Vpunpckldq_xmm_xmm_xmmm128, X, &sources)
    }

    /// The low bytes of sixteen lanes in a 128-bit register.
    pub(super) fn packed_vector(&mut self, parts: [V; 2]) -> V {
        let [low, high] = parts.map(|part| self.packed(part));
        let sources = [Operand::Reg(low, X), Operand::Reg(high, X)];
        self.make_at(VEX_Vpunpcklqdq_xmm_xmm_xmmm128, X, &sources)
    }

    fn store_bytes(&mut self, mem: Mem, lanes: usize, bytes: V) {
        if lanes == 8 {
            return self.put(VEX_Vmovq_xmmm64_xmm, mem, bytes, X, None);
        }
        let mut place = 0;
        for (size, code) in [
            (4, VEX_Vmovd_rm32_xmm),
            (2, VEX_Vpextrw_r32m16_xmm_imm8),
            (1, VEX_Vpextrb_r32m8_xmm_imm8),
        ] {
            if lanes & size != 0 {
                let index = (size < 4).then_some((place / size) as u8);
                self.put(code, mem.plus(place), bytes, X, index);
                place += size;
            }
        }
    }
}
