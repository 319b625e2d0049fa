//! Files that hold several arrays by name: NumPy's `.npz` and safetensors.

use std::io::{Cursor, Read};

use brolga_ir::{DType, Shape, Tensor, Type};
use safetensors::{Dtype, SafeTensors};
use zip::ZipArchive;

use crate::{npy, raw};

/// Whether the ending of a path is that of such a file.
pub(crate) fn is_archive(path: &str) -> bool {
    path.ends_with(".npz") || path.ends_with(".safetensors")
}

/// The arrays of such a file by their names.
///
/// # Errors
/// Why the file cannot be read, as a sentence.
pub(crate) fn read(path: &str, bytes: &[u8]) -> Result<Vec<(String, Tensor)>, String> {
    if path.ends_with(".npz") { npz(bytes) } else { safetensors(bytes) }
}

fn npz(bytes: &[u8]) -> Result<Vec<(String, Tensor)>, String> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let mut arrays = vec![];
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| error.to_string())?;
        let name = entry.name().map_err(|error| error.to_string())?.into_owned();
        let Some(array) = name.strip_suffix(".npy") else {
            return Err(format!("its entry `{name}` is no array; those of NumPy end in .npy"));
        };
        let failed = |reason: String| format!("its array `{array}`: {reason}");
        // An entry may claim any size, and a few bytes may become many.
        let claimed = usize::try_from(entry.size()).unwrap_or(usize::MAX);
        brolga_memory::check(claimed.saturating_mul(2))
            .map_err(|error| failed(error.to_string()))?;
        let mut content = vec![];
        let read = entry.take(claimed as u64 + 1).read_to_end(&mut content);
        read.map_err(|error| failed(error.to_string()))?;
        arrays.push((array.to_owned(), npy::read(&content).map_err(failed)?));
    }
    Ok(arrays)
}

fn safetensors(bytes: &[u8]) -> Result<Vec<(String, Tensor)>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let array = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let failed = |reason: String| format!("its tensor `{name}`: {reason}");
        let dtype = dtype(view.dtype()).map_err(failed)?;
        let ty = Type::new(dtype, Shape::from(view.shape()));
        ty.check().map_err(failed)?;
        brolga_memory::check(ty.bytes()).map_err(|error| failed(error.to_string()))?;
        let data = raw::elements(dtype, view.data());
        let tensor = Tensor::new(ty.shape, data)
            .ok_or_else(|| failed("it has another number of elements".to_owned()))?;
        Ok((name, tensor))
    };
    file.tensors().into_iter().map(array).collect()
}

fn dtype(dtype: Dtype) -> Result<DType, String> {
    Ok(match dtype {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::I64 => DType::I64,
        Dtype::I32 => DType::I32,
        Dtype::U8 => DType::U8,
        Dtype::BOOL => DType::Bool,
        other => return Err(format!("Brolga has no elements of type {other:?}")),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;
    use safetensors::tensor::TensorView;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn array(header: &str, data: &[u8]) -> Vec<u8> {
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
    }

    fn npz(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut file = zip::ZipWriter::new(Cursor::new(vec![]));
        for (name, content) in entries {
            file.start_file(*name, SimpleFileOptions::default()).unwrap();
            file.write_all(content).unwrap();
        }
        file.finish().unwrap().into_inner()
    }

    #[test]
    fn arrays_have_the_names_of_their_files() {
        let header = "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }";
        let file = npz(&[("a/b.npy", array(header, &[1, 0, 0, 0, 2, 0, 0, 0]))]);
        let arrays = read("x.npz", &file).unwrap();
        assert_eq!(arrays[0].0, "a/b");
        assert_eq!(arrays[0].1.to_i64(), Some(vec![1, 2]));
    }

    #[test]
    fn every_element_type_comes_back() {
        for (dtype, of) in [
            (DType::F64, Dtype::F64),
            (DType::F32, Dtype::F32),
            (DType::F16, Dtype::F16),
            (DType::BF16, Dtype::BF16),
            (DType::I64, Dtype::I64),
            (DType::I32, Dtype::I32),
            (DType::U8, Dtype::U8),
            (DType::Bool, Dtype::BOOL),
        ] {
            for extent in [0, 1, 17] {
                let bytes = vec![1; extent * dtype.size()];
                let view = TensorView::new(of, vec![extent], &bytes).unwrap();
                let file = safetensors::serialize([("x", view)], None).unwrap();
                let arrays = read("x.safetensors", &file).unwrap();
                assert_eq!(arrays[0].1.ty(), Type::new(dtype, [extent]));
                assert_eq!(arrays[0].1.data(), &raw::elements(dtype, &bytes));
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |path: &str, bytes: &[u8]| read(path, bytes).unwrap_err();
        insta::assert_snapshot!(wrong("x.npz", b"nothing"), @"invalid Zip archive: Could not find EOCD");
        insta::assert_snapshot!(
            wrong("x.npz", &npz(&[("readme.txt", vec![])])),
            @"its entry `readme.txt` is no array; those of NumPy end in .npy"
        );
        insta::assert_snapshot!(wrong("x.npz", &npz(&[("a.npy", vec![1])])), @"its array `a`: it is not a file of NumPy");
        assert!(!wrong("x.safetensors", b"nothing").is_empty());
        let view = TensorView::new(Dtype::I16, vec![1], &[0, 0]).unwrap();
        let file = safetensors::serialize([("x", view)], None).unwrap();
        insta::assert_snapshot!(wrong("x.safetensors", &file), @"its tensor `x`: Brolga has no elements of type I16");
    }

    proptest! {
        #[test]
        fn damaged_files_are_errors_or_arrays(offset in 0_usize..400, byte: u8, cut in 0_usize..40) {
            let header = "{'descr': '<i4', 'fortran_order': False, 'shape': (1, 2)}";
            let mut file = npz(&[("a.npy", array(header, &[7; 8]))]);
            let view = TensorView::new(Dtype::I32, vec![1, 2], &[7; 8]).unwrap();
            let mut other = safetensors::serialize([("x", view)], None).unwrap();
            for (path, bytes) in [("x.npz", &mut file), ("x.safetensors", &mut other)] {
                let offset = offset % bytes.len();
                bytes[offset] = byte;
                bytes.truncate(bytes.len() - cut);
                let _ = read(path, bytes);
            }
        }
    }
}
