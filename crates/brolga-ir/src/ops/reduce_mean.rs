//! The mean over axes.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::float::{Float, compute};
use super::reduce::{Reduction, reduce, reduced_type};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Number, Writer};
use crate::op::{Combine, Family, Named, Operation, Types, Vjp};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `y = (Σ x) / n` over `axes`, where `n` is the number of elements in each sum.
///
/// The sum is [`ReduceSum`](super::ReduceSum)'s, starting from +0, and is then divided by `n`.
/// `bf16` and `f16` are summed and divided in f32 and rounded at the end. The mean of nothing is
/// NaN.
///
/// The gradient is `dy / n`, rounded likewise, repeated along the axes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReduceMean {
    /// The axes the mean is taken over, ascending.
    pub axes: SmallVec<[usize; 4]>,
    /// Whether they stay, with extent 1.
    #[serde(default)]
    pub keepdims: bool,
}

impl ReduceMean {
    /// The number of elements in each mean of a tensor of this shape, which the type rule has
    /// accepted.
    pub fn count(&self, shape: &Shape) -> usize {
        self.axes.iter().map(|&axis| shape[axis]).product()
    }
}

impl Operation for ReduceMean {
    fn family(&self) -> Family<'_> {
        Family::Reduction { combine: Combine::Mean, axes: &self.axes, keepdims: self.keepdims }
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let name = Self::NAME;
        let ty = reduced_type(Self::NAME, operands, &self.axes, self.keepdims)?;
        if !ty.dtype.is_float() {
            return Err(Mistake::new(format!("`{name}` takes floats, not {}", ty.dtype))
                .help("convert the operand with `cast`"));
        }
        Ok(Types::from_elem(ty, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let (shape, axes) = (operands[0].shape(), &self.axes);
        let count = self.count(shape);
        let data = compute(
            [operands[0]],
            |[values]| means(values, shape, axes, count),
            |[values]| means(values, shape, axes, count),
        );
        vec![Tensor::of(results[0].shape.clone(), data)]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let dtype = w.dtype(operands[0]);
        let count = self.count(&w.shape(operands[0]));
        let finish = |w: &mut Writer, sum: Number| {
            let count = w.count(dtype, count);
            w.divide_by(sum, count)
        };
        let identity = Data::zeros(dtype, 1);
        Reduction { axes: &self.axes, identity, combine: Writer::add, finish: &finish }.write(
            w,
            operands[0],
            results[0],
        );
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let shape = node.operands[0].shape();
        let dy = node.cotangent();
        let share = dy.cast(dy.dtype().accumulator()) / self.count(shape) as f64;
        Ok(vec![Some(share.cast(dy.dtype()).restore_axes(shape, &self.axes))])
    }
}

fn means<T: Float>(values: &[T], shape: &Shape, axes: &[usize], count: usize) -> Vec<T> {
    let sums = reduce(values, shape, axes, T::ZERO, &|a, b| a + b);
    sums.into_iter().map(|sum| sum / T::count(count)).collect()
}

impl Var {
    /// See [`ReduceMean`].
    #[track_caller]
    #[must_use]
    pub fn reduce_mean(&self, axes: &[usize], keepdims: bool) -> Var {
        self.unary(ReduceMean { axes: axes.into(), keepdims })
    }
}

impl Draw for ReduceMean {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.operand(|_| true, Pen::any_shape);
        let axes = pen.axes(x.shape().rank());
        Some((Self { axes, keepdims: pen.rng.one_in(2) }, vec![x]))
    }
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::*;
    use crate::ops::ReduceSum;
    use crate::ops::checks::{assert_adjoint, gradient, integers, mistake, run, tensor, vector};

    fn over(axes: &[usize]) -> ReduceMean {
        ReduceMean { axes: axes.into(), keepdims: false }
    }

    #[test]
    fn is_the_sum_divided_by_the_count() {
        for length in [1, 2, 15, 16, 17, 33] {
            let x = tensor([3, length], (0..3 * length).map(|i| 1.0 / (i as f32 + 0.3)));
            for axes in [&[0][..], &[1], &[0, 1]] {
                let sum = ReduceSum { axes: axes.into(), keepdims: false };
                let sum = run(sum, &[&x]);
                let count = axes.iter().map(|&axis| x.shape()[axis]).product::<usize>();
                let sums = sum.as_f32().expect("f32").iter();
                let means = sums.map(|sum| sum / count as f32);
                let mean = run(over(axes), &[&x]);
                assert_eq!(mean, tensor(sum.shape().clone(), means));
            }
        }
    }

    #[test]
    fn half_precision_rounds_once() {
        // In bf16 alone, 256 + 1 would be 256.
        let x = vector([256.0, 1.0, 1.0, 2.0].map(bf16::from_f32));
        assert_eq!(run(over(&[0]), &[&x]), tensor([], [bf16::from_f32(65.0)]));
        let x = vector([60_000.0, 60_000.0].map(f16::from_f32));
        assert_eq!(run(over(&[0]), &[&x]), tensor([], [f16::from_f32(60_000.0)]));
    }

    #[test]
    fn the_mean_of_nothing_is_nan() {
        let y = run(over(&[1]), &[&tensor::<f32>([2, 0], [])]);
        assert_eq!(y, vector([f32::NAN; 2]));
    }

    #[test]
    fn gradient_is_spread_evenly() {
        let dx = gradient(over(&[1]), &tensor([2, 4], [0.0_f32; 8]), &vector([4.0_f32, 8.0]));
        assert_eq!(dx, tensor([2, 4], [1.0_f32, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]));
        let mean = ReduceMean { keepdims: true, ..over(&[0, 2]) };
        assert_adjoint(mean, &[&integers([2, 3, 4])], &integers([1, 3, 1]));
    }

    #[test]
    fn gradients_of_half_types_divide_by_counts_that_they_cannot_hold() {
        let count = 70_000;
        let dx = gradient(over(&[0]), &vector(vec![f16::ONE; count]), &tensor([], [f16::ONE]));
        assert_eq!(dx, vector(vec![f16::from_f32(1.430_511_5e-5); count]));
        let count = 257;
        let dx = gradient(over(&[0]), &vector(vec![bf16::ONE; count]), &tensor([], [bf16::ONE]));
        assert_eq!(dx, vector(vec![bf16::from_f32(1.0 / 257.0); count]));
    }

    #[test]
    fn integers_are_a_mistake() {
        insta::assert_snapshot!(mistake(over(&[0]), &["i32[2]"]), @r"
        `reduce_mean` takes floats, not i32
          help: convert the operand with `cast`
        ");
    }
}
