//! Arrays as files hold them.

use std::fmt;

use brolga_ir::{DType, Data, Mistake, Tensor, Type};
use half::{bf16, f16};

use crate::error::{Content, damaged};

/// The type of an array's elements in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// 64-bit floats.
    F64,
    /// 32-bit floats.
    F32,
    /// 16-bit floats of IEEE 754.
    F16,
    /// The upper halves of 32-bit floats.
    BF16,
    /// 8-bit floats of 4 bits of exponent.
    F8E4M3,
    /// 8-bit floats of 5 bits of exponent.
    F8E5M2,
    /// 64-bit integers.
    I64,
    /// 32-bit integers.
    I32,
    /// 16-bit integers.
    I16,
    /// 8-bit integers.
    I8,
    /// 64-bit integers without a sign.
    U64,
    /// 32-bit integers without a sign.
    U32,
    /// 16-bit integers without a sign.
    U16,
    /// Bytes.
    U8,
    /// Truth values, a byte each.
    Bool,
}

impl Element {
    /// The name, as NumPy writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F64 => "float64",
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
            Self::F8E4M3 => "float8_e4m3",
            Self::F8E5M2 => "float8_e5m2",
            Self::I64 => "int64",
            Self::I32 => "int32",
            Self::I16 => "int16",
            Self::I8 => "int8",
            Self::U64 => "uint64",
            Self::U32 => "uint32",
            Self::U16 => "uint16",
            Self::U8 => "uint8",
            Self::Bool => "bool",
        }
    }

    /// The bytes of an element.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::F8E4M3 | Self::F8E5M2 | Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// The elements of tensors of this type.
    pub fn of_dtype(dtype: DType) -> Self {
        match dtype {
            DType::F64 => Self::F64,
            DType::F32 => Self::F32,
            DType::BF16 => Self::BF16,
            DType::F16 => Self::F16,
            DType::I64 => Self::I64,
            DType::I32 => Self::I32,
            DType::U8 => Self::U8,
            DType::Bool => Self::Bool,
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Element type and shape of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The type of the elements.
    pub element: Element,
    /// The extents.
    pub shape: Vec<usize>,
}

impl Info {
    /// The bytes of the elements.
    ///
    /// # Errors
    /// If they are more than an address can count.
    pub fn bytes(&self) -> Result<usize, Mistake> {
        let sizes = self.shape.iter().copied().chain([self.element.size()]);
        // An extent of 0 makes all others harmless.
        if self.shape.contains(&0) {
            return Ok(0);
        }
        let bytes = sizes.into_iter().try_fold(1_usize, usize::checked_mul);
        bytes.filter(|&bytes| bytes <= isize::MAX as usize).ok_or_else(|| {
            damaged(format!(
                "an array of shape {} has more elements than memory",
                shape_text(&self.shape)
            ))
        })
    }
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.element, shape_text(&self.shape))
    }
}

/// A shape as messages show it: `[3,4]`.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    let extents: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("[{}]", extents.join(","))
}

/// An array of a file: little-endian, in row-major order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    info: Info,
    bytes: Vec<u8>,
}

/// The elements of `bytes`, each made of `N` of them.
fn each<const N: usize, T>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|&bytes| number(bytes)).collect()
}

impl Array {
    /// An array of these elements.
    ///
    /// # Errors
    /// If the shape does not take as many bytes.
    pub fn new(info: Info, bytes: Vec<u8>) -> Result<Self, Mistake> {
        let expected = info.bytes()?;
        if bytes.len() != expected {
            return Err(damaged(format!(
                "{info} takes {expected} bytes, there are {}",
                bytes.len()
            )));
        }
        Ok(Self { info, bytes })
    }

    /// An array of `f32`.
    pub fn of_f32(shape: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        Self { info: Info { element: Element::F32, shape: shape.to_vec() }, bytes }
    }

    /// The elements of a tensor.
    pub fn of_tensor(tensor: &Tensor) -> Self {
        let bytes = match tensor.data() {
            Data::F64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Data::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Data::BF16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Data::F16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Data::I64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Data::I32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Data::U8(v) => v.clone(),
            Data::Bool(v) => v.iter().map(|&x| u8::from(x)).collect(),
        };
        let element = Element::of_dtype(tensor.dtype());
        Self { info: Info { element, shape: tensor.shape().to_vec() }, bytes }
    }

    /// Element type and shape.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// The bytes of the elements.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The elements as a tensor of the IR. Types that the IR does not have become the next larger
    /// one that holds all of their values.
    ///
    /// # Errors
    /// If there is none, as for `uint64`, or the shape is not one of a tensor.
    pub fn to_tensor(&self) -> Result<Tensor, Mistake> {
        let bytes = &self.bytes[..];
        let data = match self.info.element {
            Element::F64 => Data::F64(each(bytes, f64::from_le_bytes)),
            Element::F32 => Data::F32(each(bytes, f32::from_le_bytes)),
            Element::F16 => Data::F16(each(bytes, f16::from_le_bytes)),
            Element::BF16 => Data::BF16(each(bytes, bf16::from_le_bytes)),
            Element::I64 => Data::I64(each(bytes, i64::from_le_bytes)),
            Element::I32 => Data::I32(each(bytes, i32::from_le_bytes)),
            Element::U8 => Data::U8(bytes.to_vec()),
            Element::Bool => Data::Bool(bytes.iter().map(|&byte| byte != 0).collect()),
            Element::I16 => Data::I32(each(bytes, |b| i16::from_le_bytes(b).into())),
            Element::I8 => Data::I32(each(bytes, |b| i8::from_le_bytes(b).into())),
            Element::U16 => Data::I32(each(bytes, |b| u16::from_le_bytes(b).into())),
            Element::U32 => Data::I64(each(bytes, |b| u32::from_le_bytes(b).into())),
            Element::F8E4M3 | Element::F8E5M2 => Data::F32(self.to_f32()?),
            Element::U64 => {
                let message = format!("{} has no type here", self.info);
                return Err(Mistake::new(message).help("convert it to int64"));
            }
        };
        let shape = self.info.shape.clone();
        Type::new(data.dtype(), shape.clone()).check().map_err(Mistake::new)?;
        Tensor::new(shape, data).ok_or_else(|| damaged("an array has another number of elements"))
    }

    /// The elements as `f32`, rounded where they have more digits.
    ///
    /// # Errors
    /// If they are no floats.
    pub fn to_f32(&self) -> Content<Vec<f32>> {
        let bytes = &self.bytes[..];
        Ok(match self.info.element {
            Element::F32 => each(bytes, f32::from_le_bytes),
            Element::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
            Element::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Element::BF16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Element::F8E4M3 => bytes.iter().map(|&byte| small_float(byte, 4, 7)).collect(),
            // The upper half of a 16-bit float.
            Element::F8E5M2 => {
                bytes.iter().map(|&byte| f16::from_le_bytes([0, byte]).to_f32()).collect()
            }
            other => {
                let message = format!("the elements are {other}");
                return Err(Mistake::new(message).help("weights are floats"));
            }
        })
    }

    /// The only element as an integer, if there is one element that is one.
    pub(crate) fn to_i64(&self) -> Option<i64> {
        let tensor = self.to_tensor().ok()?;
        match tensor.to_i64()?.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// The array with its axes in another order: axis `i` of the result is axis `axes[i]`.
    ///
    /// # Errors
    /// If these are not all axes, each once.
    pub fn transposed(&self, axes: &[usize]) -> Result<Self, Mistake> {
        let shape = &self.info.shape;
        let mut sorted = axes.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..shape.len()) {
            let message = format!("{} has no order of axes {}", self.info, shape_text(axes));
            return Err(Mistake::new(message).help("name each axis once"));
        }
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis];
        }
        let new: Vec<usize> = axes.iter().map(|&axis| shape[axis]).collect();
        let steps: Vec<usize> = axes.iter().map(|&axis| strides[axis]).collect();
        let size = self.info.element.size();
        let mut bytes = brolga_memory::with_capacity(self.bytes.len())
            .map_err(|error| Mistake::new(error.to_string()))?;
        let count = self.bytes.len() / size;
        let mut index = vec![0; new.len()];
        let mut offset = 0;
        for _ in 0..count {
            bytes.extend_from_slice(&self.bytes[offset * size..][..size]);
            for axis in (0..new.len()).rev() {
                index[axis] += 1;
                offset += steps[axis];
                if index[axis] < new[axis] {
                    break;
                }
                offset -= steps[axis] * new[axis];
                index[axis] = 0;
            }
        }
        Ok(Self { info: Info { element: self.info.element, shape: new }, bytes })
    }

    /// The array with another shape of as many elements.
    pub(crate) fn reshaped(mut self, shape: Vec<usize>) -> Content<Self> {
        self.info.shape = shape;
        Self::new(self.info, self.bytes)
    }
}

/// A float of 8 bits with `exponent` bits of exponent and this bias, without infinities.
fn small_float(byte: u8, exponent: u32, bias: i32) -> f32 {
    let fraction_bits = 7 - exponent;
    let sign = if byte & 0x80 == 0 { 1.0 } else { -1.0 };
    let magnitude = byte & 0x7f;
    if magnitude == 0x7f {
        return f32::NAN;
    }
    let fraction = f32::from(magnitude & ((1 << fraction_bits) - 1)) / (1 << fraction_bits) as f32;
    match i32::from(magnitude >> fraction_bits) {
        0 => sign * fraction * 2.0_f32.powi(1 - bias),
        e => sign * (1.0 + fraction) * 2.0_f32.powi(e - bias),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(shape: &[usize]) -> Array {
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|i: usize| i as f32).collect();
        Array::of_f32(shape, &values)
    }

    #[test]
    fn axes_change_places() -> Result<(), Mistake> {
        let turned = array(&[2, 3]).transposed(&[1, 0])?;
        assert_eq!(
            (turned.info().shape.as_slice(), turned.to_f32()?),
            ([3, 2].as_slice(), vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0])
        );
        let moved = array(&[2, 3, 4]).transposed(&[2, 0, 1])?;
        let expected: Vec<f32> = (0..4)
            .flat_map(|k| {
                (0..2).flat_map(move |i| (0..3).map(move |j| (i * 12 + j * 4 + k) as f32))
            })
            .collect();
        assert_eq!(moved.to_f32()?, expected);
        for shape in [&[][..], &[0], &[1], &[16], &[17]] {
            let axes: Vec<usize> = (0..shape.len()).collect();
            assert_eq!(array(shape).transposed(&axes)?, array(shape));
        }
        assert!(array(&[2, 3]).transposed(&[0, 0]).is_err());
        assert_eq!(array(&[0, 3]).transposed(&[1, 0])?.info().shape, [3, 0]);
        Ok(())
    }

    #[test]
    fn sizes_are_checked() {
        let info = |shape: &[usize]| Info { element: Element::F32, shape: shape.to_vec() };
        assert_eq!(info(&[]).bytes().ok(), Some(4));
        assert_eq!(info(&[usize::MAX, 0]).bytes().ok(), Some(0));
        insta::assert_snapshot!(info(&[usize::MAX, 2]).bytes().expect_err("too many"), @"
        an array of shape [18446744073709551615,2] has more elements than memory
          help: the file is damaged, or not of the format that its name says
        ");
        insta::assert_snapshot!(Array::new(info(&[2]), vec![0; 7]).expect_err("too few"), @"
        float32[2] takes 8 bytes, there are 7
          help: the file is damaged, or not of the format that its name says
        ");
    }

    #[test]
    fn small_floats_are_those_of_the_standard() {
        let of = |byte| small_float(byte, 4, 7);
        assert_eq!(
            [0x00, 0x38, 0xb8, 0x7e, 0x01, 0x08].map(of),
            [0.0, 1.0, -1.0, 448.0, 0.001_953_125, 0.015_625]
        );
        assert!(of(0x7f).is_nan());
        let info = Info { element: Element::F8E5M2, shape: vec![3] };
        let array = Array::new(info, vec![0x3c, 0xbc, 0x7b]).expect("three bytes");
        assert_eq!(array.to_f32().ok(), Some(vec![1.0, -1.0, 57344.0]));
    }
}
