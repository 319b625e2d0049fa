//! A part of a tensor.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::places::strided_places;
use crate::error::Mistake;
use crate::op::{Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::Type;

/// The elements at the places `start, start + stride, start + 2·stride, …` below `limit` on each axis.
///
/// `start ≤ limit ≤ extent` and `stride ≥ 1`; the extent of the result is `⌈(limit − start) / stride⌉`.
///
/// The gradient is the cotangent at those places and 0 elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// The first place on each axis.
    pub starts: SmallVec<[usize; 4]>,
    /// The place behind the last one on each axis.
    pub limits: SmallVec<[usize; 4]>,
    /// The distance between the places on each axis.
    pub strides: SmallVec<[usize; 4]>,
}

impl Operation for Slice {
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [x] = expect_operands("slice", operands)?;
        let rank = x.shape.rank();
        let counts = [self.starts.len(), self.limits.len(), self.strides.len()];
        if counts != [rank; 3] {
            let [starts, limits, strides] = counts;
            return Err(Mistake::new(format!(
                "`slice`: {x} has {rank} axes, but there are {starts} starts, {limits} limits and {strides} strides"
            )));
        }
        let extent = |axis: usize| {
            let (start, limit, stride) = (self.starts[axis], self.limits[axis], self.strides[axis]);
            if stride == 0 {
                return Err(Mistake::new(format!("`slice`: the stride of axis {axis} is 0"))
                    .help("strides must be at least 1"));
            }
            if start > limit || limit > x.shape[axis] {
                return Err(Mistake::new(format!(
                    "`slice`: axis {axis} of {x} has no places from {start} to {limit}"
                ))
                .help("start ≤ limit ≤ extent is needed on each axis"));
            }
            Ok((limit - start).div_ceil(stride))
        };
        let shape = (0..rank).map(extent).collect::<Result<_, _>>()?;
        Ok(Types::from_elem(Type { dtype: x.dtype, shape }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let strides = operands[0].shape().strides();
        let axes = strides.iter().zip(&self.strides);
        let steps: Vec<_> = axes.map(|(&inner, &own)| inner.wrapping_mul(own) as isize).collect();
        let start = strides.iter().zip(&self.starts).map(|(stride, start)| stride * start).sum();
        let shape = &results[0].shape;
        let places = strided_places(start, shape, &steps);
        vec![Tensor::of(shape.clone(), operands[0].data().pick(places.into_iter()))]
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let shape = node.operands[0].shape();
        let mut dx = node.cotangent().clone();
        for (axis, &stride) in self.strides.iter().enumerate() {
            dx = dilate(&dx, axis, stride, self.limits[axis] - self.starts[axis]);
        }
        let high: Vec<_> =
            shape.iter().zip(&self.limits).map(|(extent, limit)| extent - limit).collect();
        Ok(vec![Some(dx.pad(&self.starts, &high))])
    }
}

/// Puts `stride − 1` zeros behind each element along an axis and cuts the axis to `extent`.
fn dilate(x: &Var, axis: usize, stride: usize, extent: usize) -> Var {
    // A stride beyond the extent takes one element, as a stride of the extent does.
    let stride = stride.min(extent);
    if stride <= 1 {
        return x.clone();
    }
    let mut shape = x.shape().clone();
    let rows: usize = shape[..=axis].iter().product();
    let row: usize = shape[axis + 1..].iter().product();
    let padded = x.reshape([rows, row]).pad(&[0, 0], &[0, (stride - 1) * row]);
    shape.dims_mut()[axis] *= stride;
    let dilated = padded.reshape(shape.clone());
    shape.dims_mut()[axis] = extent;
    dilated.slice(&vec![0; shape.rank()], &shape, &vec![1; shape.rank()])
}

impl Var {
    /// The part from `starts` to below `limits` in steps of `strides`; see [`Slice`].
    ///
    /// ```
    /// # use brolga_ir::{Tracer, Type};
    /// let x = Tracer::new("example").input("x", Type::f32([4, 10]));
    /// // In NumPy's notation: x[1:3, 0:10:4]
    /// assert_eq!(x.slice(&[1, 0], &[3, 10], &[1, 4]).ty(), &Type::f32([2, 3]));
    /// ```
    #[track_caller]
    #[must_use]
    pub fn slice(&self, starts: &[usize], limits: &[usize], strides: &[usize]) -> Var {
        let (starts, limits, strides) = (starts.into(), limits.into(), strides.into());
        self.unary(Slice { starts, limits, strides })
    }
}
