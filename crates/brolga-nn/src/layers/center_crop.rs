//! The middle of images.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::cropped::{central, fitted};
use super::images::{images, images_of};
use super::resampling::Interpolation;
use super::{Base, Layer, WeightSpec, layer};
use crate::trace::Call;

/// The middle of images: `[batch, rows, columns, channels]` to `[batch, height, width, channels]`.
///
/// Of images that are smaller on some axis, the largest part in the middle that has the aspect of
/// the result is enlarged (bilinear).
///
/// A mistake if the input is no image.
///
/// Keras: <https://keras.io/api/layers/preprocessing_layers/image_preprocessing/center_crop/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CenterCrop {
    #[serde(flatten)]
    base: Base,
    height: usize,
    width: usize,
}

layer!(CenterCrop { height: Count, width: Count });

impl CenterCrop {
    /// Images of this size.
    pub fn new(height: usize, width: usize) -> Self {
        Self { base: Base::default(), height, width }
    }
}

impl Layer for CenterCrop {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        images::<2>("CenterCrop", inputs).map(|_| vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        let size = [self.height, self.width];
        call.map(inputs, |call, x| match images_of::<2>("CenterCrop", &x) {
            Ok((extents, _)) if extents[0] >= size[0] && extents[1] >= size[1] => central(&x, size),
            Ok(_) => fitted(&x, size, &Interpolation::Bilinear),
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}
