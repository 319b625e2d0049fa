//! The text form of a tile program.
//!
//! ```text
//! tile scale(%x: ptr, %y: ptr, %n: count) {
//!   loop vectors(%n) {
//!     %0: f = load f32 %x
//!     %2: f = mul %0, 2.0
//!     store f32 %y, %2
//!     step %x, 64
//!     step %y, 64
//!   }
//! }
//! ```

use std::fmt::{self, Display, Formatter, Write};

use super::program::{
    Address, Constant, Count, Element, Extent, Kind, Op, ParamKind, Pointer, Rank1, Stmt,
    TileProgram, Trips, Value, Var,
};

impl Display for TileProgram {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "tile {}(", self.name)?;
        for (i, param) in self.params.iter().enumerate() {
            let kind = match param.kind {
                ParamKind::Pointer => "ptr",
                ParamKind::Count => "count",
            };
            write!(f, "{}%{}: {kind}", if i == 0 { "" } else { ", " }, param.name)?;
        }
        writeln!(f, ") {{")?;
        self.write_block(f, &self.body, 1)?;
        writeln!(f, "}}")
    }
}

/// A part of a program, displayed by a function.
struct Shown<F>(F);

impl<F: Fn(&mut Formatter<'_>) -> fmt::Result> Display for Shown<F> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

impl TileProgram {
    /// One statement in the text form; of a loop its first line.
    pub(crate) fn statement_text(&self, stmt: &Stmt) -> String {
        let mut text = String::new();
        let written =
            write!(text, "{}", Shown(|f: &mut Formatter<'_>| self.write_stmt(f, stmt, 0)));
        debug_assert!(written.is_ok(), "writing to a string does not fail");
        text.lines().next().unwrap_or_default().to_owned()
    }

    fn write_block(&self, f: &mut Formatter<'_>, block: &[Stmt], depth: usize) -> fmt::Result {
        block.iter().try_for_each(|stmt| self.write_stmt(f, stmt, depth))
    }

    fn write_stmt(&self, f: &mut Formatter<'_>, stmt: &Stmt, depth: usize) -> fmt::Result {
        write!(f, "{:1$}", "", 2 * depth)?;
        match stmt {
            Stmt::Let(value, op) => {
                let kind = match self.values.get(value.0 as usize).map(|value| value.kind) {
                    Some(Kind::Float) => "f",
                    Some(Kind::Int) => "i",
                    Some(Kind::Mask) => "m",
                    None => "?",
                };
                writeln!(f, "%{}: {kind} = {}", value.0, self.op(op))
            }
            Stmt::Set(var, value) => {
                writeln!(f, "{} = {}", Shown(var_name(*var)), self.value(*value))
            }
            Stmt::Store { element, address, extent, value } => {
                let address = self.address(*address);
                writeln!(
                    f,
                    "store {element} {address}{}, {}",
                    self.extent(*extent),
                    self.value(*value)
                )
            }
            Stmt::StoreTransposed { address, step, values } => {
                let [a, b, c, d] = values.map(|value| self.value(value));
                let address = self.address(*address);
                writeln!(f, "store_transposed f32 {address} step {step}, {a}, {b}, {c}, {d}")
            }
            Stmt::Prefetch(address) => writeln!(f, "prefetch {}", self.address(*address)),
            Stmt::Step { pointer, bytes, trips } => {
                write!(f, "step {}, {bytes}", self.pointer_name(*pointer))?;
                match trips {
                    Trips::Const(1) => writeln!(f),
                    trips => writeln!(f, " * {}", self.trips(*trips)),
                }
            }
            Stmt::Rank1(rank1) => self.write_rank1(f, rank1, depth),
            Stmt::Loop { trips, body } => {
                writeln!(f, "loop {} {{", self.trips(*trips))?;
                self.write_block(f, body, depth + 1)?;
                writeln!(f, "{:1$}}}", "", 2 * depth)
            }
        }
    }

    fn write_rank1(&self, f: &mut Formatter<'_>, rank1: &Rank1, depth: usize) -> fmt::Result {
        let b = self.address(rank1.b);
        let vectors = rank1.vectors;
        writeln!(f, "rank1 {vectors} vectors of {b}{} with", self.extent(rank1.extent))?;
        for (row, a) in rank1.a.iter().enumerate() {
            write!(f, "{:1$}{2}:", "", 2 * depth + 2, self.address(*a))?;
            for acc in rank1.acc.iter().skip(row * vectors).take(vectors) {
                write!(f, " {}", Shown(var_name(*acc)))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn op(&self, op: &Op) -> impl Display {
        Shown(move |f: &mut Formatter<'_>| match *op {
            Op::Load(element, address, extent) => {
                let (address, extent) = (self.address(address), self.extent(extent));
                write!(f, "load {element} {address}{extent}")
            }
            Op::Broadcast(element, address) => {
                write!(f, "broadcast {element} {}", self.address(address))
            }
            Op::Splat(count) => write!(f, "splat {}", self.count_name(count)),
            Op::Iota => write!(f, "iota"),
            Op::FirstLanes(extent) => write!(f, "first_lanes{}", self.extent(extent)),
            Op::Get(var) => write!(f, "{}", Shown(var_name(var))),
            Op::RoundTo(element, a) => write!(f, "round_to {element} {}", self.value(a)),
            Op::Unary(op, a) => write!(f, "{} {}", op.text(), self.value(a)),
            Op::Binary(op, a, b) => write!(f, "{} {}, {}", op.text(), self.value(a), self.value(b)),
            Op::Shift(op, a, bits) => write!(f, "{} {}, {bits}", op.text(), self.value(a)),
            Op::Fma(a, b, c) => {
                write!(f, "fma {}, {}, {}", self.value(a), self.value(b), self.value(c))
            }
            Op::Select(mask, a, b) => {
                write!(f, "select {}, {}, {}", self.value(mask), self.value(a), self.value(b))
            }
            Op::Reduce(reduction, a) => write!(f, "reduce {} {}", reduction.text(), self.value(a)),
        })
    }

    /// Constants are written where they are used; NaN as its bits.
    fn value(&self, value: Value) -> impl Display {
        Shown(move |f: &mut Formatter<'_>| {
            match self.values.get(value.0 as usize).and_then(|value| value.constant) {
                Some(Constant::Float(bits)) if f32::from_bits(bits).is_nan() => {
                    write!(f, "nan:{bits:#x}")
                }
                Some(Constant::Float(bits)) => write!(f, "{:?}", f32::from_bits(bits)),
                Some(Constant::Int(value)) => write!(f, "{value}"),
                Some(Constant::Mask(value)) => write!(f, "{value}"),
                None => write!(f, "%{}", value.0),
            }
        })
    }

    fn address(&self, address: Address) -> impl Display {
        Shown(move |f: &mut Formatter<'_>| {
            write!(f, "{}", self.pointer_name(address.pointer))?;
            if address.offset == 0 { Ok(()) } else { write!(f, "{:+}", address.offset) }
        })
    }

    fn extent(&self, extent: Extent) -> impl Display {
        Shown(move |f: &mut Formatter<'_>| match extent {
            Extent::Full => Ok(()),
            Extent::First(lanes) => write!(f, " first {lanes}"),
            Extent::Rest(count) => write!(f, " rest({})", self.count_name(count)),
        })
    }

    fn trips(&self, trips: Trips) -> impl Display {
        Shown(move |f: &mut Formatter<'_>| match trips {
            Trips::Const(n) => write!(f, "{n}"),
            Trips::Count(count) => write!(f, "{}", self.count_name(count)),
            Trips::Vectors(count) => write!(f, "vectors({})", self.count_name(count)),
            Trips::Tail(count) => write!(f, "tail({})", self.count_name(count)),
        })
    }

    fn pointer_name(&self, pointer: Pointer) -> impl Display {
        self.param_name(pointer.0)
    }

    fn count_name(&self, count: Count) -> impl Display {
        self.param_name(count.0)
    }

    fn param_name(&self, index: u16) -> impl Display {
        Shown(move |f: &mut Formatter<'_>| match self.params.get(usize::from(index)) {
            Some(param) => write!(f, "%{}", param.name),
            None => write!(f, "%?{index}"),
        })
    }
}

fn var_name(var: Var) -> impl Fn(&mut Formatter<'_>) -> fmt::Result {
    move |f| write!(f, "${}", var.0)
}

impl Display for Element {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::BF16 => "bf16",
            Self::F16 => "f16",
            Self::I32 => "i32",
            Self::U8 => "u8",
        })
    }
}
