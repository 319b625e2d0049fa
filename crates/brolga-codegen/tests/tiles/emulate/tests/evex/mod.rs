//! Instructions of AVX-512, with results written by hand from Intel's manual.

mod masking;
mod moved;
mod opmasks;

use brolga_codegen::tile::Buffer;
use iced_x86::{Instruction, MemoryOperand, Register::*};

use super::{asm, assemble, at};
use crate::emulate::run;

/// The state before the code: zmm1 to zmm3, k1 to k3, and the last 64 bytes of a buffer.
#[derive(Clone, Copy)]
struct Before {
    vectors: [[u32; 16]; 3],
    masks: [u32; 3],
    memory: [u32; 16],
}

/// Three vectors that differ in every lane; in lane l: 1000 + l, 10 + l, 300 + l, and 70 + l in
/// memory.
const INTS: Before = Before {
    vectors: [counted(1000), counted(10), counted(300)],
    masks: [0b1010_0000_0000_0101, 0, 0],
    memory: counted(70),
};

const fn counted(from: u32) -> [u32; 16] {
    let mut lanes = [from; 16];
    let mut lane = 0;
    while lane < 16 {
        lanes[lane] += lane as u32;
        lane += 1;
    }
    lanes
}

/// The state after the code: zmm1, k2, and the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct After {
    zmm1: [u32; 16],
    k2: u32,
    memory: [u32; 16],
}

impl Before {
    fn run(self, body: &[Instruction]) -> After {
        self.try_run(body).expect("the code is right")
    }

    /// Runs the code, with the address of the memory in rsi.
    fn try_run(self, body: &[Instruction]) -> Result<After, String> {
        let mut all: Vec<Instruction> = (0..)
            .zip([ZMM1, ZMM2, ZMM3])
            .map(|(index, zmm)| asm!(EVEX_Vmovups_zmm_k1z_zmmm512, zmm, at(RDI, 64 * index)))
            .collect();
        for (k, mask) in [K1, K2, K3].into_iter().zip(self.masks) {
            all.extend([asm!(Mov_r32_imm32, EAX, mask), asm!(VEX_Kmovd_kr_r32, k, EAX)]);
        }
        all.extend(body);
        all.extend([
            asm!(EVEX_Vmovups_zmmm512_k1z_zmm, at(RDI, 0), ZMM1),
            asm!(VEX_Kmovd_r32_kr, EAX, K2),
            asm!(Mov_rm32_r32, at(RDI, 64), EAX),
            asm!(VEX_Vzeroupper),
            asm!(Retnq),
        ]);
        let bytes = |words: &[u32]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        let (mut state, mut memory) = (bytes(self.vectors.as_flattened()), bytes(&self.memory));
        run(&assemble(&all), &mut [Buffer::Bytes(&mut state, 0), Buffer::Bytes(&mut memory, 0)])?;
        let words = |bytes: &[u8]| {
            std::array::from_fn(|lane| u32::from_le_bytes(bytes.as_chunks().0[lane]))
        };
        Ok(After { zmm1: words(&state), k2: words(&state[64..])[0], memory: words(&memory) })
    }

    /// With floats in index of the vectors and the memory.
    fn floats(vectors: [[f32; 16]; 3], memory: [f32; 16]) -> Self {
        Self {
            vectors: vectors.map(|vector| vector.map(f32::to_bits)),
            memory: memory.map(f32::to_bits),
            ..INTS
        }
    }
}

/// Memory at an offset from the beginning of the 64 bytes.
fn memory(displacement: i64) -> MemoryOperand {
    at(RSI, displacement)
}

/// The instruction with an opmask that keeps the other lanes.
fn merging(mut i: Instruction) -> Instruction {
    i.set_op_mask(K1);
    i
}

/// The instruction with an opmask that zeroes the other lanes.
fn zeroing(mut i: Instruction) -> Instruction {
    i.set_op_mask(K1);
    i.set_zeroing_masking(true);
    i
}

/// The instruction with one element of memory for all lanes.
fn broadcast(mut i: Instruction) -> Instruction {
    i.set_is_broadcast(true);
    i
}

/// Sixteen lanes: in those of the mask from `chosen`, else from `other`.
fn lanes(mask: u32, chosen: impl Fn(u32) -> u32, other: impl Fn(u32) -> u32) -> [u32; 16] {
    std::array::from_fn(|lane| {
        let lane = lane as u32;
        if mask >> lane & 1 == 1 { chosen(lane) } else { other(lane) }
    })
}
