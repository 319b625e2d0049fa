//! The arithmetic and the traffic of nodes.

use brolga_ir::loops::{Buffer, Writer};
use brolga_ir::{Graph, NodeId, Op, Type};
use serde::{Deserialize, Serialize};

/// What a node, or a graph, computes and moves in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Work {
    /// Arithmetic operations of its scalar loops, a multiply-add counted as two.
    pub flops: u64,
    /// Bytes of the operands and results of nodes that have code: what goes through memory if each
    /// of them is a kernel.
    pub bytes: u64,
}

impl Work {
    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            flops: self.flops.saturating_add(other.flops),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// The work of one node. Values inside a kernel move no bytes.
#[must_use]
pub fn work(graph: &Graph, id: NodeId) -> Work {
    let node = graph.node(id);
    if !node.op.family().has_code() {
        return Work::default();
    }
    let operands = graph.operands(id);
    let operands: Vec<&Type> = operands.iter().map(|&value| graph.ty(value)).collect();
    let moved = operands.iter().copied().chain(&node.types).map(|ty| ty.bytes() as u64);
    Work {
        flops: flops(&node.op, &operands, &node.types),
        bytes: moved.fold(0, u64::saturating_add),
    }
}

/// The recursion is as deep as bodies nest.
fn flops(op: &Op, operands: &[&Type], results: &[Type]) -> u64 {
    if let Some(body) = op.bodies().first() {
        let steps = match op {
            Op::Scan(scan) => scan.length as u64,
            _ => 1,
        };
        let inner = body.ids().map(|id| work(body, id).flops);
        return inner.fold(0, u64::saturating_add).saturating_mul(steps);
    }
    let given = operands.iter().copied().chain(results).cloned();
    let mut writer = Writer::new(given);
    let buffers = |from: usize, count: usize| -> Vec<Buffer> {
        (from..from + count).map(|n| Buffer(n as u32)).collect()
    };
    let (taken, written) = (buffers(0, operands.len()), buffers(operands.len(), results.len()));
    op.definition().loops(&mut writer, &taken, &written);
    writer.finish().stages.iter().map(|stage| stage.flops()).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use brolga_ir::parse_graph;

    use super::*;

    #[test]
    fn arithmetic_and_traffic_of_nodes() {
        let text = "graph f(%x: f32[2,3], %w: f32[3,5]) {
            %0: f32[2,5] = matmul %x, %w
            %1: f32[10] = reshape %0 {shape=[10]}
            %2: f32[10] = add %1, %1
            return %2
        }";
        let graph = parse_graph(text, "test").expect("the text is right");
        let works: Vec<Work> = graph.order().into_iter().map(|id| work(&graph, id)).collect();
        // Two parameters, 2·2·3·5 of the product, none of the view, one for each sum.
        let flops: Vec<u64> = works.iter().map(|work| work.flops).collect();
        assert_eq!(flops, [0, 0, 60, 0, 10]);
        assert_eq!(works[2].bytes, 4 * (6 + 15 + 10));
        assert_eq!(works[4].bytes, 4 * 30);
    }
}
