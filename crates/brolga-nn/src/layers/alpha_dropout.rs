//! Dropout for networks that normalize themselves.

use brolga_ir::{DType, Type, Var};
use serde::{Deserialize, Serialize};

use super::noise_shape::{NoiseShape, noise_shape_setter};
use super::{Base, Layer, layer};
use crate::trace::Call;

/// In training, each element is `α′ = −α·λ`, the least value of [`selu`](crate::activations::selu),
/// with probability `rate`, and stays otherwise; then `y = a·x + b`, where
/// `a = ((1 − rate)·(1 + rate·α′²))^−½` and `b = −a·α′·rate` keep mean 0 and variance 1. In
/// inference nothing is changed. `y` has the shape of `x`.
///
/// Which elements are set follows from the seed, the step and the place in the network alone.
///
/// Klambauer et al., "Self-normalizing neural networks" (2017). Keras:
/// <https://keras.io/api/layers/regularization_layers/alpha_dropout/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AlphaDropout {
    #[serde(flatten)]
    base: Base,
    rate: f64,
    #[serde(flatten)]
    noise: NoiseShape,
}

layer!(AlphaDropout { rate: BelowOne });

/// The least value of `selu`, `−α·λ`.
const LEAST: f64 = -1.673_263_242_354_377_2 * 1.050_700_987_355_480_5;

impl AlphaDropout {
    /// Elements set with this probability, from 0 to less than 1.
    pub fn new(rate: f64) -> Self {
        Self { base: Base::default(), rate, noise: NoiseShape::default() }
    }

    noise_shape_setter!();
}

impl Layer for AlphaDropout {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            if !call.training() || self.rate == 0.0 {
                return x;
            }
            let (kept, rate) = (1.0 - self.rate, self.rate);
            let shape = match self.noise.drawn("AlphaDropout", x.shape()) {
                Ok(shape) => shape,
                Err(mistake) => return call.tracer().fail(mistake),
            };
            let mask = call.random_bernoulli(Type::new(DType::Bool, shape), kept as f32);
            let slope = (kept * (1.0 + rate * LEAST * LEAST)).powf(-0.5);
            let offset = -slope * LEAST * rate;
            mask.select(&x, &x.constant_like(LEAST)) * slope + offset
        })
    }
}
