//! Models in files: those of Keras (`.keras`, `.weights.h5`, `.h5`), of PyTorch and others
//! (safetensors), of NumPy (`.npy`, `.npz`) and of ONNX.
//!
//! [`load_model`] and [`SaveModel::save`] pick a format by the ending of the path; [`load_weights`] takes
//! weights that others trained. `docs/files.md` tells what is kept in each format, and what is lost.
//!
//! Files are not trusted: sizes are checked before memory is taken, nothing outside of the file or its
//! folder is read, code that a file holds is never run, and whatever is wrong is a [`FilesError`].

mod array;
mod describe;
mod error;
mod format;
mod hdf5;
mod keras;
mod load;
mod mismatch;
pub mod npy;
mod safetensors;
mod save;
mod tensors;
mod torch;
mod weights;
mod zip;

use brolga_nn::model::{Model, Network};

pub use array::{Array, Element, Info};
pub use describe::{Description, LayerDescription, describe};
pub use error::FilesError;
pub use format::Format;
pub use load::{Load, LoadWeights, Taken, load_model, load_weights};
pub use mismatch::{Mismatch, Mismatches};
pub use save::{SaveModel, save_weights};
pub use tensors::{Tensors, save_tensors};
pub use torch::TorchNames;

/// A model of any kind: what files hold.
pub type AnyModel = Model<Box<dyn Network>>;
