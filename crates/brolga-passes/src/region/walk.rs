//! Walks along edges outside of a region.

use brolga_ir::NodeId;
use rustc_hash::FxHashSet;

/// A walk along edges that lead out of a region.
pub(super) struct Walk<S, N, I> {
    /// The nodes of the region whose edges are still to be followed.
    starts: S,
    /// The nodes at the other ends of a node's edges.
    next: N,
    /// The edges of a node of the region that are still to be followed.
    leaving: Option<I>,
    /// The edges of nodes outside.
    outside: Vec<I>,
    seen: FxHashSet<NodeId>,
}

/// The finding of one step of a walk.
pub(super) enum Step {
    /// An edge back into the region.
    Back,
    /// No edge is left.
    Ended,
    /// Neither.
    On,
}

impl<'a, S, N, I> Walk<S, N, I>
where
    S: Iterator<Item = &'a NodeId>,
    N: Fn(NodeId) -> I,
    I: Iterator<Item = NodeId>,
{
    pub(super) fn new(starts: S, next: N) -> Self {
        let seen = FxHashSet::default();
        Self { starts, next, leaving: None, outside: Vec::new(), seen }
    }

    /// Follows one edge. Only nodes that are `near` can be on a path back.
    pub(super) fn step(
        &mut self,
        near: impl Fn(NodeId) -> bool,
        inside: impl Fn(NodeId) -> bool,
    ) -> Step {
        if let Some(edges) = self.outside.last_mut() {
            match edges.next() {
                Some(id) if inside(id) => return Step::Back,
                Some(id) => self.visit(id, near),
                None => drop(self.outside.pop()),
            }
        } else if let Some(edges) = &mut self.leaving {
            match edges.next() {
                Some(id) if inside(id) => {}
                Some(id) => self.visit(id, near),
                None => self.leaving = None,
            }
        } else {
            match self.starts.next() {
                Some(&id) => self.leaving = Some((self.next)(id)),
                None => return Step::Ended,
            }
        }
        Step::On
    }

    fn visit(&mut self, id: NodeId, near: impl Fn(NodeId) -> bool) {
        if near(id) && self.seen.insert(id) {
            self.outside.push((self.next)(id));
        }
    }
}
