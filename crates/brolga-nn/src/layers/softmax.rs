//! Softmax as a layer of its own.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::axes::{Axes, last_axis};
use super::{Base, Layer, layer};
use crate::setters::setters;
use crate::trace::Call;

/// `y = exp(x) / Σ exp(x)` with the sum over `axis`, which may be several axes; computed with
/// `x − max x`, which overflows nowhere.
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

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match self.axis.of(x.ty()) {
            Ok(axes) if axes == [x.shape().rank() - 1] => call.activate(&"softmax".into(), &x),
            Ok(axes) => {
                let exponentials = (&x - x.reduce_max(&axes, true).stop_gradient()).exp();
                let sum = exponentials.reduce_sum(&axes, true);
                exponentials / sum
            }
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}
