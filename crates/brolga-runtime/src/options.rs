//! Options of a program.

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

/// How a program is compiled, planned and run. No option changes a bit of any result.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who computes.
    pub backend: Backend,
    /// The number of threads, including the caller's; by default as many as the process may use. If
    /// it is larger, work is cut for all of them, but only as many compute as there are cores.
    pub threads: usize,
    /// Whether more threads than cores compute if [`Options::threads`] is larger. That is never
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
    /// With [`Options::profile`]: how many events of each thread are kept, which
    /// [`Executable::events`](crate::Executable::events) lists. Native code only.
    pub events: usize,
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
            events: 0,
        }
    }
}

impl Options {
    /// The number of threads that compute a step of `lanes` lanes.
    pub(crate) fn workers(&self, lanes: usize) -> usize {
        if self.oversubscribe { lanes } else { lanes.min(cores()) }
    }
}
