//! The gradient of maximum pooling.

use serde::{Deserialize, Serialize};

use super::elementwise::float;
use super::float::{Float, compute};
use super::pool::{PoolDims, Pooling, check_indexed, joined, parts, pooling_attributes};
use super::window::{Padding, Spatial, spatial};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `dx[p] = Σ dy[o]` over the outputs `o` whose window has its maximum, by `index`, at the input
/// position `p`.
///
/// `dy: [batch, spatial.., channels]` is the cotangent of [`MaxPool`](super::MaxPool)'s result,
/// `index`, of the same shape, the result of [`MaxPoolIndex`](super::MaxPoolIndex), `input` the
/// spatial extents of the images.
///
/// Each element starts at +0 and adds its outputs in ascending order of their index; `bf16` and
/// `f16` are summed in f32 and rounded at the end. An index outside of the window or the image is
/// ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Attributes", into = "Attributes")]
pub struct MaxUnpool {
    /// Spatial extents of the images.
    pub input: Spatial<usize>,
    /// The window and its steps.
    pub pool: Pooling,
}

pooling_attributes!(MaxUnpool { input });

impl MaxUnpool {
    /// The extents for a cotangent of this shape.
    ///
    /// # Errors
    /// If the window does not fit, or does not give such a result.
    pub fn dims(&self, dy: &Shape) -> Result<PoolDims, Mistake> {
        check_indexed(Self::NAME, &self.pool.window)?;
        PoolDims::of_result(Self::NAME, dy, self.input, &self.pool)
    }
}

impl Operation for MaxUnpool {
    fn family(&self) -> Family<'_> {
        Family::Window
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [dy, index] = expect_operands(Self::NAME, operands)?;
        let dtype = float(Self::NAME, &[dy.dtype])?;
        let dims = self.dims(&dy.shape)?;
        dims.expect_index(Self::NAME, &index)?;
        Ok(Types::from_elem(Type { dtype, shape: dims.input_shape() }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let (dy, index) = (operands[0], operands[1]);
        let dims = self.dims(dy.shape()).expect("the type rule has accepted the cotangent");
        let data = compute([dy], |[dy]| unpool(&dims, dy, index), |[dy]| unpool(&dims, dy, index));
        vec![Tensor::of(results[0].shape.clone(), data)]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let (dy, index, dx) = (operands[0], operands[1], results[0]);
        let dims = self.dims(&w.shape(dy)).expect("the type rule has accepted the cotangent");
        let (input, output) = (dims.input_shape(), dims.output_shape());
        w.each(&input, |w, at| {
            let zero = w.zero(w.dtype(dx));
            let sum = w.variable(zero);
            let (image, pixel, channel) = parts(at);
            dims.each_covering(w, pixel, |w, output_pixel, tap| {
                let element = joined(image, output_pixel, channel);
                let chosen = w.load(index, w.at(&output, &element));
                let chosen = w.index(chosen);
                let add = |w: &mut Writer, _| {
                    let dy = w.load(dy, w.at(&output, &element));
                    w.update(sum, |w, sum| w.add(sum, dy));
                };
                w.inside(chosen - tap, 1, add, |_| {});
            });
            let sum = w.get(sum);
            w.store(dx, w.at(&input, at), sum);
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (index, cotangent) = (&node.operands[1], node.cotangent());
        let Self { pool, .. } = *self;
        Ok(vec![Some(cotangent.max_pool_gather(index, pool)), None])
    }
}

fn unpool<T: Float>(dims: &PoolDims, dy: &[T], index: &Tensor) -> Vec<T> {
    let mut dx = vec![T::ZERO; dims.input_shape().elements()];
    for (offset, &dy) in dims.chosen(index).into_iter().zip(dy) {
        if let Some(offset) = offset {
            dx[offset] = dx[offset] + dy;
        }
    }
    dx
}

impl Var {
    /// Moves this cotangent of a maximum pooling to the elements that `index` names; see
    /// [`MaxUnpool`].
    #[track_caller]
    #[must_use]
    pub fn max_unpool(&self, index: &Var, input: impl Into<Spatial<usize>>, pool: Pooling) -> Var {
        self.binary(MaxUnpool { input: input.into(), pool }, index)
    }
}

impl Draw for MaxUnpool {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.pooled_images();
        let pool = pen.pooling(x.shape());
        let result = PoolDims::of_images(Self::NAME, x.shape(), &pool).ok()?.output_shape();
        let op = Self { input: spatial(x.shape()), pool };
        let index = pen.pool_index(&x, result.clone(), pool);
        let dy = pen.value(x.dtype(), result);
        Some((op, vec![dy, index]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::pool::tests::cases;
    use super::*;
    use crate::ops::checks::{assert_adjoint, cast, f32s, fraction, mistake, run, vjp, whole};
    use crate::ops::{MaxPool, MaxPoolIndex};
    use crate::tensor::Data;
    use crate::types::DType;

    fn op(dims: &PoolDims) -> MaxUnpool {
        MaxUnpool { input: dims.input, pool: dims.pool() }
    }

    fn op_of(
        input: [usize; 2],
        window: [usize; 2],
        strides: [usize; 2],
        padding: [[usize; 2]; 2],
    ) -> MaxUnpool {
        MaxUnpool { input: input.into(), pool: Pooling::new(window, strides, padding) }
    }

    fn index_of(dims: &PoolDims, x: &Tensor) -> Tensor {
        run(MaxPoolIndex { pool: dims.pool() }, &[x])
    }

    proptest! {
        #[test]
        fn each_element_is_the_sum_of_the_definition(
            (dims, x, dy) in cases().prop_flat_map(|d| {
                (Just(d), fraction(d.input_shape()), fraction(d.output_shape()))
            })
        ) {
            let index = index_of(&dims, &x);
            let (Data::U8(taps), Some(dys)) = (index.data(), dy.as_f32()) else { unreachable!() };
            let mut dx = vec![0.0f32; dims.input_shape().elements()];
            for ((read, &tap), &dy) in dims.definition().iter().zip(taps).zip(dys) {
                let (_, offset) = read[read.partition_point(|(number, _)| *number < tap.into())];
                dx[offset] += dy;
            }
            let dx = f32s(dims.input_shape(), &dx);
            prop_assert_eq!(&run(op(&dims), &[&dy, &index]), &dx);

            let MaxUnpool { pool, .. } = op(&dims);
            let gradient = vjp(MaxPool { pool }, &[&x], &dy);
            prop_assert_eq!(gradient, [Some(dx)]);
        }

        #[test]
        fn gradients_are_adjoint(
            (dims, x, dy, cotangent) in cases().prop_flat_map(|d| {
                (Just(d), whole(d.input_shape()), whole(d.output_shape()), whole(d.input_shape()))
            })
        ) {
            assert_adjoint(op(&dims), &[&dy, &index_of(&dims, &x)], &cotangent);
        }
    }

    #[test]
    fn overlapping_windows_add_up() {
        let op = op_of([1, 3], [1, 2], [1, 1], [[0, 0]; 2]);
        let index = Tensor::of([1, 1, 2, 1], Data::U8(vec![1, 0]));
        let dy = f32s([1, 1, 2, 1], &[256.0, 1.0]);
        assert_eq!(run(op, &[&dy, &index]), f32s([1, 1, 3, 1], &[0.0, 257.0, 0.0]));
        let dx = run(op, &[&cast(&dy, DType::BF16), &index]);
        assert_eq!(dx.data().to_f64(), [0.0, 256.0, 0.0]);
    }

    #[test]
    fn taps_outside_are_dropped_and_minus_zero_is_not_kept() {
        let padding = [[0, 0], [1, 0]];
        let op = op_of([1, 3], [1, 2], [2, 2], padding);
        // Tap 0 of the first window is padding, tap 2 is in no window.
        for index in [[0, 2], [200, 255]] {
            let index = Tensor::of([1, 1, 2, 1], Data::U8(index.to_vec()));
            let dx = run(op, &[&f32s([1, 1, 2, 1], &[1.0, 1.0]), &index]);
            assert_eq!(dx, f32s([1, 1, 3, 1], &[0.0; 3]));
        }
        let index = Tensor::of([1, 1, 2, 1], Data::U8(vec![1, 1]));
        let dx = run(op, &[&f32s([1, 1, 2, 1], &[-0.0, f32::NAN]), &index]);
        assert_eq!(dx, f32s([1, 1, 3, 1], &[0.0, 0.0, f32::NAN]));
    }

    #[test]
    fn mistakes() {
        let op = op_of([4, 6], [2, 2], [2, 2], [[0, 0]; 2]);
        insta::assert_snapshot!(mistake(op, &["f32[1,2,3,1]", "i32[1,2,3,1]"]), @r"
        `max_unpool`: the index is i32[1,2,3,1], expected u8[1,2,3,1]
          help: the index is what `max_pool_index` gives for the same images and window
        ");
        insta::assert_snapshot!(mistake(op, &["f32[1,2,3,1]", "u8[1,2,2,1]"]), @r"
        `max_unpool`: the index is u8[1,2,2,1], expected u8[1,2,3,1]
          help: the index is what `max_pool_index` gives for the same images and window
        ");
        insta::assert_snapshot!(mistake(op, &["f32[1,2,2,1]", "u8[1,2,2,1]"]), @r"
        `max_unpool`: a 2×2 window turns 4×6 images into 2×3 ones, but the cotangent is 2×2
        ");
        insta::assert_snapshot!(mistake(op, &["i32[1,2,3,1]", "u8[1,2,3,1]"]), @r"
        `max_unpool` takes floats, not i32
          help: convert the operand with `cast`
        ");
        let op = op_of([4, 6], [32, 32], [2, 2], [[0, 0]; 2]);
        insta::assert_snapshot!(mistake(op, &["f32[1,2,3,1]", "u8[1,2,3,1]"]), @r"
        `max_unpool`: a window of 32×32 has more than 256 taps
          help: the index of a maximum is one byte: use a smaller window, or two poolings
        ");
    }
}
