//! The mistakes that the emulator finds, and the calling convention.

use brolga_codegen::tile::Buffer;
use iced_x86::{Instruction, Register::*};

use super::{asm, assemble, at};
use crate::emulate::{run, run_at_most};

/// The mistake of a function on 32 bytes, the pointer to the middle of them, and a count of 5.
fn mistake(instructions: &[Instruction]) -> String {
    let mut bytes = [0; 32];
    let mut buffers = [Buffer::Bytes(&mut bytes, 16), Buffer::Count(5)];
    run(&assemble(instructions), &mut buffers).expect_err("there is a mistake")
}

#[test]
fn accesses_outside() {
    let load = |displacement| {
        mistake(&[
            asm!(VEX_Vmovups_xmm_xmmm128, XMM0, at(RDI, 0)),
            asm!(VEX_Vmovups_xmm_xmmm128, XMM0, at(RDI, -16)),
            asm!(VEX_Vmovups_xmm_xmmm128, XMM0, at(RDI, displacement)),
        ])
    };
    insta::assert_snapshot!(load(1), @"code+0xa `vmovups xmm0,[rdi+1]`: reads 16 bytes at 17 of argument 0, which has 32");
    insta::assert_snapshot!(load(-17), @"code+0xa `vmovups xmm0,[rdi-11h]`: reads 16 bytes at -1 of argument 0, which has 32");
    insta::assert_snapshot!(mistake(&[asm!(Mov_r32_rm32, EAX, at(RSI, 0))]), @"code+0x0 `mov eax,[rsi]`: reads 4 bytes at 0x5, outside of all memory");
    insta::assert_snapshot!(mistake(&[asm!(Mov_rm8_r8, at(RSP, 8), AL)]), @"code+0x0 `mov [rsp+8],al`: writes 1 bytes at 65536 of the stack, which has 65536");
    insta::assert_snapshot!(mistake(&[asm!(Mov_rm8_r8, at(RSP, -129), AL)]), @"code+0x0 `mov [rsp-81h],al`: writes 1 bytes of the stack 129 below rsp");
    insta::assert_snapshot!(mistake(&[asm!(Mov_r64_rm64, RAX, at(RSP, -8))]), @"code+0x0 `mov rax,[rsp-8]`: reads bytes of the stack that were not written, 16 below its end");
    insta::assert_snapshot!(mistake(&[asm!(Mov_rm32_r32, at(RIP, 0), EAX)]), @"code+0x0 `mov [100000000000h],eax`: writes to the code");
    insta::assert_snapshot!(mistake(&[asm!(VEX_Vmovaps_ymm_ymmm256, YMM0, at(RDI, 0))]), @"code+0x0 `vmovaps ymm0,[rdi]`: 0x100000010 is not aligned");
    insta::assert_snapshot!(mistake(&[asm!(VEX_Vmovaps_xmm_xmmm128, XMM0, at(RDI, -15))]), @"code+0x0 `vmovaps xmm0,[rdi-0Fh]`: 0x100000001 is not aligned");
}

#[test]
fn returns() {
    insta::assert_snapshot!(mistake(&[asm!(Mov_r32_rm32, EBX, EAX), asm!(Retnq)]), @"returns with rbx changed to 0xbad0ba00");
    insta::assert_snapshot!(mistake(&[asm!(Push_r64, RBX), asm!(Retnq)]), @"there is no code at 0xbad0bad0bad0ba03");
    insta::assert_snapshot!(mistake(&[asm!(VEX_Vxorps_ymm_ymm_ymmm256, YMM3, YMM3, YMM3), asm!(Retnq)]), @"returns without vzeroupper after writing an upper half");
    insta::assert_snapshot!(mistake(&[asm!(Pop_r64, RAX), asm!(Push_r64, RAX), asm!(Push_r64, RAX), asm!(Retnq)]), @"returns with rsp -8 bytes off");
    let fine = [
        asm!(Push_r64, R12),
        asm!(Push_r64, RBX),
        asm!(Xor_r32_rm32, EBX, EBX),
        asm!(Mov_r64_imm64, R12, u64::MAX),
        asm!(VEX_Vxorps_ymm_ymm_ymmm256, YMM3, YMM3, YMM3),
        asm!(VEX_Vzeroupper),
        asm!(VEX_Vxorps_xmm_xmm_xmmm128, XMM3, XMM3, XMM3),
        asm!(EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32, ZMM20, ZMM20, ZMM20),
        asm!(Pop_r64, RBX),
        asm!(Pop_r64, R12),
        asm!(Retnq),
    ];
    assert_eq!(run(&assemble(&fine), &mut []), Ok(()));
}

#[test]
fn instructions() {
    insta::assert_snapshot!(mistake(&[asm!(Nopd), asm!(Cpuid)]), @"code+0x1 `cpuid`: the emulator does not know the instruction Cpuid");
    insta::assert_snapshot!(mistake(&[asm!(Addps_xmm_xmmm128, XMM0, XMM1)]), @"code+0x0 `addps xmm0,xmm1`: the emulator does not know the instruction Addps_xmm_xmmm128");
    insta::assert_snapshot!(mistake(&[asm!(VEX_Vpslld_ymm_ymm_xmmm128, YMM0, YMM1, XMM2)]), @"code+0x0 `vpslld ymm0,ymm1,xmm2`: the emulator does not know the instruction VEX_Vpslld_ymm_ymm_xmmm128");
    insta::assert_snapshot!(mistake(&[asm!(VEX_Vaddpd_ymm_ymm_ymmm256, YMM0, YMM1, YMM2)]), @"code+0x0 `vaddpd ymm0,ymm1,ymm2`: the emulator does not know the instruction VEX_Vaddpd_ymm_ymm_ymmm256");
    insta::assert_snapshot!(mistake(&[asm!(Nopd)]), @"there is no code at 0x100000000001");
    insta::assert_snapshot!(mistake(&[asm!(Setb_rm8, AL)]), @"code+0x0 `setb al`: depends on an undefined flag");
    insta::assert_snapshot!(mistake(&[asm!(Imul_r32_rm32, ESI, ESI), asm!(Sete_rm8, AL)]), @"code+0x3 `sete al`: depends on an undefined flag");
    let invalid = run(&[0x90, 0x06], &mut []).expect_err("06 is no instruction");
    insta::assert_snapshot!(invalid, @"code+0x1: no instruction begins with [06]");
    let endless = run_at_most(1000, &[0xeb, 0xfe], &mut []).expect_err("a jump to itself");
    insta::assert_snapshot!(endless, @"no return within 1000 instructions");
}

/// Eight counts, the seventh and the eighth on the stack, go to memory; the ninth argument is the
/// pointer to it.
#[test]
fn arguments() {
    let mut instructions = vec![asm!(Mov_r64_rm64, RAX, at(RSP, 24))];
    for (index, register) in (0..).zip([RDI, RSI, RDX, RCX, R8, R9]) {
        instructions.push(asm!(Mov_rm64_r64, at(RAX, 8 * index), register));
    }
    for index in [6, 7] {
        instructions.push(asm!(Mov_r64_rm64, R10, at(RSP, 8 * (index - 6) + 8)));
        instructions.push(asm!(Mov_rm64_r64, at(RAX, 8 * index), R10));
    }
    instructions.push(asm!(Retnq));
    let mut bytes = [0; 64];
    let mut buffers: Vec<Buffer<'_>> = (1..=8).map(Buffer::Count).collect();
    buffers.push(Buffer::Bytes(&mut bytes, 0));
    assert_eq!(run(&assemble(&instructions), &mut buffers), Ok(()));
    let words: Vec<u64> = bytes.as_chunks().0.iter().copied().map(u64::from_le_bytes).collect();
    assert_eq!(words, [1, 2, 3, 4, 5, 6, 7, 8]);
}

/// A constant after the code is read relative to rip, and a loop adds it up.
#[test]
fn constants_and_loops() {
    let looped = |past: i64| {
        let mut code = assemble(&[
            asm!(Xor_r32_rm32, EAX, EAX),
            // The constant follows this instruction and the next four: 6, 3, 2, 3 and 1 bytes.
            asm!(Add_r32_rm32, EAX, at(RIP, 15 + past)),
            asm!(Dec_rm64, RSI),
            Instruction::with_branch(iced_x86::Code::Jg_rel8_64, (-9_i64).cast_unsigned())
                .expect("a near target"),
            asm!(Mov_rm32_r32, at(RDI, 0), EAX),
            asm!(Retnq),
        ]);
        assert_eq!(code.len(), 2 + 15);
        code.extend(1000_u32.to_le_bytes());
        code
    };
    let mut bytes = [0; 4];
    assert_eq!(run(&looped(0), &mut [Buffer::Bytes(&mut bytes, 0), Buffer::Count(7)]), Ok(()));
    assert_eq!(u32::from_le_bytes(bytes), 7000);
    let beyond = run(&looped(1), &mut [Buffer::Bytes(&mut bytes, 0), Buffer::Count(7)]);
    insta::assert_snapshot!(beyond.expect_err("one byte beyond the constant"), @"code+0x2 `add eax,[100000000012h]`: reads 4 bytes at 18 of the code, which has 21");
}
