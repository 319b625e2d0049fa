//! Lowering: the body of a kernel to loop nests and tile programs.
//!
//! Each kind of kernel has a file, which reads the body's graph and writes [`Stage`]s; none of them
//! emits machine code.

mod attention;
mod body;
mod check;
mod columns;
mod contraction;
mod copy;
mod epilogue;
mod movement;
mod random;
mod rows;
mod update;
mod window;

use std::fmt;
use std::sync::Arc;

use brolga_ir::ops::{Kernel, KernelKind};

use crate::error::{Error, Result};
use crate::general::{self, AddressedLoops};
use crate::kernel::Touch;
use crate::nest::Nest;
use crate::steps::{self, Part, Steps};
use crate::tile::{TileProgram, TileTarget};

pub(crate) use body::Body;

/// A kernel as loop nests, which [`crate::compile`] turns into functions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lowered {
    /// The stages, which run one after the other.
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
    /// The code of a unit.
    pub code: Code,
    /// The number of units; it follows from the shapes alone.
    pub units: usize,
    /// The slots that are read, with the access to each.
    pub reads: Vec<Touch>,
    /// The slots that are written, with the access to each.
    pub writes: Vec<Touch>,
    /// Floating-point operations of all units together; a multiply-add counts as two.
    pub flops: u64,
}

/// The code of a unit of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Code {
    /// A loop nest around tiles.
    Nest(Nest),
    /// The stage of this index of scalar loops.
    Loops(Arc<AddressedLoops>, usize),
    /// A part of a loop over steps.
    Steps(Arc<Steps>, Part),
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nest(nest) => nest.fmt(f),
            Self::Loops(addressed, stage) => addressed.stage(*stage).fmt(f),
            Self::Steps(steps, part) => steps::Text(steps, *part).fmt(f),
        }
    }
}

impl From<Nest> for Code {
    fn from(nest: Nest) -> Self {
        Self::Nest(nest)
    }
}

impl Code {
    /// The name of the stage in profiles and dumps.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Nest(nest) => &nest.name,
            Self::Loops(addressed, stage) => addressed.name(*stage),
            Self::Steps(steps, part) => steps.part_name(*part),
        }
    }

    /// Bytes that all units read and write, if everything is scalar loops; of a loop over steps all
    /// steps, or one if their number is not known.
    #[must_use]
    pub fn moved(&self) -> Option<u64> {
        match self {
            Self::Nest(_) => None,
            Self::Loops(addressed, stage) => Some(general::moved(addressed, *stage)),
            Self::Steps(steps, part) => steps.moved(*part),
        }
    }

    /// The loop nest, if it is one.
    #[must_use]
    pub fn as_nest(&self) -> Option<&Nest> {
        match self {
            Self::Nest(nest) => Some(nest),
            Self::Loops(..) | Self::Steps(..) => None,
        }
    }

    /// The loop nest, for changes.
    pub fn as_nest_mut(&mut self) -> Option<&mut Nest> {
        match self {
            Self::Nest(nest) => Some(nest),
            Self::Loops(..) | Self::Steps(..) => None,
        }
    }

    /// The tiles that it calls.
    #[must_use]
    pub fn tiles(&self) -> Vec<Arc<TileProgram>> {
        match self {
            Self::Nest(nest) => nest.tiles(),
            Self::Loops(..) => Vec::new(),
            Self::Steps(steps, part) => steps.tiles(*part),
        }
    }
}

/// The lowering of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Lowering {
    /// The fast one of its kind: loop nests around tiles.
    Fast(KernelKind),
    /// Scalar loops, for this reason.
    General(String),
}

impl fmt::Display for Lowering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fast(kind) => write!(f, "tiles of `{}`", kind.name()),
            Self::General(reason) => write!(f, "scalar loops ({reason})"),
        }
    }
}

/// Lowers a kernel for an instruction set, whose registers decide the shapes of tiles: by the fast
/// lowering of its kind if that takes the body, or else by the general one.
///
/// # Errors
/// If the code of a lowering breaks a rule, which is a bug of the lowering.
pub fn lower(kernel: &Kernel, target: &dyn TileTarget) -> Result<(Lowering, Lowered)> {
    lower_with(kernel, target, false)
}

/// As [`lower`], for a kernel that runs in each step of a loop: units are rows where they can be.
pub(crate) fn lower_in_loop(
    kernel: &Kernel,
    target: &dyn TileTarget,
) -> Result<(Lowering, Lowered)> {
    lower_with(kernel, target, true)
}

fn lower_with(
    kernel: &Kernel,
    target: &dyn TileTarget,
    in_loop: bool,
) -> Result<(Lowering, Lowered)> {
    match fast(kernel, target, in_loop) {
        Ok(lowered) => Ok((Lowering::Fast(kernel.kind), lowered)),
        Err(Error::Refused(reason)) => {
            Ok((Lowering::General(reason), general::lower(&kernel.body)))
        }
        Err(error) => Err(error),
    }
}

/// The fast lowering of a kernel's kind.
///
/// # Errors
/// [`Error::Refused`] if it does not take the body.
fn fast(kernel: &Kernel, target: &dyn TileTarget, in_loop: bool) -> Result<Lowered> {
    if !target.has_tiles() && kernel.kind != KernelKind::Loop {
        return Err(Error::Refused(format!("`{}` has no tiles", target.name())));
    }
    let body = || Body::new(&kernel.body).map(|body| body.in_loop(in_loop));
    match kernel.kind {
        KernelKind::Contraction => contraction::lower(&body()?, target),
        KernelKind::Rows => rows::lower(&body()?),
        KernelKind::Columns => columns::lower(&body()?),
        KernelKind::Window => window::lower(&body()?),
        KernelKind::Attention => attention::lower(&body()?, target),
        KernelKind::Move => movement::lower(&body()?),
        KernelKind::Random => random::lower(&body()?),
        KernelKind::Update => update::lower(&body()?),
        KernelKind::Loop => steps::lower(&kernel.body, target),
    }
}
