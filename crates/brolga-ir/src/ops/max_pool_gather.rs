//! The elements at the indices of maxima.

use serde::{Deserialize, Serialize};

use super::pool::{PoolDims, Pooling, check_indexed, joined, parts, pooling_attributes};
use super::window::{Padding, Spatial, spatial};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Index, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `y = x` at the tap of each window that `index` gives; with the index that
/// [`MaxPoolIndex`](super::MaxPoolIndex) gives for other images, the elements at their maxima.
///
/// `x: [batch, spatial.., channels]` of any element type, `index` of `u8` and the shape of the
/// result. An index that falls outside of the window or the image gives zero. It is the transpose
/// of [`MaxUnpool`](super::MaxUnpool), and each is the other's gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Attributes", into = "Attributes")]
pub struct MaxPoolGather {
    /// The window and its steps.
    pub pool: Pooling,
}

pooling_attributes!(MaxPoolGather {});

impl MaxPoolGather {
    /// The extents for images of this shape.
    ///
    /// # Errors
    /// If the window does not fit.
    pub fn dims(&self, x: &Shape) -> Result<PoolDims, Mistake> {
        check_indexed(Self::NAME, &self.pool.window)?;
        PoolDims::of_images(Self::NAME, x, &self.pool)
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
        let y = x.data().pick_or_zero(&dims.chosen(index));
        vec![Tensor::of(results[0].shape.clone(), y)]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let (x, index, y) = (operands[0], operands[1], results[0]);
        let dims = self.dims(&w.shape(x)).expect("the type rule has accepted the images");
        let (input, output) = (dims.input_shape(), dims.output_shape());
        w.each(&output, |w, at| {
            let zero = w.zero(w.dtype(y));
            let element = w.variable(zero);
            let (image, window, channel) = parts(at);
            let chosen = w.load(index, w.at(&output, at));
            let chosen = w.index(chosen);
            let inside = |w: &mut Writer, tap: Index| {
                let tap = dims.tap_indices(w, tap);
                let position = |axis| dims.window.position(axis, &window[axis], &tap[axis]);
                let pixel: Vec<Index> = (0..tap.len()).map(position).collect();
                w.all_inside(&pixel, &dims.input, |w, pixel| {
                    let pixel = joined(image, pixel, channel);
                    let loaded = w.load(x, w.at(&input, &pixel));
                    w.set(element, loaded);
                });
            };
            w.inside(chosen, dims.all_taps(), inside, |_| {});
            let element = w.get(element);
            w.store(y, w.at(&output, at), element);
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (x, index, dy) = (&node.operands[0], &node.operands[1], node.cotangent());
        let Self { pool } = *self;
        let input = spatial(x.shape());
        Ok(vec![Some(dy.max_unpool(index, input, pool)), None])
    }
}

impl Var {
    /// The elements of these images at the taps that `index` gives; see [`MaxPoolGather`].
    #[track_caller]
    #[must_use]
    pub fn max_pool_gather(&self, index: &Var, pool: Pooling) -> Var {
        self.binary(MaxPoolGather { pool }, index)
    }
}

impl Draw for MaxPoolGather {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.pooled_images();
        let pool = pen.pooling(x.shape());
        let op = Self { pool };
        let index = pen.pool_index(&x, op.dims(x.shape()).ok()?.output_shape(), pool);
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
            let pool = dims.pool();
            let op = MaxPoolGather { pool };
            let Data::F64(values) = x.data() else { unreachable!() };
            let read = dims.definition().into_iter().zip(&index).map(|(read, &tap)| {
                let found = read.into_iter().find(|(number, _)| *number == usize::from(tap));
                found.map_or(0.0, |(_, offset)| values[offset])
            });
            let y = Tensor::of(dims.output_shape(), Data::F64(read.collect()));
            let index = Tensor::of(dims.output_shape(), Data::U8(index));
            prop_assert_eq!(run(op, &[&x, &index]), y);
            assert_adjoint(op, &[&x, &index], &dy);
        }
    }

    #[test]
    fn every_element_type_moves() {
        let op = MaxPoolGather { pool: Pooling::new([1, 2], [1, 2], [[0, 0]; 2]) };
        let x = Tensor::of([1, 1, 4, 1], Data::Bool(vec![true, false, false, true]));
        let index = Tensor::of([1, 1, 2, 1], Data::U8(vec![0, 9]));
        assert_eq!(run(op, &[&x, &index]).data(), &Data::Bool(vec![true, false]));
    }

    #[test]
    fn mistakes() {
        let op = MaxPoolGather { pool: Pooling::new([1, 2], [1, 2], [[0, 0]; 2]) };
        insta::assert_snapshot!(mistake(op, &["f32[1,1,4,1]", "u8[1,1,4,1]"]), @r"
        `max_pool_gather`: the index is u8[1,1,4,1], expected u8[1,1,2,1]
          help: the index is what `max_pool_index` gives for the same images and window
        ");
    }
}
