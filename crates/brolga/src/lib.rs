//! Brolga: an autodiff graph compiler for the CPU with a Keras-like frontend.
//!
//! A model is a list of layers. Training it traces the layers into a graph, differentiates the
//! graph, fuses it into kernels, compiles them to machine code in milliseconds, and runs the whole
//! step as one program.
//!
//! ```
//! use brolga::prelude::*;
//! use ndarray::array;
//!
//! # fn main() -> Result<(), NnError> {
//! // Whether exactly one of two truth values holds.
//! let x = array![[0.0_f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
//! let y = array![0, 1, 1, 0];
//!
//! let mut model = Sequential::new();
//! model.add(Input::new([2]));
//! model.add(Dense::new(16).activation("tanh"));
//! model.add(Dense::new(2).activation("softmax"));
//! model.compile(Compile::new().optimizer(Adam::new(0.05)).loss("sparse_categorical_crossentropy").metrics(["accuracy"]))?;
//!
//! let history = model.fit(&x, &y, Fit::new().epochs(100).batch_size(4).verbose(false))?;
//! let scores = model.evaluate(&x, &y)?;
//! let probabilities = model.predict(&x)?;
//! assert_eq!(scores.get("accuracy"), Some(1.0));
//! # assert_eq!(history.get("loss").map(<[f64]>::len), Some(100));
//! # assert_eq!(probabilities.shape(), [4, 2]);
//! # Ok(())
//! # }
//! ```
//!
//! The same bits come out for every number of threads, fused or not, today and after a resume;
//! `docs/architecture.md` tells how.
//!
//! | module | what it holds |
//! |---|---|
//! | [`prelude`] | everything that a program with a model in it uses |
//! | [`nn`] | layers, models, losses, metrics, optimizers, callbacks |
//! | [`data`] | data sets and readers |
//! | [`files`] | models and weights in files: Keras, safetensors, NumPy |
//! | [`onnx`] | models of ONNX files |
//! | [`ir`] | the graph: types, ops, text form, verifier, interpreter |
//! | [`autodiff`] | gradients as nodes of the same graph |
//! | [`passes`] | from the graph of a step to a graph of kernels |
//! | [`codegen`] | from kernels to machine code |
//! | [`runtime`] | memory plan, schedule, threads |
//! | [`record`] | all that the compiler did with a program, in one file |
//! | [`measure`] | how fast training steps and kernels are, beside the machine's limits |
//!
//! The command `brolga` shows each of these stages for a model or for a graph in a file.

pub mod measure;

pub use brolga_autodiff as autodiff;
pub use brolga_codegen as codegen;
pub use brolga_data as data;
pub use brolga_files as files;
pub use brolga_ir as ir;
pub use brolga_nn as nn;
pub use brolga_onnx as onnx;
pub use brolga_passes as passes;
pub use brolga_record as record;
pub use brolga_runtime as runtime;

/// Everything that a program with a model in it uses.
pub mod prelude {
    pub use brolga_files::{
        AnyModel, FilesError, Load, LoadWeights, SaveModel, TorchNames, load_model, load_weights,
        save_weights,
    };
    pub use brolga_nn::prelude::*;
}

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/tutorial.md")]
struct Tutorial;
