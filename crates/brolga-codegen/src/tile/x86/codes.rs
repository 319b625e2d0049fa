//! The machine instruction of each operation on one register: the table in which AVX2 and AVX-512
//! differ.
//!
//! An operation that both have in three-operand form needs only a row of the table.

use iced_x86::Code;

use super::Isa;
use crate::tile::program::{Binary, Shift, Unary};

/// An instruction with its immediate byte, if it has one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coded {
    pub(super) code: Code,
    pub(super) imm: Option<u8>,
}

impl Isa {
    /// The first code with AVX2, the second with AVX-512.
    pub(super) fn either(self, avx2: Code, avx512: Code) -> Code {
        match self {
            Self::Avx2 => avx2,
            Self::Avx512 => avx512,
        }
    }
}

/// Operations of one vector that are one instruction.
pub(super) fn unary(isa: Isa, op: Unary) -> Option<Coded> {
    use Code::*;
    let (avx2, avx512, imm) = match op {
        Unary::Sqrt => (VEX_Vsqrtps_ymm_ymmm256, EVEX_Vsqrtps_zmm_k1z_zmmm512b32_er, None),
        // Towards −∞, and to nearest with ties to even; both without the inexact exception.
        Unary::Floor => {
            (VEX_Vroundps_ymm_ymmm256_imm8, EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae, Some(9))
        }
        Unary::Round => {
            (VEX_Vroundps_ymm_ymmm256_imm8, EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae, Some(8))
        }
        Unary::ToFloat => (VEX_Vcvtdq2ps_ymm_ymmm256, EVEX_Vcvtdq2ps_zmm_k1z_zmmm512b32_er, None),
        Unary::Neg
        | Unary::Abs
        | Unary::ToInt
        | Unary::Bits
        | Unary::FromBits
        | Unary::Not
        | Unary::MaskToInt => return None,
    };
    Some(Coded { code: isa.either(avx2, avx512), imm })
}

/// Operations of two vectors that give a vector and are one instruction.
pub(super) fn binary(isa: Isa, op: Binary) -> Option<Code> {
    use Code::*;
    let (avx2, avx512) = match op {
        Binary::Add => (VEX_Vaddps_ymm_ymm_ymmm256, EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er),
        Binary::Sub => (VEX_Vsubps_ymm_ymm_ymmm256, EVEX_Vsubps_zmm_k1z_zmm_zmmm512b32_er),
        Binary::Mul => (VEX_Vmulps_ymm_ymm_ymmm256, EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er),
        Binary::Div => (VEX_Vdivps_ymm_ymm_ymmm256, EVEX_Vdivps_zmm_k1z_zmm_zmmm512b32_er),
        Binary::IAdd => (VEX_Vpaddd_ymm_ymm_ymmm256, EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32),
        Binary::ISub => (VEX_Vpsubd_ymm_ymm_ymmm256, EVEX_Vpsubd_zmm_k1z_zmm_zmmm512b32),
        Binary::IMul => (VEX_Vpmulld_ymm_ymm_ymmm256, EVEX_Vpmulld_zmm_k1z_zmm_zmmm512b32),
        Binary::IAnd => (VEX_Vpand_ymm_ymm_ymmm256, EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32),
        Binary::IOr => (VEX_Vpor_ymm_ymm_ymmm256, EVEX_Vpord_zmm_k1z_zmm_zmmm512b32),
        Binary::IXor => (VEX_Vpxor_ymm_ymm_ymmm256, EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32),
        Binary::And => (VEX_Vpand_ymm_ymm_ymmm256, VEX_Kandw_kr_kr_kr),
        Binary::Or => (VEX_Vpor_ymm_ymm_ymmm256, VEX_Korw_kr_kr_kr),
        Binary::Lt | Binary::Le | Binary::Eq | Binary::UMulHi | Binary::ILt | Binary::IEq => {
            return None;
        }
    };
    Some(isa.either(avx2, avx512))
}

/// Whether the operands of [`binary`] may be exchanged; NaNs count as one value.
pub(super) fn commutes(op: Binary) -> bool {
    !matches!(op, Binary::Sub | Binary::Div | Binary::ISub | Binary::ILt | Binary::Lt | Binary::Le)
}

/// A comparison as a predicate of `vcmpps`, quiet so that it raises no exception for NaN.
pub(super) fn predicate(op: Binary) -> Option<u8> {
    match op {
        Binary::Lt => Some(0x11),
        Binary::Le => Some(0x12),
        Binary::Eq => Some(0x00),
        _ => None,
    }
}

/// The rounding of `vcvtps2ph`: to nearest, ties to even, whatever the machine's mode.
pub(super) const TO_NEAREST: u8 = 0;
/// True where an operand is NaN.
pub(super) const UNORDERED: u8 = 0x03;
/// True where neither operand is NaN.
pub(super) const ORDERED: u8 = 0x07;
/// a ≥ b, false for NaN.
pub(super) const GREATER_OR_EQUAL: u8 = 0x1d;

pub(super) fn shift(isa: Isa, op: Shift) -> Code {
    use Code::*;
    let (avx2, avx512) = match op {
        Shift::Left => (VEX_Vpslld_ymm_ymm_imm8, EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8),
        Shift::Right => (VEX_Vpsrld_ymm_ymm_imm8, EVEX_Vpsrld_zmm_k1z_zmmm512b32_imm8),
        Shift::RightSigned => (VEX_Vpsrad_ymm_ymm_imm8, EVEX_Vpsrad_zmm_k1z_zmmm512b32_imm8),
    };
    isa.either(avx2, avx512)
}

/// The three forms of a multiply-add; the digits name the operands that are multiplied and then
/// added.
pub(super) fn fma(isa: Isa, form: u16) -> Code {
    use Code::*;
    let (avx2, avx512) = match form {
        132 => (VEX_Vfmadd132ps_ymm_ymm_ymmm256, EVEX_Vfmadd132ps_zmm_k1z_zmm_zmmm512b32_er),
        213 => (VEX_Vfmadd213ps_ymm_ymm_ymmm256, EVEX_Vfmadd213ps_zmm_k1z_zmm_zmmm512b32_er),
        _ => (VEX_Vfmadd231ps_ymm_ymm_ymmm256, EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er),
    };
    isa.either(avx2, avx512)
}
