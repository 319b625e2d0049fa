//! Element types, shapes and tensor types.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// The largest rank a tensor can have.
pub const MAX_RANK: usize = 8;

/// The largest number of bytes a tensor can have.
pub const MAX_BYTES: usize = 1 << 46;

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
    /// bfloat16: the upper half of an f32.
    BF16,
    /// IEEE 754 binary16.
    F16,
    /// 64-bit two's complement.
    I64,
    /// 32-bit two's complement.
    I32,
    /// 8-bit unsigned.
    U8,
    /// A truth value, stored as one byte 0 or 1.
    Bool,
}

impl DType {
    /// Every element type, in the order of the declaration.
    pub const ALL: [Self; 8] =
        [Self::F32, Self::F64, Self::BF16, Self::F16, Self::I64, Self::I32, Self::U8, Self::Bool];

    /// The name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::BF16 => "bf16",
            Self::F16 => "f16",
            Self::I64 => "i64",
            Self::I32 => "i32",
            Self::U8 => "u8",
            Self::Bool => "bool",
        }
    }

    /// Bytes an element takes in memory.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::BF16 | Self::F16 => 2,
            Self::U8 | Self::Bool => 1,
        }
    }

    /// The type in which elements are summed and counted: `f32` for `bf16`, which counts to 256,
    /// and for `f16`, which counts to 2048 and ends at 65504; the type itself for all others.
    #[must_use]
    pub fn accumulator(self) -> Self {
        match self {
            Self::BF16 | Self::F16 => Self::F32,
            other => other,
        }
    }

    /// Whether the elements are floating-point numbers.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64 | Self::BF16 | Self::F16)
    }

    /// Whether the elements are integers (truth values are not).
    pub fn is_int(self) -> bool {
        matches!(self, Self::I64 | Self::I32 | Self::U8)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|d| d.name() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|d| d.name()).collect();
            format!("unknown element type `{text}`; there are {}", names.join(", "))
        })
    }
}

/// The extents of a tensor, outermost first; rank 0 is a scalar.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shape(SmallVec<[usize; 4]>);

impl Shape {
    /// A shape with these extents.
    pub fn new(dims: impl IntoIterator<Item = usize>) -> Self {
        Self(dims.into_iter().collect())
    }

    /// The shape of a scalar.
    pub fn scalar() -> Self {
        Self::default()
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The number of elements: the product of the extents, 1 for a scalar.
    pub fn elements(&self) -> usize {
        self.0.iter().product()
    }

    /// The extents, for changes.
    pub fn dims_mut(&mut self) -> &mut [usize] {
        &mut self.0
    }

    /// Row-major strides in elements.
    pub fn strides(&self) -> SmallVec<[usize; 4]> {
        let mut strides = SmallVec::from_elem(1, self.rank());
        for axis in (0..self.rank().saturating_sub(1)).rev() {
            strides[axis] = strides[axis + 1] * self.0[axis + 1];
        }
        strides
    }

    /// The strides of a tensor of this shape that is repeated to `target`, for each of the target's
    /// axes: 0 where it repeats.
    ///
    /// # Panics
    /// If the target has fewer axes.
    pub fn broadcast_strides(&self, target: &Self) -> SmallVec<[usize; 4]> {
        let lead = target.rank() - self.rank();
        let own = self.0.iter().zip(self.strides());
        let own = own.map(|(&extent, stride)| if extent == 1 { 0 } else { stride });
        std::iter::repeat_n(0, lead).chain(own).collect()
    }

    /// The common shape of two operands under NumPy's broadcasting rule, if there is one: aligned
    /// at the last axis, extents are equal or one of them is 1.
    pub fn broadcast(&self, other: &Self) -> Option<Self> {
        let rank = self.rank().max(other.rank());
        let extent = |shape: &Self, axis: usize| {
            (axis + shape.rank()).checked_sub(rank).map_or(1, |own| shape.0[own])
        };
        (0..rank)
            .map(|axis| match (extent(self, axis), extent(other, axis)) {
                (a, b) if a == b => Some(a),
                (1, b) => Some(b),
                (a, 1) => Some(a),
                _ => None,
            })
            .collect::<Option<SmallVec<_>>>()
            .map(Self)
    }

    /// Whether a tensor of this shape can be repeated to `target` by NumPy's broadcasting rule.
    pub fn broadcasts_to(&self, target: &Self) -> bool {
        self.broadcast(target).as_ref() == Some(target)
    }
}

impl Deref for Shape {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Self::new(dims)
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        Self::new(dims.iter().copied())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(dims: Vec<usize>) -> Self {
        Self::new(dims)
    }
}

impl FromIterator<usize> for Shape {
    fn from_iter<T: IntoIterator<Item = usize>>(dims: T) -> Self {
        Self::new(dims)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (axis, extent) in self.0.iter().enumerate() {
            if axis > 0 {
                f.write_str(",")?;
            }
            write!(f, "{extent}")?;
        }
        f.write_str("]")
    }
}

/// The type of a value: element type and shape, written `f32[32,10]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Type {
    /// The type of the elements.
    pub dtype: DType,
    /// The extents.
    pub shape: Shape,
}

impl Type {
    /// A type of these elements and this shape.
    pub fn new(dtype: DType, shape: impl Into<Shape>) -> Self {
        Self { dtype, shape: shape.into() }
    }

    /// A scalar of this element type.
    pub fn scalar(dtype: DType) -> Self {
        Self::new(dtype, Shape::scalar())
    }

    /// An `f32` tensor of this shape.
    pub fn f32(shape: impl Into<Shape>) -> Self {
        Self::new(DType::F32, shape)
    }

    /// Bytes the tensor takes in memory.
    pub fn bytes(&self) -> usize {
        self.shape.elements() * self.dtype.size()
    }

    /// Fails if no tensor can have this type: for a rank above [`MAX_RANK`] or more than
    /// [`MAX_BYTES`].
    ///
    /// # Errors
    /// The reason as a sentence.
    pub fn check(&self) -> Result<(), String> {
        if self.shape.rank() > MAX_RANK {
            return Err(format!("rank {} is above the limit of {MAX_RANK}", self.shape.rank()));
        }
        // Zero extents do not make up for large ones, since strides are products of these.
        let bytes = self
            .shape
            .iter()
            .try_fold(self.dtype.size(), |product, &extent| product.checked_mul(extent.max(1)));
        match bytes {
            Some(bytes) if bytes <= MAX_BYTES => Ok(()),
            _ => Err(format!("a tensor of type {self} is larger than the limit of 64 TiB")),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}

impl FromStr for Type {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("`{text}` is not a type; a type reads like f32[32,10] or i32[]");
        let (dtype, rest) = text.split_once('[').ok_or_else(form)?;
        let dims = rest.strip_suffix(']').ok_or_else(form)?;
        let shape = if dims.trim().is_empty() {
            Shape::scalar()
        } else {
            let extents = dims.split(',').map(|d| d.trim().parse::<usize>());
            Shape(extents.collect::<Result<_, _>>().map_err(|_| form())?)
        };
        let ty = Self { dtype: dtype.trim().parse()?, shape };
        ty.check()?;
        Ok(ty)
    }
}

impl Serialize for Type {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in ["f32[]", "bf16[0]", "i64[1,2,3]", "bool[32,28,28,1]"] {
            assert_eq!(text.parse::<Type>().map(|t| t.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn malformed_types_are_errors() {
        for text in ["f32", "f32[", "f32[-1]", "f33[1]", "f32[1,,2]", "f32[9,9,9,9,9,9,9,9,9]"] {
            assert!(text.parse::<Type>().is_err(), "{text}");
        }
        let huge = Type::f32([usize::MAX, 2, 0]);
        assert!(huge.check().is_err());
    }

    #[test]
    fn broadcasting_follows_numpy() {
        let shape = |dims: &[usize]| Shape::from(dims);
        assert_eq!(shape(&[2, 1, 3]).broadcast(&shape(&[4, 1])), Some(shape(&[2, 4, 3])));
        assert_eq!(shape(&[0]).broadcast(&shape(&[1])), Some(shape(&[0])));
        assert_eq!(shape(&[]).broadcast(&shape(&[5])), Some(shape(&[5])));
        assert_eq!(shape(&[2]).broadcast(&shape(&[3])), None);
        assert!(!shape(&[2, 3]).broadcasts_to(&shape(&[3])));
    }

    #[test]
    fn strides_are_row_major() {
        assert_eq!(Shape::from([2, 3, 4]).strides().as_slice(), [12, 4, 1]);
        assert!(Shape::scalar().strides().is_empty());
    }
}
