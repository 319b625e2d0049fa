//! The names values have in the text.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::graph::{Graph, NodeId, Value};

/// The names of a graph's values as the text form writes them: `%x` for an input, `%7` for the result of a node.
///
/// Results are numbered in the order of [`Graph::order`]; nodes on a cycle come last.
#[derive(Debug)]
pub struct Names<'a> {
    graph: &'a Graph,
    listing: Vec<NodeId>,
    numbers: FxHashMap<NodeId, usize>,
}

impl<'a> Names<'a> {
    /// The names in this graph.
    pub fn new(graph: &'a Graph) -> Self {
        let listing = listing(graph);
        let mut next = 0;
        let number = |&id: &NodeId| {
            let number = next;
            next += graph.get(id).map_or(0, |node| node.types.len());
            (id, number)
        };
        let numbers = listing.iter().map(number).collect();
        Self { graph, listing, numbers }
    }

    /// The nodes that are not inputs, in the order of the text.
    pub fn listing(&self) -> &[NodeId] {
        &self.listing
    }

    /// The name of a value, with `%`; `%?` if the graph has no such value.
    pub fn of(&self, value: impl Into<Value>) -> String {
        let value = value.into();
        match (self.graph.parameter(value.node), self.numbers.get(&value.node)) {
            _ if self.graph.try_ty(value).is_none() => "%?".to_owned(),
            (_, Some(number)) => format!("%{}", number + value.port as usize),
            (Some(parameter), None) => format!("%{}", parameter.name),
            (None, None) => "%?".to_owned(),
        }
    }
}

/// The nodes that are not inputs, in the order of the text.
pub(crate) fn listing(graph: &Graph) -> Vec<NodeId> {
    let mut listing = graph.order();
    if listing.len() < graph.len() {
        let mut ordered = listing.clone();
        ordered.sort_unstable();
        listing.extend(graph.ids().filter(|id| ordered.binary_search(id).is_err()));
    }
    let inputs: FxHashSet<NodeId> = graph.inputs().iter().copied().collect();
    listing.retain(|id| !inputs.contains(id));
    listing
}
