//! How much memory an evaluation may take.

use brolga_ir::{Graph, Op};
use clap::Args;

use crate::error::CliError;

/// The argument that limits memory.
#[derive(Debug, Args)]
pub(crate) struct MemoryLimit {
    /// The most memory, in MiB, that the values of a graph may take together
    #[arg(long, value_name = "MIB", default_value_t = 8192)]
    memory_limit: usize,
}

impl MemoryLimit {
    pub(crate) fn bytes(&self) -> usize {
        self.memory_limit.saturating_mul(1 << 20)
    }

    /// Fails before anything is allocated if the values of the graph take more.
    pub(crate) fn check(&self, graph: &Graph) -> Result<(), CliError> {
        let needed = bytes(graph);
        if needed <= self.bytes() {
            return self.ask(graph, needed);
        }
        let needed = needed.div_ceil(1 << 20);
        let message = format!(
            "the values of graph `{}` take {needed} MiB, {} are allowed",
            graph.name(),
            self.memory_limit
        );
        Err(CliError::argument(message, format!("--memory-limit {needed} allows it")))
    }
}

impl MemoryLimit {
    /// Fails if the system does not give so much memory: whoever allocates it later would end the process.
    fn ask(&self, graph: &Graph, bytes: usize) -> Result<(), CliError> {
        if Vec::<u8>::new().try_reserve_exact(bytes).is_ok() {
            return Ok(());
        }
        let message = format!(
            "the values of graph `{}` take {} MiB, which the system does not give",
            graph.name(),
            bytes.div_ceil(1 << 20)
        );
        Err(CliError::argument(message, "make the graph smaller"))
    }
}

/// The bytes of all values, those inside of kernels included: what the interpreter needs at most.
fn bytes(graph: &Graph) -> usize {
    graph.ids().fold(0, |sum: usize, id| {
        let node = graph.node(id);
        let inner = match &node.op {
            Op::Kernel(kernel) => bytes(&kernel.body),
            _ => 0,
        };
        node.types
            .iter()
            .map(|ty| ty.bytes())
            .fold(sum.saturating_add(inner), usize::saturating_add)
    })
}
