//! Maximum pooling.

use serde::{Deserialize, Serialize};

use super::elementwise::number;
use super::pool::PoolDims;
use super::window::{Padding, Window};
use crate::error::Mistake;
use crate::op::{Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `y[b, i, j, c] = max x[b, i·sₕ + u − pₕ, j·s_w + v − p_w, c]` over the rows `u` and columns `v` of the window.
///
/// `x: [batch, height, width, channels]`, numbers. The window is walked in row-major order, each tap replacing the maximum so far if it is
/// greater, or if it is the first NaN: NaN wins over numbers, and of equals (+0 and −0) the first stays. So `y` is, bit for bit,
/// `x` at the tap that [`MaxPoolIndex`](super::MaxPoolIndex) gives. Padding is skipped; it must be smaller than the window on each
/// side, so that no window is empty.
///
/// The gradient goes to that tap alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool {
    /// Height and width of the window.
    pub window: [usize; 2],
    /// Steps between neighbouring windows, (height, width).
    pub strides: [usize; 2],
    /// Positions added on each side.
    #[serde(default)]
    pub padding: Padding,
}

impl MaxPool {
    /// How the window moves.
    pub fn window(&self) -> Window {
        Window { strides: self.strides, padding: self.padding, dilation: [1, 1] }
    }

    /// The extents for images of this shape.
    ///
    /// # Errors
    /// If the window does not fit.
    pub fn dims(&self, x: &Shape) -> Result<PoolDims, Mistake> {
        PoolDims::of_images("max_pool", x, self.window, self.window())
    }
}

impl Operation for MaxPool {
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [x] = expect_operands("max_pool", operands)?;
        let dtype = number("max_pool", &[x.dtype])?;
        let shape = self.dims(&x.shape)?.output_shape();
        Ok(Types::from_elem(Type { dtype, shape }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let x = operands[0];
        let dims = self.dims(x.shape()).expect("the type rule has accepted the images");
        let maxima = dims.maxima(x.data()).into_iter();
        let y = x.data().pick(maxima.map(|maximum| maximum.place));
        vec![Tensor::of(results[0].shape.clone(), y)]
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (x, dy) = (&node.operands[0], node.cotangent());
        let Self { window, strides, padding } = *self;
        let index = x.max_pool_index(window, strides, padding);
        let input = [x.shape()[1], x.shape()[2]];
        Ok(vec![Some(dy.max_unpool(&index, input, window, strides, padding))])
    }
}

impl Var {
    /// The maximum of each window; see [`MaxPool`].
    ///
    /// ```
    /// use brolga_ir::{Tensor, Tracer, Type, interpret};
    ///
    /// let t = Tracer::new("pool");
    /// let x = t.input("x", Type::f32([1, 2, 4, 1]));
    /// t.output(&x.max_pool([2, 2], [2, 2], [[0, 0]; 2]));
    /// let graph = t.finish()?;
    ///
    /// let x = vec![1.0, 2.0, 7.0, 0.0, 3.0, 4.0, 6.0, 5.0];
    /// let x = Tensor::f32([1, 2, 4, 1], x).ok_or("eight elements")?;
    /// assert_eq!(interpret(&graph, &[x])?[0].as_f32(), Some([4.0, 7.0].as_slice()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn max_pool(&self, window: [usize; 2], strides: [usize; 2], padding: Padding) -> Var {
        self.unary(MaxPool { window, strides, padding })
    }
}
