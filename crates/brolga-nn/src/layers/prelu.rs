//! The rectified linear unit with trained slopes below 0.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::axes::Axes;
use super::weights::{Alpha, alpha_setters};
use super::{Base, Layer, WeightSpec, layer};
use crate::setters::setters;
use crate::trace::Call;

/// `y = x` where `x > 0`, `alpha · x` elsewhere, with slopes `alpha` that are trained.
///
/// Weights: `alpha` with the shape of a sample, in which the extents of `shared_axes` are 1. `y`
/// has the shape of `x`.
///
/// A mistake if the input has not these axes.
///
/// He et al., "Delving deep into rectifiers" (2015). Keras:
/// <https://keras.io/api/layers/activation_layers/prelu/>
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PReLU {
    #[serde(flatten)]
    base: Base,
    #[serde(flatten)]
    alpha: Alpha,
    #[serde(default)]
    shared_axes: Option<Axes>,
}

layer!(PReLU);

impl PReLU {
    /// A slope for each element of a sample.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The axes along which slopes are shared, such as 1 and 2 for one slope a channel of
        /// images; none by default.
        shared_axes: some Axes,
    }

    alpha_setters!();
}

impl Layer for PReLU {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let Some(x) = inputs.first() else { return Ok(vec![]) };
        let mut shape = x.shape.to_vec();
        for axis in self.shared_axes.as_ref().map_or(Ok(vec![]), |axes| axes.of(x))? {
            shape[axis] = 1;
        }
        let sample = shape.get(1..).unwrap_or_default();
        Ok(vec![self.alpha.declare("alpha", sample)])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| x.relu() - call.weight("alpha") * (-x).relu())
    }
}
