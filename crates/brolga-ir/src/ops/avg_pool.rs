//! Average pooling.

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

/// `y[b, o.., c] = (Σ x[b, o·s + u − p.., c]) / n` over the taps `u..` of the window; each spatial
/// axis has its own output `o`, tap `u`, stride `s` and padding `p`.
///
/// `x: [batch, spatial.., channels]`, floats. The sum starts at +0 and takes the taps in row-major
/// order; those in the padding are skipped. `n` is the number of taps inside the image, as Keras
/// and TensorFlow have it, or with `count_include_pad` that of the whole window. Padding must be
/// smaller than the window on each side, so that no window is empty. `bf16` and `f16` are computed
/// in f32 and rounded at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Attributes", into = "Attributes")]
pub struct AvgPool {
    /// The window and its steps.
    pub pool: Pooling,
    /// Whether taps in the padding count as zeros.
    pub count_include_pad: bool,
}

pooling_attributes!(AvgPool {} count_include_pad);

impl AvgPool {
    /// The extents for images of this shape.
    ///
    /// # Errors
    /// If the window does not fit.
    pub fn dims(&self, x: &Shape) -> Result<PoolDims, Mistake> {
        PoolDims::of_images(Self::NAME, x, &self.pool)
    }
}

impl Operation for AvgPool {
    fn family(&self) -> Family<'_> {
        Family::Window
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [x] = expect_operands(Self::NAME, operands)?;
        let dtype = float(Self::NAME, &[x.dtype])?;
        let shape = self.dims(&x.shape)?.output_shape();
        Ok(Types::from_elem(Type { dtype, shape }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let x = operands[0];
        let dims = self.dims(x.shape()).expect("the type rule has accepted the images");
        let pad = self.count_include_pad;
        let data = compute([x], |[x]| average(&dims, pad, x), |[x]| average(&dims, pad, x));
        vec![Tensor::of(results[0].shape.clone(), data)]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let (x, y) = (operands[0], results[0]);
        let dims = self.dims(&w.shape(x)).expect("the type rule has accepted the images");
        let (input, output, dtype) = (dims.input_shape(), dims.output_shape(), w.dtype(y));
        w.each(&output, |w, at| {
            let zero = w.zero(dtype);
            let sum = w.variable(zero);
            let (image, pixel, channel) = parts(at);
            dims.each_covered(w, pixel, |w, read, _| {
                let next = w.load(x, w.at(&input, &joined(image, read, channel)));
                w.update(sum, |w, sum| w.add(sum, next));
            });
            let (sum, count) = (w.get(sum), dims.divisor(w, dtype, self.count_include_pad, pixel));
            let mean = w.divide_by(sum, count);
            w.store(y, w.at(&output, at), mean);
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (x, dy) = (&node.operands[0], node.cotangent());
        let Self { pool, count_include_pad } = *self;
        let input = spatial(x.shape());
        Ok(vec![Some(dy.avg_pool_grad(input, pool, count_include_pad))])
    }
}

fn average<T: Float>(dims: &PoolDims, include_pad: bool, x: &[T]) -> Vec<T> {
    let mut y = vec![T::ZERO; dims.output_shape().elements()];
    for window in dims.windows() {
        let y = &mut y[window.output..][..dims.channels];
        for tap in &window.taps {
            for (y, &x) in y.iter_mut().zip(&x[tap.input..]) {
                *y = *y + x;
            }
        }
        let count = T::count(window.count(include_pad));
        for y in y {
            *y = *y / count;
        }
    }
    y
}

impl Var {
    /// The average of each window; see [`AvgPool`].
    #[track_caller]
    #[must_use]
    pub fn avg_pool(&self, pool: Pooling, count_include_pad: bool) -> Var {
        self.unary(AvgPool { pool, count_include_pad })
    }
}

impl Draw for AvgPool {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.pooled_images();
        let count_include_pad = pen.rng.one_in(2);
        if pen.rng.one_in(32) {
            // Windows of other poolings have at most 256 taps, since their index is a byte.
            let axes = spatial(x.shape()).len();
            let window = Spatial::from_fn(axes, |axis| if axis < 2 { 65 } else { 1 });
            let padding = Spatial::from_fn(axes, |axis| [window[axis] - 1, 0]);
            let pool = Pooling::new(window, Spatial::splat(axes, 1), padding);
            return Some((Self { pool, count_include_pad }, vec![x]));
        }
        let pool = pen.pooling(x.shape());
        Some((Self { pool, count_include_pad }, vec![x]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::pool::tests::cases;
    use super::*;
    use crate::ops::checks::{assert_adjoint, cast, f32s, fraction, mistake, multiples, run};
    use crate::types::DType;

    fn op(dims: &PoolDims, count_include_pad: bool) -> AvgPool {
        AvgPool { pool: dims.pool(), count_include_pad }
    }

    proptest! {
        #[test]
        fn each_element_is_the_average_of_the_definition(
            (dims, x) in cases().prop_flat_map(|d| (Just(d), fraction(d.input_shape()))),
            include_pad: bool,
        ) {
            let Some(values) = x.as_f32() else { unreachable!() };
            let average = |read: Vec<(usize, usize)>| {
                let sum = read.iter().fold(0.0f32, |sum, (_, input)| sum + values[*input]);
                sum / if include_pad { dims.all_taps() } else { read.len() } as f32
            };
            let y: Vec<f32> = dims.definition().into_iter().map(average).collect();
            prop_assert_eq!(run(op(&dims, include_pad), &[&x]), f32s(dims.output_shape(), &y));
        }

        /// Multiples of 216 are divided by the products of three of 1, 2 and 3 without rounding.
        #[test]
        fn gradients_are_adjoint(
            (dims, x, dy) in cases().prop_flat_map(|d| {
                (Just(d), multiples(216, d.input_shape()), multiples(216, d.output_shape()))
            }),
            include_pad: bool,
        ) {
            assert_adjoint(op(&dims, include_pad), &[&x], &dy);
        }
    }

    #[test]
    fn padding_counts_only_if_asked() {
        let padding = [[0, 0], [1, 0]];
        let x = f32s([1, 1, 3, 1], &[2.0, -0.0, -0.0]);
        let op = AvgPool { pool: Pooling::new([1, 2], [1, 2], padding), count_include_pad: false };
        assert_eq!(run(op, &[&x]), f32s([1, 1, 2, 1], &[2.0, 0.0]));
        let op = AvgPool { count_include_pad: true, ..op };
        assert_eq!(run(op, &[&x]), f32s([1, 1, 2, 1], &[1.0, 0.0]));
    }

    #[test]
    fn halves_are_rounded_once_at_the_end() {
        let pool = Pooling::new([1, 4], [1, 4], [[0, 0]; 2]);
        let op = AvgPool { pool, count_include_pad: false };
        let x = f32s([1, 1, 4, 1], &[256.0, 1.0, 1.0, 6.0]);
        for dtype in [DType::BF16, DType::F16, DType::F32, DType::F64] {
            let y = run(op, &[&cast(&x, dtype)]);
            assert_eq!(y, Tensor::full(&Type::new(dtype, [1, 1, 1, 1]), 66.0));
        }
    }

    #[test]
    fn a_huge_window_takes_no_time() {
        let far = 1 << 40;
        let padding = [[far - 1; 2], [0, 0]];
        let op =
            AvgPool { pool: Pooling::new([far, 1], [far, 1], padding), count_include_pad: true };
        let y = run(op, &[&f32s([1, 1, 1, 1], &[1.0])]);
        assert_eq!(y, f32s([1, 1, 1, 1], &[2.0f32.powi(-40)]));
    }

    #[test]
    fn mistakes() {
        let pool = Pooling::new([2, 2], [2, 2], [[0, 0]; 2]);
        let op = AvgPool { pool, count_include_pad: false };
        insta::assert_snapshot!(mistake(op, &["i32[1,2,3,1]"]), @r"
        `avg_pool` takes floats, not i32
          help: convert the operand with `cast`
        ");
        let pool = Pooling::new([1 << 40; 2], [2, 2], [[(1 << 40) - 1; 2]; 2]);
        let far = AvgPool { pool, ..op };
        insta::assert_snapshot!(mistake(far, &["f32[1,2,3,1]"]), @r"
        `avg_pool`: a window of 1099511627776×1099511627776 is too large
        ");
    }
}
