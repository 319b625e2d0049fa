//! Random zeros against overfitting.

use brolga_ir::{DType, Shape, Type, Var};
use serde::{Deserialize, Serialize};

use super::noise_shape::{NoiseShape, noise_shape_setter};
use super::{Base, Layer, layer};
use crate::trace::Call;

/// In training, each element is 0 with probability `rate` and multiplied by `1 / (1 − rate)`
/// otherwise; in inference nothing is changed.
///
/// Which elements are 0 follows from the seed, the step and the position in the network alone.
///
/// Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (2014).
/// Keras: <https://keras.io/api/layers/regularization_layers/dropout/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dropout {
    #[serde(flatten)]
    base: Base,
    rate: f64,
    #[serde(flatten)]
    noise: NoiseShape,
}

layer!(Dropout { rate: Share });

impl Dropout {
    /// Zeros with this probability, from 0 to 1.
    pub fn new(rate: f64) -> Self {
        Self { base: Base::default(), rate, noise: NoiseShape::default() }
    }

    noise_shape_setter!();
}

impl Layer for Dropout {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match self.noise.drawn("Dropout", x.shape()) {
            Ok(shape) => dropped(call, &x, self.rate, shape),
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}

/// In training, zeros with probability `rate` and the rest multiplied by `1 / (1 − rate)`; what is
/// drawn has `shape`, which broadcasts to that of `x`.
pub(crate) fn dropped(call: &mut Call<'_>, x: &Var, rate: f64, shape: Shape) -> Var {
    if !call.training() || rate == 0.0 {
        return x.clone();
    }
    let kept = 1.0 - rate;
    let mask = call.random_bernoulli(Type::new(DType::Bool, shape), kept as f32);
    // At a rate of 1 nothing is kept, and the scale does not matter.
    let scale = if kept > 0.0 { 1.0 / kept } else { 0.0 };
    mask.select(&(x * scale), &x.constant_like(0.0))
}
