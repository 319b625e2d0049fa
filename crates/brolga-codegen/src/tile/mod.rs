//! Tile programs: the innermost runs of kernels, over logical vectors of 16 lanes.
//!
//! A [`TileProgram`] is plain data. A [`Builder`] writes it, [`Interpret`] executes it and is the
//! reference, a [`TileTarget`] makes a function of machine code of it. All of them give the same
//! bits; NaNs count as one value.

mod builder;
mod cranelift;
mod demand;
mod footprint;
mod halves;
mod interpret;
mod program;
mod record;
mod shape;
mod target;
mod text;
mod validate;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use builder::{Builder, F, I, M, Typed, Variable};
pub use cranelift::{Cranelift, emit};
pub use footprint::{Linear, Reach, Term};
pub(crate) use interpret::interpreter;
pub use interpret::{Buffer, Interpret, interpret};
pub use program::{
    Address, Binary, Constant, Count, Element, Extent, Kind, LANES, Op, Param, ParamKind, Pointer,
    REACH, Rank1, Reduction, Shift, Stmt, TileProgram, Trips, Unary, Value, ValueData, Var,
};
pub use shape::cover_cycles;
pub use target::{Scalar, TileShape, TileTarget};
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};
