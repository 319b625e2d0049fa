//! Machine instructions with virtual vector and mask registers.

use iced_x86::Code;
use smallvec::SmallVec;

use crate::tile::program::{Count, Element, Pointer, Trips};

/// A virtual register, which holds one part of a value or of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct V(pub(super) u32);

impl V {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The class of a virtual register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Class {
    /// xmm, ymm or zmm.
    Vector,
    /// k1 to k7.
    Mask,
}

/// The part of a vector register that an instruction works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// 128 bits.
    X,
    /// 256 bits.
    Y,
    /// 512 bits.
    Z,
}

/// The properties of a virtual register.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct VData {
    pub(super) class: Class,
    /// Its constant value. No instruction defines a constant until it is known whether it gets a
    /// register.
    pub(super) constant: Option<Constant>,
    /// The accumulator of a contraction, which has to stay in a register.
    pub(super) accumulator: bool,
}

/// A number known when the code is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Constant {
    /// The same word in all lanes.
    Word(u32),
    /// A word for each lane, as many as a register has.
    Words([u32; 16]),
    /// The bits of a mask register.
    Mask(u16),
}

/// An address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mem {
    pub(super) pointer: Pointer,
    pub(super) offset: i32,
    /// One element stands for all lanes.
    pub(super) broadcast: bool,
}

/// An operand of an instruction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operand {
    /// A register.
    Reg(V, Width),
    /// A register, or the memory of its content if it has none. At most one operand of an
    /// instruction.
    Any(V, Width),
    Mem(Mem),
    Imm(u8),
}

/// The use of an instruction's first operand, if that is a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    Read,
    Written,
    Changed,
}

/// One machine instruction.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Inst {
    pub(super) code: Code,
    pub(super) operands: SmallVec<[Operand; 4]>,
    pub(super) first: First,
    /// The mask register, and whether lanes outside become zero; otherwise they keep their content.
    pub(super) mask: Option<(V, bool)>,
}

/// Bytes of an element that is narrower than a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PackedSize {
    One = 1,
    Two = 2,
}

impl PackedSize {
    pub(super) fn of(element: Element) -> Self {
        match element {
            Element::BF16 | Element::F16 => Self::Two,
            Element::F32 | Element::I32 | Element::U8 => Self::One,
        }
    }

    pub(super) fn bytes(self) -> i32 {
        self as i32
    }

    /// The width of sixteen of them.
    pub(super) fn width(self) -> Width {
        match self {
            Self::One => Width::X,
            Self::Two => Width::Y,
        }
    }
}

/// A step of the code, most of them one machine instruction. Every step reads all its operands
/// before it writes one.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Inst(Inst),
    /// `dst = factors[0] · factors[1] + term`: which of the three forms is used depends on the
    /// registers.
    Fma {
        dst: V,
        factors: [V; 2],
        term: V,
        width: Width,
    },
    /// A copy, a load from the stack or a store to it.
    Move {
        dst: V,
        src: V,
    },
    /// The constant `of` in a register: `dst` is `of` itself, or a copy for one use.
    Constant {
        dst: V,
        of: V,
    },
    /// A mask of the lanes that a count leaves over, for one part.
    Rest {
        dst: V,
        count: Count,
        part: usize,
    },
    /// The low 32 bits of a count in all lanes.
    Splat {
        dst: V,
        count: Count,
    },
    /// One byte from memory, zero-extended, in all lanes.
    Byte {
        dst: V,
        mem: Mem,
    },
    /// As many elements from memory as a count leaves over, the others zero, side by side in the
    /// low part of a 256-bit register.
    PackedIn {
        dst: V,
        mem: Mem,
        count: Count,
        size: PackedSize,
    },
    /// As many of the sixteen low elements to memory as a count leaves over.
    PackedOut {
        src: V,
        mem: Mem,
        count: Count,
        size: PackedSize,
    },
    /// A pointer moves.
    Step {
        pointer: Pointer,
        bytes: i64,
        trips: Trips,
    },
    Begin(Trips),
    End,
    /// What follows is of the statement of this number, in the order of the text: no code.
    Mark(u32),
}

impl Item {
    /// Calls `f` with every register that is read.
    pub(super) fn reads(&self, mut f: impl FnMut(V)) {
        match self {
            Self::Inst(inst) => {
                for (index, operand) in inst.operands.iter().enumerate() {
                    if let Operand::Reg(v, _) | Operand::Any(v, _) = *operand
                        && (index > 0 || inst.first != First::Written)
                    {
                        f(v);
                    }
                }
                if let Some((mask, _)) = inst.mask {
                    f(mask);
                }
            }
            Self::Fma { factors, term, .. } => factors.iter().chain([term]).copied().for_each(f),
            Self::Move { src, .. } | Self::PackedOut { src, .. } => f(*src),
            _ => {}
        }
    }

    /// The register that is written.
    pub(super) fn written(&self) -> Option<V> {
        match self {
            Self::Inst(inst) => match (inst.first, inst.operands.first()) {
                (First::Written | First::Changed, Some(Operand::Reg(v, _))) => Some(*v),
                _ => None,
            },
            Self::Fma { dst, .. }
            | Self::Move { dst, .. }
            | Self::Constant { dst, .. }
            | Self::Rest { dst, .. }
            | Self::Splat { dst, .. }
            | Self::Byte { dst, .. }
            | Self::PackedIn { dst, .. } => Some(*dst),
            Self::PackedOut { .. }
            | Self::Step { .. }
            | Self::Begin(_)
            | Self::End
            | Self::Mark(_) => None,
        }
    }

    /// Renames every register.
    pub(super) fn rename(&mut self, mut f: impl FnMut(V) -> V) {
        match self {
            Self::Inst(inst) => {
                for operand in &mut inst.operands {
                    if let Operand::Reg(v, _) | Operand::Any(v, _) = operand {
                        *v = f(*v);
                    }
                }
                if let Some((mask, _)) = &mut inst.mask {
                    *mask = f(*mask);
                }
            }
            Self::Fma { dst, factors, term, .. } => {
                *dst = f(*dst);
                factors.iter_mut().chain([term]).for_each(|v| *v = f(*v));
            }
            Self::Move { dst, src } => {
                *dst = f(*dst);
                *src = f(*src);
            }
            Self::Constant { dst: v, .. }
            | Self::Rest { dst: v, .. }
            | Self::Splat { dst: v, .. }
            | Self::Byte { dst: v, .. }
            | Self::PackedIn { dst: v, .. }
            | Self::PackedOut { src: v, .. } => *v = f(*v),
            Self::Step { .. } | Self::Begin(_) | Self::End | Self::Mark(_) => {}
        }
    }
}

/// Code before registers are chosen.
#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    pub(super) items: Vec<Item>,
    pub(super) registers: Vec<VData>,
}

impl Listing {
    pub(super) fn fresh(&mut self, class: Class) -> V {
        self.add(VData { class, constant: None, accumulator: false })
    }

    pub(super) fn add(&mut self, data: VData) -> V {
        self.registers.push(data);
        V(u32::try_from(self.registers.len() - 1).unwrap_or(u32::MAX))
    }

    pub(super) fn data(&self, v: V) -> &VData {
        &self.registers[v.index()]
    }
}
