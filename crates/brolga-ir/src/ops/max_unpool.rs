//! The gradient of maximum pooling.

use serde::{Deserialize, Serialize};

use super::elementwise::float;
use super::float::{Float, compute};
use super::pool::{PoolDims, check_indexed};
use super::window::{Padding, Window};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `dx[p] = Σ dy[o]` over the outputs `o` whose window has its maximum, by `index`, at the input position `p`.
///
/// `dy: [batch, height, width, channels]` is the cotangent of [`MaxPool`](super::MaxPool)'s result, `index` of the same shape what
/// [`MaxPoolIndex`](super::MaxPoolIndex) gives, `input` the height and width of the images.
///
/// Each element starts at +0 and adds its outputs in ascending order of their place; `bf16` and `f16` are summed in f32 and rounded at the
/// end. An index that falls outside of the window or the image is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxUnpool {
    /// Height and width of the images.
    pub input: [usize; 2],
    /// Height and width of the window.
    pub window: [usize; 2],
    /// Steps between neighbouring windows, (height, width).
    pub strides: [usize; 2],
    /// Positions added on each side.
    #[serde(default)]
    pub padding: Padding,
}

impl MaxUnpool {
    /// How the window moves.
    pub fn window(&self) -> Window {
        Window { strides: self.strides, padding: self.padding, dilation: [1, 1] }
    }

    /// The extents for a cotangent of this shape.
    ///
    /// # Errors
    /// If the window does not fit, or does not give such a result.
    pub fn dims(&self, dy: &Shape) -> Result<PoolDims, Mistake> {
        check_indexed(Self::NAME, self.window)?;
        PoolDims::of_result(Self::NAME, dy, self.input, self.window, self.window())
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
            dims.each_covering(w, &at[1..3], |w, [row, column], tap| {
                let place = [at[0].clone(), row, column, at[3].clone()];
                let chosen = w.load(index, w.at(&output, &place));
                let chosen = w.index(chosen);
                let add = |w: &mut Writer, _| {
                    let dy = w.load(dy, w.at(&output, &place));
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
        let Self { window, strides, padding, .. } = *self;
        Ok(vec![Some(cotangent.max_pool_gather(index, window, strides, padding)), None])
    }
}

fn unpool<T: Float>(dims: &PoolDims, dy: &[T], index: &Tensor) -> Vec<T> {
    let mut dx = vec![T::ZERO; dims.input_shape().elements()];
    for (place, &dy) in dims.places(index).into_iter().zip(dy) {
        if let Some(place) = place {
            dx[place] = dx[place] + dy;
        }
    }
    dx
}

impl Var {
    /// This cotangent of a maximum pooling brought back to where `index` says the maxima were; see [`MaxUnpool`].
    #[track_caller]
    #[must_use]
    pub fn max_unpool(
        &self,
        index: &Var,
        input: [usize; 2],
        window: [usize; 2],
        strides: [usize; 2],
        padding: Padding,
    ) -> Var {
        self.binary(MaxUnpool { input, window, strides, padding }, index)
    }
}

impl Draw for MaxUnpool {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.pooled_images();
        let (window, Window { strides, padding, .. }) = pen.pooling(x.shape());
        let op = Self { input: [x.shape()[1], x.shape()[2]], window, strides, padding };
        let [height, width] = op.window().output(Self::NAME, op.input, window).ok()?;
        let result = Shape::from([x.shape()[0], height, width, x.shape()[3]]);
        let index = pen.pool_index(&x, result.clone(), window, op.window());
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
        let (window, strides, padding) = (dims.taps, dims.window.strides, dims.window.padding);
        MaxUnpool { input: dims.input, window, strides, padding }
    }

    fn index_of(dims: &PoolDims, x: &Tensor) -> Tensor {
        let (window, strides, padding) = (dims.taps, dims.window.strides, dims.window.padding);
        run(MaxPoolIndex { window, strides, padding }, &[x])
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
                let (_, place) = read[read.partition_point(|(number, _)| *number < tap.into())];
                dx[place] += dy;
            }
            let dx = f32s(dims.input_shape(), &dx);
            prop_assert_eq!(&run(op(&dims), &[&dy, &index]), &dx);

            let MaxUnpool { window, strides, padding, .. } = op(&dims);
            let gradient = vjp(MaxPool { window, strides, padding }, &[&x], &dy);
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
        let op = MaxUnpool { input: [1, 3], window: [1, 2], strides: [1, 1], padding: [[0, 0]; 2] };
        let index = Tensor::of([1, 1, 2, 1], Data::U8(vec![1, 0]));
        let dy = f32s([1, 1, 2, 1], &[256.0, 1.0]);
        assert_eq!(run(op, &[&dy, &index]), f32s([1, 1, 3, 1], &[0.0, 257.0, 0.0]));
        let dx = run(op, &[&cast(&dy, DType::BF16), &index]);
        assert_eq!(dx.data().to_f64(), [0.0, 256.0, 0.0]);
    }

    #[test]
    fn places_outside_are_dropped_and_minus_zero_is_not_kept() {
        let padding = [[0, 0], [1, 0]];
        let op = MaxUnpool { input: [1, 3], window: [1, 2], strides: [2, 2], padding };
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
        let window = [2, 2];
        let op = MaxUnpool { input: [4, 6], window, strides: window, padding: [[0, 0]; 2] };
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
        let op = MaxUnpool { window: [32, 32], ..op };
        insta::assert_snapshot!(mistake(op, &["f32[1,2,3,1]", "u8[1,2,3,1]"]), @r"
        `max_unpool`: a window of 32×32 has more than 256 taps
          help: the place of a maximum is one byte: use a smaller window, or two poolings
        ");
    }
}
