//! Equality of graphs.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHashMap;

use super::{Graph, NodeId, Output};
use crate::op::Op;
use crate::ops::ParameterKind;
use crate::types::Type;

impl Graph {
    /// The inputs in the order of the signature, then all other nodes in the order of
    /// [`Graph::order`]: topological too.
    pub(super) fn signature_first(&self) -> (Vec<NodeId>, FxHashMap<NodeId, usize>) {
        let inner = self.order().into_iter().filter(|&id| !self.is_input(id));
        let order: Vec<NodeId> = self.inputs.iter().copied().chain(inner).collect();
        let positions = order.iter().enumerate().map(|(position, &id)| (id, position)).collect();
        (order, positions)
    }

    /// The structure, without names and origins, which equality compares. A value that does not
    /// exist has no position.
    fn structure(&self) -> Structure<'_> {
        let (order, positions) = self.signature_first();
        let position = |id: NodeId| positions.get(&id).copied();
        let node = |&id: &NodeId| {
            let node = self.get(id)?;
            let operands = self.operands(id).iter().map(|v| (position(v.node), v.port)).collect();
            let op = match &node.op {
                Op::Parameter(parameter) => Err(parameter.kind),
                op => Ok(op),
            };
            Some(NodeStructure { op, types: &node.types, operands })
        };
        let output = |o: &Output| (position(o.value.node), o.value.port, o.replaces.map(position));
        Structure {
            inputs: self.inputs.len(),
            nodes: order.iter().map(node).collect(),
            outputs: self.outputs.iter().map(output).collect(),
        }
    }
}

#[derive(PartialEq, Eq, Hash)]
struct Structure<'a> {
    inputs: usize,
    nodes: Vec<Option<NodeStructure<'a>>>,
    outputs: Vec<(Option<usize>, u32, Option<Option<usize>>)>,
}

#[derive(PartialEq, Eq, Hash)]
struct NodeStructure<'a> {
    op: Result<&'a Op, ParameterKind>,
    types: &'a [Type],
    operands: Vec<(Option<usize>, u32)>,
}

impl PartialEq for Graph {
    fn eq(&self, other: &Self) -> bool {
        self.structure() == other.structure()
    }
}

impl Eq for Graph {}

impl Hash for Graph {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.structure().hash(state);
    }
}
