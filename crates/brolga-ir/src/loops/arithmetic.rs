//! The arithmetic of [`Lanes`] on registers of a program of loops.

use super::{Number, Scalar, Value, Writer};
use crate::lanes::{Binary, Kind, Lane, Lanes, Shift, Unary, Width};

/// Lanes of one register, of either width, that a [`Writer`] records.
#[derive(Debug)]
pub struct Arithmetic<'a> {
    writer: &'a mut Writer,
    width: Width,
}

impl Writer {
    /// Arithmetic in registers of this width.
    pub fn lanes(&mut self, width: Width) -> Arithmetic<'_> {
        Arithmetic { writer: self, width }
    }
}

impl Number {
    /// The register as a lane of its kind.
    #[must_use]
    pub fn lane<'a>(self) -> Lane<Arithmetic<'a>> {
        match self.scalar {
            Scalar::F32 | Scalar::F64 => Lane::F(self),
            Scalar::I32 | Scalar::I64 => Lane::I(self),
            Scalar::Mask => Lane::M(self),
        }
    }

    /// The register of a lane.
    #[must_use]
    pub fn of(lane: Lane<Arithmetic<'_>>) -> Self {
        match lane {
            Lane::F(number) | Lane::I(number) | Lane::M(number) => number,
        }
    }
}

impl Arithmetic<'_> {
    fn scalar(&self, kind: Kind) -> Scalar {
        match (kind, self.width) {
            (Kind::Float, Width::W32) => Scalar::F32,
            (Kind::Float, Width::W64) => Scalar::F64,
            (Kind::Int, Width::W32) => Scalar::I32,
            (Kind::Int, Width::W64) => Scalar::I64,
            (Kind::Mask, _) => Scalar::Mask,
        }
    }

    fn unary(&mut self, op: Unary, a: Number) -> Number {
        let scalar = self.scalar(op.signature().1);
        self.writer.define(scalar, Value::Unary(op, a))
    }

    fn binary(&mut self, op: Binary, a: Number, b: Number) -> Number {
        let scalar = self.scalar(op.signature().1);
        self.writer.define(scalar, Value::Binary(op, a, b))
    }

    fn shift(&mut self, op: Shift, a: Number, bits: u32) -> Number {
        self.writer.define(a.scalar, Value::Shift(op, a, bits))
    }
}

macro_rules! unary {
    ($($name:ident = $op:ident),+ $(,)?) => {
        $(fn $name(&mut self, a: Number) -> Number {
            self.unary(Unary::$op, a)
        })+
    };
}

macro_rules! binary {
    ($($name:ident = $op:ident),+ $(,)?) => {
        $(fn $name(&mut self, a: Number, b: Number) -> Number {
            self.binary(Binary::$op, a, b)
        })+
    };
}

macro_rules! shift {
    ($($name:ident = $op:ident),+ $(,)?) => {
        $(fn $name(&mut self, a: Number, bits: u32) -> Number {
            self.shift(Shift::$op, a, bits)
        })+
    };
}

impl Lanes for Arithmetic<'_> {
    type F = Number;
    type I = Number;
    type M = Number;

    fn width(&self) -> Width {
        self.width
    }

    fn float(&mut self, value: f64) -> Number {
        let bits = match self.width {
            Width::W32 => u64::from((value as f32).to_bits()),
            Width::W64 => value.to_bits(),
        };
        self.writer.constant(self.scalar(Kind::Float), bits)
    }

    fn int(&mut self, value: i64) -> Number {
        let bits = match self.width {
            Width::W32 => u64::from(value as u32),
            Width::W64 => value.cast_unsigned(),
        };
        self.writer.constant(self.scalar(Kind::Int), bits)
    }

    fn truth(&mut self, value: bool) -> Number {
        self.writer.constant(Scalar::Mask, u64::from(value))
    }

    unary! {
        sqrt = Sqrt, neg = Neg, abs = Abs, floor = Floor, round = Round, to_int = ToInt, bits = Bits,
        to_float = ToFloat, from_bits = FromBits, not = Not, mask_to_int = MaskToInt,
    }

    binary! {
        add = Add, sub = Sub, mul = Mul, div = Div, lt = Lt, le = Le, eq = Eq,
        iadd = IAdd, isub = ISub, imul = IMul, umulhi = UMulHi, iand = IAnd, ior = IOr, ixor = IXor,
        ilt = ILt, ieq = IEq, and = And, or = Or,
    }

    shift! { shl = Left, shr = Right, sar = RightSigned }

    fn fma(&mut self, a: Number, b: Number, c: Number) -> Number {
        self.writer.define(a.scalar, Value::Fma(a, b, c))
    }

    fn select(&mut self, mask: Number, a: Number, b: Number) -> Number {
        self.writer.select(mask, a, b)
    }

    fn iselect(&mut self, mask: Number, a: Number, b: Number) -> Number {
        self.writer.select(mask, a, b)
    }
}
