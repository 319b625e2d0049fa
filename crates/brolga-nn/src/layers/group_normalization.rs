//! Normalization of groups of channels.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::axes::{axis, last, others};
use super::moments::{moments, thousandth};
use super::weights::{Affine, affine_setters};
use super::{Base, Layer, WeightSpec, layer};
use crate::setters::setters;
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
    #[serde(flatten)]
    affine: Affine,
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
            affine: Affine::default(),
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
    }

    affine_setters!();

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

    fn supports_masking(&self) -> bool {
        true
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let Some(x) = inputs.first() else { return Ok(vec![]) };
        let shape = [x.shape[self.check(x)?.0]];
        Ok(self.affine.declare(&shape))
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
                self.affine.apply(call, normal.reshape(shape), &[axis])
            }
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}
