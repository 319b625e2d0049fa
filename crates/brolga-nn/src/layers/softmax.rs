//! Softmax as a layer of its own.

use brolga_ir::{DType, Var};
use serde::{Deserialize, Serialize};

use super::axes::{Axes, last_axis};
use super::{Base, Layer, layer};
use crate::activations::{self, ActivationFunction};
use crate::setters::setters;
use crate::trace::Call;

/// `y = exp(x) / Σ exp(x)` with the sum over `axis`, which may be several axes; computed with
/// `x − max x`, which overflows nowhere.
///
/// With a mask, the shares are those of the elements that count, and 0 for the others.
///
/// A mistake if the input has no such axis, or it is the batch.
///
/// Keras: <https://keras.io/api/layers/activation_layers/softmax/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Softmax {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "last_axis")]
    axis: Axes,
}

layer!(Softmax);

impl Default for Softmax {
    fn default() -> Self {
        Self { base: Base::default(), axis: last_axis() }
    }
}

impl Softmax {
    /// The softmax along the last axis.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The axis or axes whose elements sum up to 1; −1, the last one, by default.
        axis: into Axes,
    }
}

impl Layer for Softmax {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let axes = match self.axis.of(x.ty()) {
                Ok(axes) => axes,
                Err(mistake) => return call.tracer().fail(mistake),
            };
            let mask = call.mask_if_any(&x).map(|mask| spread(&mask, &x));
            match &mask {
                None if axes == [x.shape().rank() - 1] => call.activate(&"softmax".into(), &x),
                None => softmax(&x, &axes),
                Some(mask) => masked_softmax(&x, mask, &axes),
            }
        })
    }
}

/// A mask over the first axes of a tensor with axes of extent 1 for the others; one of another
/// shape broadcasts as it is.
fn spread(mask: &Var, x: &Var) -> Var {
    let shape = mask.shape();
    if x.shape().get(..shape.rank()) != Some(shape) {
        return mask.clone();
    }
    let mut extents = shape.to_vec();
    extents.resize(x.shape().rank(), 1);
    mask.reshape(extents)
}

/// The softmax over some axes; over the last one it is the activation.
pub(super) fn softmax(x: &Var, axes: &[usize]) -> Var {
    if axes == [x.shape().rank().saturating_sub(1)] {
        return activations::Softmax::default().apply(x);
    }
    let exponentials = (x - x.reduce_max(axes, true).stop_gradient()).exp();
    let sum = exponentials.reduce_sum(axes, true);
    exponentials / sum
}

/// The shares of the elements that count; the others have none. Nothing that counts has nothing.
pub(super) fn masked_softmax(x: &Var, mask: &Var, axes: &[usize]) -> Var {
    let shares = softmax(&hidden(x, mask), axes);
    mask.select(&shares, &shares.constant_like(0.0))
}

/// The elements with Keras's large negative number where they do not count.
pub(super) fn hidden(x: &Var, mask: &Var) -> Var {
    mask.select(x, &x.constant_like(if x.dtype() == DType::F16 { -3e4 } else { -1e9 }))
}
