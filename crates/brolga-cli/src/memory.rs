//! Limits of the memory that an evaluation takes.

use brolga_ir::Graph;
use brolga_ir::interpret::bytes_needed;
use clap::Args;

use crate::error::CliError;

/// The argument that limits memory.
#[derive(Debug, Args)]
pub(crate) struct MemoryLimit {
    /// The most memory, in MiB, that the values of a graph may take together
    #[arg(long, value_name = "MIB", default_value_t = 8192)]
    memory_limit: usize,
}

/// As without the argument.
impl Default for MemoryLimit {
    fn default() -> Self {
        Self { memory_limit: 8192 }
    }
}

impl MemoryLimit {
    pub(crate) fn bytes(&self) -> usize {
        self.memory_limit.saturating_mul(1 << 20)
    }

    /// Fails before anything is allocated if the values of the graph take more.
    pub(crate) fn check(&self, graph: &Graph) -> Result<(), CliError> {
        let needed = bytes(graph);
        if needed <= self.bytes() {
            return granted(graph);
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

/// Fails if the machine does not grant the memory to evaluate the graph and to print its outputs.
fn granted(graph: &Graph) -> Result<(), CliError> {
    // The inputs, and the bits of the largest output from both backends for a comparison.
    let elements = |value| graph.ty(value).shape.elements();
    let outputs = graph.outputs().iter().map(|output| elements(output.value));
    let bits = outputs.max().unwrap_or(0).saturating_mul(3 * size_of::<u64>());
    let needed = bytes_needed(graph).saturating_add(bytes(graph)).saturating_add(bits);
    brolga_memory::check(needed).map_err(|error| {
        let message = format!("graph `{}`: {error}", graph.name());
        CliError::argument(message, "make the graph smaller")
    })
}

/// The bytes of all values, also inside of bodies: the most that the interpreter needs.
fn bytes(graph: &Graph) -> usize {
    graph.ids().fold(0, |sum: usize, id| {
        let node = graph.node(id);
        let inner = node.op.bodies().iter().map(|body| bytes(body));
        let own = node.types.iter().map(|ty| ty.bytes());
        inner.chain(own).fold(sum, usize::saturating_add)
    })
}
