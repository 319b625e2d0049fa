//! The gradient of average pooling.

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

/// `dx[p] = Σ dy[o] / n[o]` over the outputs `o` whose window covers the input position `p`, `n[o]` being the number by which
/// [`AvgPool`](super::AvgPool) divides for `o`.
///
/// `dy: [batch, height, width, channels]` is the cotangent of the result, `input` the height and width of the images. Each element starts at
/// +0 and adds the quotients, each rounded, in ascending order of the output's place. `bf16` and `f16` are computed in f32 and
/// rounded at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AvgPoolGrad {
    /// Height and width of the images.
    pub input: [usize; 2],
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

impl AvgPoolGrad {
    /// How the window moves.
    pub fn window(&self) -> Window {
        Window { strides: self.strides, padding: self.padding, dilation: [1, 1] }
    }

    /// The extents for a cotangent of this shape.
    ///
    /// # Errors
    /// If the window does not fit, or does not give such a result.
    pub fn dims(&self, dy: &Shape) -> Result<PoolDims, Mistake> {
        PoolDims::of_result("avg_pool_grad", dy, self.input, self.window, self.window())
    }
}

impl Operation for AvgPoolGrad {
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [dy] = expect_operands("avg_pool_grad", operands)?;
        let dtype = float("avg_pool_grad", &[dy.dtype])?;
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

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let Self { window, strides, padding, count_include_pad, .. } = *self;
        let cotangent = node.cotangent();
        Ok(vec![Some(cotangent.avg_pool(window, strides, padding, count_include_pad))])
    }
}

fn spread<T: Float>(dims: &PoolDims, include_pad: bool, dy: &[T]) -> Vec<T> {
    let mut dx = vec![T::ZERO; dims.input_shape().elements()];
    for window in dims.windows() {
        let count = T::count(window.count(include_pad));
        for tap in window.taps() {
            let dx = &mut dx[tap.input..][..dims.channels];
            for (dx, &dy) in dx.iter_mut().zip(&dy[window.output..]) {
                *dx = *dx + dy / count;
            }
        }
    }
    dx
}

impl Var {
    /// This cotangent of an average pooling spread over its windows; see [`AvgPoolGrad`].
    #[track_caller]
    #[must_use]
    pub fn avg_pool_grad(
        &self,
        input: [usize; 2],
        window: [usize; 2],
        strides: [usize; 2],
        padding: Padding,
        count_include_pad: bool,
    ) -> Var {
        self.unary(AvgPoolGrad { input, window, strides, padding, count_include_pad })
    }
}
