//! Normalization by the statistics of the batch.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::axes::{along, axis, last, others};
use super::moments::{masked_moments, moments, ones, thousandth};
use super::renorm::{Renorm, RenormClipping};
use super::weights::{Affine, affine_setters};
use super::{Base, Layer, WeightSpec, layer, zeros};
use crate::initializers::Initializer;
use crate::masks::misfit;
use crate::registry::Choice;
use crate::setters::setters;
use crate::trace::Call;

/// `y = (x − mean) / √(variance + epsilon) · gamma + beta` for each channel.
///
/// In training, mean and variance are those of the batch over all axes but `axis`, the variance
/// without Bessel's correction, and the moving statistics follow:
/// `moving ← moving · momentum + batch · (1 − momentum)`. In inference, and always where
/// `trainable` is false, the moving statistics take their place and stay as they are.
///
/// Steps that a mask leaves out do not count in the statistics of the batch, whose sums are divided
/// by their number + 1e-7.
///
/// Weights: `gamma` if `scale`, `beta` if `center`, `moving_mean`, `moving_variance`, each
/// `[channels]`. `y` has the shape of `x`.
///
/// With `renorm` what training normalizes is `· r + d` with `r = √(variance + epsilon) / σ` and
/// `d = (mean − µ) / σ`, within `renorm_clipping`, through which no gradient flows. µ and σ, the
/// weights `renorm_mean` and `renorm_stddev`, follow the batches' means and deviations with
/// `renorm_momentum`; `moving_variance` is the square of a moving deviation, `moving_stddev`, less
/// `epsilon`.
///
/// A mistake if the input has no such axis.
///
/// Ioffe and Szegedy, "Batch normalization" (2015); Ioffe, "Batch renormalization" (2017). Keras:
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
    #[serde(flatten)]
    renorm: Renorm,
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
            renorm: Renorm::default(),
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

    /// Whether batches are renormalized; false by default.
    #[must_use]
    pub fn renorm(mut self, renorm: bool) -> Self {
        self.renorm.renorm = renorm;
        self
    }

    /// The bounds of the corrections, where there is `renorm`; none by default.
    #[must_use]
    pub fn renorm_clipping(mut self, clipping: RenormClipping) -> Self {
        self.renorm.renorm_clipping = Some(clipping);
        self
    }

    /// How much of the statistics of the corrections stays in a step; 0.99 by default.
    #[must_use]
    pub fn renorm_momentum(mut self, momentum: f64) -> Self {
        self.renorm.renorm_momentum = momentum;
        self
    }

    /// The input normalized by the statistics of the batch, which the moving ones follow.
    fn of_batch(&self, call: &mut Call<'_>, x: Var, axis: usize) -> Var {
        let rank = x.shape().rank();
        let axes = others(&[axis], rank);
        let (mean, variance) = match call.mask_if_any(&x) {
            Some(mask) if x.shape().get(..rank - 1) == Some(mask.shape()) => {
                masked_moments(&x, &mask, &axes)
            }
            Some(mask) => return call.tracer().fail(misfit(&mask, &x)),
            None => moments(&x, &axes),
        };
        let channels = [x.shape()[axis]];
        let flat = |statistic: &Var| statistic.reshape(channels);
        let correction = match self.renorm.renorm {
            true => {
                let (mean, variance) = (flat(&mean), flat(&variance));
                let numbers = (self.momentum, self.epsilon);
                Some(self.renorm.correct(call, (&mean, &variance), numbers))
            }
            false => {
                for (name, batch) in [("moving_mean", &mean), ("moving_variance", &variance)] {
                    let moving = call.weight(name) * self.momentum;
                    call.update(name, &(moving + flat(batch) * (1.0 - self.momentum)));
                }
                None
            }
        };
        let normal = (x - mean) * (variance + self.epsilon).rsqrt();
        match correction {
            Some((factor, summand)) => {
                normal * along(&factor, &[axis], rank) + along(&summand, &[axis], rank)
            }
            None => normal,
        }
    }
}

impl Layer for BatchNormalization {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let Some(x) = inputs.first() else { return Ok(vec![]) };
        let shape = [x.shape[axis(self.axis, x)?]];
        let moving = [
            ("moving_mean", &self.moving_mean_initializer),
            ("moving_variance", &self.moving_variance_initializer),
        ];
        let moving = moving.map(|(name, first)| WeightSpec::non_trainable(name, shape, first));
        self.renorm.check()?;
        let (mean, variance) = (&self.moving_mean_initializer, &self.moving_variance_initializer);
        let renorm = self.renorm.declare(shape, mean, variance);
        Ok(self.affine.declare(&shape).into_iter().chain(moving).chain(renorm).collect())
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let axis = match axis(self.axis, x.ty()) {
                Ok(axis) => axis,
                Err(mistake) => return call.tracer().fail(mistake),
            };
            let normal = if call.training() && self.base.trainable.get() {
                self.of_batch(call, x, axis)
            } else {
                let rank = x.shape().rank();
                let moving = |name: &str| along(&call.weight(name), &[axis], rank);
                let (mean, variance) = (moving("moving_mean"), moving("moving_variance"));
                (x - mean) * (variance + self.epsilon).rsqrt()
            };
            self.affine.apply(call, normal, &[axis])
        })
    }
}
