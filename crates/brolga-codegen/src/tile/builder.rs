//! Writing a tile program.

use std::marker::PhantomData;

use brolga_ir::lanes::Lane;
use brolga_ir::loops::Sources;
use rustc_hash::FxHashMap;

use super::halves::Halves;
use super::program::{
    Address, Constant, Count, Element, Extent, Kind, Op, Param, ParamKind, Pointer, Rank1,
    Reduction, Stmt, TileProgram, Trips, Value, ValueData, Var,
};
use crate::error::Result;

/// A value with float lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct F(pub(crate) Value);

/// A value with integer lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct I(pub(crate) Value);

/// A value with truth-value lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct M(pub(crate) Value);

/// A value whose kind Rust knows: [`F`], [`I`] or [`M`].
pub trait Typed: Copy {
    /// The kind of the lanes.
    const KIND: Kind;
    /// The value without its type.
    fn untyped(self) -> Value;
    /// The value of kind [`Self::KIND`] as one of this type.
    fn typed(value: Value) -> Self;
}

macro_rules! typed {
    ($($name:ident: $kind:ident),+) => {
        $(impl Typed for $name {
            const KIND: Kind = Kind::$kind;
            fn untyped(self) -> Value {
                self.0
            }
            fn typed(value: Value) -> Self {
                Self(value)
            }
        })+
    };
}

typed!(F: Float, I: Int, M: Mask);

/// A variable whose kind Rust knows.
#[derive(Debug)]
pub struct Variable<T> {
    pub(crate) var: Var,
    kind: PhantomData<T>,
}

impl<T> Clone for Variable<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Variable<T> {}

/// Writes a [`TileProgram`] statement by statement.
///
/// It implements [`Lanes`](brolga_ir::lanes::Lanes): arithmetic written for the interpreter is
/// recorded. The same pure operation on the same values is recorded once per block.
///
/// ```
/// use brolga_codegen::tile::{Builder, Extent, Trips};
/// use brolga_ir::lanes::Lanes;
///
/// // y = exp(x), 16 at a time
/// let mut b = Builder::new("exp");
/// let (x, y, n) = (b.pointer("x"), b.pointer("y"), b.count("n"));
/// b.repeat(Trips::Vectors(n), |b| {
///     let v = b.load_f32(x.at(0), Extent::Full);
///     let v = b.exp(v);
///     b.store_f32(y.at(0), Extent::Full, v);
///     b.step(x, 64, Trips::Const(1));
///     b.step(y, 64, Trips::Const(1));
/// });
/// let program = b.finish()?;
/// assert!(program.to_string().starts_with("tile exp(%x: ptr, %y: ptr, %n: count) {"));
/// # Ok::<(), brolga_codegen::Error>(())
/// ```
#[derive(Debug)]
pub struct Builder {
    program: TileProgram,
    /// The blocks that are open, the outermost first.
    blocks: Vec<Block>,
    constants: FxHashMap<Constant, Value>,
    halves: Halves,
    /// The node that values are computed for.
    source: Option<usize>,
}

#[derive(Debug, Default)]
struct Block {
    stmts: Vec<Stmt>,
    /// The pure operations recorded in this block.
    known: FxHashMap<Op, Value>,
}

impl Builder {
    /// A program without parameters and statements.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let program = TileProgram {
            name: name.into(),
            params: Vec::new(),
            values: Vec::new(),
            vars: Vec::new(),
            body: Vec::new(),
            sources: Sources::default(),
        };
        Self {
            program,
            blocks: vec![Block::default()],
            constants: FxHashMap::default(),
            halves: Halves::default(),
            source: None,
        }
    }

    /// The finished program.
    ///
    /// # Errors
    /// The rule of [`TileProgram::validate`] that it breaks.
    pub fn finish(mut self) -> Result<TileProgram> {
        self.program.body = self.close();
        self.program.validate()?;
        Ok(self.program)
    }

    /// Sets the node of the kernel's body that the following values are computed for, by its index;
    /// returns the one before.
    pub(crate) fn set_source(&mut self, node: Option<usize>) -> Option<usize> {
        std::mem::replace(&mut self.source, node)
    }

    /// Adds a parameter: an address.
    pub fn pointer(&mut self, name: impl Into<String>) -> Pointer {
        Pointer(self.param(name.into(), ParamKind::Pointer))
    }

    /// Adds a parameter: a count.
    pub fn count(&mut self, name: impl Into<String>) -> Count {
        Count(self.param(name.into(), ParamKind::Count))
    }

    fn param(&mut self, name: String, kind: ParamKind) -> u16 {
        let index = u16::try_from(self.program.params.len()).unwrap_or(u16::MAX);
        self.program.params.push(Param { name, kind });
        index
    }

    /// Writes `body`, `trips` times. A body that runs once or never needs no loop.
    pub fn repeat<R>(&mut self, trips: Trips, body: impl FnOnce(&mut Self) -> R) -> R {
        if trips == Trips::Const(1) {
            return body(self);
        }
        self.blocks.push(Block::default());
        let result = body(self);
        let body = self.close();
        if trips != Trips::Const(0) && !body.is_empty() {
            self.push(Stmt::Loop { trips, body });
        }
        result
    }

    /// Writes a prefetch of the address's cache line.
    pub fn prefetch(&mut self, address: Address) {
        self.push(Stmt::Prefetch(address));
    }

    /// Moves the pointer by `bytes · trips`. Successive constant steps are merged.
    pub fn step(&mut self, pointer: Pointer, bytes: i64, trips: Trips) {
        let Trips::Const(n) = trips else {
            return self.push(Stmt::Step { pointer, bytes, trips });
        };
        let mut total = bytes.wrapping_mul(n.into());
        let stmts = &mut self.innermost().stmts;
        let steps = stmts.iter().rev().take_while(|stmt| matches!(stmt, Stmt::Step { .. })).count();
        let same = |stmt: &Stmt| match *stmt {
            Stmt::Step { pointer: moved, bytes, trips: Trips::Const(1) } if moved == pointer => {
                Some(bytes)
            }
            _ => None,
        };
        let first = stmts.len() - steps;
        if let Some((index, earlier)) =
            (first..stmts.len()).find_map(|i| Some((i, same(&stmts[i])?)))
        {
            total = total.wrapping_add(earlier);
            stmts.remove(index);
        }
        if total != 0 {
            self.push(Stmt::Step { pointer, bytes: total, trips: Trips::Const(1) });
        }
    }

    /// A variable that holds `initial`.
    pub fn variable<T: Typed>(&mut self, initial: T) -> Variable<T> {
        let var = Var(index(self.program.vars.len()));
        self.program.vars.push(T::KIND);
        let variable = Variable { var, kind: PhantomData };
        self.set(variable, initial);
        variable
    }

    /// The value in the variable.
    pub fn get<T: Typed>(&mut self, variable: Variable<T>) -> T {
        T::typed(self.record(T::KIND, Op::Get(variable.var)))
    }

    /// The variable takes the value.
    pub fn set<T: Typed>(&mut self, variable: Variable<T>, value: T) {
        self.push(Stmt::Set(variable.var, value.untyped()));
    }

    /// Lanes from memory as floats or integers; those outside the extent are zero.
    pub fn load(&mut self, element: Element, address: Address, extent: Extent) -> Lane<Self> {
        self.lane(element, Op::Load(element, address, extent))
    }

    /// Float lanes from memory with elements of a float type; those outside the extent are +0.
    pub fn load_float(&mut self, element: Element, address: Address, extent: Extent) -> F {
        F(self.record(Kind::Float, Op::Load(element, address, extent)))
    }

    /// Float lanes from memory; those outside the extent are +0.
    pub fn load_f32(&mut self, address: Address, extent: Extent) -> F {
        self.load_float(Element::F32, address, extent)
    }

    /// Integer lanes from 32-bit integers in memory; those outside the extent are 0.
    pub fn load_i32(&mut self, address: Address, extent: Extent) -> I {
        I(self.record(Kind::Int, Op::Load(Element::I32, address, extent)))
    }

    /// Integer lanes 0 to 255 from bytes in memory; those outside the extent are 0.
    pub fn load_u8(&mut self, address: Address, extent: Extent) -> I {
        I(self.record(Kind::Int, Op::Load(Element::U8, address, extent)))
    }

    /// One element from memory in every lane.
    pub fn broadcast(&mut self, element: Element, address: Address) -> Lane<Self> {
        self.lane(element, Op::Broadcast(element, address))
    }

    /// One float from memory in every lane.
    pub fn broadcast_f32(&mut self, address: Address) -> F {
        F(self.record(Kind::Float, Op::Broadcast(Element::F32, address)))
    }

    /// One 32-bit integer from memory in every lane.
    pub fn broadcast_i32(&mut self, address: Address) -> I {
        I(self.record(Kind::Int, Op::Broadcast(Element::I32, address)))
    }

    /// One byte from memory in every lane, 0 to 255.
    pub fn broadcast_u8(&mut self, address: Address) -> I {
        I(self.record(Kind::Int, Op::Broadcast(Element::U8, address)))
    }

    fn lane(&mut self, element: Element, op: Op) -> Lane<Self> {
        let value = self.record(element.kind(), op);
        match element.kind() {
            Kind::Float => Lane::F(F(value)),
            _ => Lane::I(I(value)),
        }
    }

    /// Stores float or integer lanes. If the value is rounded to the element, the store does the
    /// rounding.
    pub fn store<T: Typed>(
        &mut self,
        element: Element,
        address: Address,
        extent: Extent,
        value: T,
    ) {
        let value = self.halves.source(element, value.untyped());
        self.push(Stmt::Store { element, address, extent, value });
    }

    /// The nearest number that an element holds, ties to even; the value itself if it is known to
    /// be such a number.
    pub fn round_to(&mut self, element: Element, value: F) -> F {
        match self.halves.holds(element, value.0) {
            true => value,
            false => F(self.pure(Kind::Float, Op::RoundTo(element, value.0))),
        }
    }

    /// Float lanes to memory.
    pub fn store_f32(&mut self, address: Address, extent: Extent, value: F) {
        self.push(Stmt::Store { element: Element::F32, address, extent, value: value.0 });
    }

    /// Integer lanes to 32-bit integers in memory.
    pub fn store_i32(&mut self, address: Address, extent: Extent, value: I) {
        self.push(Stmt::Store { element: Element::I32, address, extent, value: value.0 });
    }

    /// The low bytes of integer lanes to memory.
    pub fn store_u8(&mut self, address: Address, extent: Extent, value: I) {
        self.push(Stmt::Store { element: Element::U8, address, extent, value: value.0 });
    }

    /// Four vectors as sixteen columns, `step` bytes apart, see [`Stmt::StoreTransposed`].
    pub fn store_transposed(&mut self, address: Address, step: i64, rows: [F; 4]) {
        self.push(Stmt::StoreTransposed { address, step, values: rows.map(|row| row.0) });
    }

    /// The low 32 bits of a count in every lane.
    pub fn splat(&mut self, count: Count) -> I {
        I(self.pure(Kind::Int, Op::Splat(count)))
    }

    /// The number of the lane: 0 to 15.
    pub fn iota(&mut self) -> I {
        I(self.pure(Kind::Int, Op::Iota))
    }

    /// True in the lanes of the extent.
    pub fn first_lanes(&mut self, extent: Extent) -> M {
        M(self.pure(Kind::Mask, Op::FirstLanes(extent)))
    }

    /// All lanes combined by the fixed tree, the result in every lane.
    pub fn reduce(&mut self, reduction: Reduction, value: F) -> F {
        F(self.pure(Kind::Float, Op::Reduce(reduction, value.0)))
    }

    /// One step of a contraction: `acc[r][v] = fma(a[r], b[v], acc[r][v])`, see [`Rank1`].
    pub fn rank1(
        &mut self,
        acc: &[Variable<F>],
        a: &[Address],
        b: Address,
        vectors: usize,
        extent: Extent,
    ) {
        let acc = acc.iter().map(|acc| acc.var).collect();
        self.push(Stmt::Rank1(Rank1 { acc, a: a.to_vec(), b, vectors, extent }));
    }

    pub(super) fn constant(&mut self, constant: Constant) -> Value {
        let next = Value(index(self.program.values.len()));
        let value = *self.constants.entry(constant).or_insert(next);
        if value == next {
            self.program.values.push(ValueData { kind: constant.kind(), constant: Some(constant) });
            self.halves.constant(value, constant);
        }
        value
    }

    /// The result of a pure operation, which is recorded unless an open block has it.
    pub(super) fn pure(&mut self, kind: Kind, op: Op) -> Value {
        if let Some(&value) = self.blocks.iter().rev().find_map(|block| block.known.get(&op)) {
            return value;
        }
        let value = self.record(kind, op);
        self.innermost().known.insert(op, value);
        value
    }

    fn record(&mut self, kind: Kind, op: Op) -> Value {
        let value = Value(index(self.program.values.len()));
        self.program.values.push(ValueData { kind, constant: None });
        self.program.sources.set(value.0, self.source);
        self.halves.define(value, op);
        self.push(Stmt::Let(value, op));
        value
    }

    fn push(&mut self, stmt: Stmt) {
        self.innermost().stmts.push(stmt);
    }

    fn innermost(&mut self) -> &mut Block {
        self.blocks
            .last_mut()
            .expect("the outermost block is closed by `finish`, which takes the builder")
    }

    fn close(&mut self) -> Vec<Stmt> {
        self.blocks.pop().map(|block| block.stmts).unwrap_or_default()
    }
}

/// The index of the next value or variable. A program with too many of them fails its validation.
fn index(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
