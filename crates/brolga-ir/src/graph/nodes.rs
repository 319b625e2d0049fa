//! Nodes and the uses between them.
//!
//! Each operand knows its index in the list of its producer's uses, so that connecting,
//! disconnecting and removing take time in proportion to what changes, however many nodes use the
//! same value.

use smallvec::SmallVec;

use super::{Node, NodeId, Value};

/// All nodes of a graph. The handle of a removed node is given to a later one, the last removed first.
#[derive(Debug, Clone, Default)]
pub(super) struct Nodes {
    slots: Vec<Option<Slot>>,
    free: Vec<NodeId>,
}

#[derive(Debug, Clone)]
struct Slot {
    node: Node,
    operands: SmallVec<[Operand; 2]>,
    /// In no particular order.
    uses: Vec<Use>,
}

#[derive(Debug, Clone, Copy)]
struct Operand {
    /// `None` once the node that computed it has been removed.
    value: Option<Value>,
    /// The index of this operand among the uses of that node.
    index: u32,
}

/// Where a result of a node is used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    /// Which result.
    pub(super) port: u32,
    /// By which node.
    pub(super) user: NodeId,
    /// As which operand.
    pub(super) slot: u32,
}

impl Nodes {
    /// The number of nodes.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// One more than the largest index of a handle.
    pub(super) fn bound(&self) -> usize {
        self.slots.len()
    }

    /// All handles, ascending.
    pub(super) fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        let taken = self.slots.iter().enumerate().filter(|(_, slot)| slot.is_some());
        taken.map(|(index, _)| NodeId(index as u32))
    }

    fn slot(&self, id: NodeId) -> Option<&Slot> {
        self.slots.get(id.index())?.as_ref()
    }

    fn slot_mut(&mut self, id: NodeId) -> &mut Slot {
        self.slots[id.index()].as_mut().expect("the node is of this graph")
    }

    /// The node, if there is one.
    pub(super) fn get(&self, id: NodeId) -> Option<&Node> {
        self.slot(id).map(|slot| &slot.node)
    }

    /// The node, to be changed.
    pub(super) fn get_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.slot_mut(id).node
    }

    /// The operands in order; `None` where the node that computed one has been removed.
    pub(super) fn operands(&self, id: NodeId) -> impl Iterator<Item = Option<Value>> + '_ {
        self.slot(id).into_iter().flat_map(|slot| slot.operands.iter().map(|o| o.value))
    }

    /// All uses of the results, in no particular order.
    pub(super) fn uses(&self, id: NodeId) -> impl Iterator<Item = Use> + '_ {
        self.slot(id).into_iter().flat_map(|slot| slot.uses.iter().copied())
    }

    /// Adds a node with these operands, which are of this graph.
    pub(super) fn add(&mut self, node: Node, operands: &[Value]) -> NodeId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            NodeId((self.slots.len() - 1) as u32)
        });
        let none = Operand { value: None, index: 0 };
        let operands_of = SmallVec::from_elem(none, operands.len());
        self.slots[id.index()] = Some(Slot { node, operands: operands_of, uses: Vec::new() });
        for (slot, &value) in operands.iter().enumerate() {
            self.connect(id, slot, value);
        }
        id
    }

    /// Lets an operand be this value; it is no other.
    fn connect(&mut self, user: NodeId, slot: usize, value: Value) {
        let uses = &mut self.slot_mut(value.node).uses;
        uses.push(Use { port: value.port, user, slot: slot as u32 });
        let index = (uses.len() - 1) as u32;
        self.slot_mut(user).operands[slot] = Operand { value: Some(value), index };
    }

    /// Takes an operand off the uses of the node that computes it.
    fn disconnect(&mut self, user: NodeId, slot: usize) {
        let Operand { value, index } = self.slot_mut(user).operands[slot];
        let Some(value) = value else { return };
        self.slot_mut(user).operands[slot].value = None;
        let uses = &mut self.slot_mut(value.node).uses;
        uses.swap_remove(index as usize);
        if let Some(&Use { user, slot, .. }) = uses.get(index as usize) {
            self.slot_mut(user).operands[slot as usize].index = index;
        }
    }

    /// Lets one operand of a node be another value. A node without such an operand stays as it is.
    pub(super) fn set_operand(&mut self, user: NodeId, slot: usize, value: Value) {
        if self.slot(user).is_some_and(|node| slot < node.operands.len()) {
            self.disconnect(user, slot);
            self.connect(user, slot, value);
        }
    }

    /// Lets everything that uses `old` use `new`.
    pub(super) fn replace(&mut self, old: Value, new: Value) {
        let of_old: Vec<Use> = self.uses(old.node).filter(|u| u.port == old.port).collect();
        for Use { user, slot, .. } in of_old {
            self.set_operand(user, slot as usize, new);
        }
    }

    /// Removes a node. Where it was used, operands are missing.
    pub(super) fn remove(&mut self, id: NodeId) {
        let Some(slot) = self.slot(id) else { return };
        for slot in 0..slot.operands.len() {
            self.disconnect(id, slot);
        }
        let Some(removed) = self.slots[id.index()].take() else { return };
        for Use { user, slot, .. } in removed.uses {
            self.slot_mut(user).operands[slot as usize].value = None;
        }
        self.free.push(id);
    }

    /// Removes the nodes for which this does not hold, in ascending order.
    pub(super) fn retain(&mut self, keep: impl Fn(NodeId) -> bool) {
        for index in 0..self.slots.len() {
            let id = NodeId(index as u32);
            if !keep(id) {
                self.remove(id);
            }
        }
    }
}
