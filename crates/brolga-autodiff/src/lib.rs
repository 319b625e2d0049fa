#![doc = include_str!("../README.md")]

mod error;
mod path;
mod reverse;

pub use error::GradError;
pub use reverse::{grad, gradients};
