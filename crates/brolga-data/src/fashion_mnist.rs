//! Fashion-MNIST: 60,000 + 10,000 images of clothes of 28 × 28 pixels, from Zalando's articles
//! (MIT licence). It has MNIST's shape and is harder.
//!
//! The data set is read from files, in MNIST's format; see [`load_data`] for where they are looked
//! for.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::idx::Source;
use crate::labeled_images::{self, LabeledImages};
use crate::whereabouts::Whereabouts;

/// What the labels 0 to 9 stand for.
pub const CLASS_NAMES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

const WHEREABOUTS: Whereabouts = Whereabouts {
    name: "Fashion-MNIST",
    variable: "BROLGA_FASHION_MNIST",
    keras: Some("fashion-mnist"),
    debian: Some("/usr/share/datasets/fashion-mnist"),
    help: "do one of\n    \
           apt install dataset-fashion-mnist    (Debian, Ubuntu)\n    \
           python -c 'import keras; keras.datasets.fashion_mnist.load_data()'\n    \
           fetch the four .gz files from https://github.com/zalandoresearch/fashion-mnist (data/fashion),\n    \
           and give their folder to `load_data_from` or in the variable BROLGA_FASHION_MNIST",
};

const FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// Returns Fashion-MNIST as `((x_train, y_train), (x_test, y_test))`, as
/// `keras.datasets.fashion_mnist.load_data` does.
///
/// The images are `u8[60000,28,28]` and `u8[10000,28,28]`, the labels, indices into
/// [`CLASS_NAMES`], `u8[60000]` and `u8[10000]`.
///
/// The folder is the one that the environment variable `BROLGA_FASHION_MNIST` names. Where it is
/// not set, it is the first of these that holds all four files: Keras's own cache,
/// `$KERAS_HOME/datasets/fashion-mnist` or `~/.keras/datasets/fashion-mnist`, and then
/// `/usr/share/datasets/fashion-mnist`, where Debian's package `dataset-fashion-mnist` puts them.
///
/// ```no_run
/// use brolga_data::fashion_mnist::{self, CLASS_NAMES};
///
/// let ((x_train, y_train), (x_test, y_test)) = fashion_mnist::load_data()?;
/// println!("the first image is: {}", CLASS_NAMES[usize::from(y_train[0])]);
/// # Ok::<(), brolga_data::Error>(())
/// ```
///
/// # Errors
///
/// The data set is in none of these folders; the message says where it was looked for and how to
/// get it. Or as for [`load_data_from`].
pub fn load_data() -> Result<(LabeledImages, LabeledImages)> {
    load_data_from(WHEREABOUTS.find(lack)?)
}

/// Reads Fashion-MNIST from a folder with the four files `train-images-idx3-ubyte`,
/// `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, each as it is
/// or compressed with gzip as `.gz`. It reads every data set that has MNIST's shape, whatever the
/// number of images.
///
/// # Errors
///
/// A file is missing or damaged, the images are not of 28 × 28 pixels, there are more or fewer
/// labels than images, or a label is above 9.
pub fn load_data_from(dir: impl AsRef<Path>) -> Result<(LabeledImages, LabeledImages)> {
    let dir = dir.as_ref();
    let open = |file| {
        let path = file_in(dir, file).ok_or_else(|| Error::MissingFile {
            folder: dir.display().to_string(),
            file: String::from(file),
        })?;
        Source::open(&path)
    };
    let [train_images, train_labels, test_images, test_labels] = FILES;
    let train = labeled_images::read(open(train_images)?, open(train_labels)?)?;
    let test = labeled_images::read(open(test_images)?, open(test_labels)?)?;
    Ok((train, test))
}

/// What a folder lacks to be the data set's.
fn lack(dir: &Path) -> Option<String> {
    let missing = FILES.into_iter().find(|file| file_in(dir, file).is_none())?;
    Some(format!("has no {missing} or {missing}.gz"))
}

fn file_in(dir: &Path, file: &str) -> Option<PathBuf> {
    [dir.join(file), dir.join(format!("{file}.gz"))].into_iter().find(|path| path.is_file())
}

#[cfg(test)]
mod tests;
