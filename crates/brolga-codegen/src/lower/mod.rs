//! Lowering: the body of a kernel to loop nests and tile programs.
//!
//! One file a kind of kernel. Each reads the body's graph and writes [`Stage`]s; none of them emits machine code.

mod body;
mod columns;
mod contraction;
mod copy;
mod epilogue;
mod movement;
mod random;
mod rows;
mod update;
mod window;

use brolga_ir::ops::{Kernel, KernelKind};

use crate::error::Result;
use crate::kernel::Touch;
use crate::nest::Nest;
use crate::tile::TileTarget;

pub(crate) use body::Body;

/// A kernel as loop nests: what [`crate::compile`] turns into functions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lowered {
    /// What runs one after the other.
    pub stages: Vec<Stage>,
    /// Bytes of the workspace, which all workers share.
    pub workspace: usize,
    /// Bytes of scratch memory for each worker.
    pub scratch: usize,
    /// Results that may share memory with an operand.
    pub in_place: Vec<(usize, usize)>,
}

/// A part of a kernel: all its units may run at the same time, on any number of workers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stage {
    /// What a unit does.
    pub nest: Nest,
    /// How many units there are; it follows from the shapes alone.
    pub units: usize,
    /// Which slots are read, and how.
    pub reads: Vec<Touch>,
    /// Which slots are written, and how.
    pub writes: Vec<Touch>,
    /// Floating-point operations of all units together; a multiply-add counts as two.
    pub flops: u64,
}

/// Lowers a kernel for an instruction set, whose registers decide about tile shapes.
///
/// # Errors
/// If the body is not of the form that the kind of kernel promises, or has an element type without native code.
pub fn lower(kernel: &Kernel, target: &dyn TileTarget) -> Result<Lowered> {
    let body = Body::new(&kernel.body)?;
    match kernel.kind {
        KernelKind::Contraction => contraction::lower(&body, target),
        KernelKind::Rows => rows::lower(&body),
        KernelKind::Columns => columns::lower(&body),
        KernelKind::Window => window::lower(&body),
        KernelKind::Move => movement::lower(&body),
        KernelKind::Random => random::lower(&body),
        KernelKind::Update => update::lower(&body),
    }
}
