//! Element types of ONNX, and how their elements are kept.

use std::fmt;

use brolga_ir::DType;

use crate::floats::Format;

/// An element type of ONNX.
///
/// The IR has no integers of 2, 4, 8 signed, 16, 32 unsigned or 64 unsigned bits, and no floats of
/// less than 16. Their values are kept in a wider type, [`ElementType::storage`]; arithmetic of
/// integers wraps to the range of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names of ONNX's own list")]
pub enum ElementType {
    F32,
    U8,
    I8,
    U16,
    I16,
    I32,
    I64,
    String,
    Bool,
    F16,
    F64,
    U32,
    U64,
    Complex64,
    Complex128,
    BF16,
    F8E4M3FN,
    F8E4M3FNUZ,
    F8E5M2,
    F8E5M2FNUZ,
    U4,
    I4,
    F4E2M1,
    F8E8M0,
    U2,
    I2,
    F6E2M3,
    F6E3M2,
}

use ElementType as E;

/// The element types in the order of their codes in `TensorProto.DataType`, which begin with 1.
const CODES: [(ElementType, &str); 28] = [
    (E::F32, "float"),
    (E::U8, "uint8"),
    (E::I8, "int8"),
    (E::U16, "uint16"),
    (E::I16, "int16"),
    (E::I32, "int32"),
    (E::I64, "int64"),
    (E::String, "string"),
    (E::Bool, "bool"),
    (E::F16, "float16"),
    (E::F64, "double"),
    (E::U32, "uint32"),
    (E::U64, "uint64"),
    (E::Complex64, "complex64"),
    (E::Complex128, "complex128"),
    (E::BF16, "bfloat16"),
    (E::F8E4M3FN, "float8e4m3fn"),
    (E::F8E4M3FNUZ, "float8e4m3fnuz"),
    (E::F8E5M2, "float8e5m2"),
    (E::F8E5M2FNUZ, "float8e5m2fnuz"),
    (E::U4, "uint4"),
    (E::I4, "int4"),
    (E::F4E2M1, "float4e2m1"),
    (E::F8E8M0, "float8e8m0"),
    (E::U2, "uint2"),
    (E::I2, "int2"),
    (E::F6E2M3, "float6e2m3"),
    (E::F6E3M2, "float6e3m2"),
];

impl ElementType {
    /// The element type with this code in `TensorProto.DataType`.
    pub fn of_code(code: i64) -> Option<Self> {
        let index = usize::try_from(code).ok()?.checked_sub(1)?;
        CODES.get(index).map(|(element, _)| *element)
    }

    /// The code in `TensorProto.DataType`.
    pub(crate) fn code(self) -> i32 {
        CODES.iter().position(|(element, _)| *element == self).map_or(0, |at| at as i32 + 1)
    }

    /// The element type of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        CODES.iter().find(|(_, known)| *known == name).map(|(element, _)| *element)
    }

    /// The name that ONNX has for it in texts.
    pub fn name(self) -> &'static str {
        CODES.iter().find(|(element, _)| *element == self).map_or("undefined", |(_, name)| name)
    }

    /// The type in which elements are kept: their own where the IR has it, a wider integer for
    /// others, `f32` for small floats; `None` for those that are not read.
    ///
    /// An unsigned integer of 64 bits is kept as a signed one: numbers from 2⁶³ on are refused in
    /// files, and sums that reach them are wrong.
    pub fn storage(self) -> Option<DType> {
        Some(match self {
            E::F32 => DType::F32,
            E::F64 => DType::F64,
            E::F16 => DType::F16,
            E::BF16 => DType::BF16,
            E::U8 => DType::U8,
            E::I32 | E::I8 | E::I16 | E::U16 | E::I4 | E::U4 | E::I2 | E::U2 => DType::I32,
            E::I64 | E::U32 | E::U64 => DType::I64,
            E::Bool => DType::Bool,
            small if Format::of(small).is_some() => DType::F32,
            _ => return None,
        })
    }

    /// The element type of values of a type of the IR.
    pub fn of_dtype(dtype: DType) -> Self {
        match dtype {
            DType::F32 => E::F32,
            DType::F64 => E::F64,
            DType::F16 => E::F16,
            DType::BF16 => E::BF16,
            DType::U8 => E::U8,
            DType::I32 => E::I32,
            DType::I64 => E::I64,
            DType::Bool => E::Bool,
        }
    }

    /// Whether the IR has the type itself.
    pub fn is_native(self) -> bool {
        self.storage().is_some_and(|dtype| Self::of_dtype(dtype) == self)
    }

    /// The bits of an integer that is kept in a wider type, and whether it has a sign.
    pub(crate) fn narrow(self) -> Option<(u32, bool)> {
        Some(match self {
            E::I2 => (2, true),
            E::U2 => (2, false),
            E::I4 => (4, true),
            E::U4 => (4, false),
            E::I8 => (8, true),
            E::I16 => (16, true),
            E::U16 => (16, false),
            E::U32 => (32, false),
            _ => return None,
        })
    }

    /// The least and the greatest number of an integer type.
    pub(crate) fn range(self) -> Option<(i64, i64)> {
        Some(match self {
            E::U8 => (0, 255),
            E::I32 => (i32::MIN.into(), i32::MAX.into()),
            E::I64 => (i64::MIN, i64::MAX),
            E::U64 => (0, i64::MAX),
            _ => match self.narrow()? {
                (bits, true) => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
                (bits, false) => (0, (1 << bits) - 1),
            },
        })
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_proto() {
        assert_eq!(ElementType::of_code(1), Some(E::F32));
        assert_eq!(ElementType::of_code(16), Some(E::BF16));
        assert_eq!(ElementType::of_code(28), Some(E::F6E3M2));
        assert_eq!([-1, 0, 29].map(ElementType::of_code), [None; 3]);
    }

    #[test]
    fn ranges_are_those_of_the_bits() {
        assert_eq!(E::I8.range(), Some((-128, 127)));
        assert_eq!(E::U16.range(), Some((0, 65_535)));
        assert_eq!(E::U2.range(), Some((0, 3)));
        assert_eq!(E::F32.range(), None);
    }
}
