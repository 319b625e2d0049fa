//! What has no native code.

use brolga_ir::{DType, Graph, NodeId, Op};

/// Whether some kernel has no native code, or such that is wrong.
pub(crate) fn has_no_code(graph: &Graph) -> bool {
    let wide = |dtype: DType| matches!(dtype, DType::F64 | DType::I64 | DType::BF16 | DType::F16);
    let node = |id: NodeId| {
        let node = graph.node(id);
        let integers = node.types.iter().any(|ty| ty.dtype.is_int())
            || graph.operands(id).iter().any(|&value| graph.ty(value).dtype.is_int());
        node.types.iter().any(|ty| wide(ty.dtype))
            || match &node.op {
                Op::Kernel(kernel) => has_no_code(&kernel.body),
                Op::Matmul(_)
                | Op::ReduceSum(_)
                | Op::ReduceMax(_)
                | Op::ReduceMin(_)
                | Op::ScatterAdd(_)
                | Op::OneHot(_) => integers,
                Op::Argmax(_) => graph.operands(id).iter().any(|&v| graph.ty(v).dtype.is_int()),
                _ => false,
            }
    };
    graph.ids().any(node)
}
