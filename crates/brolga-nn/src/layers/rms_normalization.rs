//! Normalization by the root of the mean square.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::axes::{Axes, along, last_axis};
use super::moments::ones;
use super::{Base, Layer, WeightSpec, layer};
use crate::setters::setters;
use crate::trace::Call;

/// `y = x / √(mean x² + epsilon) · scale` with the mean over `axis`, which may be several axes.
///
/// Weights: `scale` with the extents of `axis`. `y` has the shape of `x`.
///
/// A mistake if the input has no such axis, or it is the batch.
///
/// Zhang and Sennrich, "Root mean square layer normalization" (2019). Keras:
/// <https://keras.io/api/layers/normalization_layers/rms_normalization/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RMSNormalization {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "last_axis")]
    axis: Axes,
    #[serde(default = "millionth")]
    epsilon: f64,
}

fn millionth() -> f64 {
    1e-6
}

layer!(RMSNormalization { epsilon: AtLeast(0.0) });

impl Default for RMSNormalization {
    fn default() -> Self {
        Self { base: Base::default(), axis: last_axis(), epsilon: millionth() }
    }
}

impl RMSNormalization {
    /// A normalization along the last axis.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The axis or axes normalized; −1, the last one, by default.
        axis: into Axes,
        /// What is added to the mean of the squares; 1e-6 by default.
        epsilon: f64,
    }
}

impl Layer for RMSNormalization {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let Some(x) = inputs.first() else { return Ok(vec![]) };
        let shape: Vec<usize> = self.axis.of(x)?.iter().map(|&axis| x.shape[axis]).collect();
        Ok(vec![WeightSpec::trainable("scale", shape, &ones())])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match self.axis.of(x.ty()) {
            Ok(axes) => {
                let mean = (&x * &x).reduce_mean(&axes, true);
                let scale = along(&call.weight("scale"), &axes, x.shape().rank());
                x * (mean + self.epsilon).rsqrt() * scale
            }
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}
