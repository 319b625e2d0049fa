//! How a program is to be run.

use brolga_codegen::VectorIsa;

use crate::wait::cores;

/// Who computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Backend {
    /// Compiled kernels. The graph consists of parameters, constants, reshapes and kernels.
    #[default]
    Native,
    /// The reference interpreter, on any graph. It gives the same bits, slowly.
    Interpreter,
}

/// How a program is to be made ready. No option changes a bit of any result.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who computes.
    pub backend: Backend,
    /// How many threads compute, the caller's included; by default as many as the process may use.
    /// Of more than that, work is cut for all, and as many compute as there are cores.
    pub threads: usize,
    /// Whether more threads than cores compute if [`Options::threads`] says so. That is never
    /// faster; it is for tests.
    pub oversubscribe: bool,
    /// The vector instruction set of native code; by default the one that the environment variable
    /// `BROLGA_ISA` names, or else the widest that the machine has.
    pub isa: Option<VectorIsa>,
    /// The most bytes that arena and states together may take; what the machine grants is a limit
    /// in any case.
    pub memory_limit: Option<usize>,
    /// Whether each stage is timed.
    pub profile: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            backend: Backend::default(),
            threads: cores(),
            oversubscribe: false,
            isa: None,
            memory_limit: None,
            profile: false,
        }
    }
}

impl Options {
    /// How many threads will compute a step of so many lanes.
    pub(crate) fn workers(&self, lanes: usize) -> usize {
        if self.oversubscribe { lanes } else { lanes.min(cores()) }
    }
}
