//! Zeros around a tensor.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::offsets::strided_offsets;
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Index, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::Type;

/// The operand with `low` zeros before it and `high` after it on each axis. The zeros are +0, or
/// false.
///
/// The gradient is the cotangent without the padding.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pad {
    /// The number of zeros before it on each axis.
    pub low: SmallVec<[usize; 4]>,
    /// The number of zeros after it on each axis.
    pub high: SmallVec<[usize; 4]>,
}

impl Operation for Pad {
    fn family(&self) -> Family<'_> {
        Family::Movement
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let name = Self::NAME;
        let [x] = expect_operands(Self::NAME, operands)?;
        let (rank, low, high) = (x.shape.rank(), self.low.len(), self.high.len());
        if [low, high] != [rank; 2] {
            return Err(Mistake::new(format!(
                "`{name}`: {x} has {rank} axes, but the padding is for {low} before and for {high} after"
            )));
        }
        // A saturated extent exceeds the limit on a tensor's size, which is checked for every op.
        let padding = self.low.iter().zip(&self.high).map(|(low, high)| low.saturating_add(*high));
        let shape = x.shape.iter().zip(padding).map(|(extent, more)| extent.saturating_add(more));
        Ok(Types::from_elem(Type { dtype: x.dtype, shape: shape.collect() }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let (x, shape) = (operands[0], &results[0].shape);
        let strides = shape.strides();
        let steps: Vec<_> = strides.iter().map(|&stride| stride as isize).collect();
        let start = strides.iter().zip(&self.low).map(|(stride, low)| stride * low).sum();
        let mut sources = vec![None; shape.elements()];
        for (source, offset) in strided_offsets(start, x.shape(), &steps).into_iter().enumerate() {
            sources[offset] = Some(source);
        }
        vec![Tensor::of(shape.clone(), x.data().pick_or_zero(&sources))]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let (own, shape) = (w.shape(operands[0]), w.shape(results[0]));
        w.each(&shape, |w, at| {
            let zero = w.zero(w.dtype(results[0]));
            let element = w.variable(zero);
            let sources: Vec<Index> =
                at.iter().zip(&self.low).map(|(at, &low)| at.clone() - low).collect();
            w.all_inside(&sources, &own, |w, source| {
                let loaded = w.load(operands[0], w.at(&own, source));
                w.set(element, loaded);
            });
            let element = w.get(element);
            w.store(results[0], w.at(&shape, at), element);
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let shape = node.operands[0].shape();
        let limits: Vec<_> =
            self.low.iter().zip(shape.iter()).map(|(low, extent)| low + extent).collect();
        let strides = vec![1; shape.rank()];
        Ok(vec![Some(node.cotangent().slice(&self.low, &limits, &strides))])
    }
}

impl Var {
    /// Zeros around the tensor; see [`Pad`].
    ///
    /// ```
    /// # use brolga_ir::{Tracer, Type};
    /// let x = Tracer::new("example").input("x", Type::f32([2, 3]));
    /// assert_eq!(x.pad(&[1, 0], &[1, 2]).ty(), &Type::f32([4, 5]));
    /// ```
    #[track_caller]
    #[must_use]
    pub fn pad(&self, low: &[usize], high: &[usize]) -> Var {
        self.unary(Pad { low: low.into(), high: high.into() })
    }
}

impl Draw for Pad {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.operand(|_| true, Pen::any_shape);
        let mut padding = || x.shape().iter().map(|_| pen.rng.pick(&[0, 0, 0, 1, 2, 5])).collect();
        Some((Self { low: padding(), high: padding() }, vec![x]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::Slice;
    use crate::ops::checks::{assert_adjoint, integers, mistake, run, tensor, vector};

    fn pad(low: &[usize], high: &[usize]) -> Pad {
        Pad { low: low.into(), high: high.into() }
    }

    #[test]
    fn surrounds_with_zeros() {
        let x = tensor([1, 2], [-0.0, f32::NAN]);
        let y = tensor([3, 3], [0.0, 0.0, 0.0, 0.0, -0.0, f32::NAN, 0.0, 0.0, 0.0]);
        assert_eq!(run(pad(&[1, 1], &[1, 0]), &[&x]), y);
        assert_eq!(run(pad(&[0], &[2]), &[&vector([true])]), vector([true, false, false]));
        assert_eq!(run(pad(&[1], &[1]), &[&vector::<i32>([])]), vector([0, 0]));
    }

    #[test]
    fn padding_that_does_not_fit_is_a_mistake() {
        insta::assert_snapshot!(
            mistake(pad(&[1], &[1, 1]), &["f32[2,3]"]),
            @"`pad`: f32[2,3] has 2 axes, but the padding is for 1 before and for 2 after"
        );
        insta::assert_snapshot!(
            mistake(pad(&[usize::MAX], &[usize::MAX]), &["f32[2]"]),
            @"`pad`: a tensor of type f32[18446744073709551615] is larger than the limit of 64 TiB"
        );
    }

    proptest! {
        #[test]
        fn slice_undoes_it(axes in proptest::collection::vec([0..5_usize, 0..4_usize, 0..4_usize], 0..4)) {
            let of = |field: usize| axes.iter().map(|axis| axis[field]).collect::<Vec<_>>();
            let (shape, op) = (of(0), pad(&of(1), &of(2)));
            let x = integers(shape.clone());
            let padded = run(op.clone(), &[&x]);
            let part = Slice {
                starts: op.low.clone(),
                limits: axes.iter().map(|[extent, low, _]| low + extent).collect(),
                strides: axes.iter().map(|_| 1).collect(),
            };
            prop_assert_eq!(run(part, &[&padded]), x.clone());
            let sum = |x: &Tensor| x.data().to_f64().iter().map(|x| x.abs()).sum::<f64>();
            prop_assert_eq!(sum(&padded), sum(&x));
            assert_adjoint(op, &[&x], &integers(padded.shape().clone()));
        }
    }
}
