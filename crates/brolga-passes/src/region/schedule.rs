//! An order of the nodes that stays topological while regions are contracted to kernels.

use brolga_ir::{Graph, NodeId, Op};

use super::NodeSet;
use super::walk::{Step, Walk};

/// Nodes in an order in which operands come before their uses.
///
/// Contracting a region moves only the nodes between its first and its last one, so that no kernel
/// needs a new order of the whole graph.
pub(crate) struct Schedule {
    order: Vec<Option<NodeId>>,
    positions: Vec<usize>,
}

/// A region under growth, and the positions of its first and its last node.
#[derive(Default)]
pub(crate) struct Growing {
    pub(crate) nodes: NodeSet,
    bounds: Option<(usize, usize)>,
}

impl Growing {
    /// A region of these nodes.
    pub(crate) fn new(schedule: &Schedule, nodes: NodeSet) -> Self {
        let bounds = schedule.bounds(&nodes);
        Self { nodes, bounds }
    }

    pub(crate) fn contains(&self, id: NodeId) -> bool {
        self.nodes.contains(&id)
    }

    pub(crate) fn insert(&mut self, schedule: &Schedule, id: NodeId) {
        self.bounds = Some(self.bounds_with(schedule, id));
        self.nodes.insert(id);
    }

    fn bounds_with(&self, schedule: &Schedule, id: NodeId) -> (usize, usize) {
        let position = schedule.position(id);
        self.bounds
            .map_or((position, position), |(first, last)| (first.min(position), last.max(position)))
    }

    /// The distance between the first and the last node if this one is added.
    pub(crate) fn span_with(&self, schedule: &Schedule, id: NodeId) -> usize {
        let (first, last) = self.bounds_with(schedule, id);
        last - first
    }
}

/// The nodes between the first and the last one of a region that do not belong to it, in order.
#[derive(Default)]
struct Split {
    /// The nodes that do not depend on the region.
    free: Vec<NodeId>,
    /// The nodes that do.
    dependent: Vec<NodeId>,
    /// The dependent nodes that the region depends on too.
    hull: Vec<NodeId>,
}

impl Schedule {
    /// An order in which each node comes right before its first consumer, so that the nodes of a
    /// region are near each other.
    pub(crate) fn new(graph: &Graph) -> Self {
        let mut order = Vec::with_capacity(graph.len());
        let mut positions: Vec<usize> = Vec::new();
        // Nodes that no output needs come last.
        let outputs = graph.outputs().iter().map(|output| output.value.node);
        for root in outputs.chain(graph.ids()) {
            let mut stack = vec![(root, false)];
            while let Some((id, operands_done)) = stack.pop() {
                if positions.len() <= id.index() {
                    positions.resize(id.index() + 1, usize::MAX);
                }
                if positions[id.index()] != usize::MAX {
                    continue;
                }
                if operands_done {
                    positions[id.index()] = order.len();
                    order.push(Some(id));
                } else {
                    stack.push((id, true));
                    stack.extend(graph.operands(id).iter().rev().map(|value| (value.node, false)));
                }
            }
        }
        Self { order, positions }
    }

    /// The nodes in order.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        self.order.iter().copied().flatten().collect()
    }

    /// The nodes with ops of a family in order.
    pub(crate) fn seeds(&self, graph: &Graph, family: impl Fn(&Op) -> bool) -> Vec<NodeId> {
        self.nodes().into_iter().filter(|&id| family(&graph.node(id).op)).collect()
    }

    /// The position of a node.
    pub(crate) fn position(&self, id: NodeId) -> usize {
        self.positions[id.index()]
    }

    fn write(&mut self, start: usize, nodes: impl IntoIterator<Item = NodeId>) {
        for (position, id) in (start..).zip(nodes) {
            if self.positions.len() <= id.index() {
                self.positions.resize(id.index() + 1, usize::MAX);
            }
            self.positions[id.index()] = position;
            self.order[position] = Some(id);
        }
    }

    /// These nodes in order.
    pub(crate) fn sort<'a>(&self, nodes: impl IntoIterator<Item = &'a NodeId>) -> Vec<NodeId> {
        let mut sorted: Vec<NodeId> = nodes.into_iter().copied().collect();
        sorted.sort_unstable_by_key(|&id| self.position(id));
        sorted
    }

    /// Whether no path leads out of the region and back in.
    pub(crate) fn is_convex(&self, graph: &Graph, region: &NodeSet) -> bool {
        let Some((first, last)) = self.bounds(region) else { return true };
        let inside = |id: NodeId| region.contains(&id);
        !self.leads_around(graph, (first, last), region.iter(), region.iter(), inside)
    }

    /// Whether the neighbours of a node suffice to prove that a convex region stays convex with it.
    /// They do in two cases:
    ///
    /// * all its consumers are in the region: a path out of the region to the node would continue
    ///   back into the region, which is convex;
    /// * it has a producer in the region, and all others are before the region: a path from the
    ///   node back into the region would begin in the region, and no path out of the region leads
    ///   to the node.
    pub(crate) fn extends(&self, graph: &Graph, region: &Growing, id: NodeId) -> bool {
        let mut users = graph.users(id).peekable();
        if users.peek().is_some() && users.all(|user| region.contains(user)) {
            return true;
        }
        let Some((first, _)) = region.bounds else { return true };
        let operands = graph.operands(id);
        let inside = |node: NodeId| region.contains(node);
        operands.iter().any(|value| inside(value.node))
            && operands.iter().all(|value| inside(value.node) || self.position(value.node) < first)
    }

    /// Whether a convex region stays convex with one more node.
    pub(crate) fn stays_convex(&self, graph: &Graph, region: &Growing, id: NodeId) -> bool {
        let Some((_, last)) = region.bounds else { return true };
        if self.extends(graph, region, id) {
            return true;
        }
        let inside = |node: NodeId| node == id || region.contains(node);
        // After the region, only a path to the node can break convexity.
        let to_region = if self.position(id) > last { 0 } else { usize::MAX };
        let from = region.nodes.iter().chain([&id]);
        let to = [&id].into_iter().chain(region.nodes.iter().take(to_region));
        !self.leads_around(graph, region.bounds_with(self, id), from, to, inside)
    }

    /// Whether a path through nodes outside leads from a node of `from` to one of `to`, both inside
    /// of a region between these positions.
    ///
    /// A forward and a backward walk take turns, edge by edge, until one of them ends. So a node
    /// with many uses or operands costs no more than the other walk.
    fn leads_around<'a>(
        &self,
        graph: &'a Graph,
        (first, last): (usize, usize),
        from: impl Iterator<Item = &'a NodeId>,
        to: impl Iterator<Item = &'a NodeId>,
        inside: impl Fn(NodeId) -> bool,
    ) -> bool {
        let mut forward = Walk::new(from, |id| graph.users(id));
        let mut backward = Walk::new(to, |id| graph.producers(id));
        loop {
            for step in [
                forward.step(|id| self.position(id) < last, &inside),
                backward.step(|id| self.position(id) > first, &inside),
            ] {
                match step {
                    Step::Back => return true,
                    Step::Ended => return false,
                    Step::On => {}
                }
            }
        }
    }

    /// The nodes on paths out of the region and back in, in order: with them, the region is convex.
    pub(crate) fn hull(&self, graph: &Graph, region: &NodeSet) -> Vec<NodeId> {
        self.split(graph, region).hull
    }

    /// The nodes between the first and the last node of a region.
    fn split(&self, graph: &Graph, region: &NodeSet) -> Split {
        let mut split = Split::default();
        let Some((first, last)) = self.bounds(region) else { return split };
        // Operands come before their uses: one walk forward finds what depends on the region.
        let mut depends = vec![false; last + 1 - first];
        let mut crossed = false;
        for position in first..=last {
            let Some(id) = self.order[position] else { continue };
            let inside = region.contains(&id);
            for operand in graph.operands(id) {
                let of_operand = self.position(operand.node);
                let from_region = of_operand >= first && depends[of_operand - first];
                crossed |= inside && from_region;
                depends[position - first] |=
                    !inside && (from_region || region.contains(&operand.node));
            }
            if !inside {
                if depends[position - first] { &mut split.dependent } else { &mut split.free }
                    .push(id);
            }
        }
        if !crossed {
            return split;
        }
        // One walk backward finds what the region depends on.
        let mut needed = vec![false; last + 1 - first];
        for position in (first..=last).rev() {
            let Some(id) = self.order[position] else { continue };
            if region.contains(&id) || needed[position - first] {
                for operand in graph.operands(id) {
                    if let Some(position) = self.position(operand.node).checked_sub(first) {
                        needed[position] = true;
                    }
                }
            }
        }
        let on_a_path = |id: &NodeId| needed[self.position(*id) - first];
        split.hull = split.dependent.iter().copied().filter(on_a_path).collect();
        split
    }

    fn bounds(&self, region: &NodeSet) -> Option<(usize, usize)> {
        let positions = region.iter().map(|&id| self.position(id));
        Some((positions.clone().min()?, positions.max()?))
    }

    /// The nodes from one on that are less than `span` positions after it, in order.
    pub(crate) fn from(&self, id: NodeId, span: usize) -> impl Iterator<Item = NodeId> + '_ {
        self.order[self.position(id)..].iter().take(span).copied().flatten()
    }

    /// Calls `replace`, which replaces a convex region by one node, and puts that node into the
    /// order.
    ///
    /// # Errors
    /// The error that `replace` returns.
    pub(crate) fn contract<E>(
        &mut self,
        graph: &mut Graph,
        region: &NodeSet,
        replace: impl FnOnce(&mut Graph) -> Result<NodeId, E>,
    ) -> Result<NodeId, E> {
        let (first, last) = self.bounds(region).expect("a region is not empty");
        if let Some(position) = self.free_position(graph, region) {
            let kernel = replace(graph)?;
            region.iter().for_each(|&id| self.forget(id));
            self.write(position, [kernel]);
            return Ok(kernel);
        }
        let Split { free, dependent, .. } = self.split(graph, region);
        let kernel = replace(graph)?;
        self.order[first..=last].fill(None);
        self.write(first, free.into_iter().chain([kernel]).chain(dependent));
        Ok(kernel)
    }

    /// A position for the kernel of a region at which no other node has to move: the region's last,
    /// if all its consumers come after it, or its first, if all its producers come before it.
    fn free_position(&self, graph: &Graph, region: &NodeSet) -> Option<usize> {
        let (first, last) = self.bounds(region)?;
        let outside = |id: &NodeId| !region.contains(id);
        let mut users = region.iter().flat_map(|&id| graph.users(id)).filter(outside);
        let mut producers = region.iter().flat_map(|&id| graph.producers(id)).filter(outside);
        if users.all(|id| self.position(id) > last) {
            return Some(last);
        }
        producers.all(|id| self.position(id) < first).then_some(first)
    }

    /// Forgets a node that was removed from the graph.
    pub(crate) fn forget(&mut self, id: NodeId) {
        let position = self.position(id);
        self.order[position] = None;
    }
}
