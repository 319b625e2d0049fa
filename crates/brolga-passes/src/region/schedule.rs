//! An order of the nodes that stays topological while regions are contracted to kernels.

use brolga_ir::{Graph, NodeId, Op};

use super::NodeSet;

/// Nodes in an order in which operands come before their uses.
///
/// Contracting a region moves nothing but the nodes between its first and its last one, so that fusing a whole graph does not need
/// a new order for each kernel.
pub(crate) struct Schedule {
    order: Vec<Option<NodeId>>,
    places: Vec<usize>,
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
    /// An order of a graph as it is now: each node stands right before what needs it first, so that what belongs together is near.
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
        self.split(graph, region).hull.is_empty()
    }

    /// Whether a convex region surely stays convex with one more node. Its neighbours tell that in two cases:
    ///
    /// * all that uses the node is in the region: a way back into the region through the node is one without it;
    /// * it uses the region, and apart from that only what stands before the region: likewise, and no other way leads to it.
    pub(crate) fn extends(&self, graph: &Graph, region: &NodeSet, id: NodeId) -> bool {
        let users = graph.uses(id);
        if !users.is_empty() && users.iter().all(|(user, _)| region.contains(user)) {
            return true;
        }
        let Some((first, _)) = self.bounds(region) else { return true };
        let operands = graph.operands(id);
        let inside = |node: NodeId| region.contains(&node);
        operands.iter().any(|value| inside(value.node))
            && operands.iter().all(|value| inside(value.node) || self.place(value.node) < first)
    }

    /// The nodes on the ways out of the region and back in, in order: what is missing to make it convex.
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

    /// How many places lie between the first and the last node of a region.
    pub(crate) fn span(&self, region: &NodeSet) -> usize {
        self.bounds(region).map_or(0, |(first, last)| last - first)
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
        let Split { free, behind, .. } = self.split(graph, region);
        let (first, last) = self.bounds(region).expect("a region is not empty");
        let kernel = replace(graph)?;
        self.order[first..=last].fill(None);
        self.write(first, free.into_iter().chain([kernel]).chain(behind));
        Ok(kernel)
    }

    /// Forgets a node that was removed from the graph.
    pub(crate) fn forget(&mut self, id: NodeId) {
        let place = self.place(id);
        self.order[place] = None;
    }
}
