//! Images of random contrast.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::affine::{Factor, between};
use super::images::images;
use super::{Base, Layer, WeightSpec, layer};
use crate::setters::setters;
use crate::trace::Call;

/// In training, `y = (x − mean)·f + mean`, kept within `value_range`, where the mean is that of a
/// channel of an image, and each image has a factor f of its own from `[1 − lower, 1 + upper)`. In
/// inference nothing is changed.
///
/// `factor` is `(lower, upper)`; one number stands for `(0, number)`, as in Keras 3.
/// `x: [batch, height, width, channels]`, `y` alike. Factors follow from the seed, the step and the
/// place in the network alone.
///
/// A mistake if the input is no image.
///
/// Keras: <https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_contrast/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RandomContrast {
    #[serde(flatten)]
    base: Base,
    factor: Factor,
    #[serde(default = "bytes")]
    value_range: [f64; 2],
}

fn bytes() -> [f64; 2] {
    [0.0, 255.0]
}

layer!(RandomContrast { factor: Share });

impl RandomContrast {
    /// Factors from this range, from 0 to 1.
    pub fn new(factor: impl Into<Factor>) -> Self {
        Self { base: Base::default(), factor: factor.into(), value_range: bytes() }
    }

    setters! {
        /// The least and the greatest value of an image; 0 and 255 by default.
        value_range: into [f64; 2],
    }
}

impl Layer for RandomContrast {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        images::<2>("RandomContrast", inputs).map(|_| vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match x.shape().first() {
            Some(&batch) if call.training() => {
                let [lower, upper] = self.factor.bounds();
                let factors = [1.0 - lower.max(0.0), 1.0 + upper];
                let factor = between(call, &Type::new(x.dtype(), [batch, 1, 1, 1]), factors);
                let mean = x.reduce_mean(&[1, 2], true);
                let [least, greatest] = self.value_range.map(|value| x.constant_like(value));
                ((x - &mean) * factor + mean).maximum(&least).minimum(&greatest)
            }
            _ => x,
        })
    }
}
