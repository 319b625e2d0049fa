//! Normalization of each sample by itself.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::axes::{Axes, last_axis};
use super::moments::{moments, thousandth};
use crate::setters::setters;
use super::weights::{Affine, affine_setters};
use super::{Base, Layer, WeightSpec, layer};
use crate::trace::Call;

/// `y = (x − mean) / √(variance + epsilon) · gamma + beta` with mean and variance over `axis`,
/// which may be several axes.
///
/// Weights: `gamma` if `scale`, `beta` if `center`, each with the extents of `axis`. `y` has the
/// shape of `x`.
///
/// A mistake if the input has no such axis, or it is the batch.
///
/// Ba et al., "Layer normalization" (2016). Keras:
/// <https://keras.io/api/layers/normalization_layers/layer_normalization/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LayerNormalization {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "last_axis")]
    axis: Axes,
    #[serde(default = "thousandth")]
    epsilon: f64,
    #[serde(flatten)]
    affine: Affine,
}

layer!(LayerNormalization { epsilon: AtLeast(0.0) });

impl Default for LayerNormalization {
    fn default() -> Self {
        Self {
            base: Base::default(),
            axis: last_axis(),
            epsilon: thousandth(),
            affine: Affine::default(),
        }
    }
}

impl LayerNormalization {
    /// A normalization along the last axis.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The axis or axes normalized; −1, the last one, by default.
        axis: into Axes,
        /// What is added to the variance; 0.001 by default.
        epsilon: f64,
    }

    affine_setters!();
}

impl Layer for LayerNormalization {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let Some(x) = inputs.first() else { return Ok(vec![]) };
        let shape: Vec<usize> = self.axis.of(x)?.iter().map(|&axis| x.shape[axis]).collect();
        Ok(self.affine.declare(&shape))
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match self.axis.of(x.ty()) {
            Ok(axes) => {
                let (mean, variance) = moments(&x, &axes);
                let normal = (x - mean) * (variance + self.epsilon).rsqrt();
                self.affine.apply(call, normal, &axes)
            }
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}
