//! Tensors of files.

use std::ops::Range;
use std::path::Path;

use brolga_ir::types::MAX_RANK;
use brolga_ir::{DType, Data, Mistake, Shape, Tensor, Type};
use half::{bf16, f16};
use prost::bytes::Bytes;

use crate::bindings::{Kind, Known};
use crate::element::ElementType;
use crate::error::OnnxError;
use crate::file::{self, Folder};
use crate::floats::Format;
use crate::precheck;
use crate::proto::{OptionalProto, SequenceProto, TensorProto};

/// `data_location` of a tensor whose elements are in a file of their own.
const EXTERNAL: i32 = 1;

/// Reads a file that holds one value, as `onnx.save_tensor` and the backend tests write it: its name,
/// and the value. Elements are kept as [`ElementType::storage`] says.
///
/// # Errors
/// If the file is not read, holds no such value, or one whose elements do not fit its type and shape.
pub fn read_value(path: impl AsRef<Path>, kind: Kind) -> Result<(String, Known), OnnxError> {
    let path = path.as_ref();
    let folder = Folder::of(path);
    let (name, value) = match kind {
        Kind::Tensor | Kind::Other => {
            let proto: TensorProto = file::read(path, precheck::Kind::Tensor)?;
            (proto.name.clone(), decode(&proto, &folder).map(|(e, t)| Known::Tensor(e, t)))
        }
        Kind::Sequence => {
            let proto: SequenceProto = file::read(path, precheck::Kind::Plain)?;
            (proto.name.clone(), sequence(&proto, &folder))
        }
        Kind::Optional => {
            let proto: OptionalProto = file::read(path, precheck::Kind::Plain)?;
            (proto.name.clone(), optional(&proto, &folder))
        }
    };
    match value {
        Ok(value) => Ok((name, value)),
        Err(mistake) => Err(OnnxError::Tensor { file: path.to_owned(), tensor: name, mistake }),
    }
}

fn sequence(proto: &SequenceProto, folder: &Folder) -> Result<Known, Mistake> {
    let tensors = proto.tensor_values.iter();
    let tensors = tensors.map(|tensor| decode(tensor, folder).map(|(e, t)| Known::Tensor(e, t)));
    let sequences = proto.sequence_values.iter().map(|inner| sequence(inner, folder));
    let optionals = proto.optional_values.iter().map(|inner| optional(inner, folder));
    let values: Vec<Known> = tensors.chain(sequences).chain(optionals).collect::<Result<_, _>>()?;
    let element = values.iter().find_map(|value| match value {
        Known::Tensor(element, _) => Some(*element),
        _ => None,
    });
    Ok(Known::Sequence(element.unwrap_or(ElementType::F32), values))
}

fn optional(proto: &OptionalProto, folder: &Folder) -> Result<Known, Mistake> {
    let value = match (&proto.tensor_value, &proto.sequence_value) {
        (Some(tensor), _) => {
            let (element, tensor) = decode(tensor, folder)?;
            Some(Box::new(Known::Tensor(element, tensor)))
        }
        (None, Some(inner)) => Some(Box::new(sequence(inner, folder)?)),
        (None, None) => None,
    };
    Ok(Known::Optional(value))
}

/// The element type and the shape of a tensor, checked before anything is allocated.
pub(crate) fn type_of(proto: &TensorProto) -> Result<(ElementType, Type), Mistake> {
    let element = element(proto.data_type.into())?;
    let dtype = storage(element)?;
    let extent = |&extent: &i64| {
        usize::try_from(extent).map_err(|_| {
            Mistake::new(format!("it has the shape {:?}, and {extent} is no extent", proto.dims))
                .help("extents are numbers from 0 on")
        })
    };
    if proto.dims.len() > MAX_RANK {
        let rank = proto.dims.len();
        return Err(Mistake::new(format!("rank {rank} is above the limit of {MAX_RANK}")));
    }
    let shape: Shape = proto.dims.iter().map(extent).collect::<Result<_, _>>()?;
    let ty = Type { dtype, shape };
    ty.check()?;
    Ok((element, ty))
}

/// The element type with this code.
pub(crate) fn element(code: i64) -> Result<ElementType, Mistake> {
    ElementType::of_code(code).ok_or_else(|| {
        Mistake::new(format!("its element type is {code}, which ONNX does not define"))
            .help("the file is damaged, or newer than IR version 14")
    })
}

/// The type in which elements of this type are kept.
pub(crate) fn storage(element: ElementType) -> Result<DType, Mistake> {
    element.storage().ok_or_else(|| {
        Mistake::new(format!("its elements are {element}, which is not read yet"))
            .help("read are floats of 4 to 64 bits, bool, and integers of 2 to 64 bits")
    })
}

/// Checks a tensor without reading its elements. Of one whose elements are in a file of their own,
/// gives their place.
///
/// # Errors
/// If type, shape and elements do not fit together.
pub(crate) fn checked<'t>(
    proto: &'t TensorProto,
    folder: &Folder,
) -> Result<Option<(&'t str, Range<u64>)>, Mistake> {
    let (element, ty) = type_of(proto)?;
    let count = ty.shape.elements();
    if proto.data_location == EXTERNAL {
        return folder.place(proto, raw_bytes(element, count)).map(Some);
    }
    match &proto.raw_data {
        Some(raw) => check(raw_bytes(element, count), raw.len(), "bytes"),
        None => check_lists(proto, element, count),
    }?;
    Ok(None)
}

/// The elements of a tensor.
///
/// # Errors
/// If type, shape and elements do not fit together.
pub(crate) fn decode(
    proto: &TensorProto,
    folder: &Folder,
) -> Result<(ElementType, Tensor), Mistake> {
    let (element, ty) = type_of(proto)?;
    let count = ty.shape.elements();
    let data = if proto.data_location == EXTERNAL {
        from_raw(element, &folder.bytes(proto, raw_bytes(element, count))?, count)?
    } else if let Some(raw) = &proto.raw_data {
        check(raw_bytes(element, count), raw.len(), "bytes")?;
        from_raw(element, raw, count)?
    } else {
        from_lists(proto, element, count)?
    };
    let given = data.len();
    let tensor =
        Tensor::new(ty.shape.clone(), data).ok_or_else(|| wrong_count(count, given, "elements"))?;
    Ok((element, tensor))
}

/// The bits of an element in a file.
pub(crate) fn bits(element: ElementType) -> usize {
    let small = Format::of(element).map(|format| format.bits);
    match (small.or(element.narrow().map(|(bits, _)| bits)), element.storage()) {
        (Some(bits), _) => bits as usize,
        (None, Some(dtype)) => dtype.size() * 8,
        (None, None) => 8,
    }
}

/// The bytes that so many elements take in a file; those of less than 8 bits share bytes.
fn raw_bytes(element: ElementType, count: usize) -> usize {
    match bits(element) {
        bits if bits < 8 => count.saturating_mul(bits).div_ceil(8),
        bits => count.saturating_mul(bits / 8),
    }
}

fn check(expected: usize, given: usize, what: &str) -> Result<(), Mistake> {
    if expected == given { Ok(()) } else { Err(wrong_count(expected, given, what)) }
}

fn wrong_count(expected: usize, given: usize, what: &str) -> Mistake {
    Mistake::new(format!("its type and shape need {expected} {what}, the file has {given}"))
        .help("the file is damaged; export the model again")
}

/// Elements from bytes, little-endian, in row-major order.
pub(crate) fn from_raw(element: ElementType, raw: &Bytes, count: usize) -> Result<Data, Mistake> {
    fn each<const N: usize, T>(raw: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
        raw.as_chunks::<N>().0.iter().map(|&bytes| read(bytes)).collect()
    }
    use ElementType as E;
    Ok(match element {
        E::F32 => Data::F32(each(raw, f32::from_le_bytes)),
        E::F64 => Data::F64(each(raw, f64::from_le_bytes)),
        E::F16 => Data::F16(each(raw, f16::from_le_bytes)),
        E::BF16 => Data::BF16(each(raw, bf16::from_le_bytes)),
        E::I64 => Data::I64(each(raw, i64::from_le_bytes)),
        E::I32 => Data::I32(each(raw, i32::from_le_bytes)),
        E::U8 => Data::U8(raw.to_vec()),
        E::Bool => Data::Bool(raw.iter().map(|&byte| byte != 0).collect()),
        E::I8 => Data::I32(raw.iter().map(|&byte| i32::from(byte as i8)).collect()),
        E::I16 => Data::I32(each(raw, |bytes| i16::from_le_bytes(bytes).into())),
        E::U16 => Data::I32(each(raw, |bytes| u16::from_le_bytes(bytes).into())),
        E::U32 => Data::I64(each(raw, |bytes| u32::from_le_bytes(bytes).into())),
        E::U64 => {
            return unsigned(each(raw, u64::from_le_bytes).into_iter());
        }
        E::I4 | E::U4 | E::I2 | E::U2 => Data::I32(unpacked(element, raw, count)),
        small if Format::of(small).is_some() => small_floats(small, raw, count),
        _ => return Err(storage(element).map_or_else(|mistake| mistake, |_| unread(element))),
    })
}

fn unread(element: ElementType) -> Mistake {
    Mistake::new(format!("its elements are {element}, which is not read yet"))
}

/// The bytes of elements, little-endian, as a file has them; `None` for those that share bytes and for
/// small floats.
pub(crate) fn to_raw(element: ElementType, data: &Data) -> Option<Vec<u8>> {
    fn each<T: Copy, const N: usize>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
        values.iter().flat_map(|&value| bytes(value)).collect()
    }
    let size = bits(element) / 8;
    Some(match data {
        Data::F32(_) if element != ElementType::F32 => return None,
        Data::F32(v) => each(v, f32::to_le_bytes),
        Data::F64(v) => each(v, f64::to_le_bytes),
        Data::F16(v) => each(v, f16::to_le_bytes),
        Data::BF16(v) => each(v, bf16::to_le_bytes),
        Data::U8(v) => v.clone(),
        Data::Bool(v) => v.iter().map(|&x| u8::from(x)).collect(),
        Data::I32(_) if size == 0 => return None,
        Data::I32(v) => v.iter().flat_map(|x| x.to_le_bytes().into_iter().take(size)).collect(),
        Data::I64(v) => v.iter().flat_map(|x| x.to_le_bytes().into_iter().take(size)).collect(),
    })
}

/// Codes of less than a byte, the first one in the lowest bits.
fn codes(raw: &[u8], width: usize, count: usize) -> impl Iterator<Item = u32> {
    let byte = |at: usize| u32::from(raw.get(at).copied().unwrap_or_default());
    (0..count).map(move |index| {
        let (at, shift) = (index * width / 8, index * width % 8);
        (byte(at) | byte(at + 1) << 8) >> shift & ((1 << width) - 1)
    })
}

/// Integers that share bytes.
fn unpacked(element: ElementType, raw: &[u8], count: usize) -> Vec<i32> {
    let (width, signed) = element.narrow().unwrap_or((8, false));
    let sign = |code: u32| if signed && code >> (width - 1) == 1 { 1 << width } else { 0 };
    codes(raw, width as usize, count).map(|code| code as i32 - sign(code)).collect()
}

/// Floats of a byte or less.
fn small_floats(element: ElementType, raw: &[u8], count: usize) -> Data {
    let number = |format: Format| {
        let codes = codes(raw, format.bits as usize, count);
        codes.map(move |code| format.decode(code)).collect()
    };
    Data::F32(Format::of(element).map(number).unwrap_or_default())
}

fn unsigned(values: impl Iterator<Item = u64>) -> Result<Data, Mistake> {
    let signed = |value: u64| {
        i64::try_from(value).map_err(|_| {
            Mistake::new(format!("it has the element {value}"))
                .help("of uint64, numbers below 2^63 are read")
        })
    };
    values.map(signed).collect::<Result<_, _>>().map(Data::I64)
}

/// Fails unless the list that a message has for the type has so many elements.
fn check_lists(proto: &TensorProto, element: ElementType, count: usize) -> Result<(), Mistake> {
    use ElementType as E;
    let given = match element {
        E::F32 => proto.float_data.len(),
        E::F64 => proto.double_data.len(),
        E::I64 => proto.int64_data.len(),
        E::U32 | E::U64 => proto.uint64_data.len(),
        _ => proto.int32_data.len(),
    };
    match bits(element) {
        bits if bits < 8 => check(raw_bytes(element, count), given, "numbers"),
        _ => check(count, given, "numbers"),
    }
}

/// Elements from the list that a message has for the type.
fn from_lists(proto: &TensorProto, element: ElementType, count: usize) -> Result<Data, Mistake> {
    use ElementType as E;
    check_lists(proto, element, count)?;
    let ints = &proto.int32_data;
    let halves = || ints.iter().map(|&bits| bits as u16);
    Ok(match element {
        E::F32 => Data::F32(proto.float_data.clone()),
        E::F64 => Data::F64(proto.double_data.clone()),
        E::F16 => Data::F16(halves().map(f16::from_bits).collect()),
        E::BF16 => Data::BF16(halves().map(bf16::from_bits).collect()),
        E::I64 => Data::I64(proto.int64_data.clone()),
        E::U8 => Data::U8(ints.iter().map(|&x| x as u8).collect()),
        E::Bool => Data::Bool(ints.iter().map(|&x| x != 0).collect()),
        E::U32 | E::U64 => return unsigned(proto.uint64_data.iter().copied()),
        E::I4 | E::U4 | E::I2 | E::U2 => {
            let bytes: Vec<u8> = ints.iter().map(|&x| x as u8).collect();
            Data::I32(unpacked(element, &bytes, count))
        }
        small if Format::of(small).is_some() => {
            let bytes: Vec<u8> = ints.iter().map(|&x| x as u8).collect();
            small_floats(small, &bytes, count)
        }
        _ => Data::I32(ints.clone()),
    })
}
