//! One graph for two sizes of batch: which extents follow the batch.

use std::collections::HashMap;

use brolga_ir::{DType, Graph, Mistake, Node, NodeId, Type, Value};

use super::error::ExportError;

/// The sizes of batch that a model is traced with. No layer takes them for an axis of extent 1.
pub(super) const BATCHES: [usize; 2] = [2, 3];

/// An extent of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// The same for each batch.
    Fixed(usize),
    /// So many times the number of samples.
    Batch(usize),
}

impl Extent {
    /// The extent, if it is the same for each batch.
    pub(super) fn fixed(self) -> Option<usize> {
        match self {
            Self::Fixed(extent) => Some(extent),
            Self::Batch(_) => None,
        }
    }

    fn of(first: usize, second: usize) -> Option<Self> {
        let [a, b] = BATCHES;
        match (first, second) {
            (first, second) if first == second => Some(Self::Fixed(first)),
            (first, second) if first.is_multiple_of(a) && first / a * b == second => {
                Some(Self::Batch(first / a))
            }
            _ => None,
        }
    }
}

/// A type of elements, and extents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) dtype: DType,
    pub(super) extents: Vec<Extent>,
}

impl Open {
    /// The number of axes.
    pub(super) fn rank(&self) -> usize {
        self.extents.len()
    }

    /// Whether there is one element.
    pub(super) fn is_single(&self) -> bool {
        self.extents.iter().all(|extent| *extent == Extent::Fixed(1))
    }

    /// The extents, if they are the same for each batch.
    pub(super) fn fixed(&self) -> Option<Vec<usize>> {
        self.extents.iter().map(|extent| extent.fixed()).collect()
    }
}

/// The graphs of one function for two sizes of batch, node by node.
#[derive(Debug, Clone)]
pub(super) struct Both<'g> {
    pub(super) graphs: [&'g Graph; 2],
    /// The nodes in an order in which operands come before their uses.
    pub(super) order: Vec<NodeId>,
    /// For each node of the first graph, that of the second one.
    twins: HashMap<NodeId, NodeId>,
}

impl<'g> Both<'g> {
    /// Pairs the nodes of two graphs.
    ///
    /// # Errors
    /// If the second graph is another function.
    pub(super) fn new(graphs: [&'g Graph; 2]) -> Result<Self, ExportError> {
        let [first, second] = graphs;
        let orders = graphs.map(Graph::order);
        let [order, other] = &orders;
        let twins: HashMap<NodeId, NodeId> =
            order.iter().copied().zip(other.iter().copied()).collect();
        let both = Self { graphs, order: order.clone(), twins };
        let inputs = first.inputs().iter().zip(second.inputs());
        let outputs = first.outputs().iter().zip(second.outputs());
        let same = order.len() == other.len()
            && first.inputs().len() == second.inputs().len()
            && first.outputs().len() == second.outputs().len()
            && inputs.clone().all(|(a, b)| both.twins.get(a) == Some(b))
            && outputs.clone().all(|(a, b)| both.value(a.value) == Some(b.value));
        if !same {
            return Err(differs(first.name(), ""));
        }
        for &id in order {
            let [a, b] = both.nodes(id)?;
            let other = both.twins[&id];
            let operands = first.operands(id).into_iter().map(|value| both.value(value));
            let same = a.op.name() == b.op.name()
                && a.types.len() == b.types.len()
                && operands.eq(second.operands(other).into_iter().map(Some));
            if !same {
                return Err(differs(first.name(), &a.origin.of_layer()));
            }
        }
        Ok(both)
    }

    fn value(&self, value: Value) -> Option<Value> {
        Some(Value { node: *self.twins.get(&value.node)?, port: value.port })
    }

    /// A node in both graphs.
    pub(super) fn nodes(&self, id: NodeId) -> Result<[&'g Node; 2], ExportError> {
        let [first, second] = self.graphs;
        match self.twins.get(&id) {
            Some(&twin) => Ok([first.node(id), second.node(twin)]),
            None => Err(differs(first.name(), "")),
        }
    }

    /// The types of a node's operands in both graphs.
    pub(super) fn operand_types(&self, id: NodeId) -> Result<[Vec<Type>; 2], ExportError> {
        let [first, second] = self.graphs;
        let values = first.operands(id);
        let twins: Option<Vec<Value>> = values.iter().map(|&value| self.value(value)).collect();
        let twins = twins.ok_or_else(|| differs(first.name(), ""))?;
        let types = |graph: &Graph, values: &[Value]| {
            values.iter().map(|&value| graph.ty(value).clone()).collect()
        };
        Ok([types(first, &values), types(second, &twins)])
    }

    /// The type of a value.
    ///
    /// # Errors
    /// If an extent follows the batch, but is no multiple of it.
    pub(super) fn ty(&self, value: Value) -> Result<Open, ExportError> {
        let [first, second] = self.graphs;
        let twin = self.value(value).ok_or_else(|| differs(first.name(), ""))?;
        let (a, b) = (first.ty(value), second.ty(twin));
        open(a, b).ok_or_else(|| {
            let origin = first.node(value.node).origin.of_layer();
            let op = first.node(value.node).op.name();
            let [few, more] = BATCHES;
            ExportError::Batch(
                Mistake::new(format!(
                    "`{op}`{origin} gives {a} for {few} samples and {b} for {more}"
                ))
                .help("an extent is fixed, or a multiple of the batch"),
            )
        })
    }
}

/// A type whose extents may follow the batch.
pub(super) fn open(a: &Type, b: &Type) -> Option<Open> {
    if a.dtype != b.dtype || a.shape.rank() != b.shape.rank() {
        return None;
    }
    let extents = a.shape.iter().zip(b.shape.iter()).map(|(&a, &b)| Extent::of(a, b));
    Some(Open { dtype: a.dtype, extents: extents.collect::<Option<_>>()? })
}

fn differs(graph: &str, layer: &str) -> ExportError {
    let [few, more] = BATCHES;
    ExportError::Batch(
        Mistake::new(format!(
            "`{graph}`{layer} is another function for {few} samples than for {more}"
        ))
        .help("a layer must not depend on the batch beyond its first axis"),
    )
}

/// The mistake of an attribute or a constant that follows the batch.
pub(super) fn depends(node: &Node) -> ExportError {
    let (op, layer) = (node.op.name(), node.origin.of_layer());
    let [few, more] = BATCHES;
    ExportError::Batch(
        Mistake::new(format!(
            "`{op}`{layer} has other attributes for {few} samples than for {more}"
        ))
        .help("a layer must not depend on the batch beyond its first axis"),
    )
}
