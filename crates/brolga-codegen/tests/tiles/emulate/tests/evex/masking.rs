//! Masks, broadcasts and zeroing of lane-wise instructions.

use iced_x86::{Register::*, RoundingControl};

use super::{Before, INTS, asm, broadcast, lanes, memory, merging, zeroing};

const MASK: u32 = INTS.masks[0];

#[test]
fn merging_and_zeroing() {
    let add = asm!(EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32, ZMM1, ZMM2, ZMM3);
    let sum = |lane| 310 + 2 * lane;
    assert_eq!(INTS.run(&[add]).zmm1, lanes(0xffff, sum, |_| 0));
    assert_eq!(INTS.run(&[merging(add)]).zmm1, lanes(MASK, sum, |lane| 1000 + lane));
    assert_eq!(INTS.run(&[zeroing(add)]).zmm1, lanes(MASK, sum, |_| 0));
    // Bits above the lower 256 or 128 are zero in any case.
    let add = merging(asm!(EVEX_Vpaddd_ymm_k1z_ymm_ymmm256b32, YMM1, YMM2, YMM3));
    let old = |lane| if lane < 8 { 1000 + lane } else { 0 };
    assert_eq!(INTS.run(&[add]).zmm1, lanes(0b101, sum, old));
    let add = merging(asm!(EVEX_Vpaddd_xmm_k1z_xmm_xmmm128b32, XMM1, XMM2, XMM3));
    let old = |lane| if lane < 4 { 1000 + lane } else { 0 };
    assert_eq!(INTS.run(&[add]).zmm1, lanes(0b101, sum, old));
}

#[test]
fn broadcasts() {
    let add = broadcast(asm!(EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32, ZMM1, ZMM2, memory(4)));
    assert_eq!(INTS.run(&[add]).zmm1, lanes(0xffff, |lane| 81 + lane, |_| 0));
    assert_eq!(INTS.run(&[zeroing(add)]).zmm1, lanes(MASK, |lane| 81 + lane, |_| 0));
    // Elements of 64 bits: a mask bit and a broadcast element are for two lanes.
    let add = broadcast(asm!(EVEX_Vpaddq_zmm_k1z_zmm_zmmm512b64, ZMM1, ZMM2, memory(56)));
    let sum = |lane| 10 + lane + if lane % 2 == 0 { 84 } else { 85 };
    assert_eq!(INTS.run(&[add]).zmm1, lanes(0xffff, sum, |_| 0));
    assert_eq!(INTS.run(&[merging(add)]).zmm1, lanes(0b11_0011, sum, |lane| 1000 + lane));
}

#[test]
fn memory_outside_the_mask_is_not_touched() {
    let mut before = INTS;
    before.masks[0] = 0b111;
    // The last three words of the memory.
    let load = zeroing(asm!(EVEX_Vmovups_zmm_k1z_zmmm512, ZMM1, memory(52)));
    assert_eq!(before.run(&[load]).zmm1, lanes(0b111, |lane| 83 + lane, |_| 0));
    let add = zeroing(asm!(EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32, ZMM1, ZMM2, memory(52)));
    assert_eq!(before.run(&[add]).zmm1, lanes(0b111, |lane| 93 + 2 * lane, |_| 0));
    let store = merging(asm!(EVEX_Vmovdqu32_zmmm512_k1z_zmm, memory(52), ZMM2));
    let stored = lanes(0xe000, |lane| lane - 3, |lane| 70 + lane);
    assert_eq!(before.run(&[store]).memory, stored);
    let bytes = zeroing(asm!(EVEX_Vpmovzxbd_zmm_k1z_xmmm128, ZMM1, memory(61)));
    assert_eq!(before.run(&[bytes]).zmm1, [0; 16]);
    let narrow = merging(asm!(EVEX_Vpmovdb_xmmm128_k1z_zmm, memory(61), ZMM2));
    let stored = lanes(0x8000, |_| 0x0c0b_0a55, |lane| 70 + lane);
    assert_eq!(before.run(&[narrow]).memory, stored);
    let byte_store = merging(asm!(EVEX_Vmovdqu8_xmmm128_k1z_xmm, memory(61), XMM2));
    let stored = lanes(0x8000, |_| 0x0000_0a55, |lane| 70 + lane);
    assert_eq!(before.run(&[byte_store]).memory, stored);
    // One lane more is one too many.
    before.masks[0] = 0b1111;
    for instruction in [load, add, store, bytes, narrow, byte_store] {
        let error = before.try_run(&[instruction]).expect_err("one lane lies outside");
        assert!(error.contains("at 64 of argument 1, which has 64"), "{error}");
    }
    // No lane is chosen, so that the broadcast element is not read either.
    before.masks[0] = 0;
    let outside = memory(64);
    before.run(&[
        merging(asm!(EVEX_Vmovdqu8_zmm_k1z_zmmm512, ZMM1, outside)),
        merging(asm!(EVEX_Vmovss_xmm_k1z_m32, XMM1, outside)),
        merging(asm!(EVEX_Vbroadcastss_zmm_k1z_xmmm32, ZMM1, outside)),
        merging(broadcast(asm!(EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er, ZMM1, ZMM2, outside))),
    ]);
    // Instructions that move lanes read all of the memory.
    let permute = merging(asm!(EVEX_Vpermps_zmm_k1z_zmm_zmmm512b32, ZMM1, ZMM2, outside));
    before.try_run(&[permute]).expect_err("the memory lies outside");
    let extract = merging(asm!(EVEX_Vextractf32x4_xmmm128_k1z_zmm_imm8, outside, ZMM2, 0));
    before.try_run(&[extract]).expect_err("the memory lies outside");
}

#[test]
fn floats() {
    let counted = |from: f32| std::array::from_fn(|lane| from + lane as f32);
    let before = Before::floats([counted(0.5), counted(1.0), counted(-8.0)], counted(2.0));
    let of = |f: &dyn Fn(f32) -> f32| lanes(0xffff, |lane| f(lane as f32).to_bits(), |_| 0);
    let fma = asm!(EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er, ZMM1, ZMM2, ZMM3);
    let sum = |lane: f32| (1.0 + lane) * (lane - 8.0) + 0.5 + lane;
    assert_eq!(before.run(&[fma]).zmm1, of(&sum));
    let merged =
        lanes(MASK, |lane| sum(lane as f32).to_bits(), |lane| (0.5 + lane as f32).to_bits());
    assert_eq!(before.run(&[merging(fma)]).zmm1, merged);
    let mul = broadcast(asm!(EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er, ZMM1, ZMM2, memory(8)));
    assert_eq!(before.run(&[mul]).zmm1, of(&|lane| (1.0 + lane) * 4.0));
    let round = asm!(EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae, ZMM1, ZMM1, 9);
    assert_eq!(before.run(&[round]).zmm1, of(&|lane| lane));
    let round = asm!(EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae, ZMM1, ZMM1, 8);
    assert_eq!(before.run(&[round]).zmm1, of(&|lane| lane + lane % 2.0));
    let to_int = asm!(EVEX_Vcvttps2dq_zmm_k1z_zmmm512b32_sae, ZMM1, ZMM3);
    let expected = lanes(0xffff, |lane| lane.wrapping_sub(8), |_| 0);
    assert_eq!(before.run(&[to_int]).zmm1, expected);
    // A scalar's mask is one bit; the other lanes come from the first source.
    let first = |first: f32| {
        lanes(0xf, |lane| if lane == 0 { first } else { 1.0 + lane as f32 }.to_bits(), |_| 0)
    };
    let add = merging(asm!(EVEX_Vaddss_xmm_k1z_xmm_xmmm32_er, XMM1, XMM2, XMM3));
    assert_eq!(before.run(&[add]).zmm1, first(-7.0));
    let not_chosen = Before { masks: [0xfffe, 0, 0], ..before };
    assert_eq!(not_chosen.run(&[add]).zmm1, first(0.5));
    let scaled = asm!(EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae, ZMM1, ZMM1, 0x19);
    before.try_run(&[scaled]).expect_err("rounds to halves");
    let mut up = asm!(EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er, ZMM1, ZMM2, ZMM3);
    up.set_rounding_control(RoundingControl::RoundUp);
    before.try_run(&[up]).expect_err("rounds up");
}

#[test]
fn selections() {
    // By the bits of zmm1 = 1000 + lane, those of zmm2 or zmm3; then the exclusive or of all three.
    let select = asm!(EVEX_Vpternlogd_zmm_k1z_zmm_zmmm512b32_imm8, ZMM1, ZMM2, ZMM3, 0xca);
    let expected = |l: u32| (1000 + l) & (10 + l) | !(1000 + l) & (300 + l);
    assert_eq!(INTS.run(&[select]).zmm1, lanes(0xffff, expected, |_| 0));
    let xor = merging(asm!(EVEX_Vpternlogd_zmm_k1z_zmm_zmmm512b32_imm8, ZMM1, ZMM2, ZMM3, 0x96));
    let expected = |l: u32| (1000 + l) ^ (10 + l) ^ (300 + l);
    assert_eq!(INTS.run(&[xor]).zmm1, lanes(MASK, expected, |l| 1000 + l));
    let blend = asm!(EVEX_Vblendmps_zmm_k1z_zmm_zmmm512b32, ZMM1, ZMM2, ZMM3);
    let expected = lanes(MASK, |lane| 300 + lane, |lane| 10 + lane);
    assert_eq!(INTS.run(&[merging(blend)]).zmm1, expected);
    let expected = lanes(MASK, |lane| 300 + lane, |_| 0);
    assert_eq!(INTS.run(&[zeroing(blend)]).zmm1, expected);
    assert_eq!(INTS.run(&[blend]).zmm1, INTS.vectors[2]);
    let blend = asm!(EVEX_Vpblendmd_ymm_k1z_ymm_ymmm256b32, YMM1, YMM2, memory(0));
    let expected = lanes(0b101, |lane| 70 + lane, |lane| if lane < 8 { 10 + lane } else { 0 });
    assert_eq!(INTS.run(&[merging(blend)]).zmm1, expected);
}
