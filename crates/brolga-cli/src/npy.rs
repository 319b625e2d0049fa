//! NumPy's files `.npy`, which hold one array.
//!
//! Versions 1.0 to 3.0 of the format, little-endian, in row-major order.

use brolga_ir::{DType, Shape, Tensor, Type};

use crate::raw::elements;

const MAGIC: &[u8] = b"\x93NUMPY";

/// The array as a tensor.
///
/// # Errors
/// Why the file cannot be read, as a sentence.
pub fn read(bytes: &[u8]) -> Result<Tensor, String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it is not a file of NumPy")?;
    let truncated = || "the file is cut off in its header".to_owned();
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(truncated)?;
    let (length, rest) = match version {
        [1, _] => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(truncated)?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        [2 | 3, _] => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(truncated)?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
        [major, minor] => {
            return Err(format!("version {major}.{minor} of the format is not known"));
        }
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(truncated)?;
    let header = str::from_utf8(header).map_err(|_| "its header is not text")?;
    let ty = header_type(header)?;
    let expected = ty.bytes();
    if data.len() != expected {
        return Err(format!("{ty} takes {expected} bytes, the file has {}", data.len()));
    }
    let data = elements(ty.dtype, data);
    Tensor::new(ty.shape, data).ok_or_else(|| "it has another number of elements".to_owned())
}

/// The type that a header such as `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`
/// describes.
fn header_type(header: &str) -> Result<Type, String> {
    let field = |name: &str| {
        let (_, rest) = header.split_once(&format!("'{name}':"))?;
        Some(rest.trim_start())
    };
    let missing = |name: &str| format!("its header has no `{name}`");
    let descr = field("descr").ok_or_else(|| missing("descr"))?;
    let descr = descr.strip_prefix('\'').and_then(|rest| rest.split_once('\''));
    let (descr, _) = descr.ok_or("records have no element type")?;
    if !field("fortran_order").ok_or_else(|| missing("fortran_order"))?.starts_with("False") {
        return Err("it is in column-major order; save it with numpy.ascontiguousarray".to_owned());
    }
    let shape = field("shape").ok_or_else(|| missing("shape"))?;
    let shape = shape.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let (shape, _) = shape.ok_or("its shape is not a tuple")?;
    let extents = shape.split(',').map(str::trim).filter(|extent| !extent.is_empty());
    let extents: Result<Vec<usize>, _> = extents.map(str::parse).collect();
    let extents = extents.map_err(|_| format!("({shape}) is not a shape"))?;
    let ty = Type::new(dtype(descr)?, Shape::new(extents));
    ty.check()?;
    Ok(ty)
}

fn dtype(descr: &str) -> Result<DType, String> {
    Ok(match descr {
        "<f8" => DType::F64,
        "<f4" => DType::F32,
        "<f2" => DType::F16,
        "<i8" => DType::I64,
        "<i4" => DType::I32,
        "|u1" => DType::U8,
        "|b1" => DType::Bool,
        other => {
            return Err(format!(
                "its element type is `{other}`; those that can be read are <f8, <f4, <f2, <i8, <i4, |u1, |b1"
            ));
        }
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let length = (header.len() as u16).to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), data].concat()
    }

    #[test]
    fn arrays_are_read() {
        let data: Vec<u8> = [1.5_f32, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
        assert_eq!(read(&file(header, &data)), Ok(Tensor::f32([2], vec![1.5, -2.0]).unwrap()));
        let scalar = "{'descr': '|b1', 'fortran_order': False, 'shape': (), }";
        assert_eq!(read(&file(scalar, &[2])).map(|t| t.ty().to_string()), Ok("bool[]".to_owned()));
        let empty = "{'descr': '<i4', 'fortran_order': False, 'shape': (0, 3), }";
        assert_eq!(read(&file(empty, &[])).map(|t| t.ty().to_string()), Ok("i32[0,3]".to_owned()));
    }

    #[test]
    fn whatever_is_wrong_is_an_error() {
        let good = file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", &[0; 4]);
        for length in 0..good.len() {
            assert!(read(&good[..length]).is_err(), "the first {length} bytes");
        }
        let header = |text: &str| read(&file(text, &[])).unwrap_err();
        insta::assert_snapshot!(header("{}"), @"its header has no `descr`");
        insta::assert_snapshot!(
            header("{'descr': '>f4', 'fortran_order': False, 'shape': ()}"),
            @"its element type is `>f4`; those that can be read are <f8, <f4, <f2, <i8, <i4, |u1, |b1"
        );
        insta::assert_snapshot!(
            header("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}"),
            @"it is in column-major order; save it with numpy.ascontiguousarray"
        );
        insta::assert_snapshot!(
            header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999)}"),
            @"a tensor of type f32[99999999999,99999999999] is larger than the limit of 64 TiB"
        );
        insta::assert_snapshot!(
            header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"),
            @"(-1,) is not a shape"
        );
        insta::assert_snapshot!(
            header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}"),
            @"records have no element type"
        );
        insta::assert_snapshot!(
            header("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}"),
            @"f32[3] takes 12 bytes, the file has 0"
        );
    }

    proptest! {
        #[test]
        fn damaged_files_are_errors_or_arrays(offset in 0_usize..80, byte: u8, more in 0_usize..3) {
            let mut bytes = file("{'descr': '<i4', 'fortran_order': False, 'shape': (1, 2)}", &[7; 8]);
            let offset = offset % bytes.len();
            bytes[offset] = byte;
            bytes.extend(vec![0; more]);
            if let Ok(tensor) = read(&bytes) {
                prop_assert!(tensor.ty().bytes() <= bytes.len());
            }
        }
    }
}
