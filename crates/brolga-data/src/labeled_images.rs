//! What MNIST and Fashion-MNIST have in common.

use ndarray::{Array1, Array3};

use crate::error::{Error, Result};
use crate::idx::{self, Source};

/// Images as `[n, 28, 28]`, 0 (background) to 255, and their labels as `[n]`, 0 to 9.
pub type LabeledImages = (Array3<u8>, Array1<u8>);

/// Reads images and their labels, and checks that they are what [`LabeledImages`] says.
pub(crate) fn read(images: Source<'_>, labels: Source<'_>) -> Result<LabeledImages> {
    let images_file = images.name.clone();
    let labels_file = labels.name.clone();
    let y: Array1<u8> = idx::decode(labels)?;
    let x: Array3<u8> = idx::decode(images)?;

    let (n, rows, columns) = x.dim();
    if (rows, columns) != (28, 28) {
        return Err(Error::ImageSize { file: images_file, given: (rows, columns) });
    }
    if n != y.len() {
        return Err(Error::CountMismatch { images_file, images: n, labels_file, labels: y.len() });
    }
    if let Some((row, &given)) = y.iter().enumerate().find(|&(_, &label)| label > 9) {
        return Err(Error::LabelOutOfRange { file: labels_file, row, given });
    }
    Ok((x, y))
}
