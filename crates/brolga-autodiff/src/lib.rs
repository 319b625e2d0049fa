#![doc = include_str!("../README.md")]

mod bodies;
mod error;
mod path;
mod reverse;

pub use bodies::Bodies;
pub use error::GradError;
pub use reverse::{grad, gradients};
