//! The data structure of a tile program.

pub use brolga_ir::lanes::{Binary, Kind, Shift, Unary};
use brolga_ir::loops::Sources;

/// Lanes of one logical vector.
pub const LANES: usize = 16;

/// The greatest distance of an address from its pointer: 2 GiB, which an instruction can encode,
/// less the bytes that a statement touches from the address on.
pub const REACH: i64 = (1 << 31) - (1 << 12);

/// A tile program: the innermost run of a kernel, written over logical vectors of [`LANES`] lanes.
///
/// Plain data: two equal programs are the same function. A [`Builder`](super::Builder) writes it,
/// [`TileProgram::validate`] checks it, a [`TileTarget`](super::TileTarget) turns it into machine
/// code.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TileProgram {
    /// A name for people: `contraction_6x8`.
    pub name: String,
    /// The parameters, in the order of the call. Each is one 64-bit integer argument.
    pub params: Vec<Param>,
    /// Every value: constants and the results of [`Stmt::Let`].
    pub values: Vec<ValueData>,
    /// Every variable with its kind.
    pub vars: Vec<Kind>,
    /// The statements, in the order of execution.
    pub body: Vec<Stmt>,
    /// The node of the kernel's body that each value is computed for.
    pub sources: Sources,
}

/// One parameter of a program.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Param {
    /// A name for the text form.
    pub name: String,
    /// The kind of the argument.
    pub kind: ParamKind,
}

/// The kind of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParamKind {
    /// An address. The program moves it by [`Stmt::Step`].
    Pointer,
    /// A number of something, at least 0.
    Count,
}

/// A pointer parameter: its index among the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pointer(pub u16);

impl Pointer {
    /// The address `offset` bytes after the pointer.
    #[must_use]
    pub fn at(self, offset: impl Into<i64>) -> Address {
        Address { pointer: self, offset: offset.into() }
    }
}

/// A count parameter: its index among the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Count(pub u16);

/// A value: its index in [`TileProgram::values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub u32);

/// A variable: its index in [`TileProgram::vars`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Var(pub u32);

/// Kind and, for a constant, the number of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ValueData {
    /// The kind of the lanes.
    pub kind: Kind,
    /// The number in every lane, if the value is a constant. Constants are visible everywhere and
    /// have no statement: each instruction set chooses where to hold them.
    pub constant: Option<Constant>,
}

/// A number known when the program is written, the same in every lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Constant {
    /// The float with these bits.
    Float(u32),
    /// An integer.
    Int(i32),
    /// A truth value.
    Mask(bool),
}

impl Constant {
    /// The kind of its lanes.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Float(_) => Kind::Float,
            Self::Int(_) => Kind::Int,
            Self::Mask(_) => Kind::Mask,
        }
    }
}

/// The format of an element in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// Four bytes, float lanes.
    F32,
    /// The upper two bytes of a float: widened by a load, rounded to nearest even by a store.
    BF16,
    /// Two bytes of IEEE 754 half precision: widened by a load, rounded to nearest even by a store.
    F16,
    /// Four bytes, integer lanes.
    I32,
    /// One byte, integer lanes: zero-extended by a load, the low byte by a store.
    U8,
}

impl Element {
    /// Bytes of one element.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::F32 | Self::I32 => 4,
            Self::BF16 | Self::F16 => 2,
            Self::U8 => 1,
        }
    }

    /// The kind of its lanes.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::F32 | Self::BF16 | Self::F16 => Kind::Float,
            Self::I32 | Self::U8 => Kind::Int,
        }
    }
}

/// An address in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    /// The pointer, with its moves so far.
    pub pointer: Pointer,
    /// Bytes added to it, less than [`REACH`] in both directions.
    pub offset: i64,
}

impl Address {
    /// The address `bytes` bytes later.
    #[must_use]
    pub fn plus(self, bytes: i64) -> Self {
        Self { offset: self.offset.saturating_add(bytes), ..self }
    }
}

impl TileProgram {
    /// All statements in the order of the text, those of loops after the loop.
    pub(crate) fn statements(&self) -> impl Iterator<Item = &Stmt> {
        // The statements that are still to come, the next one last.
        let mut open: Vec<&Stmt> = self.body.iter().rev().collect();
        std::iter::from_fn(move || {
            let stmt = open.pop()?;
            if let Stmt::Loop { body, .. } = stmt {
                open.extend(body.iter().rev());
            }
            Some(stmt)
        })
    }

    /// The node of the kernel's body that a statement belongs to, by its index; none for loops and
    /// pointers.
    #[must_use]
    pub fn source(&self, stmt: &Stmt) -> Option<usize> {
        match stmt {
            Stmt::Let(value, _) | Stmt::Set(_, value) | Stmt::Store { value, .. } => {
                self.sources.of(value.0)
            }
            Stmt::StoreTransposed { values, .. } => self.sources.of(values[0].0),
            // The accumulators are set to 0, or to what was there, for the contraction.
            Stmt::Rank1(_) | Stmt::Prefetch(_) | Stmt::Step { .. } | Stmt::Loop { .. } => None,
        }
    }
}

impl Stmt {
    /// Whether it writes to memory.
    pub(super) fn is_store(&self) -> bool {
        matches!(self, Self::Store { .. } | Self::StoreTransposed { .. })
    }
}

/// The lanes of a vector that a statement touches in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extent {
    /// All of them.
    Full,
    /// The first n, 1 ≤ n ≤ 15.
    First(u8),
    /// The first n mod 16 of a count n: the lanes that [`Trips::Vectors`] leaves over.
    Rest(Count),
}

impl Extent {
    /// The first `lanes` of a vector: all for 16.
    ///
    /// The builder's validation refuses 0 and more than 16.
    #[must_use]
    pub fn first(lanes: usize) -> Self {
        if lanes == LANES {
            Self::Full
        } else {
            Self::First(u8::try_from(lanes).unwrap_or(u8::MAX))
        }
    }
}

/// A number of repetitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trips {
    /// This number.
    Const(u32),
    /// The number that an argument gives.
    Count(Count),
    /// Once for each whole vector of a count n: ⌊n / 16⌋.
    Vectors(Count),
    /// Once if a count n leaves lanes over (n mod 16 > 0), else never.
    Tail(Count),
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Stmt {
    /// The value is the result of the op. It lives to the end of the statement's block.
    Let(Value, Op),
    /// The variable takes the value.
    Set(Var, Value),
    /// The lanes of the value go to memory; nothing outside them is touched.
    Store {
        /// The format of an element in memory.
        element: Element,
        /// The address of lane 0.
        address: Address,
        /// The lanes.
        extent: Extent,
        /// The value.
        value: Value,
    },
    /// Lane l of four float values goes to memory at `step · l` bytes after the address, 16 bytes
    /// in the order of the values: four rows become sixteen columns.
    StoreTransposed {
        /// The address of the lanes 0.
        address: Address,
        /// Bytes from one lane to the next.
        step: i64,
        /// The values.
        values: [Value; 4],
    },
    /// The cache line of this address will be needed soon. It changes nothing, and an instruction
    /// set may ignore it.
    Prefetch(Address),
    /// The pointer moves by `bytes · trips`.
    Step {
        /// The pointer.
        pointer: Pointer,
        /// The distance of each move.
        bytes: i64,
        /// The number of times.
        trips: Trips,
    },
    /// One step of a contraction.
    Rank1(Rank1),
    /// A loop.
    Loop {
        /// The number of times.
        trips: Trips,
        /// The statements.
        body: Vec<Stmt>,
    },
}

/// `acc[r][v] = fma(a[r], b[v], acc[r][v])` for every row r and every vector v: one step of a
/// contraction.
///
/// `a[r]` is one f32, the same in all lanes; `b[v]` are 16 f32 at `b + 64·v` bytes, in the last
/// vector the lanes of `extent`. It is one statement, so that each instruction set can order loads
/// and registers.
///
/// The lanes outside `extent` of the last vector's accumulators are unspecified afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rank1 {
    /// The accumulators: float variables, row by row, `a.len() · vectors` of them, all different.
    pub acc: Vec<Var>,
    /// The address of each row's factor.
    pub a: Vec<Address>,
    /// The address of the first vector of factors.
    pub b: Address,
    /// The number of vectors of a row.
    pub vectors: usize,
    /// The lanes of the last vector: [`Extent::Full`] or [`Extent::First`].
    pub extent: Extent,
}

/// An operation that gives a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// Lanes from memory; those outside the extent are zero, and their memory is not touched.
    Load(Element, Address, Extent),
    /// One element from memory, in every lane.
    Broadcast(Element, Address),
    /// The low 32 bits of a count, in every lane.
    Splat(Count),
    /// The number of the lane: 0, 1, ... 15.
    Iota,
    /// True in the lanes of the extent.
    FirstLanes(Extent),
    /// The value in the variable.
    Get(Var),
    /// The float that a load gives after a store of an element of 16 bits: the nearest number that
    /// it holds, ties to even.
    RoundTo(Element, Value),
    /// One operand.
    Unary(Unary, Value),
    /// Two operands.
    Binary(Binary, Value, Value),
    /// A shift of integers by a constant below 32.
    Shift(Shift, Value, u8),
    /// `a · b + c`, rounded once.
    Fma(Value, Value, Value),
    /// The second operand where the mask is true, the third elsewhere; both floats or both
    /// integers.
    Select(Value, Value, Value),
    /// All lanes combined by a fixed tree, the result in every lane.
    Reduce(Reduction, Value),
}

impl Op {
    /// Whether the result depends on the operands alone, and not on memory or variables.
    #[must_use]
    pub fn is_pure(self) -> bool {
        !matches!(self, Self::Load(..) | Self::Broadcast(..) | Self::Get(_))
    }

    /// The values it reads.
    pub fn operands(self) -> impl Iterator<Item = Value> {
        let operands = match self {
            Self::Load(..)
            | Self::Broadcast(..)
            | Self::Splat(_)
            | Self::Iota
            | Self::FirstLanes(_)
            | Self::Get(_) => [None; 3],
            Self::RoundTo(_, a) | Self::Unary(_, a) | Self::Shift(_, a, _) | Self::Reduce(_, a) => {
                [Some(a), None, None]
            }
            Self::Binary(_, a, b) => [Some(a), Some(b), None],
            Self::Fma(a, b, c) | Self::Select(a, b, c) => [Some(a), Some(b), Some(c)],
        };
        operands.into_iter().flatten()
    }

    /// Whether the result is the same in all lanes, given which operands are.
    pub(super) fn is_uniform(self, operand: impl Fn(Value) -> bool) -> bool {
        match self {
            Self::Broadcast(..) | Self::Splat(_) | Self::Reduce(..) => true,
            Self::Load(..) | Self::Iota | Self::FirstLanes(_) | Self::Get(_) => false,
            Self::RoundTo(..)
            | Self::Unary(..)
            | Self::Binary(..)
            | Self::Shift(..)
            | Self::Fma(..)
            | Self::Select(..) => self.operands().all(operand),
        }
    }
}

/// The combination of all lanes of a vector: lane l with lane l + 8, then l + 4, l + 2, l + 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// The sum.
    Sum,
    /// The maximum, by the choice of [`brolga_ir::ops::Max`] with the lower lane first: NaN if any
    /// lane is NaN, and of +0 and −0 the one in the higher lane.
    Max,
}

impl Reduction {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Sum, Self::Max];

    /// The kinds of the operand and of the result.
    #[must_use]
    pub fn signature(self) -> (&'static [Kind], Kind) {
        (&[Kind::Float], Kind::Float)
    }

    /// The word in the text form.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Max => "max",
        }
    }
}
