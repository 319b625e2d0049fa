//! Instructions that move lanes, of 512 bits.

use iced_x86::{Instruction, Register::*};

use super::{Before, INTS, asm, lanes, memory, merging, zeroing};

const MASK: u32 = INTS.masks[0];

/// The lanes of zmm1 after the code.
fn after(before: Before, instruction: Instruction) -> [u32; 16] {
    before.run(&[instruction]).zmm1
}

#[test]
fn permutations() {
    let reversed = |lane: u32| 0xffff_fff0 | (15 - lane);
    let mut before = INTS;
    before.vectors[1] = lanes(0xffff, reversed, |_| 0);
    let permute = asm!(EVEX_Vpermd_zmm_k1z_zmm_zmmm512b32, ZMM1, ZMM2, ZMM3);
    assert_eq!(after(before, permute), lanes(0xffff, |lane| 315 - lane, |_| 0));
    let expected = lanes(MASK, |lane| 315 - lane, |lane| 1000 + lane);
    assert_eq!(after(before, merging(permute)), expected);
    // Bit 4 chooses the table: zmm1 in the even lanes, zmm3 in the odd ones.
    before.vectors[1] = lanes(0x5555, |lane| 15 - lane, |lane| 31 - lane);
    let two = asm!(EVEX_Vpermt2d_zmm_k1z_zmm_zmmm512b32, ZMM1, ZMM2, ZMM3);
    let expected = lanes(0x5555, |lane| 1015 - lane, |lane| 315 - lane);
    assert_eq!(after(before, two), expected);
    // The same with the indices in the destination.
    let mut before = INTS;
    before.vectors[0] = lanes(0x5555, |lane| 15 - lane, |lane| 31 - lane);
    let two = asm!(EVEX_Vpermi2ps_zmm_k1z_zmm_zmmm512b32, ZMM1, ZMM2, ZMM3);
    let expected = lanes(0x5555, |lane| 25 - lane, |lane| 315 - lane);
    assert_eq!(after(before, two), expected);
    let quads = asm!(EVEX_Vpermq_zmm_k1z_zmmm512b64_imm8, ZMM1, ZMM2, 0x1b);
    let expected = [6, 7, 4, 5, 2, 3, 0, 1, 14, 15, 12, 13, 10, 11, 8, 9].map(|lane| 10 + lane);
    assert_eq!(after(INTS, quads), expected);
    let blocks = [0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7];
    let mut expected = blocks.map(|lane| 10 + lane);
    for lane in &mut expected[8..] {
        *lane += 290;
    }
    let shuffle = asm!(EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8, ZMM1, ZMM2, ZMM3, 0x6c);
    assert_eq!(after(INTS, shuffle), expected);
    let shuffle = asm!(EVEX_Vshuff64x2_zmm_k1z_zmm_zmmm512b64_imm8, ZMM1, ZMM2, ZMM3, 0x6c);
    assert_eq!(after(INTS, shuffle), expected);
    // Of 256 bits, one bit of the immediate chooses.
    let shuffle = asm!(EVEX_Vshuff32x4_ymm_k1z_ymm_ymmm256b32_imm8, YMM1, YMM2, YMM3, 1);
    let expected = [14, 15, 16, 17, 300, 301, 302, 303, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(after(INTS, shuffle), expected);
}

#[test]
fn blocks_of_128_bits() {
    let low = asm!(EVEX_Vunpcklps_zmm_k1z_zmm_zmmm512b32, ZMM1, ZMM2, ZMM3);
    let expected = lanes(
        0x5555,
        |lane| 10 + (lane & !3) + (lane & 3) / 2,
        |lane| 300 + (lane & !3) + (lane & 3) / 2,
    );
    assert_eq!(after(INTS, low), expected);
    let shuffle = asm!(EVEX_Vshufps_zmm_k1z_zmm_zmmm512b32_imm8, ZMM1, ZMM2, ZMM3, 0x1b);
    let expected = lanes(
        0x3333,
        |lane| 10 + (lane & !3) + 3 - (lane & 3),
        |lane| 300 + (lane & !3) + 3 - (lane & 3),
    );
    assert_eq!(after(INTS, shuffle), expected);
    let odd = asm!(EVEX_Vmovshdup_zmm_k1z_zmmm512, ZMM1, ZMM2);
    assert_eq!(after(INTS, odd), lanes(0xffff, |lane| 10 + (lane | 1), |_| 0));
}

#[test]
fn pieces() {
    let extract = asm!(EVEX_Vextractf64x4_ymmm256_k1z_zmm_imm8, YMM1, ZMM2, 1);
    assert_eq!(after(INTS, extract), lanes(0xff, |lane| 18 + lane, |_| 0));
    let extract = asm!(EVEX_Vextracti32x4_xmmm128_k1z_zmm_imm8, XMM1, ZMM2, 3);
    assert_eq!(after(INTS, extract), lanes(0xf, |lane| 22 + lane, |_| 0));
    let store = merging(asm!(EVEX_Vextractf32x4_xmmm128_k1z_zmm_imm8, memory(48), ZMM2, 2));
    let expected = lanes(0x5000, |lane| lane + 6, |lane| 70 + lane);
    assert_eq!(INTS.run(&[store]).memory, expected);
    let insert = asm!(EVEX_Vinsertf64x4_zmm_k1z_zmm_ymmm256_imm8, ZMM1, ZMM2, YMM3, 1);
    let expected = lanes(0xff00, |lane| 292 + lane, |lane| 10 + lane);
    assert_eq!(after(INTS, insert), expected);
    let insert = asm!(EVEX_Vinsertf32x4_zmm_k1z_zmm_xmmm128_imm8, ZMM1, ZMM2, memory(48), 2);
    let expected = lanes(0x0f00, |lane| 74 + lane, |lane| 10 + lane);
    assert_eq!(after(INTS, insert), expected);
    let number = [
        asm!(Mov_r32_imm32, EAX, 0x1234_5678),
        zeroing(asm!(EVEX_Vpbroadcastd_zmm_k1z_r32, ZMM1, EAX)),
    ];
    assert_eq!(INTS.run(&number).zmm1, lanes(MASK, |_| 0x1234_5678, |_| 0));
    let element = merging(asm!(EVEX_Vbroadcastss_zmm_k1z_xmmm32, ZMM1, memory(12)));
    assert_eq!(after(INTS, element), lanes(MASK, |_| 73, |lane| 1000 + lane));
    let block = asm!(EVEX_Vbroadcastf32x4_zmm_k1z_m128, ZMM1, memory(16));
    assert_eq!(after(INTS, block), lanes(0xffff, |lane| 74 + lane % 4, |_| 0));
}

#[test]
fn widths() {
    let mut before = INTS;
    before.memory[0] = 0xff80_7f01;
    let bytes = [1, 0x7f, 0x80, 0xff, 71, 0, 0, 0, 72, 0, 0, 0, 73, 0, 0, 0];
    let unsigned = asm!(EVEX_Vpmovzxbd_zmm_k1z_xmmm128, ZMM1, memory(0));
    assert_eq!(after(before, unsigned), bytes);
    let signed = asm!(EVEX_Vpmovsxbd_zmm_k1z_xmmm128, ZMM1, memory(0));
    let mut expected = bytes;
    (expected[2], expected[3]) = (0xffff_ff80, 0xffff_ffff);
    assert_eq!(after(before, signed), expected);
    // The low bytes, not saturated.
    let narrow = asm!(EVEX_Vpmovdb_xmmm128_k1z_zmm, XMM1, ZMM3);
    let mut expected = [0; 16];
    expected[..4].copy_from_slice(&[0x2f2e_2d2c, 0x3332_3130, 0x3736_3534, 0x3b3a_3938]);
    assert_eq!(after(INTS, narrow), expected);
    expected[..4].copy_from_slice(&[0x002e_002c, 0, 0, 0x3b00_3900]);
    assert_eq!(after(INTS, zeroing(narrow)), expected);
    // Eight bytes of 256 bits; the rest of the register becomes zero under a mask too.
    let narrow = merging(asm!(EVEX_Vpmovdb_xmmm64_k1z_ymm, XMM1, YMM3));
    let mut expected = [0; 16];
    expected[..2].copy_from_slice(&[0x002e_032c, 0x0000_03e9]);
    assert_eq!(after(INTS, narrow), expected);
    let words = asm!(EVEX_Vpmovzxwd_zmm_k1z_ymmm256, ZMM1, memory(0));
    assert_eq!(
        after(before, zeroing(words)),
        lanes(
            MASK,
            |lane| {
                let word = before.memory[lane as usize / 2];
                if lane % 2 == 0 { word & 0xffff } else { word >> 16 }
            },
            |_| 0
        )
    );
    let words = asm!(EVEX_Vpackusdw_zmm_k1z_zmm_zmmm512b32, ZMM1, ZMM2, ZMM3);
    let expected = lanes(
        0x3333,
        |lane| (10 + (lane & !3) + 2 * (lane & 1)) * 0x0001_0001 + 0x0001_0000,
        |lane| (300 + (lane & !3) + 2 * (lane & 1)) * 0x0001_0001 + 0x0001_0000,
    );
    assert_eq!(after(INTS, words), expected);
}

#[test]
fn half_precision() {
    // 1, −2, the least number, infinity.
    let mut before = INTS;
    before.memory[..2].copy_from_slice(&[0xc000_3c00, 0x7c00_0001]);
    let widen = asm!(EVEX_Vcvtph2ps_zmm_k1z_ymmm256_sae, ZMM1, memory(0));
    let floats: [f32; 4] = [1.0, -2.0, 0.5f32.powi(24), f32::INFINITY];
    assert_eq!(after(before, widen)[..4], floats.map(f32::to_bits));
    // Only lanes 0 and 2 are chosen, so that bytes after the memory are not read.
    let mut before = INTS;
    before.masks[0] = 0b101;
    before.memory[14..].copy_from_slice(&[0xc000_3c00, 0x7c00_0001]);
    let widen = merging(asm!(EVEX_Vcvtph2ps_zmm_k1z_ymmm256_sae, ZMM1, memory(56)));
    let expected = [1.0f32.to_bits(), 1001, floats[2].to_bits(), 1003];
    assert_eq!(after(before, widen)[..4], expected);
    // Between two numbers, and half a unit above the greatest.
    let mut before = INTS;
    before.vectors[1][..4].copy_from_slice(
        &[1.0 + 0.5f32.powi(11), 1.0 + 3.0 * 0.5f32.powi(11), -65520.0, 65519.996]
            .map(f32::to_bits),
    );
    let narrow = asm!(EVEX_Vcvtps2ph_ymmm256_k1z_zmm_imm8_sae, YMM1, ZMM2, 0);
    assert_eq!(after(before, narrow)[..2], [0x3c02_3c00, 0x7bff_fc00]);
    before.masks[0] = 0b1010;
    let store = merging(asm!(EVEX_Vcvtps2ph_ymmm256_k1z_zmm_imm8_sae, memory(56), ZMM2, 0));
    let memory = before.run(&[store]).memory;
    assert_eq!(memory[14..], [0x3c02_0054, 0x7bff_0055]);
}
