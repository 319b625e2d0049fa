//! Normalization of each sample by itself.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::axes::{Axes, last_axis};
use super::moments::{moments, ones, scaled, thousandth};
use super::setters::setters;
use super::{Base, Layer, WeightSpec, layer, yes, zeros};
use crate::constraints::Constraint;
use crate::initializers::Initializer;
use crate::regularizers::Regularizer;
use crate::registry::Choice;
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
    #[serde(default = "yes")]
    center: bool,
    #[serde(default = "yes")]
    scale: bool,
    #[serde(default = "zeros")]
    beta_initializer: Choice<dyn Initializer>,
    #[serde(default = "ones")]
    gamma_initializer: Choice<dyn Initializer>,
    #[serde(default)]
    beta_regularizer: Option<Choice<dyn Regularizer>>,
    #[serde(default)]
    beta_constraint: Option<Choice<dyn Constraint>>,
    #[serde(default)]
    gamma_regularizer: Option<Choice<dyn Regularizer>>,
    #[serde(default)]
    gamma_constraint: Option<Choice<dyn Constraint>>,
}

layer!(LayerNormalization { epsilon: AtLeast(0.0) });

impl Default for LayerNormalization {
    fn default() -> Self {
        Self {
            base: Base::default(),
            axis: last_axis(),
            epsilon: thousandth(),
            center: true,
            scale: true,
            beta_initializer: zeros(),
            gamma_initializer: ones(),
            beta_regularizer: None,
            beta_constraint: None,
            gamma_regularizer: None,
            gamma_constraint: None,
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
        /// Whether `beta` is added; true by default.
        center: bool,
        /// Whether `gamma` multiplies; true by default.
        scale: bool,
        /// The first values of `beta`; `zeros` by default.
        beta_initializer: into Choice<dyn Initializer>,
        /// The first values of `gamma`; `ones` by default.
        gamma_initializer: into Choice<dyn Initializer>,
        /// The regularizer of the `beta`, whose term is added to the loss; none by default.
        beta_regularizer: some Choice<dyn Regularizer>,
        /// The constraint of the `beta`, applied after each update; none by default.
        beta_constraint: some Choice<dyn Constraint>,
        /// The regularizer of the `gamma`, whose term is added to the loss; none by default.
        gamma_regularizer: some Choice<dyn Regularizer>,
        /// The constraint of the `gamma`, applied after each update; none by default.
        gamma_constraint: some Choice<dyn Constraint>,
    }
}

impl Layer for LayerNormalization {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let Some(x) = inputs.first() else { return Ok(vec![]) };
        let shape: Vec<usize> = self.axis.of(x)?.iter().map(|&axis| x.shape[axis]).collect();
        let weights = [
            (
                self.scale,
                "gamma",
                (&self.gamma_initializer, &self.gamma_regularizer, &self.gamma_constraint),
            ),
            (
                self.center,
                "beta",
                (&self.beta_initializer, &self.beta_regularizer, &self.beta_constraint),
            ),
        ];
        let weights = weights.into_iter().filter(|(wanted, ..)| *wanted);
        Ok(weights.map(|(_, name, (first, regularizer, constraint))| {
            WeightSpec::trainable(name, &*shape, first).regularizer(regularizer).constraint(constraint)
        }).collect())
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match self.axis.of(x.ty()) {
            Ok(axes) => {
                let (mean, variance) = moments(&x, &axes);
                let normal = (x - mean) * (variance + self.epsilon).rsqrt();
                scaled(call, normal, (self.scale, self.center), &axes)
            }
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}
