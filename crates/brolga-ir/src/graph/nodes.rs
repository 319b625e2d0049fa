//! Nodes and the uses between them.
//!
//! Each operand knows its index in the list of its producer's uses, so that connecting,
//! disconnecting and removing take time in proportion to what changes, however many nodes use the
//! same value.

use smallvec::SmallVec;

use super::{Node, NodeId, Value};

/// All nodes of a graph. A later node gets the handle of a removed one, the last removed first.
///
/// Ops and wiring lie apart: most walks over a graph follow the wiring alone, and the wiring of a
/// large graph stays in the cache.
#[derive(Debug, Clone, Default)]
pub(super) struct Nodes {
    nodes: Vec<Option<Node>>,
    wires: Vec<Wires>,
    free: Vec<NodeId>,
}

/// The operands and uses of a node; none if it has been removed.
#[derive(Debug, Clone, Default)]
struct Wires {
    operands: SmallVec<[Operand; 2]>,
    /// The uses of its results, in no particular order.
    uses: SmallVec<[Use; 2]>,
}

// One line of the cache.
const _: () = assert!(size_of::<Wires>() == 64);

#[derive(Debug, Clone, Copy, Default)]
struct Operand {
    /// `None` once the node that computed it has been removed.
    node: Option<NodeId>,
    port: u32,
    /// The index of this operand among the uses of that node.
    index: u32,
}

impl Operand {
    fn value(self) -> Option<Value> {
        self.node.map(|node| Value { node, port: self.port })
    }
}

/// A use of a node's result.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    /// The index of the result.
    pub(super) port: u32,
    /// The consumer.
    pub(super) user: NodeId,
    /// The index of the operand.
    pub(super) slot: u32,
}

impl Nodes {
    /// The number of nodes.
    pub(super) fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// One more than the largest index of a handle.
    pub(super) fn bound(&self) -> usize {
        self.nodes.len()
    }

    /// All handles, ascending.
    pub(super) fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        let taken = self.nodes.iter().enumerate().filter(|(_, node)| node.is_some());
        taken.map(|(index, _)| NodeId::at(index))
    }

    /// The node, if there is one.
    pub(super) fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.index())?.as_ref()
    }

    /// The node, for changes.
    pub(super) fn get_mut(&mut self, id: NodeId) -> &mut Node {
        self.nodes[id.index()].as_mut().expect("the node is of this graph")
    }

    /// The operands in order; `None` where the node that computed one has been removed.
    pub(super) fn operands(&self, id: NodeId) -> impl Iterator<Item = Option<Value>> + '_ {
        self.wires.get(id.index()).into_iter().flat_map(|w| w.operands.iter().map(|o| o.value()))
    }

    /// All uses of the results, in no particular order.
    pub(super) fn uses(&self, id: NodeId) -> impl Iterator<Item = Use> + '_ {
        self.wires.get(id.index()).into_iter().flat_map(|wires| wires.uses.iter().copied())
    }

    /// Adds a node with these operands, which are of this graph.
    pub(super) fn add(&mut self, node: Node, operands: &[Value]) -> NodeId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(None);
            self.wires.push(Wires::default());
            NodeId::at(self.nodes.len() - 1)
        });
        self.nodes[id.index()] = Some(node);
        self.wires[id.index()].operands = SmallVec::from_elem(Operand::default(), operands.len());
        for (slot, &value) in operands.iter().enumerate() {
            self.connect(id, slot, value);
        }
        id
    }

    /// Connects an operand that has no value to this one.
    fn connect(&mut self, user: NodeId, slot: usize, Value { node, port }: Value) {
        assert!(self.get(node).is_some(), "the node is of this graph");
        let uses = &mut self.wires[node.index()].uses;
        uses.push(Use { port, user, slot: slot as u32 });
        let index = (uses.len() - 1) as u32;
        self.wires[user.index()].operands[slot] = Operand { node: Some(node), port, index };
    }

    /// Removes an operand from the uses of its producer.
    fn disconnect(&mut self, user: NodeId, slot: usize) {
        let operand = &mut self.wires[user.index()].operands[slot];
        let (index, Some(node)) = (operand.index, operand.node.take()) else { return };
        let uses = &mut self.wires[node.index()].uses;
        uses.swap_remove(index as usize);
        if let Some(&Use { user, slot, .. }) = uses.get(index as usize) {
            self.wires[user.index()].operands[slot as usize].index = index;
        }
    }

    /// Replaces one operand of a node, if the node has it.
    pub(super) fn set_operand(&mut self, user: NodeId, slot: usize, value: Value) {
        if self.wires.get(user.index()).is_some_and(|wires| slot < wires.operands.len()) {
            self.disconnect(user, slot);
            self.connect(user, slot, value);
        }
    }

    /// Replaces all uses of `old` by `new`.
    pub(super) fn replace(&mut self, old: Value, new: Value) {
        let of_old: Vec<Use> = self.uses(old.node).filter(|u| u.port == old.port).collect();
        for Use { user, slot, .. } in of_old {
            self.set_operand(user, slot as usize, new);
        }
    }

    /// Removes a node, which leaves the operands of its consumers missing.
    pub(super) fn remove(&mut self, id: NodeId) {
        if self.get(id).is_none() {
            return;
        }
        for slot in 0..self.wires[id.index()].operands.len() {
            self.disconnect(id, slot);
        }
        let Wires { uses, .. } = std::mem::take(&mut self.wires[id.index()]);
        for Use { user, slot, .. } in uses {
            self.wires[user.index()].operands[slot as usize].node = None;
        }
        self.nodes[id.index()] = None;
        self.free.push(id);
    }

    /// Removes the nodes for which this does not hold, in ascending order.
    pub(super) fn retain(&mut self, keep: impl Fn(NodeId) -> bool) {
        for id in (0..self.nodes.len()).map(NodeId::at) {
            if !keep(id) {
                self.remove(id);
            }
        }
    }
}
