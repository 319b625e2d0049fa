//! The registers: general, vectors, opmasks, flags.

use iced_x86::Register;

use super::Outcome;

/// The content of general register 0 before the function starts; register n holds n more.
pub(super) const GARBAGE: u64 = 0xbad0_bad0_bad0_ba00;

/// The 64 bytes of a vector register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Vector(pub(super) [u8; 64]);

impl Vector {
    pub(super) const ZERO: Self = Self([0; 64]);

    /// These bytes, and zeros after them.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let mut all = [0; 64];
        all[..bytes.len()].copy_from_slice(bytes);
        Self(all)
    }

    pub(super) fn from_dwords(words: [u32; 16]) -> Self {
        let mut all = [0; 64];
        for (bytes, word) in all.as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        Self(all)
    }

    pub(super) fn from_qwords(words: [u64; 8]) -> Self {
        let mut all = [0; 64];
        for (bytes, word) in all.as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        Self(all)
    }

    pub(super) fn dwords(&self) -> [u32; 16] {
        std::array::from_fn(|lane| u32::from_le_bytes(self.0.as_chunks().0[lane]))
    }

    pub(super) fn qwords(&self) -> [u64; 8] {
        std::array::from_fn(|lane| u64::from_le_bytes(self.0.as_chunks().0[lane]))
    }
}

/// The flags; `None` where the last instruction that changes a flag leaves it undefined.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) zero: Option<bool>,
    pub(super) sign: Option<bool>,
    pub(super) carry: Option<bool>,
    pub(super) overflow: Option<bool>,
    pub(super) parity: Option<bool>,
}

/// All registers.
pub(super) struct Registers {
    pub(super) general: [u64; 16],
    pub(super) vectors: [Vector; 32],
    pub(super) masks: [u64; 8],
    pub(super) flags: Flags,
    /// Whether an upper half of the vector registers 0 to 15 was written after the last
    /// `vzeroupper`.
    pub(super) dirty: bool,
}

impl Registers {
    /// Unexpected content: numbers that tell their register and lane, as floats signalling NaNs.
    pub(super) fn garbage() -> Self {
        let vector = |register: usize| {
            let lane = |lane: usize| 0x7fa0_0000 | (register as u32) << 8 | lane as u32;
            Vector::from_dwords(std::array::from_fn(lane))
        };
        Self {
            general: std::array::from_fn(|register| GARBAGE.wrapping_add(register as u64)),
            vectors: std::array::from_fn(vector),
            masks: std::array::from_fn(|register| 0xa5a5_5a5a_a5a5_5a50 | register as u64),
            flags: Flags::default(),
            dirty: false,
        }
    }

    /// Sets the low `size` bytes of a vector register, and all others to zero.
    pub(super) fn set_vector(&mut self, index: usize, size: usize, mut value: Vector) {
        value.0[size..].fill(0);
        self.vectors[index] = value;
        self.dirty |= size > 16 && index < 16;
    }

    /// `vzeroupper`.
    pub(super) fn zero_upper(&mut self) {
        for vector in &mut self.vectors[..16] {
            vector.0[16..].fill(0);
        }
        self.dirty = false;
    }
}

/// A register as part of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// The low bytes of a general register.
    General { index: usize, size: usize },
    /// The low bytes of a vector register.
    Vector { index: usize, size: usize },
    /// An opmask.
    Mask(usize),
}

/// The register of the machine that an operand names.
pub(super) fn slot(register: Register) -> Outcome<Slot> {
    let from = |first: Register| register as usize - first as usize;
    Ok(if register.is_gpr64() {
        Slot::General { index: from(Register::RAX), size: 8 }
    } else if register.is_gpr32() {
        Slot::General { index: from(Register::EAX), size: 4 }
    } else if register.is_gpr16() {
        Slot::General { index: from(Register::AX), size: 2 }
    } else if register.is_gpr8() {
        // Four registers of second bytes, ah to bh, come before spl.
        let index = match from(Register::AL) {
            low @ 0..4 => low,
            4..8 => return Err(format!("the emulator does not know {register:?}")),
            low => low - 4,
        };
        Slot::General { index, size: 1 }
    } else if register.is_xmm() {
        Slot::Vector { index: from(Register::XMM0), size: 16 }
    } else if register.is_ymm() {
        Slot::Vector { index: from(Register::YMM0), size: 32 }
    } else if register.is_zmm() {
        Slot::Vector { index: from(Register::ZMM0), size: 64 }
    } else if register.is_k() {
        Slot::Mask(from(Register::K0))
    } else {
        return Err(format!("the emulator does not know {register:?}"));
    })
}
