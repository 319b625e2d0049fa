//! Two data sets of images of 28 × 28 pixels and ten classes.

use std::error::Error;

use brolga::data::{fashion_mnist, mnist};
use clap::ValueEnum;
use ndarray::{Array1, Array4, Axis};

/// A data set.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum DataSet {
    /// Clothes, of the files that Debian's package dataset-fashion-mnist brings.
    FashionMnist,
    /// Digits, which are part of the program.
    Mnist,
}

/// Images `[n, 28, 28, 1]` and their classes.
type Images = (Array4<u8>, Array1<u8>);

impl DataSet {
    /// The images to train and to test with.
    pub(crate) fn load(self) -> Result<(Images, Images), Box<dyn Error>> {
        let ((x_train, y_train), (x_test, y_test)) = match self {
            Self::FashionMnist => fashion_mnist::load_data()
                .map_err(|error| format!("{error}\n  or take the digits: --data mnist"))?,
            Self::Mnist => mnist::load_data()?,
        };
        let grey = |images| ndarray::Array3::insert_axis(images, Axis(3));
        Ok(((grey(x_train), y_train), (grey(x_test), y_test)))
    }

    /// The names of the classes.
    pub(crate) fn class_names(self) -> [&'static str; 10] {
        match self {
            Self::FashionMnist => fashion_mnist::CLASS_NAMES,
            Self::Mnist => ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        }
    }
}
