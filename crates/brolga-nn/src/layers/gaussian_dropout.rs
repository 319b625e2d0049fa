//! Random factors against overfitting.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Base, Layer, layer};
use crate::trace::Call;

/// In training, `y = x · n` with numbers `n` of the normal distribution with mean 1 and standard
/// deviation `√(rate / (1 − rate))`, that of [`Dropout`](super::Dropout)'s factors; in inference
/// nothing is changed. `y` has the shape of `x`.
///
/// The numbers follow from the seed, the step and the place in the network alone.
///
/// Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (2014).
/// Keras: <https://keras.io/api/layers/regularization_layers/gaussian_dropout/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GaussianDropout {
    #[serde(flatten)]
    base: Base,
    rate: f64,
}

layer!(GaussianDropout { rate: BelowOne });

impl GaussianDropout {
    /// Factors as those of a dropout with this probability, from 0 to less than 1.
    pub fn new(rate: f64) -> Self {
        Self { base: Base::default(), rate }
    }
}

impl Layer for GaussianDropout {
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
            let stddev = (self.rate / (1.0 - self.rate)).sqrt();
            let factors = call.random_normal(x.ty()) * stddev + 1.0;
            x * factors
        })
    }
}
