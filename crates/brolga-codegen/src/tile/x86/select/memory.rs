//! Loads and stores, of whole registers and of the first lanes.

use iced_x86::Code::{self, *};
use smallvec::SmallVec;

use super::Select;
use crate::tile::demand::lanes_of;
use crate::tile::program::{Address, Element, Extent, Shift};
use crate::tile::x86::inst::{First, Mem, Operand, V, Width};
use crate::tile::x86::{Isa, codes};

use Width::{X, Y, Z};

impl Mem {
    pub(super) fn plus(self, bytes: usize) -> Self {
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
                    Element::BF16 => EVEX_Vpmovzxwd_zmm_k1z_ymmm256,
                    Element::F16 => EVEX_Vcvtph2ps_zmm_k1z_ymmm256_sae,
                    Element::U8 => EVEX_Vpmovzxbd_zmm_k1z_xmmm128,
                };
                let dst = self.vector();
                let operands = [Operand::Reg(dst, Z), Operand::Mem(mem)];
                if extent == Extent::Full {
                    self.push(code, First::Written, &operands);
                } else {
                    let mask = self.first_lanes(extent, part);
                    self.push_masked(code, First::Written, &operands, mask, true);
                }
                if element == Element::BF16 { self.shift(Shift::Left, dst, 16) } else { dst }
            }
            (Isa::Avx2, Element::F32 | Element::I32, Extent::Rest(_)) => {
                let mask = self.first_lanes(extent, part);
                self.make(VEX_Vmaskmovps_ymm_ymm_m256, &[Operand::Reg(mask, Y), Operand::Mem(mem)])
            }
            (Isa::Avx2, Element::F32 | Element::I32, _) => self.load_words(mem, lanes),
            (Isa::Avx2, Element::BF16 | Element::F16 | Element::U8, _) => {
                self.load_packed(element, mem, lanes)
            }
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

    pub(super) fn broadcast(&mut self, element: Element, address: Address) -> V {
        let mem = self.mem(address);
        match element {
            Element::F32 | Element::I32 => self.broadcast_word(mem),
            Element::BF16 | Element::F16 => self.broadcast_half(element, mem),
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
                let (code, value, imm) = match element {
                    Element::F32 | Element::I32 => (EVEX_Vmovups_zmmm512_k1z_zmm, value, None),
                    Element::BF16 => (EVEX_Vpmovdw_ymmm256_k1z_zmm, self.bf16_bits(value), None),
                    Element::F16 => {
                        (EVEX_Vcvtps2ph_ymmm256_k1z_zmm_imm8_sae, value, Some(codes::TO_NEAREST))
                    }
                    Element::U8 => (EVEX_Vpmovdb_xmmm128_k1z_zmm, value, None),
                };
                let operands: SmallVec<[Operand; 4]> = [Operand::Mem(mem), Operand::Reg(value, Z)]
                    .into_iter()
                    .chain(imm.map(Operand::Imm))
                    .collect();
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
            (Isa::Avx2, Element::BF16 | Element::F16 | Element::U8, _) => {
                self.store_packed(element, mem, lanes, value);
            }
        }
    }

    pub(super) fn put(&mut self, code: Code, mem: Mem, value: V, width: Width, imm: Option<u8>) {
        let operands = [Operand::Mem(mem), Operand::Reg(value, width)];
        match imm {
            Some(imm) => {
                self.push(code, First::Read, &[operands[0], operands[1], Operand::Imm(imm)])
            }
            None => self.push(code, First::Read, &operands),
        }
    }

    /// Stores the first 1 to 8 words in pieces, since a masked store costs many times as much.
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

    /// The lanes of four registers, each block of four lanes for itself: first pairs of rows are
    /// interleaved, then pairs of pairs.
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
            let index = (part * self.isa.width() + lane) as i64;
            let mem = self.mem(address.plus(step * index));
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
}
