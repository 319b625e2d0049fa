//! The same machine code on this machine and in the emulator.

mod arithmetic;
mod general;
mod vectors;

use brolga_codegen::tile::Buffer;
use iced_x86::{Encoder, Instruction, Register, Register::*};

use super::{asm, assemble, at};
use crate::emulate::run;

/// The state before and after the code.
#[repr(C, align(64))]
#[derive(Clone, PartialEq)]
struct State {
    /// ymm0 to ymm7 before.
    vectors: [[u32; 8]; 8],
    /// ymm0 to ymm7 after.
    vectors_after: [[u32; 8]; 8],
    /// The general registers of `GENERAL` before.
    general: [u64; 8],
    /// The general registers of `GENERAL` after.
    general_after: [u64; 8],
    /// Memory that the code under test may use.
    scratch: [u32; 16],
    /// The flags after, one byte each.
    flags: [u8; 64],
}

const GENERAL: [Register; 8] = [RAX, RCX, RDX, RSI, R8, R9, R10, R11];
const YMM: [Register; 8] = [YMM0, YMM1, YMM2, YMM3, YMM4, YMM5, YMM6, YMM7];
const BYTES: usize = size_of::<State>();

/// The memory that the code under test may use.
fn scratch(offset: i64) -> iced_x86::MemoryOperand {
    at(RDI, std::mem::offset_of!(State, scratch) as i64 + offset)
}

/// A function on a state; `flags` names those that are defined afterwards.
fn function(body: &[Instruction], flags: &str) -> Vec<u8> {
    let mut all = Vec::new();
    for (index, register) in (0..).zip(YMM) {
        all.push(asm!(VEX_Vmovups_ymm_ymmm256, register, at(RDI, 32 * index)));
    }
    for (index, register) in (0..).zip(GENERAL) {
        let offset = std::mem::offset_of!(State, general) as i64;
        all.push(asm!(Mov_r64_rm64, register, at(RDI, offset + 8 * index)));
    }
    all.extend(body);
    for (index, flag) in (0..).zip(flags.chars()) {
        let to = at(RDI, std::mem::offset_of!(State, flags) as i64 + index);
        all.push(match flag {
            'o' => asm!(Seto_rm8, to),
            'c' => asm!(Setb_rm8, to),
            'z' => asm!(Sete_rm8, to),
            's' => asm!(Sets_rm8, to),
            'p' => asm!(Setp_rm8, to),
            other => unreachable!("{other} is no flag"),
        });
    }
    for (index, register) in (0..).zip(YMM) {
        let offset = std::mem::offset_of!(State, vectors_after) as i64;
        all.push(asm!(VEX_Vmovups_ymmm256_ymm, at(RDI, offset + 32 * index), register));
    }
    for (index, register) in (0..).zip(GENERAL) {
        let offset = std::mem::offset_of!(State, general_after) as i64;
        all.push(asm!(Mov_rm64_r64, at(RDI, offset + 8 * index), register));
    }
    all.extend([asm!(VEX_Vzeroupper), asm!(Retnq)]);
    assemble(&all)
}

/// Whether the instruction exists with these operands.
fn exists(instruction: &Instruction) -> bool {
    Encoder::new(64).encode(instruction, 0).is_ok()
}

/// Random states, with many floats and integers that are special for some instruction.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn word(&mut self) -> u32 {
        const SPECIAL: [f32; 16] = [
            0.0,
            -0.0,
            1.0,
            -1.5,
            2.5,
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MIN_POSITIVE / 4.0,
            -f32::MIN_POSITIVE,
            f32::MAX,
            2_147_483_648.0,
            -2_147_483_648.0,
            8_388_609.5,
            -0.3,
            3e-20,
        ];
        const INTEGERS: [u32; 8] =
            [1, 2, 7, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x0001_8000, 0xffff_0000];
        let random = self.next() >> 16;
        match random % 8 {
            0..=2 => SPECIAL[(random >> 8) as usize % 16].to_bits(),
            3 => INTEGERS[(random >> 8) as usize % 8],
            // Floats of moderate size.
            4..=6 => (((random >> 8) as i32 >> 8) as f32 / 3072.0).to_bits(),
            _ => (random >> 8) as u32,
        }
    }

    fn state(&mut self) -> State {
        State {
            vectors: std::array::from_fn(|_| std::array::from_fn(|_| self.word())),
            vectors_after: [[0; 8]; 8],
            general: std::array::from_fn(|_| u64::from(self.word()) << 32 | u64::from(self.word())),
            general_after: [0; 8],
            scratch: std::array::from_fn(|_| self.word()),
            flags: [0; 64],
        }
    }
}

/// Asserts that the emulator leaves the same state as this machine.
fn check(body: &[Instruction], flags: &str) {
    if !(std::is_x86_feature_detected!("avx2")
        && std::is_x86_feature_detected!("fma")
        && std::is_x86_feature_detected!("f16c")
        && std::is_x86_feature_detected!("bmi2"))
    {
        return;
    }
    let code = function(body, flags);
    let pages = Pages::new(&code);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let shown = body.iter().map(|i| format!("{i}\n")).collect::<String>();
    for _ in 0..30 {
        let mut native = random.state();
        let mut emulated = native.clone();
        pages.call(&mut native);
        // SAFETY: a state consists of integers without padding, so it is as many bytes and any
        // bytes are a state.
        let bytes = unsafe { &mut *(&raw mut emulated).cast::<[u8; BYTES]>() };
        run(&code, &mut [Buffer::Bytes(bytes, 0)]).expect("the code is right");
        assert_eq!(emulated.flags, native.flags, "flags {flags} after\n{shown}");
        assert_eq!(emulated.general_after, native.general_after, "general registers\n{shown}");
        same(&emulated.scratch, &native.scratch, &shown, &native);
        for (emulated, expected) in emulated.vectors_after.iter().zip(&native.vectors_after) {
            same(emulated, expected, &shown, &native);
        }
    }
}

/// Asserts that the words are the same, all NaNs being one value.
fn same(emulated: &[u32], native: &[u32], shown: &str, state: &State) {
    let is_nan = |word: u32| f32::from_bits(word).is_nan();
    let equal = |(a, b): (&u32, &u32)| a == b || is_nan(*a) && is_nan(*b);
    assert!(
        emulated.iter().zip(native).all(equal),
        "emulated {emulated:08x?}\nnative   {native:08x?}\nafter\n{shown}of {:08x?}",
        state.vectors
    );
}

/// Executable memory.
struct Pages {
    start: *mut libc::c_void,
    len: usize,
}

impl Pages {
    fn new(code: &[u8]) -> Self {
        let len = code.len();
        // SAFETY: a new private mapping overlaps nothing.
        let start = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            libc::mmap(std::ptr::null_mut(), len, protection, flags, -1, 0)
        };
        assert_ne!(start, libc::MAP_FAILED, "there is memory");
        // SAFETY: the mapping is writable, new, and as long as the code.
        unsafe { start.cast::<u8>().copy_from_nonoverlapping(code.as_ptr(), len) };
        // SAFETY: the pages are those of the mapping made above.
        let done = unsafe { libc::mprotect(start, len, libc::PROT_READ | libc::PROT_EXEC) };
        assert_eq!(done, 0, "pages can be made executable");
        Self { start, len }
    }

    fn call(&self, state: &mut State) {
        // SAFETY: the code is a function with one pointer as its argument, and this machine has
        // been found to have its instructions.
        let function: unsafe extern "C" fn(*mut State) = unsafe { std::mem::transmute(self.start) };
        // SAFETY: the function changes only the state and registers that it may.
        unsafe { function(state) };
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is this object's own.
        unsafe { libc::munmap(self.start, self.len) };
    }
}
