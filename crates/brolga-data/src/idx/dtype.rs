//! The element types of IDX files.

use std::fmt;

/// The element type of an IDX file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// Bytes, code 0x08.
    U8,
    /// Signed bytes, code 0x09.
    I8,
    /// 16-bit integers, code 0x0b.
    I16,
    /// 32-bit integers, code 0x0c.
    I32,
    /// 32-bit floats, code 0x0d.
    F32,
    /// 64-bit floats, code 0x0e.
    F64,
}

impl Dtype {
    pub(super) fn from_code(code: u8) -> Option<Dtype> {
        Some(match code {
            0x08 => Dtype::U8,
            0x09 => Dtype::I8,
            0x0b => Dtype::I16,
            0x0c => Dtype::I32,
            0x0d => Dtype::F32,
            0x0e => Dtype::F64,
            _ => return None,
        })
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dtype::U8 => "u8",
            Dtype::I8 => "i8",
            Dtype::I16 => "i16",
            Dtype::I32 => "i32",
            Dtype::F32 => "f32",
            Dtype::F64 => "f64",
        })
    }
}

/// A Rust type that is the element type of IDX files: `u8`, `i8`, `i16`, `i32`, `f32` and `f64`.
pub trait Element: Copy + sealed::BigEndian {
    /// The dtype of files that hold this type.
    const DTYPE: Dtype;
}

pub(super) mod sealed {
    /// Reads the values of a file, which are big-endian.
    pub trait BigEndian: Sized {
        /// Appends the values of `bytes`, a whole number of them.
        fn append(bytes: &[u8], values: &mut Vec<Self>);
    }
}

macro_rules! elements {
    ($($type:ident $dtype:ident),*) => {$(
        impl Element for $type {
            const DTYPE: Dtype = Dtype::$dtype;
        }

        impl sealed::BigEndian for $type {
            fn append(bytes: &[u8], values: &mut Vec<$type>) {
                let (bytes, _) = bytes.as_chunks();
                values.extend(bytes.iter().map(|bytes| $type::from_be_bytes(*bytes)));
            }
        }
    )*};
}

elements!(u8 U8, i8 I8, i16 I16, i32 I32, f32 F32, f64 F64);
