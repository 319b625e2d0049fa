//! A part of a tensor.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::offsets::move_elements;
use super::offsets::strided_offsets;
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Index, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::Type;

/// The elements at the indices `start, start + stride, start + 2·stride, …` below `limit` on each
/// axis.
///
/// `start ≤ limit ≤ extent` and `stride ≥ 1`; the extent of the result is
/// `⌈(limit − start) / stride⌉`.
///
/// The gradient is the cotangent at those indices and 0 elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// The first index on each axis.
    pub starts: SmallVec<[usize; 4]>,
    /// The index after the last one on each axis.
    pub limits: SmallVec<[usize; 4]>,
    /// The distance between the indices on each axis.
    pub strides: SmallVec<[usize; 4]>,
}

impl Operation for Slice {
    fn family(&self) -> Family<'_> {
        Family::Movement
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let name = Self::NAME;
        let [x] = expect_operands(Self::NAME, operands)?;
        let rank = x.shape.rank();
        let counts = [self.starts.len(), self.limits.len(), self.strides.len()];
        if counts != [rank; 3] {
            let [starts, limits, strides] = counts;
            return Err(Mistake::new(format!(
                "`{name}`: {x} has {rank} axes, but there are {starts} starts, {limits} limits and {strides} strides"
            )));
        }
        let extent = |axis: usize| {
            let (start, limit, stride) = (self.starts[axis], self.limits[axis], self.strides[axis]);
            if stride == 0 {
                return Err(Mistake::new(format!("`{name}`: the stride of axis {axis} is 0"))
                    .help("strides must be at least 1"));
            }
            if start > limit || limit > x.shape[axis] {
                return Err(Mistake::new(format!(
                    "`{name}`: axis {axis} of {x} has no indices from {start} to {limit}"
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
        let offsets = strided_offsets(start, shape, &steps);
        vec![Tensor::of(shape.clone(), operands[0].data().pick(&offsets))]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let own = w.shape(operands[0]);
        move_elements(w, operands[0], results[0], |w, at| {
            let index = |axis: usize| &at[axis] * self.strides[axis] + self.starts[axis];
            let source: Vec<Index> = (0..at.len()).map(index).collect();
            w.at(&own, &source)
        });
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

/// Inserts `stride − 1` zeros after each element along an axis and cuts the axis to `extent`.
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

impl Draw for Slice {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.operand(|_| true, Pen::any_shape);
        let (mut starts, mut limits, mut strides) =
            (SmallVec::new(), SmallVec::new(), SmallVec::new());
        for &extent in x.shape().iter() {
            let whole = pen.rng.one_in(2);
            let start = if whole { 0 } else { pen.rng.below(extent + 1) };
            starts.push(start);
            limits.push(if whole { extent } else { pen.rng.between(start, extent) });
            strides.push(pen.rng.pick(&[1, 1, 1, 2, 3]));
        }
        Some((Self { starts, limits, strides }, vec![x]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::checks::{assert_adjoint, integers, mistake, run, vector};

    fn slice(starts: &[usize], limits: &[usize], strides: &[usize]) -> Slice {
        Slice { starts: starts.into(), limits: limits.into(), strides: strides.into() }
    }

    #[test]
    fn takes_indices_between_start_and_limit() {
        let x = vector([0_u8, 1, 2, 3, 4, 5, 6]);
        let part = |start, limit, stride| run(slice(&[start], &[limit], &[stride]), &[&x]);
        assert_eq!(part(1, 6, 2), vector([1_u8, 3, 5]));
        assert_eq!(part(0, 7, 3), vector([0_u8, 3, 6]));
        assert_eq!(part(0, 6, 3), vector([0_u8, 3]));
        assert_eq!(part(2, 7, usize::MAX), vector([2_u8]));
        assert_eq!(part(7, 7, 1), vector::<u8>([]));
    }

    #[test]
    fn large_strides_have_gradients() {
        let x = integers([5]);
        assert_adjoint(slice(&[1], &[4], &[usize::MAX]), &[&x], &integers([1]));
        assert_adjoint(slice(&[1], &[1], &[usize::MAX]), &[&x], &integers([0]));
    }

    #[test]
    fn indices_outside_are_mistakes() {
        insta::assert_snapshot!(mistake(slice(&[0, 2], &[2, 4], &[1, 1]), &["f32[2,3]"]), @r"
        `slice`: axis 1 of f32[2,3] has no indices from 2 to 4
          help: start ≤ limit ≤ extent is needed on each axis
        ");
        insta::assert_snapshot!(mistake(slice(&[1], &[0], &[1]), &["f32[2]"]), @r"
        `slice`: axis 0 of f32[2] has no indices from 1 to 0
          help: start ≤ limit ≤ extent is needed on each axis
        ");
        insta::assert_snapshot!(mistake(slice(&[0], &[1], &[0]), &["f32[2]"]), @r"
        `slice`: the stride of axis 0 is 0
          help: strides must be at least 1
        ");
        insta::assert_snapshot!(
            mistake(slice(&[0], &[1, 1], &[1, 1]), &["f32[2,3]"]),
            @"`slice`: f32[2,3] has 2 axes, but there are 1 starts, 2 limits and 2 strides"
        );
    }

    /// An extent, and a start, a limit and a stride that fit it.
    fn axis() -> impl Strategy<Value = [usize; 4]> {
        (0..7_usize, 0..7_usize, 0..7_usize, 1..5_usize).prop_map(
            |(start, length, rest, stride)| [start + length + rest, start, start + length, stride],
        )
    }

    proptest! {
        #[test]
        fn is_a_selection_and_its_gradient_the_adjoint(axes in proptest::collection::vec(axis(), 0..4)) {
            let of = |field: usize| axes.iter().map(|axis| axis[field]).collect::<Vec<_>>();
            let (shape, op) = (of(0), slice(&of(1), &of(2), &of(3)));
            let x = integers(shape.clone());
            let strides = x.shape().strides();
            let kept = |&offset: &usize| {
                (0..shape.len()).all(|axis| {
                    let index = offset / strides[axis] % shape[axis];
                    (op.starts[axis]..op.limits[axis]).step_by(op.strides[axis]).any(|i| i == index)
                })
            };
            let offsets: Vec<_> = (0..x.data().len()).filter(kept).collect();
            let expected = x.data().pick(&offsets);
            let y = run(op.clone(), &[&x]);
            prop_assert_eq!(y.data(), &expected);
            assert_adjoint(op, &[&x], &integers(y.shape().clone()));
        }
    }
}
