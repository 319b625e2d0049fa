//! Normalization by the statistics of the batch.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::axes::{along, axis, last, others};
use super::moments::{moments, ones, thousandth};
use crate::setters::setters;
use super::weights::{Affine, affine_setters};
use super::{Base, Layer, WeightSpec, layer, zeros};
use crate::initializers::Initializer;
use crate::registry::Choice;
use crate::trace::Call;

/// `y = (x − mean) / √(variance + epsilon) · gamma + beta` for each channel.
///
/// In training, mean and variance are those of the batch over all axes but `axis`, the variance
/// without Bessel's correction, and the moving statistics follow:
/// `moving ← moving · momentum + batch · (1 − momentum)`. In inference, and always where
/// `trainable` is false, the moving statistics take their place and stay as they are.
///
/// Weights: `gamma` if `scale`, `beta` if `center`, `moving_mean`, `moving_variance`, each
/// `[channels]`. `y` has the shape of `x`.
///
/// A mistake if the input has no such axis.
///
/// Ioffe and Szegedy, "Batch normalization" (2015). Keras:
/// <https://keras.io/api/layers/normalization_layers/batch_normalization/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BatchNormalization {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "last")]
    axis: isize,
    #[serde(default = "almost_one")]
    momentum: f64,
    #[serde(default = "thousandth")]
    epsilon: f64,
    #[serde(flatten)]
    affine: Affine,
    #[serde(default = "zeros")]
    moving_mean_initializer: Choice<dyn Initializer>,
    #[serde(default = "ones")]
    moving_variance_initializer: Choice<dyn Initializer>,
}

fn almost_one() -> f64 {
    0.99
}

layer!(BatchNormalization { momentum: Share, epsilon: AtLeast(0.0) });

impl Default for BatchNormalization {
    fn default() -> Self {
        Self {
            base: Base::default(),
            axis: last(),
            momentum: almost_one(),
            epsilon: thousandth(),
            affine: Affine::default(),
            moving_mean_initializer: zeros(),
            moving_variance_initializer: ones(),
        }
    }
}

impl BatchNormalization {
    /// A normalization of the channels on the last axis.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The axis of the channels; −1, the last one, by default.
        axis: isize,
        /// How much of the moving statistics stays in a step; 0.99 by default.
        momentum: f64,
        /// What is added to the variance; 0.001 by default.
        epsilon: f64,
        /// The first values of `moving_mean`; `zeros` by default.
        moving_mean_initializer: into Choice<dyn Initializer>,
        /// The first values of `moving_variance`; `ones` by default.
        moving_variance_initializer: into Choice<dyn Initializer>,
    }

    affine_setters!();

    /// Mean and variance of each channel of the batch, which the moving ones follow.
    fn batch_moments(&self, call: &mut Call<'_>, x: &Var, axis: usize) -> (Var, Var) {
        let (mean, variance) = moments(x, &others(&[axis], x.shape().rank()));
        for (name, batch) in [("moving_mean", &mean), ("moving_variance", &variance)] {
            let moving = call.weight(name);
            let batch = batch.reshape(moving.shape().clone());
            call.update(name, &(moving * self.momentum + batch * (1.0 - self.momentum)));
        }
        (mean, variance)
    }
}

impl Layer for BatchNormalization {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let Some(x) = inputs.first() else { return Ok(vec![]) };
        let shape = [x.shape[axis(self.axis, x)?]];
        let moving = [
            ("moving_mean", &self.moving_mean_initializer),
            ("moving_variance", &self.moving_variance_initializer),
        ];
        let moving = moving.map(|(name, first)| WeightSpec::non_trainable(name, shape, first));
        Ok(self.affine.declare(&shape).into_iter().chain(moving).collect())
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let axis = match axis(self.axis, x.ty()) {
                Ok(axis) => axis,
                Err(mistake) => return call.tracer().fail(mistake),
            };
            let rank = x.shape().rank();
            let (mean, variance) = if call.training() && self.base.trainable {
                self.batch_moments(call, &x, axis)
            } else {
                let moving = |name: &str| along(&call.weight(name), &[axis], rank);
                (moving("moving_mean"), moving("moving_variance"))
            };
            let normal = (x - mean) * (variance + self.epsilon).rsqrt();
            self.affine.apply(call, normal, &[axis])
        })
    }
}
