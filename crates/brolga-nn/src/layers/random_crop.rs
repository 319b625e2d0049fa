//! Parts of images at random places.

use brolga_ir::{DType, Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::affine::{between, gathered};
use super::cropped::fitted;
use super::images::{images, images_of};
use super::resampling::Interpolation;
use super::{Base, Layer, WeightSpec, layer};
use crate::trace::Call;

/// In training, a part of the images at a random place, the same for all images of a batch:
/// `[batch, rows, columns, channels]` to `[batch, height, width, channels]`.
///
/// In inference, and of images that are not larger than the part, it is the largest part in the
/// middle that has the aspect of the result, resampled (bilinear), as Keras's documentation says;
/// Keras 3.15 leaves the images of inference as they are. Places follow from the seed, the step and
/// the place in the network alone.
///
/// A mistake if the input is no image.
///
/// Keras: <https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_crop/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RandomCrop {
    #[serde(flatten)]
    base: Base,
    height: usize,
    width: usize,
    /// Keras gives each layer a number, which its configs have. Places follow from the model's
    /// seed.
    #[serde(default)]
    seed: Option<u64>,
}

layer!(RandomCrop { height: Count, width: Count });

impl RandomCrop {
    /// Parts of this size.
    pub fn new(height: usize, width: usize) -> Self {
        Self { base: Base::default(), height, width, seed: None }
    }
}

impl Layer for RandomCrop {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        images::<2>("RandomCrop", inputs).map(|_| vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        let size = [self.height, self.width];
        call.map(inputs, |call, x| match images_of::<2>("RandomCrop", &x) {
            Ok((extents, _))
                if call.training() && (0..2).all(|axis| extents[axis] > size[axis]) =>
            {
                let places = [0, 1].map(|axis: usize| {
                    let mut shape = [1; 3];
                    shape[axis + 1] = size[axis];
                    let room = (extents[axis] - size[axis] + 1) as f64;
                    let start = between(call, &Type::f32([1, 1, 1]), [0.0, room]).floor();
                    // A product that rounds up to the room itself is one place less.
                    let start = start.minimum(&start.constant_like(room - 1.0)).cast(DType::I32);
                    start + call.tracer().iota(Type::new(DType::I32, shape), axis + 1)
                });
                gathered(&x, [&places[0], &places[1]])
            }
            Ok(_) => fitted(&x, size, &Interpolation::Bilinear),
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}
