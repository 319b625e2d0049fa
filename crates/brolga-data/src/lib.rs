//! Data sets and readers for Brolga.
//!
//! Everything here returns [`ndarray`] arrays, and knows nothing of the compiler:
//!
//! - [`mnist::load_data`] and [`fashion_mnist::load_data`], as in `keras.datasets`,
//! - [`movielens::load_data`], [`jane_austen::load_data`], [`word_lists::load_data`] and
//!   [`spoken_digits::speak`], of packages that are installed,
//! - [`to_categorical`], [`pad_sequences`], [`timeseries_dataset_from_array`],
//!   [`image_dataset_from_directory`], [`text_dataset_from_directory`] and
//!   [`audio_dataset_from_directory`], as in `keras.utils`,
//! - [`idx`], a reader of the file format that MNIST and its relatives use.
//!
//! Images come as bytes from 0 to 255, without a channel dimension. A network wants small floats
//! and, for a convolution, a channel:
//!
//! ```
//! use brolga_data::mnist;
//! use ndarray::Axis;
//!
//! let ((x_train, y_train), (x_test, y_test)) = mnist::load_data()?;
//! let x_test = x_test.mapv(|v| v as f32 / 255.0).insert_axis(Axis(3));
//! assert_eq!(x_test.shape(), [10_000, 28, 28, 1]);
//! # assert_eq!(x_train.shape(), [60_000, 28, 28]);
//! # assert_eq!((y_train.len(), y_test.len()), (60_000, 10_000));
//! # Ok::<(), brolga_data::Error>(())
//! ```
//!
//! Files are not trusted: no size that a file claims is allocated before it is known that the file
//! can hold it, and whatever is wrong with a file is an [`Error`] that names it.

mod audio;
mod categorical;
mod directory;
mod error;
pub mod fashion_mnist;
mod folder;
pub mod idx;
mod images;
pub mod jane_austen;
mod label_mode;
mod labeled_images;
pub mod mnist;
pub mod movielens;
mod sequences;
mod shape;
mod shuffle;
pub mod spoken_digits;
mod text;
mod timeseries;
mod whereabouts;
pub mod word_lists;

pub use audio::{
    Audio, AudioDataset, AudioOptions, AudioReader, Padded, Ragged, audio_dataset_from_directory,
    audio_datasets_from_directory, read_audio,
};
pub use categorical::to_categorical;
pub use directory::{Batches, FileReader, FolderDataset, Subset};
pub use error::{Error, Result};
pub use images::{
    ColorMode, ImageDataset, ImageOptions, Interpolation, Pixel, image_dataset_from_directory,
    load_image,
};
pub use label_mode::{Binary, Categorical, Int, LabelMode, NoLabels};
pub use labeled_images::LabeledImages;
pub use sequences::{End, PadOptions, Sequence, pad_sequences};
pub use text::{
    TextDataset, TextOptions, TextReader, text_dataset_from_directory, text_datasets_from_directory,
};
pub use timeseries::{
    Targets, TimeseriesDataset, TimeseriesOptions, timeseries_dataset_from_array,
};
