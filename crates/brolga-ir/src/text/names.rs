//! The names of values in the text.

use rustc_hash::{FxHashMap, FxHashSet};

use super::TextOptions;
use crate::graph::{Graph, NodeId, Value};

/// The names of a graph's values as the text form writes them: `%x` for an input, `%7` for the
/// result of a node.
///
/// Results are numbered in the order of [`Graph::order`]; nodes on a cycle come last. With
/// [`TextOptions::ids`] they are named by the identity of their node, `%n12`, and later results of
/// the same node `%n12.1`.
#[derive(Debug)]
pub struct Names<'a> {
    graph: &'a Graph,
    listing: Vec<NodeId>,
    results: Results,
}

#[derive(Debug)]
enum Results {
    /// The number of each node's first result.
    Numbered(FxHashMap<NodeId, usize>),
    /// The prefix of the `n` of the identities, so that no input has such a name.
    ByIdentity { prefix: String },
}

impl<'a> Names<'a> {
    /// The names in this graph, numbered.
    pub fn new(graph: &'a Graph) -> Self {
        Self::with(graph, &TextOptions::default())
    }

    /// The names in this graph as the text with these options has them.
    pub fn with(graph: &'a Graph, options: &TextOptions) -> Self {
        let listing = listing(graph, graph.order());
        if options.ids {
            return Self { graph, listing, results: Results::ByIdentity { prefix: prefix(graph) } };
        }
        let mut next = 0;
        let number = |&id: &NodeId| {
            let number = next;
            next += graph.get(id).map_or(0, |node| node.types.len());
            (id, number)
        };
        let numbers = listing.iter().map(number).collect();
        Self { graph, listing, results: Results::Numbered(numbers) }
    }

    /// The nodes that are not inputs, in the order of the text.
    pub fn listing(&self) -> &[NodeId] {
        &self.listing
    }

    /// The name of a value, with `%`; `%?` if the graph has no such value.
    pub fn of(&self, value: impl Into<Value>) -> String {
        let Value { node, port } = value.into();
        if self.graph.try_ty(Value { node, port }).is_none() {
            return "%?".to_owned();
        }
        if self.graph.is_input(node) {
            let name = self.graph.parameter(node).map(|parameter| &*parameter.name);
            return format!("%{}", name.unwrap_or("?"));
        }
        match &self.results {
            Results::Numbered(numbers) => match numbers.get(&node) {
                Some(number) => format!("%{}", number + port as usize),
                None => "%?".to_owned(),
            },
            Results::ByIdentity { prefix } => {
                let uid = self.graph.uid(node);
                let index = if port == 0 { String::new() } else { format!(".{port}") };
                format!("%{prefix}{uid}{index}")
            }
        }
    }
}

/// The least number of `_` with which no result has the name of an input.
fn prefix(graph: &Graph) -> String {
    let mut prefix = String::new();
    let inputs = || graph.inputs().iter().filter_map(|&id| graph.parameter(id));
    while inputs().any(|input| is_like_identity(&input.name, &prefix)) {
        prefix.push('_');
    }
    prefix
}

/// Whether a name begins with the prefix, `n` and a digit.
fn is_like_identity(name: &str, prefix: &str) -> bool {
    let rest = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('n'));
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// The nodes that are not inputs, in the order of the text: that of the graph, `listing`, and then
/// those on cycles.
pub(crate) fn listing(graph: &Graph, mut listing: Vec<NodeId>) -> Vec<NodeId> {
    if listing.len() < graph.len() {
        let mut ordered = listing.clone();
        ordered.sort_unstable();
        listing.extend(graph.ids().filter(|id| ordered.binary_search(id).is_err()));
    }
    let inputs: FxHashSet<NodeId> = graph.inputs().iter().copied().collect();
    listing.retain(|id| !inputs.contains(id));
    listing
}
