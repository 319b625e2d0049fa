//! Generators: from a small description to the statements of a tile program.
//!
//! Each writes into a [`Builder`](crate::tile::Builder) whose pointers the caller has declared, and
//! returns values, so that its caller can write statements before and after it.

pub mod contraction;

pub use contraction::{Accumulator, Contraction, KLoop, Start};
