//! The gradient of maximum pooling.

use serde::{Deserialize, Serialize};

use super::elementwise::float;
use super::float::{Float, compute};
use super::pool::{PoolDims, check_indexed};
use super::window::{Padding, Window};
use crate::error::Mistake;
use crate::op::{Operation, Types, Vjp, expect_operands};
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
        check_indexed("max_unpool", self.window)?;
        PoolDims::of_result("max_unpool", dy, self.input, self.window, self.window())
    }
}

impl Operation for MaxUnpool {
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [dy, index] = expect_operands("max_unpool", operands)?;
        let dtype = float("max_unpool", &[dy.dtype])?;
        let dims = self.dims(&dy.shape)?;
        dims.expect_index("max_unpool", &index)?;
        Ok(Types::from_elem(Type { dtype, shape: dims.input_shape() }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let (dy, index) = (operands[0], operands[1]);
        let dims = self.dims(dy.shape()).expect("the type rule has accepted the cotangent");
        let data = compute([dy], |[dy]| unpool(&dims, dy, index), |[dy]| unpool(&dims, dy, index));
        vec![Tensor::of(results[0].shape.clone(), data)]
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (index, cotangent) = (&node.operands[1], node.cotangent());
        let Self { window, strides, padding, .. } = *self;
        Ok(vec![Some(cotangent.max_pool_gather(index, window, strides, padding)), None])
    }
}

fn unpool<T: Float>(dims: &PoolDims, dy: &[T], index: &Tensor) -> Vec<T> {
    let mut dx = vec![T::ZERO; dims.input_shape().elements()];
    for (place, &dy) in dims.places(index).zip(dy) {
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
