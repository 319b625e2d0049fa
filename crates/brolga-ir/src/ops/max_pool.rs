//! Maximum pooling.

use serde::{Deserialize, Serialize};

use super::elementwise::number;
use super::pool::{PoolDims, Pooling, pooling_attributes};
use super::window::{Padding, Spatial, spatial};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `y[b, o.., c] = max x[b, o·s + u − p.., c]` over the taps `u..` of the window; each spatial axis
/// has its own output `o`, tap `u`, stride `s` and padding `p`.
///
/// `x: [batch, spatial.., channels]`, numbers. The window is walked in row-major order, each tap
/// replacing the maximum so far if it is greater, or if it is the first NaN: NaN wins over numbers,
/// and of equals (+0 and −0) the first stays. So `y` is, bit for bit, `x` at the tap that
/// [`MaxPoolIndex`](super::MaxPoolIndex) gives. Padding is skipped; it must be smaller than the
/// window on each side, so that no window is empty.
///
/// The gradient goes to that tap alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Attributes", into = "Attributes")]
pub struct MaxPool {
    /// The window and its steps.
    pub pool: Pooling,
}

pooling_attributes!(MaxPool {});

impl MaxPool {
    /// The extents for images of this shape.
    ///
    /// # Errors
    /// If the window does not fit.
    pub fn dims(&self, x: &Shape) -> Result<PoolDims, Mistake> {
        PoolDims::of_images(Self::NAME, x, &self.pool)
    }
}

impl Operation for MaxPool {
    fn family(&self) -> Family<'_> {
        Family::Window
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [x] = expect_operands(Self::NAME, operands)?;
        let dtype = number(Self::NAME, &[x.dtype])?;
        let shape = self.dims(&x.shape)?.output_shape();
        Ok(Types::from_elem(Type { dtype, shape }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let x = operands[0];
        let dims = self.dims(x.shape()).expect("the type rule has accepted the images");
        let offsets: Vec<_> = dims.maxima(x.data()).into_iter().map(|m| m.offset).collect();
        vec![Tensor::of(results[0].shape.clone(), x.data().pick(&offsets))]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let dims = self.dims(&w.shape(operands[0])).expect("the type rule has accepted the images");
        let extents = dims.output_shape();
        w.each(&extents, |w, at| {
            let (best, _) = dims.write_maximum(w, operands[0], at);
            let best = w.get(best);
            w.store(results[0], w.at(&extents, at), best);
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (x, dy) = (&node.operands[0], node.cotangent());
        let Self { pool } = *self;
        let index = x.max_pool_index(pool);
        let input = spatial(x.shape());
        Ok(vec![Some(dy.max_unpool(&index, input, pool))])
    }
}

impl Var {
    /// The maximum of each window; see [`MaxPool`].
    ///
    /// ```
    /// use brolga_ir::ops::Pooling;
    /// use brolga_ir::{Tensor, Tracer, Type, interpret};
    ///
    /// let t = Tracer::new("pool");
    /// let x = t.input("x", Type::f32([1, 2, 4, 1]));
    /// t.output(&x.max_pool(Pooling::new([2, 2], [2, 2], [[0, 0]; 2])));
    /// let graph = t.finish()?;
    ///
    /// let x = vec![1.0, 2.0, 7.0, 0.0, 3.0, 4.0, 6.0, 5.0];
    /// let x = Tensor::f32([1, 2, 4, 1], x).ok_or("eight elements")?;
    /// assert_eq!(interpret(&graph, &[x])?[0].as_f32(), Some([4.0, 7.0].as_slice()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn max_pool(&self, pool: Pooling) -> Var {
        self.unary(MaxPool { pool })
    }
}

impl Draw for MaxPool {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.pooled_images();
        let pool = pen.pooling(x.shape());
        Some((Self { pool }, vec![x]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::pool::tests::cases;
    use super::*;
    use crate::ops::checks::{cast, f32s, mistake, run};
    use crate::ops::{MaxPoolGather, MaxPoolIndex};
    use crate::tensor::Data;
    use crate::types::DType;

    fn pool(window: [usize; 2]) -> MaxPool {
        MaxPool { pool: Pooling::new(window, window, [[0, 0]; 2]) }
    }

    /// Numbers among which ties, signed zeros, infinities and NaN are common.
    fn peculiar() -> impl Strategy<Value = f32> {
        let infinity = f32::INFINITY;
        prop::sample::select(vec![-infinity, -1.0, -0.0, 0.0, 1.0, infinity, f32::NAN])
    }

    proptest! {
        #[test]
        fn the_maximum_is_the_first_of_the_greatest(
            (dims, x) in cases().prop_flat_map(|dims| {
                let count = dims.input_shape().elements();
                (Just(dims), prop::collection::vec(peculiar(), count))
            })
        ) {
            let pool = dims.pool();
            let mut values = Vec::new();
            let mut taps = Vec::new();
            for read in dims.definition() {
                let nan = read.iter().find(|(_, offset)| x[*offset].is_nan());
                let greatest = read.iter().find(|(_, offset)| {
                    read.iter().all(|(_, other)| x[*offset] >= x[*other])
                });
                let Some(&(tap, offset)) = nan.or(greatest) else { unreachable!() };
                values.push(x[offset]);
                taps.push(tap as u8);
            }
            let x = f32s(dims.input_shape(), &x);
            let y = run(MaxPool { pool }, &[&x]);
            prop_assert_eq!(&y, &f32s(dims.output_shape(), &values));
            let index = run(MaxPoolIndex { pool }, &[&x]);
            prop_assert_eq!(&index, &Tensor::of(dims.output_shape(), Data::U8(taps)));
            prop_assert_eq!(run(MaxPoolGather { pool }, &[&x, &index]), y);
        }
    }

    #[test]
    fn of_signed_zeros_the_first_stays() {
        let y = run(pool([1, 2]), &[&f32s([1, 1, 4, 1], &[-0.0, 0.0, 0.0, -0.0])]);
        assert_eq!(y, f32s([1, 1, 2, 1], &[-0.0, 0.0]));
    }

    #[test]
    fn all_numbers_have_maxima() {
        let x = f32s([1, 2, 2, 1], &[1.0, 3.0, 2.0, 0.0]);
        for dtype in DType::ALL.into_iter().filter(|&dtype| dtype != DType::Bool) {
            let y = run(pool([2, 2]), &[&cast(&x, dtype)]);
            assert_eq!(y, Tensor::full(&Type::new(dtype, [1, 1, 1, 1]), 3.0));
        }
        let least = Tensor::of([1, 1, 2, 1], Data::I64(vec![i64::MIN, i64::MIN + 1]));
        assert_eq!(run(pool([1, 2]), &[&least]).data(), &Data::I64(vec![i64::MIN + 1]));
    }

    #[test]
    fn elements_after_the_last_window_are_dropped() {
        let x = f32s([1, 1, 5, 1], &[1.0, 2.0, 3.0, 4.0, 9.0]);
        assert_eq!(run(pool([1, 2]), &[&x]), f32s([1, 1, 2, 1], &[2.0, 4.0]));
    }

    #[test]
    fn mistakes() {
        insta::assert_snapshot!(mistake(pool([2, 2]), &["f32[2,5]"]), @r"
        `max_pool` takes images [batch, 1 to 3 spatial axes, channels], not a tensor of shape [2,5]
        ");
        insta::assert_snapshot!(mistake(pool([2, 2]), &["bool[2,5,5,1]"]), @r"
        `max_pool` takes numbers, not bool
          help: convert the operand with `cast`
        ");
        insta::assert_snapshot!(mistake(pool([2, 3]), &["f32[2,2,2,1]"]), @r"
        `max_pool`: a window of width 3 is larger than its input of width 2
          help: make the window smaller, the input larger, or use padding
        ");
        insta::assert_snapshot!(mistake(pool([0, 3]), &["f32[2,2,2,1]"]), @r"
        `max_pool`: strides [0, 3], dilation [1, 1] and window [0, 3] must be at least 1
        ");
        let padded =
            |padding: [[usize; 2]; 2]| MaxPool { pool: Pooling::new([2, 2], [2, 2], padding) };
        insta::assert_snapshot!(mistake(padded([[0, 0], [1, 2]]), &["f32[2,5,5,1]"]), @r"
        `max_pool`: with padding [1, 2], a window of width 2 can miss its image
          help: the padding on each side must be smaller than the window
        ");
        insta::assert_snapshot!(mistake(padded([[1, 1], [0, 0]]), &["f32[2,0,5,1]"]), @r"
        `max_pool`: images of height 0 have nothing to pool
        ");
    }
}
