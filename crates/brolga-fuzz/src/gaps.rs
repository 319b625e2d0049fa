//! What has no native code.

use brolga_ir::{Graph, NodeId, Op};
use brolga_runtime::RuntimeError;

/// Whether native code is wrong: it takes the operands of products for floats.
pub(crate) fn is_wrong(graph: &Graph) -> bool {
    let node = |id: NodeId| {
        let node = graph.node(id);
        match &node.op {
            Op::Kernel(kernel) => is_wrong(&kernel.body),
            Op::Matmul(_) => node.types.iter().any(|ty| ty.dtype.is_int()),
            _ => false,
        }
    };
    graph.ids().any(node)
}

/// Whether code generation refuses the graph.
pub(crate) fn is_refused(error: &RuntimeError) -> bool {
    matches!(error, RuntimeError::Codegen(_))
}
