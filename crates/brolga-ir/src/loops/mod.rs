//! Scalar loops: the form of an op for every element type and every shape.
//!
//! Each op writes itself as loops over its elements,
//! [`Operation::loops`](crate::op::Operation::loops), in the order of arithmetic of its reference
//! evaluation. Code generation makes machine code of them if no faster form applies, so that every
//! valid graph runs natively.
//!
//! A program is plain data: [`Stage`]s that run one after the other, each a body for every unit
//! `0..units`, in any order and on any number of threads. [`Writer`] writes it, [`write_body`]
//! fuses the elementwise ops of a kernel's body, [`Loops::check`] proves that no access leaves its
//! buffer.

mod arithmetic;
mod body;
mod check;
mod index;
mod sources;
mod text;
mod writer;

pub use arithmetic::Arithmetic;
pub(crate) use body::copy;
pub use body::write_body;
pub use check::Breach;
pub(crate) use index::integer;
pub use index::{Atom, Index};
pub use sources::Sources;
pub use writer::Writer;

use crate::lanes::{Binary, Shift, Unary};
use crate::types::{DType, Type};

/// A tensor in memory: its index in [`Loops::buffers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Buffer(pub u32);

/// The properties of a buffer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BufferData {
    /// Element type and shape.
    pub ty: Type,
    /// Where its memory is.
    pub storage: Storage,
}

/// Where the memory of a buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Storage {
    /// The caller's tensor of this index.
    Given(u32),
    /// The program's own memory.
    Temporary,
    /// The memory of another buffer, under another shape.
    View(Buffer),
}

/// The kind of number in a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// A float of 32 bits; `bf16` and `f16` are widened to it.
    F32,
    /// A float of 64 bits.
    F64,
    /// An integer of 32 bits; `u8` is zero-extended to it.
    I32,
    /// An integer of 64 bits.
    I64,
    /// A truth value.
    Mask,
}

impl Scalar {
    /// The kind of an element of this type in a register.
    #[must_use]
    pub fn of(dtype: DType) -> Self {
        match dtype {
            DType::F32 | DType::BF16 | DType::F16 => Self::F32,
            DType::F64 => Self::F64,
            DType::I32 | DType::U8 => Self::I32,
            DType::I64 => Self::I64,
            DType::Bool => Self::Mask,
        }
    }
}

/// A number in a register, defined once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    /// Its number in the program.
    pub id: u32,
    /// Its kind.
    pub scalar: Scalar,
}

/// A register that changes: an accumulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Variable {
    /// Its number in the program.
    pub id: u32,
    /// Its kind.
    pub scalar: Scalar,
}

/// The definition of an atom that is no loop's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Rule {
    /// `⌊a / divisor⌋`; `a` is not negative.
    Quotient(Index, i64),
    /// `a mod divisor`; `a` is not negative.
    Remainder(Index, i64),
    /// The smaller of both.
    Min(Index, Index),
    /// The greater of both.
    Max(Index, Index),
    /// An integer register.
    Number(Number),
    /// The same; inside [`Step::When`] it is known to be in the range.
    Same(Index),
}

/// The definition of a register. The meanings are those of [`Lanes`](crate::lanes::Lanes).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// A number with these bits.
    Constant(u64),
    /// An element, widened to its register.
    Load(Buffer, Index),
    /// The number in the variable.
    Get(Variable),
    /// The low bits of an index.
    Index(Index),
    /// One operand.
    Unary(Unary, Number),
    /// Two operands.
    Binary(Binary, Number, Number),
    /// A shift by a constant.
    Shift(Shift, Number, u32),
    /// `a · b + c`, rounded once.
    Fma(Number, Number, Number),
    /// The second where the mask is true, else the third.
    Select(Number, Number, Number),
    /// The number as an element of this type, by the rule of [`Cast`](crate::ops::Cast), in that
    /// type's register.
    Convert(Number, DType),
}

/// A step of the loops.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// The body for each index from `from` up to, but not including, `to`.
    Loop {
        /// The index, which ascends.
        index: Atom,
        /// The first value.
        from: Index,
        /// The value after the last one.
        to: Index,
        /// The steps for each value.
        body: Vec<Step>,
    },
    /// The body for each index from 0 up to, but not including, `limit`, as long as a condition
    /// holds.
    While {
        /// The index, which ascends.
        index: Atom,
        /// The most times that the body runs.
        limit: i64,
        /// The steps before each run of the body, which define `holds`.
        condition: Vec<Step>,
        /// Whether the body runs again; a mask.
        holds: Number,
        /// The steps for each value.
        body: Vec<Step>,
    },
    /// Defines an atom.
    Atom(Atom, Rule),
    /// `then` if `from ≤ index < to`, else `otherwise`.
    When {
        /// The index that is compared.
        index: Index,
        /// The least value inside.
        from: i64,
        /// The value above the greatest inside.
        to: i64,
        /// The steps inside.
        then: Vec<Step>,
        /// The steps outside.
        otherwise: Vec<Step>,
    },
    /// Defines a register.
    Let(Number, Value),
    /// Sets a variable.
    Set(Variable, Number),
    /// Writes an element, rounded or wrapped to the buffer's element type.
    Store(Buffer, Index, Number),
}

/// A part of a program whose units are independent of one another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stage {
    /// The names of its ops, for readers.
    pub name: String,
    /// The number of units; it follows from the shapes alone.
    pub units: usize,
    /// The unit.
    pub unit: Atom,
    /// The steps for each unit.
    pub body: Vec<Step>,
}

/// A program of scalar loops.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Loops {
    /// The stages, which run one after the other.
    pub stages: Vec<Stage>,
    /// All buffers, those that the caller gives first.
    pub buffers: Vec<BufferData>,
    /// The numbers of atoms, registers and variables.
    pub counts: Counts,
    /// The node of the body that each register is computed for.
    pub sources: Sources,
}

/// The numbers of atoms, registers and variables of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Counts {
    /// Atoms.
    pub atoms: u32,
    /// Registers.
    pub numbers: u32,
    /// Variables.
    pub variables: u32,
}

impl Stage {
    /// The floating-point operations of all units, a multiply-add counted as two; a loop whose
    /// count depends on an index counts once.
    #[must_use]
    pub fn flops(&self) -> u64 {
        flops(&self.body).saturating_mul(self.units as u64)
    }
}

/// The recursion is as deep as loops nest.
fn flops(steps: &[Step]) -> u64 {
    let of = |step: &Step| match step {
        Step::Loop { from, to, body, .. } => {
            let count = match (from.constant(), to.constant()) {
                (Some(from), Some(to)) => u64::try_from(to - from).unwrap_or(0),
                _ => 1,
            };
            flops(body).saturating_mul(count)
        }
        Step::While { condition, body, .. } => flops(condition).saturating_add(flops(body)),
        Step::When { then, otherwise, .. } => flops(then).saturating_add(flops(otherwise)),
        Step::Let(_, Value::Fma(..)) => 2,
        Step::Let(_, Value::Unary(..) | Value::Binary(..)) => 1,
        Step::Let(..) | Step::Store(..) | Step::Set(..) | Step::Atom(..) => 0,
    };
    steps.iter().map(of).fold(0, u64::saturating_add)
}

impl Loops {
    /// The type of a buffer.
    #[must_use]
    pub fn ty(&self, buffer: Buffer) -> &Type {
        &self.buffers[buffer.0 as usize].ty
    }

    /// The buffer that owns the memory of this one: itself, unless it is a view.
    #[must_use]
    pub fn owner(&self, mut buffer: Buffer) -> Buffer {
        while let Storage::View(other) = self.buffers[buffer.0 as usize].storage {
            buffer = other;
        }
        buffer
    }
}
