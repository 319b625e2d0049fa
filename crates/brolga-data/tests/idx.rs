//! IDX files of every dtype, rank and compression.

use std::io::Write;

use brolga_data::idx::{self, Dtype, Element, IdxArray};
use ndarray::{ArrayD, Ix0, Ix1, Ix2, IxDyn, arr0, arr1, arr2};
use proptest::prelude::*;

/// An IDX file.
fn file(code: u8, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let rank = u8::try_from(shape.len()).expect("the tests give few dimensions");
    let mut bytes = vec![0, 0, code, rank];
    for &dim in shape {
        bytes.extend(u32::try_from(dim).expect("the tests give small dimensions").to_be_bytes());
    }
    bytes.extend(data);
    bytes
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).expect("a vector takes all bytes");
    encoder.finish().expect("a vector takes all bytes")
}

#[test]
fn every_dtype() {
    fn check<T: Element + PartialEq + std::fmt::Debug>(
        (code, dtype): (u8, Dtype),
        data: &[u8],
        expected: [T; 2],
        wrap: impl Fn(ArrayD<T>) -> IdxArray,
    ) {
        let bytes = file(code, &[2], data);
        let array = idx::read_from::<T, Ix1>(&bytes[..], "test").expect("the file is whole");
        assert_eq!(array, arr1(&expected));
        let dynamic = idx::read_dyn_from(&bytes[..], "test").expect("the file is whole");
        assert_eq!(dynamic.dtype(), dtype);
        assert_eq!(dynamic.shape(), [2]);
        assert_eq!(dynamic, wrap(array.into_dyn()));
    }
    check((0x08, Dtype::U8), &[1, 255], [1, 255], IdxArray::U8);
    check((0x09, Dtype::I8), &[1, 255], [1, -1], IdxArray::I8);
    check((0x0b, Dtype::I16), &[1, 2, 0xff, 0xfe], [258, -2], IdxArray::I16);
    check((0x0c, Dtype::I32), &[0, 1, 0, 2, 0xff, 0xff, 0xff, 0xfe], [65538, -2], IdxArray::I32);
    check((0x0d, Dtype::F32), &[0x3f, 0xc0, 0, 0, 0xc0, 0, 0, 0], [1.5, -2.0], IdxArray::F32);
    let doubles = [0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0];
    check((0x0e, Dtype::F64), &doubles, [1.5, -2.0], IdxArray::F64);
}

#[test]
fn every_rank() {
    let scalar = file(0x08, &[], &[7]);
    let matrix = file(0x08, &[2, 3], &[1, 2, 3, 4, 5, 6]);
    let empty = file(0x0e, &[3, 0, 5], &[]);
    let many = file(0x08, &[1; 255], &[7]);
    let scalar = idx::read_from::<u8, Ix0>(&scalar[..], "test").expect("the file is whole");
    let matrix = idx::read_from::<u8, Ix2>(&matrix[..], "test").expect("the file is whole");
    let empty = idx::read_from::<f64, IxDyn>(&empty[..], "test").expect("the file is whole");
    let many = idx::read_dyn_from(&many[..], "test").expect("the file is whole");
    assert_eq!(scalar, arr0(7));
    assert_eq!(matrix, arr2(&[[1, 2, 3], [4, 5, 6]]));
    assert_eq!(empty.shape(), [3, 0, 5]);
    assert_eq!(many.shape(), [1; 255]);
}

/// The content decides, not the name.
#[test]
fn compressed_or_not() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let plain = file(0x08, &[3], &[1, 2, 3]);
    let in_two_members = [gzip(&plain[..5]), gzip(&plain[5..])].concat();
    for content in [plain.clone(), gzip(&plain), in_two_members] {
        for name in ["labels-idx1-ubyte", "labels-idx1-ubyte.gz"] {
            let path = dir.path().join(name);
            std::fs::write(&path, &content)?;
            assert_eq!(idx::read::<u8, Ix1>(&path)?, arr1(&[1, 2, 3]));
        }
    }
    Ok(())
}

/// More than the reader takes at once, with a rest.
#[test]
fn larger_than_a_buffer() {
    let values: Vec<i32> = (0..50_001).collect();
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
    let bytes = gzip(&file(0x0c, &[50_001], &data));
    let array = idx::read_from::<i32, Ix1>(&bytes[..], "test").expect("the file is whole");
    assert_eq!(array.to_vec(), values);
}

proptest! {
    #[test]
    fn whole_files_are_read_and_parts_of_them_are_not(
        shape in prop::collection::vec(0_usize..5, 0..4),
        cut in 0_usize..1000,
        compressed: bool,
    ) {
        let len: usize = shape.iter().product();
        let data: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let whole = file(0x08, &shape, &data);
        let whole = if compressed { gzip(&whole) } else { whole };

        let array = idx::read_from::<u8, IxDyn>(&whole[..], "test").expect("the file is whole");
        prop_assert_eq!(array.shape(), &shape[..]);
        prop_assert_eq!(array.into_raw_vec_and_offset().0, data);

        let part = &whole[..cut % whole.len()];
        prop_assert!(idx::read_dyn_from(part, "test").is_err());
    }

    /// Whatever the bytes are: a value or an error, and no allocation that they cannot fill.
    #[test]
    fn no_bytes_are_trusted(mut bytes in prop::collection::vec(any::<u8>(), 4..64), code in 8_u8..15) {
        let _ = idx::read_dyn_from(&bytes[..], "test");
        bytes[..3].copy_from_slice(&[0, 0, code]);
        let _ = idx::read_dyn_from(&bytes[..], "test");
        let _ = idx::read_dyn_from(&gzip(&bytes)[..], "test");
    }
}
