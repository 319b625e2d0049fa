//! Tile programs executed in plain Rust: the reference for every instruction set.

mod execute;
mod lanes;
mod memory;
mod target;

pub use execute::interpret;
pub use memory::Buffer;
pub use target::Interpret;
pub(crate) use target::interpreter;
