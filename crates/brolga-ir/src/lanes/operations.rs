//! The operations of [`Lanes`](super::Lanes) as data, for recorders.

/// The kind of a value's lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Floats.
    Float,
    /// Two's complement integers, as wide as the floats.
    Int,
    /// Truth values.
    Mask,
}

macro_rules! operations {
    ($(#[$doc:meta])* $name:ident: $([$($operand:ident),+] -> $result:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? })+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($($(#[$variant_doc])* $variant,)+)+ }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$($(Self::$variant,)+)+];

            /// The kinds of the operands and of the result.
            #[must_use]
            pub fn signature(self) -> (&'static [Kind], Kind) {
                match self { $($(Self::$variant)|+ => (&[$(Kind::$operand),+], Kind::$result),)+ }
            }

            /// The word in the text form.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $($(Self::$variant => $text,)+)+ }
            }
        }
    };
}

operations! {
    /// An operation on one value; meanings as in [`Lanes`](super::Lanes).
    Unary:
    [Float] -> Float {
        /// √a.
        Sqrt = "sqrt",
        /// The sign bit inverted.
        Neg = "neg",
        /// The sign bit cleared.
        Abs = "abs",
        /// The largest integer not above a.
        Floor = "floor",
        /// The nearest integer, ties to even.
        Round = "round",
    }
    [Float] -> Int {
        /// Towards zero, saturating, 0 for NaN.
        ToInt = "to_int",
        /// The bits of a float.
        Bits = "bits",
    }
    [Int] -> Float {
        /// Rounded to nearest, ties to even.
        ToFloat = "to_float",
        /// The float with these bits.
        FromBits = "from_bits",
    }
    [Mask] -> Mask {
        /// Negation.
        Not = "not",
    }
    [Mask] -> Int {
        /// 1 where true, 0 elsewhere.
        MaskToInt = "mask_to_int",
    }
}

operations! {
    /// An operation on two values; meanings as in [`Lanes`](super::Lanes).
    Binary:
    [Float, Float] -> Float {
        /// a + b.
        Add = "add",
        /// a − b.
        Sub = "sub",
        /// a · b.
        Mul = "mul",
        /// a / b.
        Div = "div",
    }
    [Float, Float] -> Mask {
        /// a < b.
        Lt = "lt",
        /// a ≤ b.
        Le = "le",
        /// a = b.
        Eq = "eq",
    }
    [Int, Int] -> Int {
        /// a + b, wrapping.
        IAdd = "iadd",
        /// a − b, wrapping.
        ISub = "isub",
        /// a · b, wrapping.
        IMul = "imul",
        /// The upper 32 bits of the unsigned product.
        UMulHi = "umulhi",
        /// Bitwise and.
        IAnd = "iand",
        /// Bitwise or.
        IOr = "ior",
        /// Bitwise exclusive or.
        IXor = "ixor",
    }
    [Int, Int] -> Mask {
        /// a < b, signed.
        ILt = "ilt",
        /// a = b.
        IEq = "ieq",
    }
    [Mask, Mask] -> Mask {
        /// Conjunction.
        And = "and",
        /// Disjunction.
        Or = "or",
    }
}

operations! {
    /// A shift of integers.
    Shift:
    [Int] -> Int {
        /// To the left.
        Left = "shl",
        /// To the right, zeros moving in.
        Right = "shr",
        /// To the right, the sign moving in.
        RightSigned = "sar",
    }
}
