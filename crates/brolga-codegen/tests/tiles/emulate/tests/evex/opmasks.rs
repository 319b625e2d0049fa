//! Comparisons that give opmasks, and instructions on opmasks.

use iced_x86::{Instruction, Register::*};

use super::{Before, INTS, asm, broadcast, lanes, memory, merging};

/// k2 after the code.
fn k2(before: Before, instruction: Instruction) -> u32 {
    before.run(&[instruction]).k2
}

#[test]
fn comparisons() {
    let mut floats = [1.0; 16];
    (floats[0], floats[1], floats[2], floats[3]) = (f32::NAN, -1.0, 2.0, 1.0);
    let before = Before::floats([floats; 3].map(|_| [1.0; 16]), floats);
    let compare = |predicate: i32| {
        asm!(EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae, K2, ZMM2, memory(0), predicate)
    };
    // 1 < x, 1 ≤ x, 1 = x, unordered, 1 ≠ x.
    assert_eq!(k2(before, compare(0x11)), 0b0100);
    assert_eq!(k2(before, compare(0x12)), 0xfffc);
    assert_eq!(k2(before, compare(0)), 0xfff8);
    assert_eq!(k2(before, compare(3)), 1);
    assert_eq!(k2(before, compare(4)), 0b0111);
    // Zero outside the mask.
    assert_eq!(k2(before, merging(compare(0x12))), 0b1010_0000_0000_0100);
    let eight = asm!(EVEX_Vcmpps_kr_k1_ymm_ymmm256b32_imm8, K2, YMM2, memory(0), 0);
    assert_eq!(k2(before, eight), 0xf8);

    let mut before = INTS;
    before.vectors[1][0] = u32::MAX;
    before.vectors[2] = [20; 16];
    let signed = asm!(EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8, K2, ZMM2, ZMM3, 1);
    assert_eq!(k2(before, signed), 0x03ff);
    let unsigned = asm!(EVEX_Vpcmpud_kr_k1_zmm_zmmm512b32_imm8, K2, ZMM2, ZMM3, 1);
    assert_eq!(k2(before, unsigned), 0x03fe);
    let not_less = asm!(EVEX_Vpcmpud_kr_k1_zmm_zmmm512b32_imm8, K2, ZMM2, ZMM3, 5);
    assert_eq!(k2(before, not_less), 0xfc01);
    let equal = asm!(EVEX_Vpcmpeqd_kr_k1_zmm_zmmm512b32, K2, ZMM2, ZMM3);
    assert_eq!(k2(before, equal), 0x0400);
    let same = broadcast(asm!(EVEX_Vptestmd_kr_k1_zmm_zmmm512b32, K2, ZMM2, memory(0)));
    // 70 = 0b100_0110 has no bit in common with 16, 17, 24 and 25.
    assert_eq!(k2(before, same), 0b0011_1111_0011_1111);
    let mut signs = INTS;
    signs.vectors[1][5] = 0x8000_0000;
    assert_eq!(k2(signs, asm!(EVEX_Vpmovd2m_kr_zmm, K2, ZMM2)), 1 << 5);
    let spread = asm!(EVEX_Vpmovm2d_zmm_kr, ZMM1, K1);
    assert_eq!(INTS.run(&[spread]).zmm1, lanes(INTS.masks[0], |_| u32::MAX, |_| 0));
}

#[test]
fn opmasks() {
    let before = Before { masks: [0xf_1234, 0, 0x7_00ff], ..INTS };
    assert_eq!(k2(before, asm!(VEX_Kandw_kr_kr_kr, K2, K1, K3)), 0x0034);
    assert_eq!(k2(before, asm!(VEX_Kandnw_kr_kr_kr, K2, K1, K3)), 0x00cb);
    assert_eq!(k2(before, asm!(VEX_Korw_kr_kr_kr, K2, K1, K3)), 0x12ff);
    assert_eq!(k2(before, asm!(VEX_Kxorw_kr_kr_kr, K2, K1, K3)), 0x12cb);
    assert_eq!(k2(before, asm!(VEX_Kxnorw_kr_kr_kr, K2, K1, K3)), 0xed34);
    assert_eq!(k2(before, asm!(VEX_Knotw_kr_kr, K2, K1)), 0xedcb);
    assert_eq!(k2(before, asm!(VEX_Kshiftrw_kr_kr_imm8, K2, K1, 8)), 0x0012);
    assert_eq!(k2(before, asm!(VEX_Kshiftrw_kr_kr_imm8, K2, K1, 16)), 0);
    assert_eq!(k2(before, asm!(VEX_Kshiftlw_kr_kr_imm8, K2, K1, 4)), 0x2340);
    assert_eq!(k2(before, asm!(VEX_Kmovw_kr_km16, K2, K1)), 0x1234);
    assert_eq!(k2(before, asm!(VEX_Kmovb_kr_km8, K2, K1)), 0x34);
    assert_eq!(k2(before, asm!(VEX_Kmovw_kr_km16, K2, memory(0))), 70);
    let store = asm!(VEX_Kmovw_m16_kr, memory(2), K1);
    assert_eq!(before.run(&[store]).memory[0], 0x1234_0046);
    let through = [asm!(VEX_Kmovb_r32_kr, EAX, K1), asm!(VEX_Kmovw_kr_r32, K2, EAX)];
    assert_eq!(before.run(&through).k2, 0x34);
}

#[test]
fn tests_of_opmasks() {
    // Whether the zero and the carry flag are set, as bits 0 and 1.
    let flags = |masks: [u32; 2], instruction: Instruction| {
        let before = Before { masks: [masks[0], 0, masks[1]], ..INTS };
        let code = [
            asm!(Mov_r32_imm32, EDX, 0),
            asm!(Mov_r32_imm32, ECX, 0),
            instruction,
            asm!(Sete_rm8, DL),
            asm!(Setb_rm8, CL),
            asm!(Shl_rm32_imm8, ECX, 1),
            asm!(Or_r32_rm32, ECX, EDX),
            asm!(VEX_Kmovw_kr_r32, K2, ECX),
        ];
        before.run(&code).k2
    };
    let or = asm!(VEX_Kortestw_kr_kr, K1, K3);
    assert_eq!(flags([0, 0], or), 0b01);
    assert_eq!(flags([0x1_0000, 0], or), 0b01);
    assert_eq!(flags([0xff0f, 0x00f0], or), 0b10);
    assert_eq!(flags([1, 2], or), 0);
    let and = asm!(VEX_Ktestw_kr_kr, K1, K3);
    assert_eq!(flags([0xff00, 0x00ff], and), 0b01);
    assert_eq!(flags([0x0ff0, 0x00f0], and), 0b10);
    assert_eq!(flags([0x0ff0, 0x000f], and), 0b01);
    assert_eq!(flags([0x0ff0, 0x00ff], and), 0);
    assert_eq!(flags([0, 0], and), 0b11);
}
