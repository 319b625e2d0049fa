//! The graphs inside the ops of a graph.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Graph, NodeId};
use crate::error::Mistake;
use crate::op::Op;
use crate::ops::ParameterKind;
use crate::text::MAX_DEPTH;

/// The most nodes of a graph with bodies, those of a body counted for each node that has it: nested
/// functions make many nodes of few.
pub(crate) const MAX_EXPANDED: usize = 1 << 22;

impl Graph {
    /// The bodies of all ops, and those inside them, each once also if nodes share it: inner ones
    /// before the ones they are in, otherwise in the order of the text.
    pub fn bodies(&self) -> Vec<&Arc<Graph>> {
        bodies_of([self])
    }

    /// The number of nodes, those of a body counted for each node that has it. `known` has the
    /// counts of bodies so far.
    fn expanded(&self, known: &mut FxHashMap<*const Self, usize>) -> usize {
        if self.depth == 0 {
            return self.len();
        }
        let mut sum = self.len();
        for body in self.ids().flat_map(|id| self.node(id).op.bodies()) {
            let inner = match known.get(&Arc::as_ptr(body)) {
                Some(&count) => count,
                None => body.expanded(known),
            };
            if body.depth > 0 {
                known.insert(Arc::as_ptr(body), inner);
            }
            sum = sum.saturating_add(inner);
        }
        sum
    }

    /// Fails if there are too many nodes, those of a body counted for each node that has it, to
    /// visit them one by one.
    pub(crate) fn check_expanded(&self) -> Result<(), Mistake> {
        // Without bodies, the graph's own nodes are all.
        if self.depth == 0 || self.expanded(&mut FxHashMap::default()) <= MAX_EXPANDED {
            return Ok(());
        }
        let message = format!("with its bodies the graph has more than {MAX_EXPANDED} nodes");
        Err(Mistake::new(message).help("a body counts for each node that has it"))
    }

    /// Fails if the graph cannot be the body of an op.
    pub(crate) fn check_body(&self, op: &str) -> Result<(), Mistake> {
        let data = |&id: &NodeId| self.parameter(id).is_none_or(|p| p.kind == ParameterKind::Data);
        if !self.inputs.iter().all(data) {
            return Err(format!("the body of a {op} takes a state; it must take data alone").into());
        }
        if self.outputs.iter().any(|output| output.replaces.is_some()) {
            return Err(format!("the body of a {op} replaces a state").into());
        }
        if self.outputs.is_empty() {
            return Err(format!("the body of a {op} returns nothing").into());
        }
        Ok(())
    }

    /// Whether an op has had a body: otherwise none has one now.
    pub fn may_nest(&self) -> bool {
        self.depth > 0
    }

    /// The depth of nested bodies with this op.
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
    for id in crate::text::names::listing(graph, graph.order()) {
        for body in graph.node(id).op.bodies() {
            if seen.insert(Arc::as_ptr(body)) {
                collect(body, found, seen);
                found.push(body);
            }
        }
    }
}
