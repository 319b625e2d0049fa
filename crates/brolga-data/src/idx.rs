//! A reader of IDX, the file format of MNIST and its relatives.
//!
//! An IDX file is two zero bytes, a dtype code, the number of dimensions, each dimension as a
//! 32-bit big-endian integer, and then the values, big-endian, in row-major order (source: the
//! page of the MNIST database, "File formats"). Files that are compressed with gzip are
//! recognised by their content and read as well.
//!
//! ```
//! use brolga_data::idx;
//! use ndarray::{Ix1, arr1};
//!
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("labels-idx1-short");
//! std::fs::write(&path, [0, 0, 0x0b, 1, 0, 0, 0, 3, 0, 5, 0, 0, 1, 0])?;
//!
//! assert_eq!(idx::read::<i16, Ix1>(&path)?, arr1(&[5, 0, 256]));
//! assert_eq!(idx::read_dyn(&path)?.shape(), [3]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dtype;
mod source;

use std::fmt;
use std::io::Read;
use std::path::Path;

use ndarray::{Array, ArrayD, Dimension, IxDyn};

use crate::error::{Error, Result};
use crate::shape;
pub use dtype::{Dtype, Element};
pub(crate) use source::Source;

/// An array of whichever dtype an IDX file has.
#[derive(Clone, Debug, PartialEq)]
pub enum IdxArray {
    /// An array of bytes.
    U8(ArrayD<u8>),
    /// An array of signed bytes.
    I8(ArrayD<i8>),
    /// An array of 16-bit integers.
    I16(ArrayD<i16>),
    /// An array of 32-bit integers.
    I32(ArrayD<i32>),
    /// An array of 32-bit floats.
    F32(ArrayD<f32>),
    /// An array of 64-bit floats.
    F64(ArrayD<f64>),
}

impl IdxArray {
    /// The type of the elements.
    pub fn dtype(&self) -> Dtype {
        match self {
            IdxArray::U8(_) => Dtype::U8,
            IdxArray::I8(_) => Dtype::I8,
            IdxArray::I16(_) => Dtype::I16,
            IdxArray::I32(_) => Dtype::I32,
            IdxArray::F32(_) => Dtype::F32,
            IdxArray::F64(_) => Dtype::F64,
        }
    }

    /// The length of each dimension.
    pub fn shape(&self) -> &[usize] {
        match self {
            IdxArray::U8(array) => array.shape(),
            IdxArray::I8(array) => array.shape(),
            IdxArray::I16(array) => array.shape(),
            IdxArray::I32(array) => array.shape(),
            IdxArray::F32(array) => array.shape(),
            IdxArray::F64(array) => array.shape(),
        }
    }
}

/// Reads an IDX file of a dtype and a rank that the caller knows: `read::<u8, Ix3>(path)` for
/// images, `read::<u8, Ix1>(path)` for labels. With `IxDyn` any rank is read.
///
/// # Errors
///
/// The file cannot be read, is no IDX file, is of another dtype or rank, is truncated, continues
/// after its last value, or does not fit into memory.
pub fn read<T: Element, D: Dimension>(path: impl AsRef<Path>) -> Result<Array<T, D>> {
    decode(Source::open(path.as_ref())?)
}

/// Reads an IDX file of any dtype and rank.
///
/// # Errors
///
/// As for [`read`], save for the dtype and the rank.
pub fn read_dyn(path: impl AsRef<Path>) -> Result<IdxArray> {
    decode_dyn(Source::open(path.as_ref())?)
}

/// Reads a stream as [`read`] does a file; `name` is what error messages call it.
///
/// # Errors
///
/// As for [`read`].
pub fn read_from<T: Element, D: Dimension>(reader: impl Read, name: &str) -> Result<Array<T, D>> {
    decode(Source::new(name.to_owned(), 0, reader)?)
}

/// Reads a stream as [`read_dyn`] does a file; `name` is what error messages call it.
///
/// # Errors
///
/// As for [`read_dyn`].
pub fn read_dyn_from(reader: impl Read, name: &str) -> Result<IdxArray> {
    decode_dyn(Source::new(name.to_owned(), 0, reader)?)
}

pub(crate) fn decode<T: Element, D: Dimension>(mut source: Source<'_>) -> Result<Array<T, D>> {
    let header = Header::read(&mut source)?;
    let rank = header.shape.len();
    if header.dtype != T::DTYPE || D::NDIM.is_some_and(|expected| expected != rank) {
        return Err(Error::IdxKind {
            file: source.name,
            expected: kind(T::DTYPE, D::NDIM),
            given: header.to_string(),
        });
    }
    let array = values(&mut source, &header)?;
    Ok(array.into_dimensionality().expect("the rank is that of D"))
}

fn decode_dyn(mut source: Source<'_>) -> Result<IdxArray> {
    let header = Header::read(&mut source)?;
    Ok(match header.dtype {
        Dtype::U8 => IdxArray::U8(values(&mut source, &header)?),
        Dtype::I8 => IdxArray::I8(values(&mut source, &header)?),
        Dtype::I16 => IdxArray::I16(values(&mut source, &header)?),
        Dtype::I32 => IdxArray::I32(values(&mut source, &header)?),
        Dtype::F32 => IdxArray::F32(values(&mut source, &header)?),
        Dtype::F64 => IdxArray::F64(values(&mut source, &header)?),
    })
}

/// The part before the values.
struct Header {
    dtype: Dtype,
    shape: Vec<usize>,
}

impl Header {
    fn read(source: &mut Source<'_>) -> Result<Header> {
        let mut magic = [0; 4];
        let given = source.fill(&mut magic)?;
        let (4, [0, 0, code, rank]) = (given, magic) else {
            let (file, given) = (source.name.clone(), magic[..given].to_vec());
            return Err(Error::NotIdx { file, given });
        };
        let dtype = Dtype::from_code(code)
            .ok_or_else(|| Error::UnknownIdxDtype { file: source.name.clone(), given: code })?;

        let mut dims = vec![0; 4 * usize::from(rank)];
        let given = source.fill(&mut dims)?;
        if given < dims.len() {
            return Err(Error::Truncated {
                file: source.name.clone(),
                expected: format!("{} bytes for the lengths of {rank} dimensions", dims.len()),
                given: format!("{given} bytes"),
            });
        }
        let (dims, _) = dims.as_chunks();
        let shape = dims.iter().map(|dim| u32::from_be_bytes(*dim) as usize).collect();
        Ok(Header { dtype, shape })
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shape::array_type(self.dtype, &self.shape))
    }
}

/// Reads the values and the end of the file.
fn values<T: Element>(source: &mut Source<'_>, header: &Header) -> Result<ArrayD<T>> {
    let name = source.name.clone();
    let too_large = || Error::TooLarge {
        what: name.clone(),
        given: header.to_string(),
        help: "the file is damaged, or this machine has too little memory for it",
    };
    let len = shape::checked_len(&header.shape, size_of::<T>()).ok_or_else(too_large)?;
    let expected = len * size_of::<T>();
    let announced = || format!("{expected} bytes of data, for {header}");

    let can_come = usize::try_from(source.at_most).unwrap_or(usize::MAX) / size_of::<T>();
    let mut values = brolga_memory::with_capacity(len.min(can_come)).map_err(|_| too_large())?;

    let mut buffer = vec![0; 1 << 16];
    let mut given = 0;
    while given < expected {
        let wanted = buffer.len().min(expected - given);
        let filled = source.fill(&mut buffer[..wanted])?;
        given += filled;
        if filled < wanted {
            return Err(Error::Truncated {
                file: source.name.clone(),
                expected: announced(),
                given: format!("{given} bytes"),
            });
        }
        brolga_memory::reserve(&mut values, filled / size_of::<T>()).map_err(|_| too_large())?;
        T::append(&buffer[..filled], &mut values);
    }
    if source.fill(&mut buffer[..1])? != 0 {
        return Err(Error::TrailingBytes { file: source.name.clone(), expected: announced() });
    }
    Ok(ArrayD::from_shape_vec(IxDyn(&header.shape), values).expect("as many values as the shape"))
}

/// `u8[?,?,?]`, or `u8 of any rank`.
fn kind(dtype: Dtype, rank: Option<usize>) -> String {
    match rank {
        Some(rank) => format!("{dtype}[{}]", vec!["?"; rank].join(",")),
        None => format!("{dtype} of any rank"),
    }
}
