//! MNIST: 60,000 + 10,000 handwritten digits of 28 × 28 pixels.

use brolga_mnist::Part;

use crate::error::Result;
use crate::idx::Source;
use crate::labeled_images::{self, LabeledImages};

/// Returns MNIST as `((x_train, y_train), (x_test, y_test))`, as `keras.datasets.mnist.load_data`
/// does.
///
/// The images are `u8[60000,28,28]` and `u8[10000,28,28]`, from 0 (background) to 255, and the
/// labels, the digits 0 to 9, are `u8[60000]` and `u8[10000]`. The data set is part of the program
/// (the crate `brolga-mnist` says where it comes from): nothing is fetched, no file is read.
///
/// ```
/// let ((x_train, y_train), (x_test, y_test)) = brolga_data::mnist::load_data()?;
/// assert_eq!(x_train.dim(), (60_000, 28, 28));
/// assert_eq!(y_test.as_slice().map(|y| &y[..4]), Some([7, 2, 1, 0].as_slice()));
/// # assert_eq!((y_train.len(), x_test.dim()), (60_000, (10_000, 28, 28)));
/// # Ok::<(), brolga_data::Error>(())
/// ```
///
/// # Errors
///
/// The program's own copy of the data is damaged.
pub fn load_data() -> Result<(LabeledImages, LabeledImages)> {
    let train = labeled_images::read(source(Part::TrainImages)?, source(Part::TrainLabels)?)?;
    let test = labeled_images::read(source(Part::TestImages)?, source(Part::TestLabels)?)?;
    Ok((train, test))
}

fn source(part: Part) -> Result<Source<'static>> {
    Source::new(format!("the built-in {}", part.file_name()), part.size() as u64, part.reader())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_spread_as_in_the_original() -> Result<()> {
        let ((x_train, y_train), (x_test, y_test)) = load_data()?;
        let count = |y: &ndarray::Array1<u8>| {
            (0..10).map(|digit| y.iter().filter(|&&label| label == digit).count()).collect()
        };
        let (train, test): (Vec<usize>, Vec<usize>) = (count(&y_train), count(&y_test));
        assert_eq!(train, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
        assert_eq!(test, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
        assert_eq!(x_train.dim(), (60_000, 28, 28));
        assert_eq!(x_test.dim(), (10_000, 28, 28));
        Ok(())
    }

    /// The mean and the standard deviation that tutorials normalise MNIST with.
    #[test]
    fn pixels_have_the_known_mean_and_deviation() -> Result<()> {
        let ((x_train, _), _) = load_data()?;
        let n = x_train.len() as f64;
        let mean = x_train.iter().map(|&v| f64::from(v) / 255.0).sum::<f64>() / n;
        let variance =
            x_train.iter().map(|&v| (f64::from(v) / 255.0 - mean).powi(2)).sum::<f64>() / n;
        assert_eq!(format!("{mean:.4} {:.4}", variance.sqrt()), "0.1307 0.3081");
        Ok(())
    }
}
