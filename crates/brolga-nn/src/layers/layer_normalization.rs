//! Normalization of each sample by itself.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::axes::{Axes, axis, last_axis};
use super::moments::{moments, thousandth};
use super::weights::{Affine, affine_setters};
use super::{Base, Layer, WeightSpec, layer};
use crate::setters::setters;
use crate::trace::Call;

/// `y = (x − mean) / √(variance + epsilon) · gamma + beta` with mean and variance over `axis`,
/// which may be several axes.
///
/// Weights: `gamma` if `scale`, `beta` if `center`, each with the extents of `axis`. `y` has the
/// shape of `x`. With `rms_scaling` it is `y = x / √(variance + epsilon) · gamma`, which Keras
/// advises against: [`RMSNormalization`](super::RMSNormalization) divides by the root of the mean
/// square.
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
    #[serde(default)]
    rms_scaling: bool,
}

layer!(LayerNormalization { epsilon: AtLeast(0.0) });

impl Default for LayerNormalization {
    fn default() -> Self {
        Self {
            base: Base::default(),
            axis: last_axis(),
            epsilon: thousandth(),
            affine: Affine::default(),
            rms_scaling: false,
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
        /// Whether the mean is not subtracted and there is no `beta`; false by default.
        rms_scaling: bool,
    }

    affine_setters!();

    /// The weights behind the normalization.
    fn affine(&self) -> Affine {
        match self.rms_scaling {
            true => Affine { center: false, scale: true, ..self.affine.clone() },
            false => self.affine.clone(),
        }
    }
}

impl Layer for LayerNormalization {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let Some(x) = inputs.first() else { return Ok(vec![]) };
        self.axis.of(x)?;
        // As in Keras, negative axes stand before positive ones in the shape of the weights.
        let mut given = self.axis.as_slice().to_vec();
        given.sort_unstable();
        let shape = given.iter().map(|&axis| Ok(x.shape[self::axis(axis, x)?]));
        let shape = shape.collect::<Result<Vec<usize>, Mistake>>()?;
        Ok(self.affine().declare(&shape))
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match self.axis.of(x.ty()) {
            Ok(axes) => {
                let (mean, variance) = moments(&x, &axes);
                let centered = if self.rms_scaling { x } else { x - mean };
                let normal = centered * (variance + self.epsilon).rsqrt();
                self.affine().apply(call, normal, &axes)
            }
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}
