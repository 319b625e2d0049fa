//! ONNX models as graphs of Brolga, and models of Brolga as ONNX files.
//!
//! [`load`] reads a file; [`OnnxModel::graph`] makes a graph of it, for one size of each extent that
//! the file leaves open. The graph is one like any other: it is interpreted, differentiated, fused
//! and compiled. The model itself is a network of [`Model`](brolga_nn::model::Model), which predicts,
//! is evaluated and trained as one of our own is. [`save`] writes what a model predicts. Which ops
//! there are, and how they are tested, is in `docs/onnx.md`.
//!
//! Files are not trusted: sizes are checked before memory is taken, nothing outside of the model's
//! folder is read, and whatever is wrong is an [`OnnxError`] that names the file and the node.

mod bindings;
mod call;
mod element;
mod error;
mod export;
mod file;
mod floats;
mod import;
mod model;
mod network;
mod ops;
mod precheck;
mod proto;
mod tensor;
mod value;
mod words;

pub use bindings::{Bindings, Dim, Kind, Known, Port};
pub use element::ElementType;
pub use error::{MissingOp, NodeName, OnnxError};
pub use export::{Export, ExportError, UnknownForm, save};
pub use model::{Imported, ImportedOutput, OnnxModel, Weight, load};
pub use ops::NAMES;
pub use tensor::read_value;

#[cfg(test)]
mod tests;
