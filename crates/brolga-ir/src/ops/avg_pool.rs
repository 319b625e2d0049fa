//! Average pooling.

use serde::{Deserialize, Serialize};

use super::elementwise::float;
use super::float::{Float, compute};
use super::pool::PoolDims;
use super::window::{Padding, Window};
use crate::error::Mistake;
use crate::op::{Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `y[b, i, j, c] = (Σ x[b, i·sₕ + u − pₕ, j·s_w + v − p_w, c]) / n` over the rows `u` and columns `v` of the window.
///
/// `x: [batch, height, width, channels]`, floats. The sum starts at +0 and takes the taps in row-major order; those in the padding are
/// skipped. `n` is the number of taps inside the image, as Keras and TensorFlow have it, or with `count_include_pad` that of the whole
/// window. Padding must be smaller than the window on each side, so that no window is empty. `bf16` and `f16` are computed in f32 and
/// rounded at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AvgPool {
    /// Height and width of the window.
    pub window: [usize; 2],
    /// Steps between neighbouring windows, (height, width).
    pub strides: [usize; 2],
    /// Positions added on each side.
    #[serde(default)]
    pub padding: Padding,
    /// Whether taps in the padding count as zeros.
    #[serde(default)]
    pub count_include_pad: bool,
}

impl AvgPool {
    /// How the window moves.
    pub fn window(&self) -> Window {
        Window { strides: self.strides, padding: self.padding, dilation: [1, 1] }
    }

    /// The extents for images of this shape.
    ///
    /// # Errors
    /// If the window does not fit.
    pub fn dims(&self, x: &Shape) -> Result<PoolDims, Mistake> {
        PoolDims::of_images("avg_pool", x, self.window, self.window())
    }
}

impl Operation for AvgPool {
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [x] = expect_operands("avg_pool", operands)?;
        let dtype = float("avg_pool", &[x.dtype])?;
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

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (x, dy) = (&node.operands[0], node.cotangent());
        let Self { window, strides, padding, count_include_pad } = *self;
        let input = [x.shape()[1], x.shape()[2]];
        Ok(vec![Some(dy.avg_pool_grad(input, window, strides, padding, count_include_pad))])
    }
}

fn average<T: Float>(dims: &PoolDims, include_pad: bool, x: &[T]) -> Vec<T> {
    let mut y = vec![T::ZERO; dims.output_shape().elements()];
    for window in dims.windows() {
        let y = &mut y[window.output..][..dims.channels];
        for tap in window.taps() {
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
    pub fn avg_pool(
        &self,
        window: [usize; 2],
        strides: [usize; 2],
        padding: Padding,
        count_include_pad: bool,
    ) -> Var {
        self.unary(AvgPool { window, strides, padding, count_include_pad })
    }
}
