//! Random numbers added against overfitting.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Base, Layer, layer};
use crate::trace::Call;

/// In training, `y = x + n` with numbers `n` of the normal distribution with mean 0 and standard
/// deviation `stddev`; in inference nothing is changed. `y` has the shape of `x`.
///
/// The numbers follow from the seed, the step and the place in the network alone.
///
/// Keras: <https://keras.io/api/layers/regularization_layers/gaussian_noise/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GaussianNoise {
    #[serde(flatten)]
    base: Base,
    stddev: f64,
}

layer!(GaussianNoise { stddev: AtLeast(0.0) });

impl GaussianNoise {
    /// Noise of this standard deviation.
    pub fn new(stddev: f64) -> Self {
        Self { base: Base::default(), stddev }
    }
}

impl Layer for GaussianNoise {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            if !call.training() || self.stddev == 0.0 {
                return x;
            }
            let noise = call.random_normal(x.ty());
            x + noise * self.stddev
        })
    }
}
