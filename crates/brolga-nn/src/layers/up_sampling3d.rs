//! The elements of a volume several times.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::images::images;
use super::up_sampling::repeated;
use super::{Base, Layer, WeightSpec, layer};
use crate::config::Extents;
use crate::trace::Call;

/// Each element as often as `size` says for each axis: `[batch, depth, height, width, channels]` to
/// `[batch, depth · size[0], height · size[1], width · size[2], channels]`.
///
/// A mistake if the input is no volume.
///
/// Keras: <https://keras.io/api/layers/reshaping_layers/up_sampling3d/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UpSampling3D {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "two")]
    size: Extents<3>,
}

fn two() -> Extents<3> {
    2.into()
}

layer!(UpSampling3D { size: Count });

/// Each element twice on each axis.
impl Default for UpSampling3D {
    fn default() -> Self {
        Self::new(two())
    }
}

impl UpSampling3D {
    /// Each element as often as this says for each axis.
    pub fn new(size: impl Into<Extents<3>>) -> Self {
        Self { base: Base::default(), size: size.into() }
    }
}

impl Layer for UpSampling3D {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        images::<3>("UpSampling3D", inputs).map(|_| vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |_, x| repeated(&x, &self.size.0))
    }
}
