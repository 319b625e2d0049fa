//! Rows of arrays that become data inputs when a run begins.

use std::ops::Range;

use brolga_ir::{DType, Type};

use crate::error::RuntimeError;
use crate::hazards::Footprint;
use crate::layout::{Address, Layout, Space};
use crate::signature::{InputRef, Signature};
use brolga_codegen::kernel::Access;

/// Rows of an array for a data input: row `i` of the input becomes row `rows[i]` of the array.
///
/// Each worker copies the rows that it will compute with, at the start of the run. Elements are
/// converted to the type of the input, which must be `f32` (rounded) or `i32` (truncated and
/// saturated).
#[derive(Debug, Clone, Copy)]
pub struct Feed<'a> {
    /// The input.
    pub input: InputRef<'a>,
    /// The array of the rows.
    pub array: Array<'a>,
    /// The indices of the rows, one for each index of the input's first axis.
    pub rows: &'a [usize],
}

/// The elements of an array in row-major order.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each variant is its type of elements")]
pub enum Array<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
    I64(&'a [i64]),
    I32(&'a [i32]),
    U8(&'a [u8]),
    Bool(&'a [bool]),
}

/// Evaluates an expression with the elements of an array of any type, and the conversion of one to
/// `f64`.
macro_rules! for_elements {
    ($array:expr, $elements:ident => $body:expr) => {
        match $array {
            Array::F32($elements) => $body,
            Array::F64($elements) => $body,
            Array::I64($elements) => $body,
            Array::I32($elements) => $body,
            Array::U8($elements) => $body,
            Array::Bool($elements) => $body,
        }
    };
}

/// A number of an array.
trait Number: Copy {
    fn to_f32(self) -> f32;
    fn to_f64(self) -> f64;
}

macro_rules! number {
    ($($rust:ty: |$x:ident| $number:expr;)*) => {$(
        impl Number for $rust {
            fn to_f32(self) -> f32 {
                let $x = self;
                $number as f32
            }

            fn to_f64(self) -> f64 {
                let $x = self;
                $number as f64
            }
        }
    )*};
}

number! {
    f32: |x| x;
    f64: |x| x;
    i64: |x| x;
    i32: |x| x;
    u8: |x| x;
    bool: |x| u8::from(x);
}

impl Array<'_> {
    /// Copies rows of `width` elements, one after the other, as `f32`, rounded; stops where the
    /// target or the array ends.
    pub fn gather_f32(self, width: usize, rows: &[usize], target: &mut [f32]) {
        for_elements!(self, elements => gather(elements, width, rows, target, |x| x.to_f32()));
    }

    /// As [`Array::gather_f32`], as `i32`, truncated and saturated.
    pub fn gather_i32(self, width: usize, rows: &[usize], target: &mut [i32]) {
        for_elements!(self, elements => gather(elements, width, rows, target, |x| x.to_f64() as i32));
    }

    fn len(self) -> usize {
        for_elements!(self, elements => elements.len())
    }
}

fn gather<S: Number, T>(
    elements: &[S],
    width: usize,
    rows: &[usize],
    target: &mut [T],
    convert: impl Fn(S) -> T,
) {
    for (&row, target) in rows.iter().zip(target.chunks_exact_mut(width.max(1))) {
        let start = row.saturating_mul(width).min(elements.len());
        for (target, &x) in target.iter_mut().zip(&elements[start..]) {
            *target = convert(x);
        }
    }
}

/// The rows of a data input and the elements of each: a scalar is one row.
fn extents(ty: &Type) -> (usize, usize) {
    let rows = ty.shape.first().copied().unwrap_or(1);
    (rows, ty.shape.get(1..).unwrap_or_default().iter().product())
}

/// The bytes that workers write if every data input is fed: each worker a part of the rows.
pub(crate) fn footprints(signature: &Signature, layout: &Layout) -> Vec<Footprint> {
    let inputs = signature.inputs.iter().zip(&layout.inputs);
    let footprint = inputs.map(|(input, &span)| Footprint {
        address: Address { space: Space::Arena, span },
        access: Access::Units,
        units: extents(&input.ty).0,
        writes: true,
    });
    footprint.collect()
}

/// A feed that has been checked, and the index of its input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed<'a> {
    array: Array<'a>,
    rows: &'a [usize],
    width: usize,
    dtype: DType,
    /// The index of the input among the data inputs.
    pub(crate) input: usize,
}

impl<'a> Placed<'a> {
    /// Checks that a feed fits its input.
    pub(crate) fn new(signature: &Signature, feed: &Feed<'a>) -> Result<Self, RuntimeError> {
        let &Feed { input, array, rows } = feed;
        let input = signature.input(input)?;
        let ty = &signature.inputs[input].ty;
        let (count, width) = extents(ty);
        let available = array.len() / width.max(1);
        let problem = if !matches!(ty.dtype, DType::F32 | DType::I32) {
            "inputs of f32 and of i32 can be fed".to_owned()
        } else if rows.len() != count {
            format!("it has {count} rows, {} are fed", rows.len())
        } else if let Some(row) = rows.iter().find(|&&row| width > 0 && row >= available) {
            format!("row {row} is fed from an array of {available} rows")
        } else {
            return Ok(Self { array, rows, width, dtype: ty.dtype, input });
        };
        let what = signature.describe_input(input);
        Err(RuntimeError::Feed { what, expected: ty.clone(), problem })
    }

    /// The bytes of a row of the input.
    fn row_bytes(&self) -> usize {
        self.width * self.dtype.size()
    }

    /// The number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Copies some of the rows.
    ///
    /// # Safety
    /// `start` is the address of the input; no other thread touches these rows of it meanwhile.
    pub(crate) unsafe fn copy(&self, start: *mut u8, rows: Range<usize>) {
        let first = start.wrapping_add(rows.start * self.row_bytes());
        let elements = rows.len() * self.width;
        let rows = &self.rows[rows];
        // SAFETY: the rows are within the input, which `new` has checked, and the caller's alone;
        // any bits are elements of these types.
        unsafe {
            match self.dtype {
                DType::I32 => {
                    let target = std::slice::from_raw_parts_mut(first.cast(), elements);
                    self.array.gather_i32(self.width, rows, target);
                }
                _ => {
                    let target = std::slice::from_raw_parts_mut(first.cast(), elements);
                    self.array.gather_f32(self.width, rows, target);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_converted() {
        let mut target = [0.0; 4];
        Array::U8(&[1, 2, 3, 4, 5, 6]).gather_f32(2, &[2, 0], &mut target);
        assert_eq!(target, [5.0, 6.0, 1.0, 2.0]);
        let mut target = [0; 4];
        Array::F64(&[1.9, -1.9, 1e300, f64::NAN]).gather_i32(1, &[0, 1, 2, 3], &mut target);
        assert_eq!(target, [1, -1, i32::MAX, 0]);
        Array::I64(&[1 << 40, -3]).gather_i32(1, &[0, 1], &mut target);
        assert_eq!(target[..2], [i32::MAX, -3]);
        Array::Bool(&[true, false]).gather_i32(1, &[1, 0], &mut target);
        assert_eq!(target[..2], [0, 1]);
    }

    #[test]
    fn rows_that_do_not_exist_leave_the_target_alone() {
        let mut target = [7.0; 3];
        Array::F32(&[1.0]).gather_f32(1, &[0, 1, usize::MAX], &mut target);
        assert_eq!(target, [1.0, 7.0, 7.0]);
        Array::F32(&[1.0]).gather_f32(0, &[0], &mut []);
    }
}
