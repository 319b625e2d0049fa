//! NumPy's files: `.npy`, which hold one array, and `.npz`, archives of them.
//!
//! Versions 1.0 to 3.0 of the format, both orders of bytes, row-major and column-major.

use brolga_ir::{Mistake, Tensor};

use crate::array::{Array, Element, Info};
use crate::error::{Content, damaged};
use crate::weights::Source;
use crate::zip::{self, Archive};

const MAGIC: &[u8] = b"\x93NUMPY";

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Header {
    info: Info,
    big_endian: bool,
    column_major: bool,
    /// Where the elements begin.
    start: usize,
}

/// The array as a tensor.
///
/// # Errors
/// Why the file cannot be read, as a sentence.
pub fn read(bytes: &[u8]) -> Result<Tensor, String> {
    let tensor = array(bytes).and_then(|array| array.to_tensor());
    tensor.map_err(|mistake| mistake.message)
}

/// The array in a file.
pub(crate) fn array(bytes: &[u8]) -> Content<Array> {
    let Header { info, big_endian, column_major, start } = header(bytes)?;
    let elements = bytes.get(start..).unwrap_or_default();
    let expected = info.bytes()?;
    if elements.len() != expected {
        return Err(damaged(format!(
            "{info} takes {expected} bytes, the file has {}",
            elements.len()
        )));
    }
    let mut elements = elements.to_vec();
    if big_endian {
        elements.chunks_exact_mut(info.element.size()).for_each(<[u8]>::reverse);
    }
    if !column_major || info.shape.len() < 2 {
        return Array::new(info, elements);
    }
    // In column-major order the elements are those of the transposed array.
    let shape: Vec<usize> = info.shape.iter().rev().copied().collect();
    let axes: Vec<usize> = (0..shape.len()).rev().collect();
    Array::new(Info { element: info.element, shape }, elements)?.transposed(&axes)
}

/// Reads a header; the elements need not be there.
fn header(bytes: &[u8]) -> Content<Header> {
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("it is not a file of NumPy"))?;
    let truncated = || damaged("the file is cut off in its header");
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
            return Err(damaged(format!("version {major}.{minor} of the format is not known")));
        }
    };
    let text = rest.get(..length).ok_or_else(truncated)?;
    let start = bytes.len() - rest.len() + length;
    let text = str::from_utf8(text).map_err(|_| damaged("its header is not text"))?;
    let field = |name: &str| {
        let (_, rest) = text.split_once(&format!("'{name}':"))?;
        Some(rest.trim_start())
    };
    let missing = |name: &str| damaged(format!("its header has no `{name}`"));
    let descr = field("descr").ok_or_else(|| missing("descr"))?;
    let descr = descr.strip_prefix('\'').and_then(|rest| rest.split_once('\''));
    let (descr, _) = descr.ok_or_else(|| damaged("records have no element type"))?;
    let column_major = field("fortran_order").ok_or_else(|| missing("fortran_order"))?;
    let column_major = column_major.starts_with("True");
    let shape = field("shape").ok_or_else(|| missing("shape"))?;
    let shape = shape.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let (shape, _) = shape.ok_or_else(|| damaged("its shape is not a tuple"))?;
    let extents = shape.split(',').map(str::trim).filter(|extent| !extent.is_empty());
    let extents: Result<Vec<usize>, _> = extents.map(str::parse).collect();
    let shape = extents.map_err(|_| damaged(format!("({shape}) is not a shape")))?;
    let info = Info { element: element(descr)?, shape };
    info.bytes()?;
    Ok(Header { info, big_endian: descr.starts_with('>'), column_major, start })
}

fn element(descr: &str) -> Content<Element> {
    Ok(match descr.trim_start_matches(['<', '>', '|', '=']) {
        "f8" => Element::F64,
        "f4" => Element::F32,
        "f2" => Element::F16,
        "i8" => Element::I64,
        "i4" => Element::I32,
        "i2" => Element::I16,
        "i1" => Element::I8,
        "u8" => Element::U64,
        "u4" => Element::U32,
        "u2" => Element::U16,
        "u1" => Element::U8,
        "b1" => Element::Bool,
        "O" => {
            return Err(Mistake::new("its elements are pickled objects of Python")
                .help("pickles are never run; save arrays of numbers"));
        }
        _ => {
            return Err(Mistake::new(format!("its element type is `{descr}`"))
                .help("f2, f4, f8, integers of 1 to 8 bytes, and b1 are read"));
        }
    })
}

/// The bytes of a file with an array.
pub(crate) fn write(array: &Array) -> Content<Vec<u8>> {
    let descr = match array.info().element {
        Element::F64 => "<f8",
        Element::F32 => "<f4",
        Element::F16 => "<f2",
        Element::I64 => "<i8",
        Element::I32 => "<i4",
        Element::I16 => "<i2",
        Element::I8 => "|i1",
        Element::U64 => "<u8",
        Element::U32 => "<u4",
        Element::U16 => "<u2",
        Element::U8 => "|u1",
        Element::Bool => "|b1",
        other @ (Element::BF16 | Element::F8E4M3 | Element::F8E5M2) => {
            let message = format!("NumPy has no type for {other}");
            return Err(Mistake::new(message).help("use the format .safetensors"));
        }
    };
    let extents: Vec<String> = array.info().shape.iter().map(ToString::to_string).collect();
    let comma = if extents.len() == 1 { "," } else { "" };
    let shape = format!("({}{comma})", extents.join(", "));
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // The elements begin at a multiple of 64 bytes.
    let length = (MAGIC.len() + 4 + header.len() + 1).next_multiple_of(64) - MAGIC.len() - 4;
    header.extend(std::iter::repeat_n(' ', length - 1 - header.len()));
    header.push('\n');
    let length = u16::try_from(length).map_err(|_| Mistake::new("the array has too many axes"))?;
    let parts = [MAGIC, &[1, 0], &length.to_le_bytes(), header.as_bytes(), array.bytes()];
    Ok(parts.concat())
}

/// An archive of arrays.
pub(crate) struct Npz {
    bytes: Vec<u8>,
    names: Vec<String>,
}

/// How much of a member is unpacked to see what it is.
const HEAD: usize = 1 << 16;

impl Npz {
    /// The archive in these bytes.
    ///
    /// # Errors
    /// If it is damaged.
    pub(crate) fn new(bytes: Vec<u8>) -> Content<Self> {
        let archive = Archive::new(&bytes)?;
        let names = archive.members().map(|(name, _)| name);
        let names = names.map(|name| name.strip_suffix(".npy").unwrap_or(name).to_owned());
        let names = names.collect();
        Ok(Self { bytes, names })
    }
}

impl Source for Npz {
    fn all(&self) -> Vec<String> {
        self.names.clone()
    }

    fn about(&self, name: &str) -> Content<Option<Info>> {
        if !self.names.iter().any(|known| known == name) {
            return Ok(None);
        }
        let archive = Archive::new(&self.bytes)?;
        let member = format!("{name}.npy");
        let (head, size) = archive.head(&member, HEAD)?;
        let at = |mistake: Mistake| Mistake {
            message: format!("`{name}`: {}", mistake.message),
            ..mistake
        };
        let Header { info, start, .. } = header(&head).map_err(at)?;
        let expected = info.bytes().map_err(at)?;
        if size.checked_sub(start as u64) != Some(expected as u64) {
            return Err(at(damaged(format!(
                "{info} takes {expected} bytes, the member has {size}"
            ))));
        }
        Ok(Some(info))
    }

    fn array(&self, name: &str) -> Content<Array> {
        let content = Archive::new(&self.bytes)?.read(&format!("{name}.npy"))?;
        array(&content)
    }
}

/// The bytes of an archive of these arrays.
pub(crate) fn write_npz(arrays: &[(String, Array)]) -> Content<Vec<u8>> {
    let files = arrays.iter().map(|(name, array)| Ok((format!("{name}.npy"), write(array)?)));
    let files: Vec<(String, Vec<u8>)> = files.collect::<Content<_>>()?;
    let members: Vec<(&str, &[u8])> =
        files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    zip::archive(&members)
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
        let columns = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }";
        let data: Vec<u8> = [0_i16, 3, 1, 4, 2, 5].iter().flat_map(|x| x.to_be_bytes()).collect();
        let read = read(&file(columns, &data)).unwrap();
        assert_eq!(read.to_i64(), Some(vec![0, 1, 2, 3, 4, 5]));
    }

    #[test]
    fn what_is_written_is_read() {
        for shape in [&[][..], &[0], &[1], &[15], &[16], &[17], &[2, 3, 4]] {
            let count: usize = shape.iter().product();
            for element in [
                Element::F64,
                Element::F32,
                Element::F16,
                Element::I64,
                Element::I32,
                Element::I16,
                Element::I8,
                Element::U64,
                Element::U32,
                Element::U16,
                Element::U8,
                Element::Bool,
            ] {
                let info = Info { element, shape: shape.to_vec() };
                let bytes = (0..count * element.size()).map(|i| i as u8).collect();
                let given = Array::new(info, bytes).unwrap();
                let written = write(&given).unwrap();
                assert_eq!(written.len() % 64, given.bytes().len() % 64);
                assert_eq!(array(&written).unwrap(), given);
                let npz =
                    Npz::new(write_npz(&[("a/b".to_owned(), given.clone())]).unwrap()).unwrap();
                assert_eq!(npz.about("a/b").unwrap().as_ref(), Some(given.info()));
                assert_eq!(npz.array("a/b").unwrap(), given);
            }
        }
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
            header("{'descr': '<c8', 'fortran_order': False, 'shape': ()}"),
            @"its element type is `<c8`"
        );
        insta::assert_snapshot!(
            header("{'descr': '|O', 'fortran_order': False, 'shape': ()}"),
            @"its elements are pickled objects of Python"
        );
        insta::assert_snapshot!(
            header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999)}"),
            @"an array of shape [99999999999,99999999999] has more elements than memory"
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
            @"float32[3] takes 12 bytes, the file has 0"
        );
    }

    proptest! {
        #[test]
        fn damaged_files_are_errors_or_arrays(offset in 0_usize..80, byte: u8, more in 0_usize..3) {
            let mut bytes = file("{'descr': '<i4', 'fortran_order': False, 'shape': (1, 2)}", &[7; 8]);
            let offset = offset % bytes.len();
            bytes[offset] = byte;
            bytes.extend(vec![0; more]);
            if let Ok(array) = array(&bytes) {
                prop_assert!(array.bytes().len() <= bytes.len());
            }
        }
    }
}
