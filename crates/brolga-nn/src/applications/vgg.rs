//! VGG: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image
//! recognition" (2014).

use super::Architecture;
use crate::error::NnError;
use crate::layers::{Conv2D, MaxPooling2D};
use crate::model::{Apply, Functional};

/// VGG16: 138,357,544 weights, images of 224×224 in [`Preprocessing::Caffe`].
///
/// # Errors
/// If the images are smaller than 32×32, or the weights do not fit.
///
/// Keras: <https://keras.io/api/applications/vgg/>.
///
/// [`Preprocessing::Caffe`]: super::Preprocessing::Caffe
pub fn vgg16(architecture: Architecture) -> Result<Functional, NnError> {
    vgg("vgg16", &architecture, [2, 2, 3, 3, 3])
}

/// VGG19: 143,667,240 weights, as [`vgg16`].
///
/// # Errors
/// As [`vgg16`].
pub fn vgg19(architecture: Architecture) -> Result<Functional, NnError> {
    vgg("vgg19", &architecture, [2, 2, 4, 4, 4])
}

/// Blocks of so many convolutions, each followed by a pooling.
fn vgg(name: &str, architecture: &Architecture, blocks: [usize; 5]) -> Result<Functional, NnError> {
    let (image, _) = architecture.images(name, [224, 32])?;
    let mut x = image.clone();
    for (block, (convolutions, filters)) in
        (1..).zip(blocks.into_iter().zip([64, 128, 256, 512, 512]))
    {
        for number in 1..=convolutions {
            x = Conv2D::new(filters, (3, 3))
                .activation("relu")
                .padding("same")
                .name(format!("block{block}_conv{number}"))
                .on(&x);
        }
        x = MaxPooling2D::new((2, 2)).name(format!("block{block}_pool")).on(&x);
    }
    architecture.model(name, &image, &architecture.dense_top(&x))
}
