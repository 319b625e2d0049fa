//! The elements at the places of maxima.

use serde::{Deserialize, Serialize};

use super::pool::{PoolDims, check_indexed};
use super::window::{Padding, Window};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Index, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `y = x` at the tap of each window that `index` gives; where [`MaxPoolIndex`](super::MaxPoolIndex) gave the index for other images, the
/// elements at their maxima.
///
/// `x: [batch, height, width, channels]` of any element type, `index` of `u8` and the shape of the result. An index that falls outside of
/// the window or the image gives zero. It is the transpose of [`MaxUnpool`](super::MaxUnpool), and each is the other's gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPoolGather {
    /// Height and width of the window.
    pub window: [usize; 2],
    /// Steps between neighbouring windows, (height, width).
    pub strides: [usize; 2],
    /// Positions added on each side.
    #[serde(default)]
    pub padding: Padding,
}

impl MaxPoolGather {
    /// How the window moves.
    pub fn window(&self) -> Window {
        Window { strides: self.strides, padding: self.padding, dilation: [1, 1] }
    }

    /// The extents for images of this shape.
    ///
    /// # Errors
    /// If the window does not fit.
    pub fn dims(&self, x: &Shape) -> Result<PoolDims, Mistake> {
        check_indexed(Self::NAME, self.window)?;
        PoolDims::of_images(Self::NAME, x, self.window, self.window())
    }
}

impl Operation for MaxPoolGather {
    fn family(&self) -> Family<'_> {
        Family::Window
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [x, index] = expect_operands(Self::NAME, operands)?;
        let dims = self.dims(&x.shape)?;
        dims.expect_index(Self::NAME, &index)?;
        Ok(Types::from_elem(Type { dtype: x.dtype, shape: dims.output_shape() }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let (x, index) = (operands[0], operands[1]);
        let dims = self.dims(x.shape()).expect("the type rule has accepted the images");
        let y = x.data().pick_or_zero(&dims.places(index));
        vec![Tensor::of(results[0].shape.clone(), y)]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let (x, index, y) = (operands[0], operands[1], results[0]);
        let dims = self.dims(&w.shape(x)).expect("the type rule has accepted the images");
        let (input, output) = (dims.input_shape(), dims.output_shape());
        w.each(&output, |w, at| {
            let zero = w.zero(w.dtype(y));
            let element = w.variable(zero);
            let chosen = w.load(index, w.at(&output, at));
            let chosen = w.index(chosen);
            let inside = |w: &mut Writer, tap: Index| {
                let (u, v) = w.divide(&tap, dims.taps[1]);
                let row = dims.window.position(0, &at[1], &u);
                let column = dims.window.position(1, &at[2], &v);
                w.all_inside(&[row, column], &dims.input, |w, pixel| {
                    let pixel = [&at[0], &pixel[0], &pixel[1], &at[3]].map(Clone::clone);
                    let loaded = w.load(x, w.at(&input, &pixel));
                    w.set(element, loaded);
                });
            };
            w.inside(chosen, dims.taps[0] * dims.taps[1], inside, |_| {});
            let element = w.get(element);
            w.store(y, w.at(&output, at), element);
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (x, index, dy) = (&node.operands[0], &node.operands[1], node.cotangent());
        let Self { window, strides, padding } = *self;
        let input = [x.shape()[1], x.shape()[2]];
        Ok(vec![Some(dy.max_unpool(index, input, window, strides, padding)), None])
    }
}

impl Var {
    /// The elements of these images at the taps that `index` gives; see [`MaxPoolGather`].
    #[track_caller]
    #[must_use]
    pub fn max_pool_gather(
        &self,
        index: &Var,
        window: [usize; 2],
        strides: [usize; 2],
        padding: Padding,
    ) -> Var {
        self.binary(MaxPoolGather { window, strides, padding }, index)
    }
}

impl Draw for MaxPoolGather {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.pooled_images();
        let (window, Window { strides, padding, .. }) = pen.pooling(x.shape());
        let op = Self { window, strides, padding };
        let index =
            pen.pool_index(&x, op.dims(x.shape()).ok()?.output_shape(), window, op.window());
        Some((op, vec![x, index]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::pool::tests::cases;
    use super::*;
    use crate::ops::checks::{assert_adjoint, mistake, run, whole};
    use crate::tensor::Data;

    proptest! {
        #[test]
        fn any_index_reads_its_tap_or_zero_and_gradients_are_adjoint(
            (dims, x, index, dy) in cases().prop_flat_map(|d| {
                let index = prop::collection::vec(0..12u8, d.output_shape().elements());
                (Just(d), whole(d.input_shape()), index, whole(d.output_shape()))
            })
        ) {
            let (window, strides, padding) = (dims.taps, dims.window.strides, dims.window.padding);
            let op = MaxPoolGather { window, strides, padding };
            let Data::F64(values) = x.data() else { unreachable!() };
            let read = dims.definition().into_iter().zip(&index).map(|(read, &tap)| {
                let found = read.into_iter().find(|(number, _)| *number == usize::from(tap));
                found.map_or(0.0, |(_, place)| values[place])
            });
            let y = Tensor::of(dims.output_shape(), Data::F64(read.collect()));
            let index = Tensor::of(dims.output_shape(), Data::U8(index));
            prop_assert_eq!(run(op, &[&x, &index]), y);
            assert_adjoint(op, &[&x, &index], &dy);
        }
    }

    #[test]
    fn every_element_type_moves() {
        let op = MaxPoolGather { window: [1, 2], strides: [1, 2], padding: [[0, 0]; 2] };
        let x = Tensor::of([1, 1, 4, 1], Data::Bool(vec![true, false, false, true]));
        let index = Tensor::of([1, 1, 2, 1], Data::U8(vec![0, 9]));
        assert_eq!(run(op, &[&x, &index]).data(), &Data::Bool(vec![true, false]));
    }

    #[test]
    fn mistakes() {
        let op = MaxPoolGather { window: [1, 2], strides: [1, 2], padding: [[0, 0]; 2] };
        insta::assert_snapshot!(mistake(op, &["f32[1,1,4,1]", "u8[1,1,4,1]"]), @r"
        `max_pool_gather`: the index is u8[1,1,4,1], expected u8[1,1,2,1]
          help: the index is what `max_pool_index` gives for the same images and window
        ");
    }
}
