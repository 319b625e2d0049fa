//! Sums of everything up to each index of an axis.

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use super::reduce::{check_axes, reduced_type};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Index, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `yᵢ = ((0 + x₀) + x₁) + … + xᵢ` along an axis, one element after the other, starting from +0. An
/// `exclusive` sum ends before xᵢ, so that y₀ = 0; with `reverse` the sums begin at the end of the
/// axis.
///
/// `bf16` and `f16` are summed in f32, and each result is rounded; integers wrap. The gradient is
/// the cumulative sum of the cotangent in the other direction. Keras:
/// [`keras.ops.cumsum`](https://keras.io/api/ops/numpy/#cumsum-function).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cumsum {
    /// The axis.
    pub axis: usize,
    /// Whether each sum ends before its own index.
    #[serde(default)]
    pub exclusive: bool,
    /// Whether the sums begin at the end.
    #[serde(default)]
    pub reverse: bool,
}

impl Cumsum {
    /// The index on an axis of extent `extent` that a sum takes in step `step`.
    fn index(self, extent: usize, step: usize) -> usize {
        if self.reverse { extent - 1 - step } else { step }
    }

    /// The sums of these numbers.
    fn sums<T: Copy>(self, x: &[T], shape: &Shape, zero: T, add: impl Fn(T, T) -> T) -> Vec<T> {
        let (extent, stride) = (shape[self.axis], shape.strides()[self.axis]);
        let mut y = vec![zero; x.len()];
        for line in 0..x.len().checked_div(extent).unwrap_or(0) {
            let start = line / stride * extent * stride + line % stride;
            let mut sum = zero;
            for step in 0..extent {
                let at = start + self.index(extent, step) * stride;
                let next = add(sum, x[at]);
                y[at] = if self.exclusive { sum } else { next };
                sum = next;
            }
        }
        y
    }
}

impl Operation for Cumsum {
    fn family(&self) -> Family<'_> {
        Family::Other
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        // The axis is checked like that of a reduction, but not reduced.
        let ty = reduced_type(Self::NAME, operands, &[], false)?;
        check_axes(Self::NAME, &[self.axis], &ty.shape)?;
        Ok(Types::from_elem(ty, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], _: &[Type]) -> Vec<Tensor> {
        let shape = operands[0].shape();
        let half = |v: Vec<f32>| self.sums(&v, shape, 0.0, |a, b| a + b).into_iter();
        let data = match operands[0].data() {
            Data::F32(v) => Data::F32(self.sums(v, shape, 0.0, |a, b| a + b)),
            Data::F64(v) => Data::F64(self.sums(v, shape, 0.0, |a, b| a + b)),
            Data::BF16(v) => {
                let sums = half(v.iter().map(|x| x.to_f32()).collect());
                Data::BF16(sums.map(bf16::from_f32).collect())
            }
            Data::F16(v) => {
                let sums = half(v.iter().map(|x| x.to_f32()).collect());
                Data::F16(sums.map(f16::from_f32).collect())
            }
            Data::I64(v) => Data::I64(self.sums(v, shape, 0, i64::wrapping_add)),
            Data::I32(v) => Data::I32(self.sums(v, shape, 0, i32::wrapping_add)),
            Data::U8(v) => Data::U8(self.sums(v, shape, 0, u8::wrapping_add)),
            Data::Bool(_) => unreachable!("the type rule does not admit bool"),
        };
        vec![Tensor::of(shape.clone(), data)]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let shape = w.shape(operands[0]);
        let mut lines = shape.to_vec();
        let extent = std::mem::replace(&mut lines[self.axis], 1);
        w.each(&lines, |w, at| {
            let mut element = at.to_vec();
            let zero = w.zero(w.dtype(operands[0]));
            let sum = w.variable(zero);
            w.repeat(extent, |w, step| {
                element[self.axis] =
                    if self.reverse { Index::number(extent - 1) - step } else { step };
                let offset = w.at(&shape, &element);
                let next = w.load(operands[0], offset.clone());
                let before = w.get(sum);
                let after = w.add(before, next);
                w.set(sum, after);
                w.store(results[0], offset, if self.exclusive { before } else { after });
            });
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let backwards = Self { reverse: !self.reverse, ..*self };
        Ok(vec![Some(node.cotangent().unary(backwards))])
    }
}

impl Var {
    /// See [`Cumsum`].
    #[track_caller]
    #[must_use]
    pub fn cumsum(&self, axis: usize, exclusive: bool, reverse: bool) -> Var {
        self.unary(Cumsum { axis, exclusive, reverse })
    }
}

impl Draw for Cumsum {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.operand(
            |shape| shape.rank() > 0,
            |pen| [pen.extent(2), pen.rng.between(1, 33)].into(),
        );
        let axis = pen.rng.between(0, x.shape().rank() - 1);
        Some((Self { axis, exclusive: pen.rng.one_in(2), reverse: pen.rng.one_in(2) }, vec![x]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{assert_adjoint, integers, mistake, run, tensor, vector};

    const FORWARD: Cumsum = Cumsum { axis: 0, exclusive: false, reverse: false };

    #[test]
    fn the_four_kinds() {
        let x = vector([1.0_f32, 2.0, 4.0]);
        let sums = |exclusive, reverse| run(Cumsum { exclusive, reverse, ..FORWARD }, &[&x]);
        assert_eq!(sums(false, false), vector([1.0_f32, 3.0, 7.0]));
        assert_eq!(sums(true, false), vector([0.0_f32, 1.0, 3.0]));
        assert_eq!(sums(false, true), vector([7.0_f32, 6.0, 4.0]));
        assert_eq!(sums(true, true), vector([6.0_f32, 4.0, 0.0]));
    }

    #[test]
    fn any_axis_of_any_extent() {
        let x = tensor([2, 2, 2], [1_i32, 2, 3, 4, 5, 6, 7, 8]);
        let along = |axis| run(Cumsum { axis, ..FORWARD }, &[&x]);
        assert_eq!(along(0), tensor([2, 2, 2], [1, 2, 3, 4, 6, 8, 10, 12]));
        assert_eq!(along(1), tensor([2, 2, 2], [1, 2, 4, 6, 5, 6, 12, 14]));
        assert_eq!(along(2), tensor([2, 2, 2], [1, 3, 3, 7, 5, 11, 7, 15]));
        for shape in [[0, 3], [3, 0]] {
            for axis in [0, 1] {
                let empty = tensor::<f64>(shape, []);
                assert_eq!(run(Cumsum { axis, ..FORWARD }, &[&empty]), empty);
            }
        }
    }

    #[test]
    fn sums_start_from_positive_zero_and_round_one_after_the_other() {
        assert_eq!(run(FORWARD, &[&vector([-0.0_f32])]), vector([0.0_f32]));
        let x = vector([1e30_f32, 1.0, -1e30, 1.0]);
        assert_eq!(run(FORWARD, &[&x]), vector([1e30_f32, 1e30, 0.0, 1.0]));
    }

    #[test]
    fn halves_are_summed_in_f32() {
        let x = vector([256.0, 1.0, 1.0].map(bf16::from_f32));
        assert_eq!(run(FORWARD, &[&x]), vector([256.0, 256.0, 258.0].map(bf16::from_f32)));
    }

    #[test]
    fn integers_wrap() {
        assert_eq!(run(FORWARD, &[&vector([200_u8, 100])]), vector([200_u8, 44]));
    }

    #[test]
    fn gradient_is_the_sum_in_the_other_direction() {
        for (exclusive, reverse) in [(false, false), (true, false), (false, true), (true, true)] {
            let op = Cumsum { axis: 1, exclusive, reverse };
            assert_adjoint(op, &[&integers([2, 3, 4])], &integers([2, 3, 4]));
        }
    }

    #[test]
    fn refused_operands() {
        insta::assert_snapshot!(mistake(FORWARD, &["f32[]"]), @"`cumsum`: there is no axis 0 in []");
        insta::assert_snapshot!(mistake(FORWARD, &["bool[2]"]), @r"
        `cumsum` takes numbers, not bool
          help: convert the operand with `cast`
        ");
        insta::assert_snapshot!(mistake(FORWARD, &[]), @"`cumsum` takes 1 operand, not 0");
    }
}
