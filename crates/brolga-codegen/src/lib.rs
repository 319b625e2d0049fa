//! Tile programs and kernels of the Brolga compiler, compiled with Cranelift.
//!
//! A kernel is a function of loops and index arithmetic; its innermost runs are [`tile`] programs
//! over logical vectors of 16 lanes. The [`generators`] write them, a [`tile::TileTarget`] turns
//! each into a function of its own, and an [`object`] holds the code of tiles and kernels, without
//! any address. [`jit`] links it into this process.

pub mod cache;
mod clif;
mod compile;
pub mod error;
pub mod general;
pub mod generators;
pub mod host;
mod isa;
pub mod jit;
pub mod kernel;
pub mod lower;
pub mod native;
pub mod nest;
pub mod object;
pub mod perf;
pub mod steps;
pub mod tile;

pub use compile::{
    CodegenOptions, Described, Description, FunctionListing, KernelText, compile,
    compile_described, compile_for, dump, listings,
};
pub use error::{Error, Result};
pub use isa::{ISA_VARIABLE, VectorIsa};
