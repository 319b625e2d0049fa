//! Normalization of groups of channels.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::axes::{axis, last, others};
use super::moments::{moments, ones, scaled, thousandth};
use super::setters::setters;
use super::{Base, Layer, WeightSpec, layer, yes, zeros};
use crate::constraints::Constraint;
use crate::initializers::Initializer;
use crate::regularizers::Regularizer;
use crate::registry::Choice;
use crate::trace::Call;

/// `y = (x − mean) / √(variance + epsilon) · gamma + beta`, where the channels on `axis` are
/// divided into `groups`, and mean and variance are those of a group of one sample, over all its
/// channels and all other axes.
///
/// Weights: `gamma` if `scale`, `beta` if `center`, each `[channels]`. `y` has the shape of `x`.
/// With `groups` of −1 each channel is a group (instance normalization).
///
/// A mistake if the input has no such axis, or the groups do not divide its extent.
///
/// Wu and He, "Group normalization" (2018). Keras:
/// <https://keras.io/api/layers/normalization_layers/group_normalization/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GroupNormalization {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "thirty_two")]
    groups: isize,
    #[serde(default = "last")]
    axis: isize,
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

fn thirty_two() -> isize {
    32
}

layer!(GroupNormalization { epsilon: AtLeast(0.0) });

impl Default for GroupNormalization {
    fn default() -> Self {
        Self {
            base: Base::default(),
            groups: thirty_two(),
            axis: last(),
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

impl GroupNormalization {
    /// A normalization of 32 groups of the channels on the last axis.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The number of groups; 32 by default, and −1 for one group a channel.
        groups: isize,
        /// The axis of the channels; −1, the last one, by default.
        axis: isize,
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

    /// The axis of the channels, and the number of groups.
    fn check(&self, x: &Type) -> Result<(usize, usize), Mistake> {
        let axis = axis(self.axis, x)?;
        let channels = x.shape[axis];
        let groups = if self.groups == -1 { channels.max(1) } else { self.groups.max(0) as usize };
        if groups > 0 && channels.is_multiple_of(groups) {
            return Ok((axis, groups));
        }
        let message = format!("{} groups cannot share {channels} channels evenly", self.groups);
        Err(Mistake::new(message)
            .help("the number of channels must be a multiple of it; -1 makes each channel a group"))
    }
}

impl Layer for GroupNormalization {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let Some(x) = inputs.first() else { return Ok(vec![]) };
        let shape = [x.shape[self.check(x)?.0]];
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
            WeightSpec::trainable(name, shape, first).regularizer(regularizer).constraint(constraint)
        }).collect())
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match self.check(x.ty()) {
            Ok((axis, groups)) => {
                let shape = x.shape().clone();
                let mut grouped = shape.to_vec();
                grouped.splice(axis..=axis, [groups, shape[axis] / groups]);
                let grouped = x.reshape(grouped);
                let (mean, variance) = moments(&grouped, &others(&[0, axis], shape.rank() + 1));
                let normal = (grouped - mean) * (variance + self.epsilon).rsqrt();
                scaled(call, normal.reshape(shape), (self.scale, self.center), &[axis])
            }
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}
