//! The graphs inside the ops of a graph.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::Graph;
use crate::error::Mistake;
use crate::op::Op;
use crate::text::MAX_DEPTH;

impl Graph {
    /// The bodies of all ops, and those inside them, each once however many nodes share it: inner ones before those they stand in,
    /// otherwise in the order of the text.
    pub fn bodies(&self) -> Vec<&Arc<Graph>> {
        bodies_of([self])
    }

    /// How deep bodies nest with this op.
    pub(super) fn depth_with(&self, op: &Op) -> Result<usize, Mistake> {
        let depth = op.bodies().iter().map(|body| body.depth + 1).fold(self.depth, usize::max);
        match depth > MAX_DEPTH {
            true => Err(Mistake::new(format!("bodies nest deeper than {MAX_DEPTH} levels"))),
            false => Ok(depth),
        }
    }
}

/// As [`Graph::bodies`], for several graphs together.
pub(crate) fn bodies_of<'a>(graphs: impl IntoIterator<Item = &'a Graph>) -> Vec<&'a Arc<Graph>> {
    let (mut found, mut seen) = (Vec::new(), FxHashSet::default());
    graphs.into_iter().for_each(|graph| collect(graph, &mut found, &mut seen));
    found
}

/// The recursion is as deep as bodies nest.
fn collect<'a>(
    graph: &'a Graph,
    found: &mut Vec<&'a Arc<Graph>>,
    seen: &mut FxHashSet<*const Graph>,
) {
    if graph.depth == 0 {
        return;
    }
    for id in crate::text::names::listing(graph) {
        for body in graph.node(id).op.bodies() {
            if seen.insert(Arc::as_ptr(body)) {
                collect(body, found, seen);
                found.push(body);
            }
        }
    }
}
