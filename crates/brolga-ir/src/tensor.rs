//! Tensors of the reference interpreter, and constants in the graph.

use std::hash::{Hash, Hasher};

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use crate::types::{DType, Shape, Type};

/// The elements of a tensor in row-major order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "one variant an element type")]
pub enum Data {
    F32(Vec<f32>),
    F64(Vec<f64>),
    BF16(Vec<bf16>),
    F16(Vec<f16>),
    I64(Vec<i64>),
    I32(Vec<i32>),
    U8(Vec<u8>),
    Bool(Vec<bool>),
}

/// Evaluates an expression with the vector of any element type.
#[macro_export]
macro_rules! for_each_dtype {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            $crate::Data::F32($values) => $body,
            $crate::Data::F64($values) => $body,
            $crate::Data::BF16($values) => $body,
            $crate::Data::F16($values) => $body,
            $crate::Data::I64($values) => $body,
            $crate::Data::I32($values) => $body,
            $crate::Data::U8($values) => $body,
            $crate::Data::Bool($values) => $body,
        }
    };
}

/// Makes data of the same element type by an expression over the old vector.
#[macro_export]
macro_rules! map_data {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            $crate::Data::F32($values) => $crate::Data::F32($body),
            $crate::Data::F64($values) => $crate::Data::F64($body),
            $crate::Data::BF16($values) => $crate::Data::BF16($body),
            $crate::Data::F16($values) => $crate::Data::F16($body),
            $crate::Data::I64($values) => $crate::Data::I64($body),
            $crate::Data::I32($values) => $crate::Data::I32($body),
            $crate::Data::U8($values) => $crate::Data::U8($body),
            $crate::Data::Bool($values) => $crate::Data::Bool($body),
        }
    };
}

impl Data {
    /// The element type.
    pub fn dtype(&self) -> DType {
        match self {
            Self::F32(_) => DType::F32,
            Self::F64(_) => DType::F64,
            Self::BF16(_) => DType::BF16,
            Self::F16(_) => DType::F16,
            Self::I64(_) => DType::I64,
            Self::I32(_) => DType::I32,
            Self::U8(_) => DType::U8,
            Self::Bool(_) => DType::Bool,
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        for_each_dtype!(self, v => v.len())
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements at these offsets, in this order.
    ///
    /// # Panics
    /// If an offset is outside; callers compute offsets from shapes that were checked.
    pub fn pick(&self, offsets: &[usize]) -> Self {
        map_data!(self, v => offsets.iter().map(|&offset| v[offset]).collect())
    }

    /// The elements at these offsets, in this order, and zero (false) for `None`.
    ///
    /// # Panics
    /// If an offset is outside; callers compute offsets from shapes that were checked.
    pub fn pick_or_zero(&self, offsets: &[Option<usize>]) -> Self {
        map_data!(self, v => {
            offsets.iter().map(|offset| offset.map_or_else(Default::default, |at| v[at])).collect()
        })
    }

    /// The only element, `count` times.
    ///
    /// # Panics
    /// If there is not exactly one.
    pub fn repeat(&self, count: usize) -> Self {
        assert_eq!(self.len(), 1, "one element is repeated");
        map_data!(self, v => vec![v[0]; count])
    }

    /// `count` elements, all of them zero (false).
    pub fn zeros(dtype: DType, count: usize) -> Self {
        match dtype {
            DType::F32 => Self::F32(vec![0.0; count]),
            DType::F64 => Self::F64(vec![0.0; count]),
            DType::BF16 => Self::BF16(vec![bf16::ZERO; count]),
            DType::F16 => Self::F16(vec![f16::ZERO; count]),
            DType::I64 => Self::I64(vec![0; count]),
            DType::I32 => Self::I32(vec![0; count]),
            DType::U8 => Self::U8(vec![0; count]),
            DType::Bool => Self::Bool(vec![false; count]),
        }
    }

    /// The numbers as `f64`; truth values are 0 and 1. Exact for all but large `i64`.
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            Self::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Self::F64(v) => v.clone(),
            Self::BF16(v) => v.iter().map(|x| x.to_f64()).collect(),
            Self::F16(v) => v.iter().map(|x| x.to_f64()).collect(),
            Self::I64(v) => v.iter().map(|&x| x as f64).collect(),
            Self::I32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Self::U8(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Self::Bool(v) => v.iter().map(|&x| f64::from(u8::from(x))).collect(),
        }
    }

    /// The numbers converted from `f64`, rounded to nearest; integers saturate; truth is "not
    /// zero".
    pub fn from_f64(dtype: DType, values: &[f64]) -> Self {
        match dtype {
            DType::F32 => Self::F32(values.iter().map(|&x| x as f32).collect()),
            DType::F64 => Self::F64(values.to_vec()),
            DType::BF16 => Self::BF16(values.iter().map(|&x| to_bf16(x)).collect()),
            DType::F16 => Self::F16(values.iter().map(|&x| to_f16(x)).collect()),
            DType::I64 => Self::I64(values.iter().map(|&x| x as i64).collect()),
            DType::I32 => Self::I32(values.iter().map(|&x| x as i32).collect()),
            DType::U8 => Self::U8(values.iter().map(|&x| x as u8).collect()),
            DType::Bool => Self::Bool(values.iter().map(|&x| x != 0.0).collect()),
        }
    }

    /// The bits of each element as `u64`, with one pattern for all NaNs. "The same bits" means that
    /// these are equal.
    pub fn canonical_bits(&self) -> Vec<u64> {
        fn float<T: Copy>(v: &[T], nan: impl Fn(T) -> bool, bits: impl Fn(T) -> u64) -> Vec<u64> {
            v.iter().map(|&x| if nan(x) { u64::MAX } else { bits(x) }).collect()
        }
        match self {
            Self::F32(v) => float(v, f32::is_nan, |x| u64::from(x.to_bits())),
            Self::F64(v) => float(v, f64::is_nan, f64::to_bits),
            Self::BF16(v) => float(v, bf16::is_nan, |x| u64::from(x.to_bits())),
            Self::F16(v) => float(v, f16::is_nan, |x| u64::from(x.to_bits())),
            Self::I64(v) => v.iter().map(|&x| x as u64).collect(),
            Self::I32(v) => v.iter().map(|&x| x as u64).collect(),
            Self::U8(v) => v.iter().map(|&x| u64::from(x)).collect(),
            Self::Bool(v) => v.iter().map(|&x| u64::from(x)).collect(),
        }
    }
}

/// The nearest `bf16`, ties to even.
///
/// Unlike [`half::bf16::from_f64`], which ignores the lower half of the significand.
#[must_use]
pub fn to_bf16(x: f64) -> bf16 {
    bf16::from_f32(round_to_odd(x))
}

/// The nearest `f16`, ties to even.
///
/// Unlike [`half::f16::from_f64`], which rounds to `f32` first on some processors, and ignores the
/// lower half of the significand on others.
#[must_use]
pub fn to_f16(x: f64) -> f16 {
    f16::from_f32(round_to_odd(x))
}

/// x rounded towards 0 to an `f32`, with the last bit set if that is not exact. A later rounding to
/// a half then gives the same result as a single one.
///
/// Source: Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms
/// using rounding to odd" (2008).
fn round_to_odd(x: f64) -> f32 {
    let nearest = x as f32;
    let back = f64::from(nearest);
    if back == x || x.is_nan() {
        return nearest;
    }
    let towards_zero = nearest.to_bits() - u32::from(back.abs() > x.abs());
    f32::from_bits(towards_zero | 1)
}

/// Equality of bits: NaN equals NaN, −0 does not equal +0.
impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        self.dtype() == other.dtype() && self.canonical_bits() == other.canonical_bits()
    }
}

impl Eq for Data {}

impl Hash for Data {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.dtype().hash(state);
        self.canonical_bits().hash(state);
    }
}

/// A tensor: a shape and its elements in row-major order. Equality compares bits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tensor {
    shape: Shape,
    data: Data,
}

impl Tensor {
    /// A tensor of these elements; `None` if their number is not that of the shape.
    pub fn new(shape: impl Into<Shape>, data: Data) -> Option<Self> {
        let shape = shape.into();
        (shape.elements() == data.len()).then_some(Self { shape, data })
    }

    /// As [`Tensor::new`], for data whose length was computed from the shape.
    pub(crate) fn of(shape: impl Into<Shape>, data: Data) -> Self {
        let shape = shape.into();
        debug_assert_eq!(shape.elements(), data.len());
        Self { shape, data }
    }

    /// A tensor of zeros.
    pub fn zeros(ty: &Type) -> Self {
        Self { shape: ty.shape.clone(), data: Data::zeros(ty.dtype, ty.shape.elements()) }
    }

    /// A tensor in which every element is `value`, converted as [`Data::from_f64`] does.
    pub fn full(ty: &Type, value: f64) -> Self {
        let one = Data::from_f64(ty.dtype, &[value]);
        Self { shape: ty.shape.clone(), data: one.repeat(ty.shape.elements()) }
    }

    /// A scalar.
    pub fn scalar(dtype: DType, value: f64) -> Self {
        Self::full(&Type::scalar(dtype), value)
    }

    /// An `f32` tensor; `None` if the number of elements is not that of the shape.
    pub fn f32(shape: impl Into<Shape>, values: Vec<f32>) -> Option<Self> {
        Self::new(shape, Data::F32(values))
    }

    /// Element type and shape.
    pub fn ty(&self) -> Type {
        Type { dtype: self.dtype(), shape: self.shape.clone() }
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.data.dtype()
    }

    /// The extents.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The elements.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The elements, by value.
    pub fn into_data(self) -> Data {
        self.data
    }

    /// The elements if they are `f32`.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            Data::F32(values) => Some(values),
            _ => None,
        }
    }

    /// The elements as `i64` if they are integers.
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        match &self.data {
            Data::I64(v) => Some(v.clone()),
            Data::I32(v) => Some(v.iter().map(|&x| i64::from(x)).collect()),
            Data::U8(v) => Some(v.iter().map(|&x| i64::from(x)).collect()),
            _ => None,
        }
    }

    /// The value all elements have bit for bit, as a scalar tensor; `None` if they differ or there
    /// is none.
    pub fn splat(&self) -> Option<Self> {
        let bits = self.data.canonical_bits();
        let first = bits.first()?;
        bits.iter().all(|b| b == first).then(|| Self::of(Shape::scalar(), self.data.pick(&[0])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_rounded_once() {
        // 441 is halfway between 440 and 442; the even one is 440.
        assert_eq!(to_bf16(441.0), bf16::from_f32(440.0));
        assert_eq!(to_bf16(f64::from_bits(441.0_f64.to_bits() + 1)), bf16::from_f32(442.0));
        assert_eq!(to_bf16(f64::from_bits(443.0_f64.to_bits() - 1)), bf16::from_f32(442.0));
        assert_eq!(to_f16(2049.0), f16::from_f32(2048.0));
        assert_eq!(to_f16(f64::from_bits(2049.0_f64.to_bits() + 1)), f16::from_f32(2050.0));
        assert_eq!(to_f16(-f64::from_bits(2049.0_f64.to_bits() + 1)), f16::from_f32(-2050.0));
        let smallest = 2.0_f64.powi(-24);
        assert_eq!(to_f16(smallest / 2.0), f16::ZERO);
        assert_eq!(to_f16(f64::from_bits((smallest / 2.0).to_bits() + 1)), f16::from_bits(1));
        assert_eq!(to_f16(f64::from_bits(65_520.0_f64.to_bits() - 1)), f16::MAX);
        assert_eq!(to_f16(65_520.0), f16::INFINITY);
        assert_eq!(to_f16(1e300), f16::INFINITY);
        assert_eq!(to_bf16(-1e300), bf16::NEG_INFINITY);
        assert_eq!(to_bf16(1e-300), bf16::ZERO);
        assert!(to_bf16(f64::NAN).is_nan());
    }

    #[test]
    fn halves_come_back_unchanged() {
        for bits in 0..=u16::MAX {
            let (b, f) = (bf16::from_bits(bits), f16::from_bits(bits));
            assert!(to_bf16(b.to_f64()) == b || b.is_nan());
            assert!(to_f16(f.to_f64()) == f || f.is_nan());
        }
    }
}
