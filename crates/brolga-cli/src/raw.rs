//! Elements as bytes, little-endian.

use brolga_ir::{DType, Data};
use half::{bf16, f16};

/// The elements of these bytes; what does not make a whole element is left over.
pub(crate) fn elements(dtype: DType, bytes: &[u8]) -> Data {
    fn numbers<const N: usize, T>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
        bytes.as_chunks().0.iter().map(|&bytes| number(bytes)).collect()
    }
    match dtype {
        DType::F64 => Data::F64(numbers(bytes, f64::from_le_bytes)),
        DType::F32 => Data::F32(numbers(bytes, f32::from_le_bytes)),
        DType::BF16 => Data::BF16(numbers(bytes, bf16::from_le_bytes)),
        DType::F16 => Data::F16(numbers(bytes, f16::from_le_bytes)),
        DType::I64 => Data::I64(numbers(bytes, i64::from_le_bytes)),
        DType::I32 => Data::I32(numbers(bytes, i32::from_le_bytes)),
        DType::U8 => Data::U8(bytes.to_vec()),
        DType::Bool => Data::Bool(bytes.iter().map(|&byte| byte != 0).collect()),
    }
}
