//! Instructions on general registers.

use iced_x86::{Code, Instruction, Register::*};

use super::{asm, check, scratch};

#[test]
fn sums_products_and_bits() {
    for (code32, code64) in [
        (Code::Add_r32_rm32, Code::Add_r64_rm64),
        (Code::Sub_r32_rm32, Code::Sub_r64_rm64),
        (Code::Cmp_r32_rm32, Code::Cmp_r64_rm64),
    ] {
        for [a, b] in [[EAX, ECX], [R8D, EDX], [EAX, EAX]] {
            check(&[Instruction::with2(code32, a, b).expect("they fit")], "oczsp");
        }
        check(&[Instruction::with2(code64, R9, RSI).expect("they fit")], "oczsp");
        check(&[Instruction::with2(code64, R9, scratch(8)).expect("they fit")], "oczsp");
    }
    for (code32, code64) in [
        (Code::And_r32_rm32, Code::And_r64_rm64),
        (Code::Or_r32_rm32, Code::Or_r64_rm64),
        (Code::Xor_r32_rm32, Code::Xor_r64_rm64),
    ] {
        check(&[Instruction::with2(code32, EAX, ECX).expect("they fit")], "oczsp");
        check(&[Instruction::with2(code64, R9, scratch(8)).expect("they fit")], "oczsp");
    }
    check(&[asm!(Test_rm32_r32, EAX, ECX)], "oczsp");
    check(&[asm!(Test_rm64_r64, R11, R10)], "oczsp");
    check(&[asm!(Add_rm64_imm8, RAX, -3)], "oczsp");
    check(&[asm!(Sub_rm32_imm32, EDX, 0x1234_5678)], "oczsp");
    check(&[asm!(And_rm64_imm8, RCX, -16)], "oczsp");
    check(&[asm!(Add_rm32_r32, scratch(4), ECX)], "oczsp");
    check(&[asm!(Cmp_rm8_r8, scratch(4), CL)], "oczsp");
    check(&[asm!(Imul_r32_rm32, EAX, ECX)], "oc");
    check(&[asm!(Imul_r64_rm64, R8, scratch(0))], "oc");
    check(&[asm!(Imul_r32_rm32_imm32, EAX, ECX, 12345)], "oc");
    check(&[asm!(Imul_r64_rm64_imm8, R10, RDX, -7)], "oc");
    check(&[asm!(Neg_rm32, EAX)], "oczsp");
    check(&[asm!(Neg_rm64, R9)], "oczsp");
    check(&[asm!(Add_r32_rm32, EAX, EDX), asm!(Not_rm32, EAX)], "oczsp");
    check(&[asm!(Add_r32_rm32, ECX, EDX), asm!(Inc_rm32, EAX)], "oczsp");
    check(&[asm!(Add_r32_rm32, ECX, EDX), asm!(Dec_rm64, R8)], "oczsp");
    check(&[asm!(VEX_Bzhi_r32_rm32_r32, EAX, ECX, EDX)], "ocz");
    for n in [0, 1, 15, 16, 31, 32, 63, 64, 255] {
        check(&[asm!(Mov_r32_imm32, ECX, n), asm!(VEX_Bzhi_r32_rm32_r32, EAX, EDX, ECX)], "oczs");
        check(&[asm!(Mov_r32_imm32, ECX, n), asm!(VEX_Bzhi_r64_rm64_r64, RAX, RDX, RCX)], "oczs");
    }
}

#[test]
fn shifts() {
    for (code32, code64, by_cl) in [
        (Code::Shl_rm32_imm8, Code::Shl_rm64_imm8, Code::Shl_rm64_CL),
        (Code::Shr_rm32_imm8, Code::Shr_rm64_imm8, Code::Shr_rm64_CL),
        (Code::Sar_rm32_imm8, Code::Sar_rm64_imm8, Code::Sar_rm64_CL),
    ] {
        for count in [1, 2, 4, 31] {
            let flags = if count == 1 { "oczsp" } else { "czsp" };
            check(&[Instruction::with2(code32, EAX, count).expect("they fit")], flags);
            check(&[Instruction::with2(code64, R9, count + 32).expect("they fit")], "czsp");
        }
        check(&[Instruction::with2(by_cl, RAX, CL).expect("they fit")], "");
        check(
            &[
                asm!(Sub_r64_rm64, R9, R10),
                asm!(Mov_r32_imm32, ECX, 0),
                Instruction::with2(by_cl, RAX, CL).expect("they fit"),
            ],
            "oczsp",
        );
    }
    check(&[asm!(Shl_rm32_1, EAX, 1)], "");
}

#[test]
fn moves() {
    let moves = [
        asm!(Mov_r32_rm32, EAX, ECX),
        asm!(Mov_r64_rm64, RAX, R9),
        asm!(Mov_r8_rm8, AL, CL),
        asm!(Mov_r8_rm8, SIL, R9L),
        asm!(Mov_r32_rm32, EAX, scratch(4)),
        asm!(Mov_r64_imm64, RAX, 0x0123_4567_89ab_cdef_u64),
        asm!(Mov_rm64_imm32, RAX, -5),
        asm!(Mov_r32_imm32, R8D, u32::MAX),
        asm!(Mov_rm8_r8, scratch(3), DL),
        asm!(Mov_rm32_r32, scratch(8), R10D),
        asm!(Mov_rm32_imm32, scratch(8), 0x7654_3210),
        asm!(Movzx_r32_rm8, EAX, CL),
        asm!(Movzx_r32_rm8, EAX, scratch(5)),
        asm!(Movzx_r32_rm16, EAX, CX),
        asm!(Movsx_r32_rm8, EAX, R8L),
        asm!(Movsx_r64_rm16, RAX, scratch(2)),
        asm!(Movsxd_r64_rm32, RAX, R11D),
        asm!(
            Lea_r64_m,
            RAX,
            iced_x86::MemoryOperand::with_base_index_scale_displ_size(RCX, R9, 4, -12, 1)
        ),
        asm!(Lea_r32_m, EAX, iced_x86::MemoryOperand::with_base_index_scale(R10, RDX, 8)),
        asm!(Nop_rm32, scratch(1 << 20)),
        asm!(Prefetcht0_m8, scratch(1 << 20)),
        asm!(Prefetchw_m8, scratch(-64)),
    ];
    for instruction in moves {
        check(&[instruction], "");
    }
    check(&[asm!(Push_r64, RAX), asm!(Push_r64, RCX), asm!(Pop_r64, RAX), asm!(Pop_r64, RCX)], "");
    check(&[asm!(Pushq_imm8, -1), asm!(Pop_r64, R11)], "");
    check(
        &[asm!(Mov_rm64_r64, super::at(RSP, -8), RAX), asm!(Mov_r64_rm64, RCX, super::at(RSP, -8))],
        "",
    );
}

#[test]
fn conditions() {
    use Code::*;
    let moves = [
        (Cmovo_r32_rm32, Jo_rel8_64),
        (Cmovno_r32_rm32, Jno_rel8_64),
        (Cmovb_r32_rm32, Jb_rel8_64),
        (Cmovae_r32_rm32, Jae_rel8_64),
        (Cmove_r32_rm32, Je_rel8_64),
        (Cmovne_r32_rm32, Jne_rel8_64),
        (Cmovbe_r32_rm32, Jbe_rel8_64),
        (Cmova_r32_rm32, Ja_rel8_64),
        (Cmovs_r32_rm32, Js_rel8_64),
        (Cmovns_r32_rm32, Jns_rel8_64),
        (Cmovp_r32_rm32, Jp_rel8_64),
        (Cmovnp_r32_rm32, Jnp_rel8_64),
        (Cmovl_r32_rm32, Jl_rel8_64),
        (Cmovge_r32_rm32, Jge_rel8_64),
        (Cmovle_r32_rm32, Jle_rel8_64),
        (Cmovg_r32_rm32, Jg_rel8_64),
    ];
    for (conditional_move, jump) in moves {
        for [a, b] in [[EAX, ECX], [EDX, EDX]] {
            let compare = asm!(Cmp_r32_rm32, a, b);
            let moved = Instruction::with2(conditional_move, R8D, R9D).expect("they fit");
            check(&[compare, moved], "");
            // The jump is as long as the move that it skips: two bytes.
            let jumped = Instruction::with_branch(jump, 4).expect("a near target");
            check(&[compare, jumped, asm!(Mov_r32_rm32, EAX, EDX)], "");
        }
    }
}
