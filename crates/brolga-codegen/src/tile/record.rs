//! The builder as lanes: arithmetic that is recorded instead of computed.

use brolga_ir::lanes::Lanes;

use super::builder::{Builder, F, I, M, Typed};
use super::program::{Binary, Constant, Op, Shift, Unary, Value};

impl Builder {
    fn unary<T: Typed>(&mut self, op: Unary, a: Value) -> T {
        T::typed(self.pure(T::KIND, Op::Unary(op, a)))
    }

    fn binary<T: Typed>(&mut self, op: Binary, a: Value, b: Value) -> T {
        T::typed(self.pure(T::KIND, Op::Binary(op, a, b)))
    }

    fn shift(&mut self, op: Shift, a: I, bits: u32) -> I {
        I(self.pure(I::KIND, Op::Shift(op, a.0, u8::try_from(bits).unwrap_or(u8::MAX))))
    }
}

macro_rules! unary {
    ($($name:ident: $operand:ident -> $result:ident = $op:ident),+ $(,)?) => {
        $(fn $name(&mut self, a: $operand) -> $result {
            self.unary(Unary::$op, a.0)
        })+
    };
}

macro_rules! binary {
    ($($name:ident: $operand:ident -> $result:ident = $op:ident),+ $(,)?) => {
        $(fn $name(&mut self, a: $operand, b: $operand) -> $result {
            self.binary(Binary::$op, a.0, b.0)
        })+
    };
}

macro_rules! shift {
    ($($name:ident = $op:ident),+ $(,)?) => {
        $(fn $name(&mut self, a: I, bits: u32) -> I {
            self.shift(Shift::$op, a, bits)
        })+
    };
}

impl Lanes for Builder {
    type F = F;
    type I = I;
    type M = M;

    /// The constant is rounded to `f32`.
    fn float(&mut self, value: f64) -> F {
        F(self.constant(Constant::Float((value as f32).to_bits())))
    }

    /// The constant is taken modulo 2³².
    fn int(&mut self, value: i64) -> I {
        I(self.constant(Constant::Int(value as i32)))
    }

    fn truth(&mut self, value: bool) -> M {
        M(self.constant(Constant::Mask(value)))
    }

    unary! {
        sqrt: F -> F = Sqrt, neg: F -> F = Neg, abs: F -> F = Abs, floor: F -> F = Floor, round: F -> F = Round,
        to_int: F -> I = ToInt, bits: F -> I = Bits, to_float: I -> F = ToFloat, from_bits: I -> F = FromBits,
        not: M -> M = Not, mask_to_int: M -> I = MaskToInt,
    }

    binary! {
        add: F -> F = Add, sub: F -> F = Sub, mul: F -> F = Mul, div: F -> F = Div,
        lt: F -> M = Lt, le: F -> M = Le, eq: F -> M = Eq,
        iadd: I -> I = IAdd, isub: I -> I = ISub, imul: I -> I = IMul, umulhi: I -> I = UMulHi,
        iand: I -> I = IAnd, ior: I -> I = IOr, ixor: I -> I = IXor,
        ilt: I -> M = ILt, ieq: I -> M = IEq,
        and: M -> M = And, or: M -> M = Or,
    }

    shift! { shl = Left, shr = Right, sar = RightSigned }

    fn fma(&mut self, a: F, b: F, c: F) -> F {
        F(self.pure(F::KIND, Op::Fma(a.0, b.0, c.0)))
    }

    fn select(&mut self, mask: M, a: F, b: F) -> F {
        F(self.pure(F::KIND, Op::Select(mask.0, a.0, b.0)))
    }

    fn iselect(&mut self, mask: M, a: I, b: I) -> I {
        I(self.pure(I::KIND, Op::Select(mask.0, a.0, b.0)))
    }
}
