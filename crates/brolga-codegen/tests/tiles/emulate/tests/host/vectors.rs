//! Instructions that move lanes and vectors, of 128 and 256 bits.

use iced_x86::{Code, Code::*, Instruction, Register, Register::*};

use super::{asm, check, exists, scratch};

pub(super) const X: [Register; 4] = [XMM1, XMM2, XMM3, XMM4];
pub(super) const Y: [Register; 4] = [YMM1, YMM2, YMM3, YMM4];

/// Checks one destination and two sources: in registers, and the second source in memory.
pub(super) fn two_sources(registers: [Register; 4], codes: &[Code]) {
    let [a, b, c, _] = registers;
    for &code in codes {
        check(&[Instruction::with3(code, a, b, c).expect("they fit")], "");
        let from_memory = Instruction::with3(code, a, b, scratch(0)).expect("they fit");
        if exists(&from_memory) {
            check(&[from_memory], "");
        }
    }
}

/// Checks one destination and one source, in a register and in memory.
pub(super) fn one_source(to: Register, from: Register, codes: &[Code]) {
    for &code in codes {
        check(&[Instruction::with2(code, to, from).expect("they fit")], "");
        let from_memory = Instruction::with2(code, to, scratch(0)).expect("they fit");
        if exists(&from_memory) {
            check(&[from_memory], "");
        }
    }
}

/// Checks an immediate after one source.
pub(super) fn one_source_and(registers: [Register; 4], codes: &[Code], immediates: &[i32]) {
    let [a, b, ..] = registers;
    for &code in codes {
        for &imm in immediates {
            check(&[Instruction::with3(code, a, b, imm).expect("they fit")], "");
        }
        let from_memory = Instruction::with3(code, a, scratch(0), immediates[0]).expect("they fit");
        if exists(&from_memory) {
            check(&[from_memory], "");
        }
    }
}

/// Checks an immediate after two sources.
pub(super) fn two_sources_and(registers: [Register; 4], codes: &[Code], immediates: &[i32]) {
    let [a, b, c, _] = registers;
    for &code in codes {
        for &imm in immediates {
            check(&[Instruction::with4(code, a, b, c, imm).expect("they fit")], "");
        }
        let from_memory =
            Instruction::with4(code, a, b, scratch(0), immediates[0]).expect("they fit");
        if exists(&from_memory) {
            check(&[from_memory], "");
        }
    }
}

#[test]
fn moved_lanes() {
    two_sources(
        Y,
        &[
            VEX_Vunpcklps_ymm_ymm_ymmm256,
            VEX_Vunpckhps_ymm_ymm_ymmm256,
            VEX_Vunpcklpd_ymm_ymm_ymmm256,
            VEX_Vunpckhpd_ymm_ymm_ymmm256,
            VEX_Vpunpckldq_ymm_ymm_ymmm256,
            VEX_Vpunpckhdq_ymm_ymm_ymmm256,
            VEX_Vpunpcklqdq_ymm_ymm_ymmm256,
            VEX_Vpunpckhqdq_ymm_ymm_ymmm256,
            VEX_Vpermd_ymm_ymm_ymmm256,
            VEX_Vpermps_ymm_ymm_ymmm256,
            VEX_Vpermilps_ymm_ymm_ymmm256,
            VEX_Vpshufb_ymm_ymm_ymmm256,
            VEX_Vpackusdw_ymm_ymm_ymmm256,
            VEX_Vpackssdw_ymm_ymm_ymmm256,
            VEX_Vpackuswb_ymm_ymm_ymmm256,
            VEX_Vpacksswb_ymm_ymm_ymmm256,
        ],
    );
    two_sources(
        X,
        &[
            VEX_Vmovhlps_xmm_xmm_xmm,
            VEX_Vmovlhps_xmm_xmm_xmm,
            VEX_Vpackusdw_xmm_xmm_xmmm128,
            VEX_Vpackuswb_xmm_xmm_xmmm128,
            VEX_Vpshufb_xmm_xmm_xmmm128,
        ],
    );
    one_source(
        YMM1,
        YMM2,
        &[VEX_Vmovshdup_ymm_ymmm256, VEX_Vmovsldup_ymm_ymmm256, VEX_Vmovddup_ymm_ymmm256],
    );
    one_source(XMM1, XMM2, &[VEX_Vmovddup_xmm_xmmm64, VEX_Vmovshdup_xmm_xmmm128]);
}

#[test]
fn lanes_moved_by_immediates_and_masks() {
    let immediates = [0, 0x1b, 0x4e, 0xb1, 0xd8, 0x72, 0xff];
    one_source_and(
        Y,
        &[
            VEX_Vpermilps_ymm_ymmm256_imm8,
            VEX_Vpshufd_ymm_ymmm256_imm8,
            VEX_Vpermq_ymm_ymmm256_imm8,
            VEX_Vpermpd_ymm_ymmm256_imm8,
        ],
        &immediates,
    );
    one_source_and(
        Y,
        &[VEX_Vpsrldq_ymm_ymm_imm8, VEX_Vpslldq_ymm_ymm_imm8],
        &[0, 1, 4, 15, 16, 255],
    );
    one_source_and(X, &[VEX_Vpsrldq_xmm_xmm_imm8], &[4]);
    two_sources_and(
        Y,
        &[VEX_Vshufps_ymm_ymm_ymmm256_imm8, VEX_Vblendps_ymm_ymm_ymmm256_imm8],
        &immediates,
    );
    two_sources_and(
        Y,
        &[
            VEX_Vpblendd_ymm_ymm_ymmm256_imm8,
            VEX_Vperm2f128_ymm_ymm_ymmm256_imm8,
            VEX_Vperm2i128_ymm_ymm_ymmm256_imm8,
        ],
        &[0x31, 0x20, 0x02, 0x13, 0x80, 0x08, 0x18],
    );
    for code in [VEX_Vblendvps_ymm_ymm_ymmm256_ymm, VEX_Vpblendvb_ymm_ymm_ymmm256_ymm] {
        check(&[Instruction::with4(code, YMM1, YMM2, YMM3, YMM4).expect("they fit")], "");
    }
}

#[test]
fn pieces() {
    for half in [0, 1] {
        check(&[asm!(VEX_Vextractf128_xmmm128_ymm_imm8, XMM1, YMM2, half)], "");
        check(&[asm!(VEX_Vextracti128_xmmm128_ymm_imm8, scratch(8), YMM2, half)], "");
        check(&[asm!(VEX_Vinsertf128_ymm_ymm_xmmm128_imm8, YMM1, YMM2, XMM3, half)], "");
        check(&[asm!(VEX_Vinserti128_ymm_ymm_xmmm128_imm8, YMM1, YMM2, scratch(4), half)], "");
    }
    one_source(
        YMM1,
        XMM2,
        &[
            VEX_Vbroadcastss_ymm_xmm,
            VEX_Vbroadcastsd_ymm_xmm,
            VEX_Vpbroadcastb_ymm_xmmm8,
            VEX_Vpbroadcastw_ymm_xmmm16,
            VEX_Vpbroadcastd_ymm_xmmm32,
            VEX_Vpbroadcastq_ymm_xmmm64,
            VEX_Vpmovzxbd_ymm_xmmm64,
            VEX_Vpmovsxbd_ymm_xmmm64,
            VEX_Vpmovzxwd_ymm_xmmm128,
            VEX_Vpmovsxwd_ymm_xmmm128,
            VEX_Vcvtph2ps_ymm_xmmm128,
            VEX_Vpmovzxdq_ymm_xmmm128,
            VEX_Vpmovsxdq_ymm_xmmm128,
        ],
    );
    one_source(XMM1, XMM2, &[VEX_Vbroadcastss_xmm_xmm, VEX_Vpmovzxbd_xmm_xmmm32]);
    one_source(XMM1, XMM2, &[VEX_Vcvtph2ps_xmm_xmmm64]);
    check(&[asm!(VEX_Vcvtps2ph_xmmm128_ymm_imm8, XMM1, YMM2, 0)], "");
    check(&[asm!(VEX_Vcvtps2ph_xmmm128_ymm_imm8, scratch(6), YMM2, 0)], "");
    check(&[asm!(VEX_Vbroadcastss_ymm_m32, YMM1, scratch(4))], "");
    check(&[asm!(VEX_Vbroadcastsd_ymm_m64, YMM1, scratch(4))], "");
    check(&[asm!(VEX_Vbroadcastf128_ymm_m128, YMM1, scratch(4))], "");
    check(&[asm!(VEX_Vbroadcasti128_ymm_m128, YMM1, scratch(4))], "");
    check(&[asm!(VEX_Vmovmskps_r32_ymm, EAX, YMM1)], "");
    check(&[asm!(VEX_Vmovmskps_r32_xmm, EAX, XMM1)], "");
    check(&[asm!(VEX_Vmaskmovps_ymm_ymm_m256, YMM1, YMM2, scratch(4))], "");
    check(&[asm!(VEX_Vmaskmovps_m256_ymm_ymm, scratch(4), YMM1, YMM2)], "");
    check(&[asm!(VEX_Vpmaskmovd_xmm_xmm_m128, XMM1, XMM2, scratch(4))], "");
    check(&[asm!(VEX_Vpmaskmovd_m256_ymm_ymm, scratch(4), YMM1, YMM2)], "");
}

#[test]
fn transfers() {
    one_source(
        YMM1,
        YMM2,
        &[
            VEX_Vmovaps_ymm_ymmm256,
            VEX_Vmovups_ymm_ymmm256,
            VEX_Vmovdqa_ymm_ymmm256,
            VEX_Vmovdqu_ymm_ymmm256,
        ],
    );
    one_source(XMM1, XMM2, &[VEX_Vmovaps_xmm_xmmm128, VEX_Vmovq_xmm_xmmm64]);
    let instructions = [
        asm!(VEX_Vmovaps_ymmm256_ymm, scratch(32), YMM1),
        asm!(VEX_Vmovdqu_xmmm128_xmm, scratch(7), XMM1),
        asm!(VEX_Vmovss_xmm_m32, XMM1, scratch(4)),
        asm!(VEX_Vmovss_m32_xmm, scratch(4), XMM1),
        asm!(VEX_Vmovss_xmm_xmm_xmm, XMM1, XMM2, XMM3),
        asm!(VEX_Vmovsd_xmm_m64, XMM1, scratch(4)),
        asm!(VEX_Vmovsd_m64_xmm, scratch(4), XMM1),
        asm!(VEX_Vmovsd_xmm_xmm_xmm, XMM1, XMM2, XMM3),
        asm!(VEX_Vmovd_xmm_rm32, XMM1, EAX),
        asm!(VEX_Vmovd_xmm_rm32, XMM1, scratch(4)),
        asm!(VEX_Vmovd_rm32_xmm, EAX, XMM1),
        asm!(VEX_Vmovd_rm32_xmm, scratch(4), XMM1),
        asm!(VEX_Vmovq_xmm_rm64, XMM1, RAX),
        asm!(VEX_Vmovq_rm64_xmm, RAX, XMM1),
        asm!(VEX_Vmovq_xmmm64_xmm, scratch(4), XMM1),
        asm!(VEX_Vmovlps_xmm_xmm_m64, XMM1, XMM2, scratch(4)),
        asm!(VEX_Vmovlps_m64_xmm, scratch(4), XMM2),
        asm!(VEX_Vmovhps_xmm_xmm_m64, XMM1, XMM2, scratch(4)),
        asm!(VEX_Vmovhps_m64_xmm, scratch(4), XMM2),
        asm!(VEX_Vextractps_rm32_xmm_imm8, EAX, XMM1, 2),
        asm!(VEX_Vextractps_rm32_xmm_imm8, scratch(12), XMM1, 3),
        asm!(VEX_Vpextrd_rm32_xmm_imm8, EAX, XMM1, 1),
        asm!(VEX_Vpextrd_rm32_xmm_imm8, scratch(12), XMM1, 3),
        asm!(VEX_Vpextrq_rm64_xmm_imm8, RAX, XMM1, 1),
        asm!(VEX_Vpextrw_r32_xmm_imm8, EAX, XMM1, 5),
        asm!(VEX_Vpextrw_r32m16_xmm_imm8, scratch(3), XMM1, 7),
        asm!(VEX_Vpextrb_r32m8_xmm_imm8, EAX, XMM1, 13),
        asm!(VEX_Vpextrb_r32m8_xmm_imm8, scratch(3), XMM1, 15),
        asm!(VEX_Vpinsrd_xmm_xmm_rm32_imm8, XMM1, XMM2, EAX, 2),
        asm!(VEX_Vpinsrd_xmm_xmm_rm32_imm8, XMM1, XMM2, scratch(4), 3),
        asm!(VEX_Vpinsrq_xmm_xmm_rm64_imm8, XMM1, XMM2, RAX, 1),
        asm!(VEX_Vpinsrw_xmm_xmm_r32m16_imm8, XMM1, XMM2, EAX, 5),
        asm!(VEX_Vpinsrw_xmm_xmm_r32m16_imm8, XMM1, XMM2, scratch(5), 6),
        asm!(VEX_Vpinsrb_xmm_xmm_r32m8_imm8, XMM1, XMM2, EAX, 11),
        asm!(VEX_Vpinsrb_xmm_xmm_r32m8_imm8, XMM1, XMM2, scratch(5), 12),
        asm!(VEX_Vzeroupper),
    ];
    for instruction in instructions {
        check(&[instruction], "");
    }
}
