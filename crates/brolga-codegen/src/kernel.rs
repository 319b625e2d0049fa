//! The result of code generation for the runtime: compiled kernels as lists of stages, with the
//! operands that each stage touches.

use std::collections::HashMap;
use std::fmt;

use brolga_ir::{Graph, NodeId};
use serde::{Deserialize, Serialize};

use crate::object::Object;

/// The machine code of a stage. It works on the units `begin..end` of the stage's `0..units`.
///
/// `operands` points to the operand table: the addresses of the kernel's operands, then of its
/// results, then of its workspace, each aligned to 64 bytes. `scratch` points to
/// [`CompiledKernel::scratch`] bytes, aligned to 64, that belong to the calling worker alone and
/// whose content is arbitrary. It never unwinds.
///
/// # Safety
/// The caller guarantees that every address in the table is valid for what the stage's reads and
/// writes say, that `begin <= end <= units`, that results share no memory with operands but where
/// [`CompiledKernel::in_place`] allows it, and that no other thread touches the same bytes at the
/// same time in a way that races.
pub type KernelFn =
    unsafe extern "C" fn(operands: *const *mut u8, scratch: *mut u8, begin: u64, end: u64);

/// The access of a stage's units to an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Unit `u` of `units` touches bytes of the `u`-th of `units` equal parts of the operand and no
    /// other.
    Units,
    /// Each unit may touch any byte.
    Whole,
}

/// An operand that a stage reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Touch {
    /// The index in the operand table: operands, then results, then the workspace.
    pub slot: usize,
    /// The bytes that each unit touches.
    pub access: Access,
}

/// A part of a kernel that can be cut into chunks of units, each computed by any worker. Chunks
/// never change bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name in profiles and dumps.
    pub name: String,
    /// The machine code, by its name in the object.
    pub symbol: String,
    /// The number of units, which depends on shapes only.
    pub units: usize,
    /// The slots that are read.
    pub reads: Vec<Touch>,
    /// The slots that are written. A result that shares memory with an operand is listed under its
    /// own slot.
    pub writes: Vec<Touch>,
    /// Floating-point operations, a multiply-add counted as two.
    pub flops: u64,
    /// Whether neighbouring units are best done together, and so the units of a lane by one worker.
    pub together: bool,
}

/// A compiled kernel without its code: stages that run one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompiledKernel {
    /// The stages in order; each sees all that the ones before it wrote.
    pub stages: Vec<Stage>,
    /// Bytes of workspace, shared by all workers and kept from stage to stage of this kernel.
    pub workspace: usize,
    /// Bytes of scratch memory of each worker.
    pub scratch: usize,
    /// Pairs of the indices of a result and an operand that may share memory.
    pub in_place: Vec<(usize, usize)>,
}

/// The kernels of a graph: their descriptions, and their code.
pub struct Compiled<'g> {
    graph: &'g Graph,
    kernels: HashMap<NodeId, CompiledKernel>,
    object: Object,
}

impl<'g> Compiled<'g> {
    /// Kernels of a graph whose stages are functions of an object.
    ///
    /// # Safety
    /// The functions keep the promises of [`KernelFn`] for the types of the nodes' operands and
    /// results: they touch only the bytes that the stages list.
    pub unsafe fn new(
        graph: &'g Graph,
        kernels: HashMap<NodeId, CompiledKernel>,
        object: Object,
    ) -> Self {
        Self { graph, kernels, object }
    }

    /// The graph that was compiled.
    #[must_use]
    pub fn graph(&self) -> &'g Graph {
        self.graph
    }

    /// The kernels by their nodes in the graph.
    #[must_use]
    pub fn kernels(&self) -> &HashMap<NodeId, CompiledKernel> {
        &self.kernels
    }

    /// The code.
    #[must_use]
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The kernels by their nodes, and their code.
    #[must_use]
    pub fn into_parts(self) -> (HashMap<NodeId, CompiledKernel>, Object) {
        (self.kernels, self.object)
    }
}

impl fmt::Debug for Compiled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").field("kernels", &self.kernels).finish_non_exhaustive()
    }
}
