//! Larger images.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::images::{images, images_of};
use super::resampling::{Interpolation, resampled};
use super::up_sampling::repeated;
use super::{Base, Layer, WeightSpec, layer};
use crate::config::Extents;
use crate::setters::setters;
use crate::trace::Call;

/// Images `size` times as large: `[batch, height, width, channels]` to
/// `[batch, height · size[0], width · size[1], channels]`.
///
/// By default each pixel is repeated; `interpolation` can be any [`Interpolation`].
///
/// A mistake if the input is no image.
///
/// Keras: <https://keras.io/api/layers/reshaping_layers/up_sampling2d/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UpSampling2D {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "two")]
    size: Extents<2>,
    #[serde(default = "nearest")]
    interpolation: Interpolation,
}

fn two() -> Extents<2> {
    2.into()
}

fn nearest() -> Interpolation {
    Interpolation::Nearest
}

layer!(UpSampling2D { size: Count });

/// Each pixel twice on each axis.
impl Default for UpSampling2D {
    fn default() -> Self {
        Self::new(two())
    }
}

impl UpSampling2D {
    /// Each pixel as often as this says for each axis.
    pub fn new(size: impl Into<Extents<2>>) -> Self {
        Self { base: Base::default(), size: size.into(), interpolation: nearest() }
    }

    setters! {
        /// How pixels between pixels are computed; `"nearest"` by default.
        interpolation: into Interpolation,
    }
}

impl Layer for UpSampling2D {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        self.interpolation.check()?;
        images::<2>("UpSampling2D", inputs).map(|_| vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match images_of::<2>("UpSampling2D", &x) {
            Ok(_) if self.interpolation == Interpolation::Nearest => repeated(&x, &self.size.0),
            Ok((extents, _)) => {
                let size = [0, 1].map(|axis| extents[axis].saturating_mul(self.size.0[axis]));
                resampled(&x, size, &self.interpolation, false)
            }
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}
