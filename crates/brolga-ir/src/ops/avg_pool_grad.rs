//! The gradient of average pooling.

use serde::{Deserialize, Serialize};

use super::elementwise::float;
use super::float::{Float, compute};
use super::pool::{PoolDims, Pooling, joined, parts, pooling_attributes};
use super::window::{Padding, Spatial, spatial};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `dx[p] = Σ dy[o] / n[o]` over the outputs `o` whose window covers the input position `p`, `n[o]`
/// being the number by which [`AvgPool`](super::AvgPool) divides for `o`.
///
/// `dy: [batch, spatial.., channels]` is the cotangent of the result, `input` the spatial extents
/// of the images. Each element starts at +0 and adds the quotients, each rounded, in ascending
/// order of the output's index. `bf16` and `f16` are computed in f32 and rounded at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Attributes", into = "Attributes")]
pub struct AvgPoolGrad {
    /// Spatial extents of the images.
    pub input: Spatial<usize>,
    /// The window and its steps.
    pub pool: Pooling,
    /// Whether taps in the padding count as zeros.
    pub count_include_pad: bool,
}

pooling_attributes!(AvgPoolGrad { input } count_include_pad);

impl AvgPoolGrad {
    /// The extents for a cotangent of this shape.
    ///
    /// # Errors
    /// If the window does not fit, or does not give such a result.
    pub fn dims(&self, dy: &Shape) -> Result<PoolDims, Mistake> {
        PoolDims::of_result(Self::NAME, dy, self.input, &self.pool)
    }
}

impl Operation for AvgPoolGrad {
    fn family(&self) -> Family<'_> {
        Family::Window
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [dy] = expect_operands(Self::NAME, operands)?;
        let dtype = float(Self::NAME, &[dy.dtype])?;
        let shape = self.dims(&dy.shape)?.input_shape();
        Ok(Types::from_elem(Type { dtype, shape }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let dy = operands[0];
        let dims = self.dims(dy.shape()).expect("the type rule has accepted the cotangent");
        let pad = self.count_include_pad;
        let data = compute([dy], |[dy]| spread(&dims, pad, dy), |[dy]| spread(&dims, pad, dy));
        vec![Tensor::of(results[0].shape.clone(), data)]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let (dy, dx) = (operands[0], results[0]);
        let dims = self.dims(&w.shape(dy)).expect("the type rule has accepted the cotangent");
        let (input, output, dtype) = (dims.input_shape(), dims.output_shape(), w.dtype(dx));
        w.each(&input, |w, at| {
            let zero = w.zero(dtype);
            let sum = w.variable(zero);
            let (image, pixel, channel) = parts(at);
            dims.each_covering(w, pixel, |w, window, _| {
                let count = dims.divisor(w, dtype, self.count_include_pad, window);
                let element = joined(image, window, channel);
                let dy = w.load(dy, w.at(&output, &element));
                let share = w.divide_by(dy, count);
                w.update(sum, |w, sum| w.add(sum, share));
            });
            let sum = w.get(sum);
            w.store(dx, w.at(&input, at), sum);
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let Self { pool, count_include_pad, .. } = *self;
        let cotangent = node.cotangent();
        Ok(vec![Some(cotangent.avg_pool(pool, count_include_pad))])
    }
}

fn spread<T: Float>(dims: &PoolDims, include_pad: bool, dy: &[T]) -> Vec<T> {
    let mut dx = vec![T::ZERO; dims.input_shape().elements()];
    for window in dims.windows() {
        let count = T::count(window.count(include_pad));
        for tap in &window.taps {
            let dx = &mut dx[tap.input..][..dims.channels];
            for (dx, &dy) in dx.iter_mut().zip(&dy[window.output..]) {
                *dx = *dx + dy / count;
            }
        }
    }
    dx
}

impl Var {
    /// Spreads this cotangent of an average pooling over its windows; see [`AvgPoolGrad`].
    #[track_caller]
    #[must_use]
    pub fn avg_pool_grad(
        &self,
        input: impl Into<Spatial<usize>>,
        pool: Pooling,
        count_include_pad: bool,
    ) -> Var {
        self.unary(AvgPoolGrad { input: input.into(), pool, count_include_pad })
    }
}

impl Draw for AvgPoolGrad {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.pooled_images();
        let pool = pen.pooling(x.shape());
        let (input, count_include_pad) = (spatial(x.shape()), pen.rng.one_in(2));
        let result = PoolDims::of_images(Self::NAME, x.shape(), &pool).ok()?.output_shape();
        let op = Self { input, pool, count_include_pad };
        let dy = pen.value(x.dtype(), result);
        Some((op, vec![dy]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::pool::tests::cases;
    use super::*;
    use crate::ops::checks::{assert_adjoint, cast, f32s, fraction, mistake, multiples, run};
    use crate::types::DType;

    fn op(dims: &PoolDims, count_include_pad: bool) -> AvgPoolGrad {
        AvgPoolGrad { input: dims.input, pool: dims.pool(), count_include_pad }
    }

    /// An op without padding.
    fn op_of(input: [usize; 2], window: [usize; 2], strides: [usize; 2]) -> AvgPoolGrad {
        let pool = Pooling::new(window, strides, [[0, 0]; 2]);
        AvgPoolGrad { input: input.into(), pool, count_include_pad: false }
    }

    proptest! {
        #[test]
        fn each_element_is_the_sum_of_the_definition(
            (dims, dy) in cases().prop_flat_map(|d| (Just(d), fraction(d.output_shape()))),
            include_pad: bool,
        ) {
            let Some(values) = dy.as_f32() else { unreachable!() };
            let windows = dims.definition();
            let sum = |element: usize| {
                let covers = |read: &[(usize, usize)]| read.iter().any(|(_, p)| *p == element);
                let covering = windows.iter().zip(values).filter(|(read, _)| covers(read));
                covering.fold(0.0f32, |sum, (read, dy)| {
                    let all = dims.all_taps();
                    sum + dy / if include_pad { all } else { read.len() } as f32
                })
            };
            let dx: Vec<f32> = (0..dims.input_shape().elements()).map(sum).collect();
            prop_assert_eq!(run(op(&dims, include_pad), &[&dy]), f32s(dims.input_shape(), &dx));
        }

        /// Multiples of 216 are divided by the products of three of 1, 2 and 3 without rounding.
        #[test]
        fn gradients_are_adjoint(
            (dims, dy, cotangent) in cases().prop_flat_map(|d| {
                (Just(d), multiples(216, d.output_shape()), multiples(216, d.input_shape()))
            }),
            include_pad: bool,
        ) {
            assert_adjoint(op(&dims, include_pad), &[&dy], &cotangent);
        }
    }

    #[test]
    fn positions_under_no_window_are_plus_zero() {
        let op = op_of([1, 5], [1, 1], [1, 3]);
        let dx = run(op, &[&f32s([1, 1, 2, 1], &[-0.0, f32::NAN])]);
        assert_eq!(dx, f32s([1, 1, 5, 1], &[0.0, 0.0, 0.0, f32::NAN, 0.0]));
    }

    #[test]
    fn halves_are_rounded_once_at_the_end() {
        // The middle position is under both windows: 257/2 + 1/2 is 129, though 257 is 256 in bf16.
        let op = op_of([1, 3], [1, 2], [1, 1]);
        let dx = run(op, &[&cast(&f32s([1, 1, 2, 1], &[256.0, 3.0]), DType::BF16)]);
        assert_eq!(dx.data().to_f64(), [128.0, 130.0, 1.5]);
    }

    #[test]
    fn mistakes() {
        let op = op_of([4, 4], [2, 2], [2, 2]);
        insta::assert_snapshot!(mistake(op, &["f32[1,2,3,1]"]), @r"
        `avg_pool_grad`: a 2×2 window turns 4×4 images into 2×2 ones, but the cotangent is 2×3
        ");
        insta::assert_snapshot!(mistake(op, &["u8[1,2,2,1]"]), @r"
        `avg_pool_grad` takes floats, not u8
          help: convert the operand with `cast`
        ");
    }
}
