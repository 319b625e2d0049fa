//! The steps of a sequence several times.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::images::images;
use super::up_sampling::repeated;
use super::{Base, Layer, WeightSpec, layer};
use crate::trace::Call;

/// Each step `size` times: `[batch, steps, channels]` to `[batch, steps · size, channels]`.
///
/// A mistake if the input is no sequence.
///
/// Keras: <https://keras.io/api/layers/reshaping_layers/up_sampling1d/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UpSampling1D {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "two")]
    size: usize,
}

fn two() -> usize {
    2
}

layer!(UpSampling1D { size: Count });

/// Each step twice.
impl Default for UpSampling1D {
    fn default() -> Self {
        Self::new(two())
    }
}

impl UpSampling1D {
    /// Each step this many times.
    pub fn new(size: usize) -> Self {
        Self { base: Base::default(), size }
    }
}

impl Layer for UpSampling1D {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        images::<1>("UpSampling1D", inputs).map(|_| vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |_, x| repeated(&x, &[self.size]))
    }
}
