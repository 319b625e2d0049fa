//! An order of the nodes that stays topological while regions are contracted to kernels.

use brolga_ir::{Graph, NodeId, Op};

use super::NodeSet;
use super::walk::{Step, Walk};

/// Nodes in an order in which operands come before their uses.
///
/// Contracting a region moves nothing but the nodes between its first and its last one, so that
/// fusing a whole graph does not need a new order for each kernel.
pub(crate) struct Schedule {
    order: Vec<Option<NodeId>>,
    places: Vec<usize>,
}

/// A region under growth, and the places of its first and its last node.
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
        let place = schedule.place(id);
        self.bounds.map_or((place, place), |(first, last)| (first.min(place), last.max(place)))
    }

    /// How many places lie between the first and the last node, with one more node.
    pub(crate) fn span_with(&self, schedule: &Schedule, id: NodeId) -> usize {
        let (first, last) = self.bounds_with(schedule, id);
        last - first
    }
}

/// The nodes between the first and the last one of a region that do not belong to it, in order.
#[derive(Default)]
struct Split {
    /// Those that do not depend on the region.
    free: Vec<NodeId>,
    /// Those that do.
    behind: Vec<NodeId>,
    /// Those of the latter that the region depends on.
    hull: Vec<NodeId>,
}

impl Schedule {
    /// An order of a graph as it is now: each node stands right before what needs it first, so that
    /// what belongs together is near.
    pub(crate) fn new(graph: &Graph) -> Self {
        let mut order = Vec::with_capacity(graph.len());
        let mut places: Vec<usize> = Vec::new();
        // What no output needs comes last.
        let outputs = graph.outputs().iter().map(|output| output.value.node);
        for root in outputs.chain(graph.ids()) {
            let mut stack = vec![(root, false)];
            while let Some((id, operands_done)) = stack.pop() {
                if places.len() <= id.index() {
                    places.resize(id.index() + 1, usize::MAX);
                }
                if places[id.index()] != usize::MAX {
                    continue;
                }
                if operands_done {
                    places[id.index()] = order.len();
                    order.push(Some(id));
                } else {
                    stack.push((id, true));
                    stack.extend(graph.operands(id).iter().rev().map(|value| (value.node, false)));
                }
            }
        }
        Self { order, places }
    }

    /// The nodes in order.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        self.order.iter().copied().flatten().collect()
    }

    /// The nodes with ops of a family in order.
    pub(crate) fn seeds(&self, graph: &Graph, family: impl Fn(&Op) -> bool) -> Vec<NodeId> {
        self.nodes().into_iter().filter(|&id| family(&graph.node(id).op)).collect()
    }

    /// Where a node of the graph stands in the order.
    pub(crate) fn place(&self, id: NodeId) -> usize {
        self.places[id.index()]
    }

    fn write(&mut self, start: usize, nodes: impl IntoIterator<Item = NodeId>) {
        for (place, id) in (start..).zip(nodes) {
            if self.places.len() <= id.index() {
                self.places.resize(id.index() + 1, usize::MAX);
            }
            self.places[id.index()] = place;
            self.order[place] = Some(id);
        }
    }

    /// These nodes in order.
    pub(crate) fn sort<'a>(&self, nodes: impl IntoIterator<Item = &'a NodeId>) -> Vec<NodeId> {
        let mut sorted: Vec<NodeId> = nodes.into_iter().copied().collect();
        sorted.sort_unstable_by_key(|&id| self.place(id));
        sorted
    }

    /// Whether no way leads out of the region and back in.
    pub(crate) fn is_convex(&self, graph: &Graph, region: &NodeSet) -> bool {
        let Some((first, last)) = self.bounds(region) else { return true };
        let inside = |id: NodeId| region.contains(&id);
        !self.leads_around(graph, (first, last), region.iter(), region.iter(), inside)
    }

    /// Whether a convex region surely stays convex with one more node. Its neighbours tell that in
    /// two cases:
    ///
    /// * all that uses the node is in the region: a way back into the region through the node is
    ///   one without it;
    /// * it uses the region, and apart from that only what stands before the region: likewise, and
    ///   no other way leads to it.
    pub(crate) fn extends(&self, graph: &Graph, region: &Growing, id: NodeId) -> bool {
        let mut users = graph.users(id).peekable();
        if users.peek().is_some() && users.all(|user| region.contains(user)) {
            return true;
        }
        let Some((first, _)) = region.bounds else { return true };
        let operands = graph.operands(id);
        let inside = |node: NodeId| region.contains(node);
        operands.iter().any(|value| inside(value.node))
            && operands.iter().all(|value| inside(value.node) || self.place(value.node) < first)
    }

    /// Whether a convex region stays convex with one more node.
    pub(crate) fn stays_convex(&self, graph: &Graph, region: &Growing, id: NodeId) -> bool {
        let Some((_, last)) = region.bounds else { return true };
        if self.extends(graph, region, id) {
            return true;
        }
        let inside = |node: NodeId| node == id || region.contains(node);
        // Behind the region, only a way to the node can make it need its own result.
        let to_region = if self.place(id) > last { 0 } else { usize::MAX };
        let from = region.nodes.iter().chain([&id]);
        let to = [&id].into_iter().chain(region.nodes.iter().take(to_region));
        !self.leads_around(graph, region.bounds_with(self, id), from, to, inside)
    }

    /// Whether a way leads from a node of `from` to one of `to`, both inside of a region between
    /// these places, through nodes outside.
    ///
    /// The ways forward and backward are walked by turns, edge by edge, until one walk ends: a node
    /// that many others use, or one with many operands, is not looked at further than the other
    /// walk takes.
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
                forward.step(|id| self.place(id) < last, &inside),
                backward.step(|id| self.place(id) > first, &inside),
            ] {
                match step {
                    Step::Back => return true,
                    Step::Ended => return false,
                    Step::On => {}
                }
            }
        }
    }

    /// The nodes on the ways out of the region and back in, in order: what is missing to make it
    /// convex.
    pub(crate) fn hull(&self, graph: &Graph, region: &NodeSet) -> Vec<NodeId> {
        self.split(graph, region).hull
    }

    /// What stands between the first and the last node of a region.
    fn split(&self, graph: &Graph, region: &NodeSet) -> Split {
        let mut split = Split::default();
        let Some((first, last)) = self.bounds(region) else { return split };
        // Operands come before their uses: one walk forward finds what depends on the region.
        let mut depends = vec![false; last + 1 - first];
        let mut crossed = false;
        for place in first..=last {
            let Some(id) = self.order[place] else { continue };
            let inside = region.contains(&id);
            for operand in graph.operands(id) {
                let place_of_operand = self.place(operand.node);
                let outside_way = place_of_operand >= first && depends[place_of_operand - first];
                crossed |= inside && outside_way;
                depends[place - first] |=
                    !inside && (outside_way || region.contains(&operand.node));
            }
            if !inside {
                if depends[place - first] { &mut split.behind } else { &mut split.free }.push(id);
            }
        }
        if !crossed {
            return split;
        }
        // One walk backward finds what the region depends on.
        let mut needed = vec![false; last + 1 - first];
        for place in (first..=last).rev() {
            let Some(id) = self.order[place] else { continue };
            if region.contains(&id) || needed[place - first] {
                for operand in graph.operands(id) {
                    if let Some(place) = self.place(operand.node).checked_sub(first) {
                        needed[place] = true;
                    }
                }
            }
        }
        let on_a_way = |id: &NodeId| needed[self.place(*id) - first];
        split.hull = split.behind.iter().copied().filter(on_a_way).collect();
        split
    }

    fn bounds(&self, region: &NodeSet) -> Option<(usize, usize)> {
        let places = region.iter().map(|&id| self.place(id));
        Some((places.clone().min()?, places.max()?))
    }

    /// The nodes from one on that stand less than `span` places behind it, in order.
    pub(crate) fn from(&self, id: NodeId, span: usize) -> impl Iterator<Item = NodeId> + '_ {
        self.order[self.place(id)..].iter().take(span).copied().flatten()
    }

    /// Lets `replace` exchange a convex region for one node, which takes its place in the order.
    ///
    /// # Errors
    /// What `replace` returns.
    pub(crate) fn contract<E>(
        &mut self,
        graph: &mut Graph,
        region: &NodeSet,
        replace: impl FnOnce(&mut Graph) -> Result<NodeId, E>,
    ) -> Result<NodeId, E> {
        let (first, last) = self.bounds(region).expect("a region is not empty");
        if let Some(place) = self.free_place(graph, region) {
            let kernel = replace(graph)?;
            region.iter().for_each(|&id| self.forget(id));
            self.write(place, [kernel]);
            return Ok(kernel);
        }
        let Split { free, behind, .. } = self.split(graph, region);
        let kernel = replace(graph)?;
        self.order[first..=last].fill(None);
        self.write(first, free.into_iter().chain([kernel]).chain(behind));
        Ok(kernel)
    }

    /// A place for the kernel of a region for which nothing else has to move: its last, if all that
    /// uses the region stands behind it, or its first, if all that it uses stands before it.
    fn free_place(&self, graph: &Graph, region: &NodeSet) -> Option<usize> {
        let (first, last) = self.bounds(region)?;
        let outside = |id: &NodeId| !region.contains(id);
        let mut users = region.iter().flat_map(|&id| graph.users(id)).filter(outside);
        let mut producers = region.iter().flat_map(|&id| graph.producers(id)).filter(outside);
        if users.all(|id| self.place(id) > last) {
            return Some(last);
        }
        producers.all(|id| self.place(id) < first).then_some(first)
    }

    /// Forgets a node that was removed from the graph.
    pub(crate) fn forget(&mut self, id: NodeId) {
        let place = self.place(id);
        self.order[place] = None;
    }
}
