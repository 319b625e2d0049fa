//! The interface of instruction sets to code generation.

use std::sync::Arc;

use cranelift_module::FuncId;

use super::program::TileProgram;
use super::shape;
use crate::error::{Error, Result};
use crate::host::MachineCode;

/// The size of a contraction tile: the rows and lanes of its accumulators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TileShape {
    /// Rows of the result.
    pub rows: usize,
    /// Columns of the result.
    pub lanes: usize,
}

/// An instruction set that tile programs can be compiled for.
///
/// Every implementation gives the same bits; they differ in speed and in the tile that fits their
/// registers.
pub trait TileTarget: Send + Sync {
    /// Its name for users.
    fn name(&self) -> &'static str;

    /// What code of this target is known by once it is compiled, so that it is compiled once in a
    /// process; `None`, the default, if equal programs may give other code.
    fn known_as(&self) -> Option<&'static str> {
        None
    }

    /// Whether it has tiles; if not, every kernel is lowered to scalar loops.
    fn has_tiles(&self) -> bool {
        true
    }

    /// Lanes of a register.
    fn register_lanes(&self) -> usize;

    /// Whether there are registers for the accumulators of a contraction tile and the factors of a
    /// step. A program whose tile does not fit is an error, or slow. `fits` is monotone: every tile
    /// inside of one that fits does, too.
    fn fits(&self, shape: TileShape) -> bool;

    /// The cycles of one step of k of a tile whose factors are in L1, in the model that chooses
    /// among the tiles that fit.
    fn step_cycles(&self, shape: TileShape) -> f64;

    /// The best contraction tile for a result of `rows` × `lanes`, at least 1 × 1 and at most the
    /// result. Several tiles cover the result; `rows` are split evenly, so that none of them is
    /// small.
    fn contraction_shape(&self, rows: usize, lanes: usize) -> TileShape {
        shape::cheapest(self, rows, lanes)
    }

    /// The program as the function `id` with the calling convention of System V, each parameter a
    /// 64-bit integer, no result.
    ///
    /// Called on several threads at once. `text` asks for the intermediate and the machine code in
    /// readable form.
    ///
    /// # Errors
    /// If the program breaks a rule of [`TileProgram::validate`] that is checked only here.
    fn compile(&self, program: &Arc<TileProgram>, id: FuncId, text: bool) -> Result<MachineCode>;
}

/// No vectors and no tiles: every kernel is scalar loops.
#[derive(Debug, Clone, Copy)]
pub struct Scalar;

impl TileTarget for Scalar {
    fn name(&self) -> &'static str {
        "scalar"
    }

    fn has_tiles(&self) -> bool {
        false
    }

    fn register_lanes(&self) -> usize {
        1
    }

    fn fits(&self, _: TileShape) -> bool {
        false
    }

    fn step_cycles(&self, _: TileShape) -> f64 {
        f64::INFINITY
    }

    fn compile(&self, program: &Arc<TileProgram>, _: FuncId, _: bool) -> Result<MachineCode> {
        Err(Error::Host(format!("tile program `{}` has no scalar form", program.name)))
    }
}
