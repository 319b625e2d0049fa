//! Generators: from a small description to the statements of a tile program.
//!
//! Each writes into a [`Builder`](crate::tile::Builder) whose pointers the caller has declared, and
//! gives back values: what a tile does before and after is written with the same builder.

pub mod contraction;

pub use contraction::{Accumulator, Contraction, KLoop, Start};
