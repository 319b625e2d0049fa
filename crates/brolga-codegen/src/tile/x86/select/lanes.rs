//! Arithmetic on one register.

use iced_x86::Code::{self, *};

use super::Select;
use crate::tile::program::{Binary, Reduction, Shift, Unary, Value};
use crate::tile::x86::Isa;
use crate::tile::x86::codes;
use crate::tile::x86::inst::{First, Operand, V, Width};

const SIGN: u32 = 1 << 31;

impl Select<'_> {
    pub(super) fn unary(&mut self, op: Unary, a: V) -> V {
        let full = self.full();
        if let Some(coded) = codes::unary(self.isa, op) {
            let source = Operand::Any(a, full);
            return match coded.imm {
                Some(imm) => self.make(coded.code, &[source, Operand::Imm(imm)]),
                None => self.make(coded.code, &[source]),
            };
        }
        match op {
            Unary::Neg => {
                let sign = self.word(SIGN);
                let code =
                    self.isa.either(VEX_Vxorps_ymm_ymm_ymmm256, EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32);
                self.make(code, &[Operand::Reg(a, full), Operand::Any(sign, full)])
            }
            Unary::Abs => {
                let rest = self.word(!SIGN);
                let code =
                    self.isa.either(VEX_Vandps_ymm_ymm_ymmm256, EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32);
                self.make(code, &[Operand::Reg(a, full), Operand::Any(rest, full)])
            }
            Unary::ToInt => self.convert_to_int(a),
            // Floats and integers share their registers.
            Unary::Bits | Unary::FromBits => a,
            Unary::Not => self.not(a),
            Unary::MaskToInt => self.mask_to_int(a),
            Unary::Sqrt | Unary::Floor | Unary::Round | Unary::ToFloat => {
                unreachable!("the table has them")
            }
        }
    }

    /// The negation of truth values.
    fn not(&mut self, a: V) -> V {
        let (dst, full) = (self.mask(), self.full());
        match self.isa {
            Isa::Avx2 => {
                let ones = self.word(u32::MAX);
                let sources = [Operand::Reg(a, full), Operand::Any(ones, full)];
                self.make_into(VEX_Vpxor_ymm_ymm_ymmm256, dst, full, &sources);
            }
            Isa::Avx512 => self.make_into(VEX_Knotw_kr_kr, dst, full, &[Operand::Reg(a, full)]),
        }
        dst
    }

    /// 1 where true, 0 elsewhere.
    fn mask_to_int(&mut self, a: V) -> V {
        let full = self.full();
        if self.isa == Isa::Avx2 {
            return self.make(VEX_Vpsrld_ymm_ymm_imm8, &[Operand::Reg(a, full), Operand::Imm(31)]);
        }
        let one = self.word(1);
        let dst = self.vector();
        let operands = [Operand::Reg(dst, full), Operand::Reg(one, full)];
        self.push_masked(EVEX_Vmovdqa32_zmm_k1z_zmmm512, First::Written, &operands, a, true);
        dst
    }

    /// `vcvttps2dq` gives the least integer for all inputs out of range, which is right for small
    /// ones; one less is the largest integer, for large ones; NaN becomes 0.
    fn convert_to_int(&mut self, a: V) -> V {
        let full = self.full();
        let limit = self.word(2_147_483_648.0_f32.to_bits());
        let code =
            self.isa.either(VEX_Vcvttps2dq_ymm_ymmm256, EVEX_Vcvttps2dq_zmm_k1z_zmmm512b32_sae);
        let int = self.make(code, &[Operand::Reg(a, full)]);
        let above = self.compare_floats(codes::GREATER_OR_EQUAL, a, limit);
        let number = self.compare_floats(codes::ORDERED, a, a);
        match self.isa {
            Isa::Avx2 => {
                let int = self.make(
                    VEX_Vpxor_ymm_ymm_ymmm256,
                    &[Operand::Reg(int, full), Operand::Reg(above, full)],
                );
                self.make(
                    VEX_Vpand_ymm_ymm_ymmm256,
                    &[Operand::Reg(int, full), Operand::Reg(number, full)],
                )
            }
            Isa::Avx512 => {
                let largest = self.word(i32::MAX.cast_unsigned());
                let operands = [Operand::Reg(int, full), Operand::Reg(largest, full)];
                self.push_masked(
                    EVEX_Vmovdqa32_zmm_k1z_zmmm512,
                    First::Changed,
                    &operands,
                    above,
                    false,
                );
                let dst = self.vector();
                let operands = [Operand::Reg(dst, full), Operand::Reg(int, full)];
                self.push_masked(
                    EVEX_Vmovdqa32_zmm_k1z_zmmm512,
                    First::Written,
                    &operands,
                    number,
                    true,
                );
                dst
            }
        }
    }

    pub(super) fn compare_floats(&mut self, predicate: u8, x: V, y: V) -> V {
        let (dst, full) = (self.mask(), self.full());
        let code = self
            .isa
            .either(VEX_Vcmpps_ymm_ymm_ymmm256_imm8, EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae);
        let sources = [Operand::Reg(x, full), Operand::Any(y, full), Operand::Imm(predicate)];
        self.make_into(code, dst, full, &sources);
        dst
    }

    pub(super) fn binary(&mut self, op: Binary, x: V, y: V) -> V {
        let full = self.full();
        // Only the second operand can be in memory.
        let (x, y) = if codes::commutes(op) && self.is_constant(x) { (y, x) } else { (x, y) };
        if let Some(predicate) = codes::predicate(op) {
            return self.compare_floats(predicate, x, y);
        }
        if let Some(code) = codes::binary(self.isa, op) {
            let truth = matches!(op, Binary::And | Binary::Or);
            let dst = if truth { self.mask() } else { self.vector() };
            let second = if truth { Operand::Reg(y, full) } else { Operand::Any(y, full) };
            self.make_into(code, dst, full, &[Operand::Reg(x, full), second]);
            return dst;
        }
        match op {
            Binary::UMulHi => self.umulhi(x, y),
            _ => {
                let dst = self.mask();
                let less = op == Binary::ILt;
                match self.isa {
                    // AVX2 has only `greater`: a < b is b > a.
                    Isa::Avx2 => {
                        let (code, x, y) = if less {
                            (VEX_Vpcmpgtd_ymm_ymm_ymmm256, y, x)
                        } else {
                            (VEX_Vpcmpeqd_ymm_ymm_ymmm256, x, y)
                        };
                        self.make_into(
                            code,
                            dst,
                            full,
                            &[Operand::Reg(x, full), Operand::Any(y, full)],
                        );
                    }
                    Isa::Avx512 => {
                        let sources = [
                            Operand::Reg(x, full),
                            Operand::Any(y, full),
                            Operand::Imm(u8::from(less)),
                        ];
                        self.make_into(EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8, dst, full, &sources);
                    }
                }
                dst
            }
        }
    }

    /// The upper halves of 64-bit products: of the even lanes, and of the odd lanes moved to the
    /// even ones, where a constant for all lanes is already.
    fn umulhi(&mut self, x: V, y: V) -> V {
        let full = self.full();
        let (multiply, right) = match self.isa {
            Isa::Avx2 => (VEX_Vpmuludq_ymm_ymm_ymmm256, VEX_Vpsrlq_ymm_ymm_imm8),
            Isa::Avx512 => {
                (EVEX_Vpmuludq_zmm_k1z_zmm_zmmm512b64, EVEX_Vpsrlq_zmm_k1z_zmmm512b64_imm8)
            }
        };
        let reg = |v| Operand::Reg(v, full);
        let even = self.make(multiply, &[reg(x), reg(y)]);
        let even = self.make(right, &[reg(even), Operand::Imm(32)]);
        let [x, y] = [x, y].map(|v| match self.is_word(v) {
            true => v,
            false => self.make(right, &[reg(v), Operand::Imm(32)]),
        });
        let odd = self.make(multiply, &[reg(x), reg(y)]);
        match self.isa {
            Isa::Avx2 => {
                let odd_lanes = Operand::Imm(0b1010_1010);
                self.make(VEX_Vpblendd_ymm_ymm_ymmm256_imm8, &[reg(even), reg(odd), odd_lanes])
            }
            Isa::Avx512 => {
                let upper = self.words(|lane| if lane % 2 == 1 { u32::MAX } else { 0 });
                let odd = self.make(EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32, &[reg(odd), reg(upper)]);
                self.make(EVEX_Vpord_zmm_k1z_zmm_zmmm512b32, &[reg(even), reg(odd)])
            }
        }
    }

    pub(super) fn shift(&mut self, op: Shift, a: V, bits: u8) -> V {
        let full = self.full();
        self.make(codes::shift(self.isa, op), &[Operand::Reg(a, full), Operand::Imm(bits)])
    }

    /// `x` where the mask is true, `y` elsewhere.
    pub(super) fn choose(&mut self, mask: V, x: V, y: V) -> V {
        let full = self.full();
        match self.isa {
            Isa::Avx2 => self.make(
                VEX_Vblendvps_ymm_ymm_ymmm256_ymm,
                &[Operand::Reg(y, full), Operand::Any(x, full), Operand::Reg(mask, full)],
            ),
            Isa::Avx512 => {
                let dst = self.vector();
                let operands =
                    [Operand::Reg(dst, full), Operand::Reg(y, full), Operand::Any(x, full)];
                let code = EVEX_Vblendmps_zmm_k1z_zmm_zmmm512b32;
                self.push_masked(code, First::Written, &operands, mask, false);
                dst
            }
        }
    }

    /// The choice between `p` and `q` by p < q. `vminps` and `vmaxps` give their second operand
    /// where the comparison is false, also for NaN and for two zeros.
    pub(super) fn choice(
        &mut self,
        (p, q): (Value, Value),
        chosen: (Value, Value),
        part: usize,
    ) -> V {
        let full = self.full();
        let (low, high) = (self.value(p, part), self.value(q, part));
        if chosen == (p, q) {
            let code =
                self.isa.either(VEX_Vminps_ymm_ymm_ymmm256, EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae);
            self.make(code, &[Operand::Reg(low, full), Operand::Any(high, full)])
        } else {
            let code =
                self.isa.either(VEX_Vmaxps_ymm_ymm_ymmm256, EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae);
            self.make(code, &[Operand::Reg(high, full), Operand::Any(low, full)])
        }
    }

    /// The fixed tree over the lanes: l with l + 8, then l + 4, l + 2, l + 1.
    pub(super) fn reduce(&mut self, reduction: Reduction, parts: &[V]) -> V {
        use Width::{X, Y};
        let eight = match *parts {
            [low, high] => self.combine(reduction, Y, low, high),
            _ => {
                let all = parts[0];
                let sources = [Operand::Reg(all, Width::Z), Operand::Imm(1)];
                let high = self.make_at(EVEX_Vextractf64x4_ymmm256_k1z_zmm_imm8, Y, &sources);
                self.combine(reduction, Y, all, high)
            }
        };
        let extract = self
            .isa
            .either(VEX_Vextractf128_xmmm128_ymm_imm8, EVEX_Vextractf32x4_xmmm128_k1z_ymm_imm8);
        let high = self.make_at(extract, X, &[Operand::Reg(eight, Y), Operand::Imm(1)]);
        let four = self.combine(reduction, X, eight, high);
        let swap = self.isa.either(VEX_Vmovhlps_xmm_xmm_xmm, EVEX_Vmovhlps_xmm_xmm_xmm);
        let high = self.make_at(swap, X, &[Operand::Reg(four, X), Operand::Reg(four, X)]);
        let two = self.combine(reduction, X, four, high);
        let odd = self.isa.either(VEX_Vmovshdup_xmm_xmmm128, EVEX_Vmovshdup_xmm_k1z_xmmm128);
        let high = self.make_at(odd, X, &[Operand::Reg(two, X)]);
        let one = self.combine(reduction, X, two, high);
        let spread = self.isa.either(VEX_Vbroadcastss_ymm_xmm, EVEX_Vbroadcastss_zmm_k1z_xmmm32);
        self.make(spread, &[Operand::Reg(one, X)])
    }

    fn combine(&mut self, reduction: Reduction, width: Width, x: V, y: V) -> V {
        let code = |x: [Code; 2], y: [Code; 2]| {
            let [avx2, avx512] = if width == Width::X { x } else { y };
            self.isa.either(avx2, avx512)
        };
        let reg = |v| Operand::Reg(v, width);
        match reduction {
            Reduction::Sum => {
                let add = code(
                    [VEX_Vaddps_xmm_xmm_xmmm128, EVEX_Vaddps_xmm_k1z_xmm_xmmm128b32],
                    [VEX_Vaddps_ymm_ymm_ymmm256, EVEX_Vaddps_ymm_k1z_ymm_ymmm256b32],
                );
                self.make_at(add, width, &[reg(x), reg(y)])
            }
            // `vmaxps` gives y where one of them is NaN: right if it is y, wrong if it is x.
            Reduction::Max => {
                let max = code(
                    [VEX_Vmaxps_xmm_xmm_xmmm128, EVEX_Vmaxps_xmm_k1z_xmm_xmmm128b32],
                    [VEX_Vmaxps_ymm_ymm_ymmm256, EVEX_Vmaxps_ymm_k1z_ymm_ymmm256b32],
                );
                let compare = code(
                    [VEX_Vcmpps_xmm_xmm_xmmm128_imm8, EVEX_Vcmpps_kr_k1_xmm_xmmm128b32_imm8],
                    [VEX_Vcmpps_ymm_ymm_ymmm256_imm8, EVEX_Vcmpps_kr_k1_ymm_ymmm256b32_imm8],
                );
                let blend = code(
                    [VEX_Vblendvps_xmm_xmm_xmmm128_xmm, EVEX_Vblendmps_xmm_k1z_xmm_xmmm128b32],
                    [VEX_Vblendvps_ymm_ymm_ymmm256_ymm, EVEX_Vblendmps_ymm_k1z_ymm_ymmm256b32],
                );
                let larger = self.make_at(max, width, &[reg(x), reg(y)]);
                let nan = self.mask();
                let sources = [reg(x), reg(x), Operand::Imm(codes::UNORDERED)];
                self.make_into(compare, nan, width, &sources);
                match self.isa {
                    Isa::Avx2 => self.make_at(blend, width, &[reg(larger), reg(x), reg(nan)]),
                    Isa::Avx512 => {
                        let dst = self.vector();
                        let operands = [reg(dst), reg(larger), reg(x)];
                        self.push_masked(blend, First::Written, &operands, nan, false);
                        dst
                    }
                }
            }
        }
    }
}
