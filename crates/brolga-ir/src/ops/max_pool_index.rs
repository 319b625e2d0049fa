//! The indices of the maxima of maximum pooling.

use serde::{Deserialize, Serialize};

use super::elementwise::number;
use super::pool::{PoolDims, Pooling, check_indexed, pooling_attributes};
use super::window::{Padding, Spatial};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Shape, Type};

/// The tap of each window, numbered row-major, at which [`MaxPool`](super::MaxPool) finds its
/// maximum, as `u8`: the first maximum, the first NaN if there is one. Numbers count all taps of
/// the window, also those in the padding.
///
/// `x: [batch, spatial.., channels]`, numbers. A window has at most 256 taps. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Attributes", into = "Attributes")]
pub struct MaxPoolIndex {
    /// The window and its steps.
    pub pool: Pooling,
}

pooling_attributes!(MaxPoolIndex {});

impl MaxPoolIndex {
    /// The extents for images of this shape.
    ///
    /// # Errors
    /// If the window does not fit.
    pub fn dims(&self, x: &Shape) -> Result<PoolDims, Mistake> {
        check_indexed(Self::NAME, &self.pool.window)?;
        PoolDims::of_images(Self::NAME, x, &self.pool)
    }
}

impl Operation for MaxPoolIndex {
    fn family(&self) -> Family<'_> {
        Family::Window
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [x] = expect_operands(Self::NAME, operands)?;
        number(Self::NAME, &[x.dtype])?;
        let shape = self.dims(&x.shape)?.output_shape();
        Ok(Types::from_elem(Type { dtype: DType::U8, shape }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let x = operands[0];
        let dims = self.dims(x.shape()).expect("the type rule has accepted the images");
        let taps = dims.maxima(x.data()).into_iter().map(|maximum| maximum.tap as u8);
        vec![Tensor::of(results[0].shape.clone(), Data::U8(taps.collect()))]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let dims = self.dims(&w.shape(operands[0])).expect("the type rule has accepted the images");
        let extents = dims.output_shape();
        w.each(&extents, |w, at| {
            let (_, tap) = dims.write_maximum(w, operands[0], at);
            let tap = w.get(tap);
            w.store(results[0], w.at(&extents, at), tap);
        });
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None])
    }
}

impl Var {
    /// The tap of the maximum of each window; see [`MaxPoolIndex`].
    #[track_caller]
    #[must_use]
    pub fn max_pool_index(&self, pool: Pooling) -> Var {
        self.unary(MaxPoolIndex { pool })
    }
}

impl Draw for MaxPoolIndex {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.pooled_images();
        let pool = pen.pooling(x.shape());
        Some((Self { pool }, vec![x]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{f32s, mistake, run};

    fn index(window: [usize; 2], padding: [[usize; 2]; 2]) -> MaxPoolIndex {
        MaxPoolIndex { pool: Pooling::new(window, window, padding) }
    }

    #[test]
    fn taps_are_numbered_over_the_whole_window() {
        let x = f32s([1, 1, 2, 1], &[1.0, 2.0]);
        let y = run(index([3, 3], [[1, 1], [1, 1]]), &[&x]);
        // Tap (1, 2): the padding before the image counts.
        assert_eq!(y.data(), &Data::U8(vec![5]));
    }

    #[test]
    fn a_window_of_256_taps_has_the_last_index_255() {
        let mut x = vec![0.0; 256];
        x[255] = 1.0;
        let y = run(index([16, 16], [[0, 0]; 2]), &[&f32s([1, 16, 16, 1], &x)]);
        assert_eq!(y.data(), &Data::U8(vec![255]));
    }

    #[test]
    fn a_window_of_infinities_has_its_first_tap() {
        let y = run(index([1, 2], [[0, 0]; 2]), &[&f32s([1, 1, 2, 1], &[f32::NEG_INFINITY; 2])]);
        assert_eq!(y.data(), &Data::U8(vec![0]));
    }

    #[test]
    fn mistakes() {
        insta::assert_snapshot!(mistake(index([16, 17], [[0, 0]; 2]), &["f32[1,32,32,1]"]), @r"
        `max_pool_index`: a window of 16×17 has more than 256 taps
          help: the index of a maximum is one byte: use a smaller window, or two poolings
        ");
        insta::assert_snapshot!(mistake(index([2, 2], [[0, 0]; 2]), &["bool[1,2,2,1]"]), @r"
        `max_pool_index` takes numbers, not bool
          help: convert the operand with `cast`
        ");
    }
}
