//! The dataflow graph: a function from inputs (data and state) to outputs and new states.

mod bodies;
mod data;
mod journal;
mod nodes;
mod structure;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::error::Mistake;
use crate::op::Op;
use crate::ops::{Parameter, ParameterKind};
pub use crate::origin::{Location, Origin, Role};
use crate::types::Type;

pub(crate) use bodies::bodies_of;
pub use journal::{Change, Uid};

use nodes::Nodes;

/// The handle of a node within its graph. It stays as long as the node; afterwards another node may
/// have it, unlike the node's [`Uid`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(
    /// The index + 1, so that an operand that may be missing takes no more room.
    NonZeroU32,
);

impl NodeId {
    fn at(index: usize) -> Self {
        Self(NonZeroU32::MIN.saturating_add(index as u32))
    }

    /// A unique number among the nodes of the graph, not much larger than their count: an index
    /// into a table.
    pub fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({})", self.index())
    }
}

/// One result of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value {
    /// The node that computes it.
    pub node: NodeId,
    /// The index of the result.
    pub port: u32,
}

impl From<NodeId> for Value {
    fn from(node: NodeId) -> Self {
        Self { node, port: 0 }
    }
}

/// An op in the graph with the types of its results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The op.
    pub op: Op,
    /// The types of the results.
    pub types: SmallVec<[Type; 1]>,
    /// The origin of the node.
    pub origin: Origin,
    /// The identity of the node.
    pub uid: Uid,
}

/// One of the results of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Output {
    /// The value returned.
    pub value: Value,
    /// The state input whose next value this is, if it is one.
    pub replaces: Option<NodeId>,
}

/// A function as a dataflow graph.
///
/// Equality is that of structure: the same ops with the same connections. Names and origins do not
/// count.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    name: String,
    nodes: Nodes,
    inputs: Vec<NodeId>,
    /// The inputs by name.
    names: HashMap<String, NodeId>,
    outputs: Vec<Output>,
    /// The indices of the outputs that return each value.
    returned: FxHashMap<Value, Vec<usize>>,
    /// The greatest depth of nested bodies so far.
    depth: usize,
    revision: Revision,
    /// The identity of the next node.
    next: u64,
    /// The changes, if they are recorded.
    journal: Option<Vec<Change>>,
}

/// A version of a graph, see [`Graph::revision`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision(u64);

/// A revision that no graph has had.
impl Default for Revision {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Graph {
    /// An empty graph.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// An empty graph for nodes of another one: new nodes get none of their identities.
    pub fn nested(name: impl Into<String>, outer: &Self) -> Self {
        Self { next: outer.next, ..Self::new(name) }
    }

    /// Begins to record changes.
    pub fn start_journal(&mut self) {
        self.journal = Some(Vec::new());
    }

    /// The changes since [`Graph::start_journal`]; none if they are not recorded.
    pub fn journal(&self) -> &[Change] {
        self.journal.as_deref().unwrap_or_default()
    }

    /// Ends the record of changes and returns it.
    pub fn take_journal(&mut self) -> Vec<Change> {
        self.journal.take().unwrap_or_default()
    }

    fn record(&mut self, change: impl FnOnce(&Self) -> Change) {
        if self.journal.is_some() {
            let change = change(self);
            self.journal.get_or_insert_default().push(change);
        }
    }

    /// The identity of a node.
    ///
    /// # Panics
    /// If the id is not of this graph.
    pub fn uid(&self, id: NodeId) -> Uid {
        self.node(id).uid
    }

    /// The identity of a result: that of its node, and the index of the result.
    fn result(&self, value: Value) -> (Uid, u32) {
        (self.uid(value.node), value.port)
    }

    /// The name of the function.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version of the graph: equal revisions mean that it has not been changed in between. A
    /// clone begins with that of its original.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Gives the graph a new revision.
    fn change(&mut self) {
        self.revision = Revision::default();
    }

    /// Renames the function.
    pub fn set_name(&mut self, name: impl Into<String>) {
        self.change();
        self.name = name.into();
    }

    /// The inputs in the order of the signature.
    pub fn inputs(&self) -> &[NodeId] {
        &self.inputs
    }

    /// The outputs in order.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// Appends an input.
    ///
    /// # Errors
    /// If the type is beyond the limits or the name is taken or not a name.
    pub fn add_input(
        &mut self,
        name: &str,
        kind: ParameterKind,
        ty: Type,
        origin: Origin,
    ) -> Result<Value, Mistake> {
        self.check_input(name)?;
        let op = Parameter { name: name.into(), kind, ty };
        let value = self.add(op, &[], origin)?;
        self.push_input(name, value.node);
        Ok(value)
    }

    /// Fails if no input can have this name.
    fn check_input(&self, name: &str) -> Result<(), Mistake> {
        if !crate::text::is_name(name) {
            return Err(Mistake::new(format!("`{name}` is not a name for an input")).help(
                "names consist of letters, digits and _ . / - and do not start with a digit",
            ));
        }
        match self.input(name) {
            Some(_) => Err(Mistake::new(format!("the input `%{name}` is declared twice"))),
            None => Ok(()),
        }
    }

    fn push_input(&mut self, name: &str, id: NodeId) {
        self.change();
        self.inputs.push(id);
        self.names.insert(name.to_owned(), id);
    }

    /// The input of this name.
    pub fn input(&self, name: &str) -> Option<NodeId> {
        self.names.get(name).copied()
    }

    /// Whether the node is an input of the signature.
    pub fn is_input(&self, id: NodeId) -> bool {
        self.parameter(id).is_some_and(|parameter| self.input(&parameter.name) == Some(id))
    }

    /// The declaration of an input node.
    pub fn parameter(&self, id: NodeId) -> Option<&Parameter> {
        match &self.nodes.get(id)?.op {
            Op::Parameter(parameter) => Some(parameter),
            _ => None,
        }
    }

    /// Removes an input that nothing uses; returns whether it did.
    pub fn remove_input(&mut self, id: NodeId) -> bool {
        let unused = self.users(id).next().is_none()
            && self.outputs.iter().all(|o| o.value.node != id && o.replaces != Some(id));
        if unused {
            self.change();
            self.inputs.retain(|&input| input != id);
            self.names.retain(|_, input| *input != id);
            self.remove_node(id);
        }
        unused
    }

    /// Puts the inputs into this order, and removes those that are not listed.
    ///
    /// # Errors
    /// If one that is used is not listed.
    pub fn arrange_inputs(&mut self, order: &[NodeId]) -> Result<(), Mistake> {
        let others: Vec<NodeId> =
            self.inputs.iter().copied().filter(|id| !order.contains(id)).collect();
        if !others.into_iter().all(|id| self.remove_input(id)) {
            return Err(Mistake::new("an input that is used cannot be removed"));
        }
        self.change();
        self.inputs = order.to_vec();
        Ok(())
    }

    /// Adds a node with one result; its type is inferred from the operands.
    ///
    /// # Errors
    /// If the op does not accept these operands.
    pub fn add(
        &mut self,
        op: impl Into<Op>,
        operands: &[Value],
        origin: Origin,
    ) -> Result<Value, Mistake> {
        self.add_node(op, operands, origin).map(Value::from)
    }

    /// Adds a node; the types of its results are inferred from the operands.
    ///
    /// # Errors
    /// If the op does not accept these operands, or an operand is not in the graph.
    pub fn add_node(
        &mut self,
        op: impl Into<Op>,
        operands: &[Value],
        origin: Origin,
    ) -> Result<NodeId, Mistake> {
        let uid = Uid(self.next);
        self.next += 1;
        self.insert(op.into(), operands, origin, uid)
    }

    /// Adds a copy of a node of the graph that this one is nested in, with the same identity.
    ///
    /// # Errors
    /// As [`Graph::add_node`].
    pub fn add_copy(&mut self, node: &Node, operands: &[Value]) -> Result<NodeId, Mistake> {
        self.insert(node.op.clone(), operands, node.origin.clone(), node.uid)
    }

    /// Adds a node that a file has with the identity that it has there; a parameter becomes an
    /// input. Nodes that are added later get none of the identities so far.
    ///
    /// # Errors
    /// As [`Graph::add_node`] and [`Graph::add_input`].
    pub fn restore(&mut self, node: &Node, operands: &[Value]) -> Result<NodeId, Mistake> {
        let input = match &node.op {
            Op::Parameter(parameter) => Some(&*parameter.name),
            _ => None,
        };
        input.map_or(Ok(()), |name| self.check_input(name))?;
        let id = self.add_copy(node, operands)?;
        self.next = self.next.max(node.uid.0.saturating_add(1));
        if let Some(name) = input {
            self.push_input(name, id);
        }
        Ok(id)
    }

    /// Adds copies of a function's nodes, given the values that stand for its inputs, in place of a
    /// node of this origin; returns the copy of each value that needs no other input.
    ///
    /// # Errors
    /// As [`Graph::add_node`].
    pub fn paste(
        &mut self,
        function: &Self,
        mut values: FxHashMap<Value, Value>,
        origin: &Origin,
    ) -> Result<FxHashMap<Value, Value>, Mistake> {
        for id in function.order().into_iter().filter(|&id| !function.is_input(id)) {
            let node = function.node(id);
            let operands = function.operands(id);
            let operands: SmallVec<[Value; 4]> =
                operands.iter().filter_map(|operand| values.get(operand).copied()).collect();
            if operands.len() < function.operands(id).len() {
                continue;
            }
            let copy =
                self.add_node(node.op.clone(), &operands, node.origin.clone().inside(origin))?;
            for port in 0..node.types.len() as u32 {
                values.insert(Value { node: id, port }, Value { node: copy, port });
            }
        }
        Ok(values)
    }

    /// The nodes that depend on one of these, those included.
    pub fn dependents(&self, nodes: impl IntoIterator<Item = NodeId>) -> FxHashSet<NodeId> {
        let mut found = FxHashSet::default();
        let mut stack: Vec<NodeId> = nodes.into_iter().collect();
        while let Some(id) = stack.pop() {
            if found.insert(id) {
                stack.extend(self.users(id));
            }
        }
        found
    }

    fn insert(
        &mut self,
        op: Op,
        operands: &[Value],
        origin: Origin,
        uid: Uid,
    ) -> Result<NodeId, Mistake> {
        let depth = self.depth_with(&op)?;
        let types = {
            let operand = |&value: &Value| {
                self.try_ty(value).ok_or_else(|| {
                    Mistake::new(format!("`{}`: an operand is not in the graph", op.name()))
                })
            };
            let operands = operands.iter().map(operand);
            op.infer(&operands.collect::<Result<SmallVec<[&Type; 4]>, _>>()?)?
        };
        self.change();
        self.depth = depth;
        self.record(|_| Change::Added(uid));
        Ok(self.nodes.add(Node { op, types, origin, uid }, operands))
    }

    /// Appends an output.
    pub fn add_output(&mut self, value: Value) {
        self.push_output(Output { value, replaces: None });
    }

    /// Appends an output that becomes the next value of a state input.
    pub fn add_update(&mut self, state: NodeId, value: Value) {
        self.push_output(Output { value, replaces: Some(state) });
    }

    fn push_output(&mut self, output: Output) {
        self.change();
        self.returned.entry(output.value).or_default().push(self.outputs.len());
        self.outputs.push(output);
    }

    /// Replaces all outputs.
    pub fn set_outputs(&mut self, outputs: Vec<Output>) {
        self.change();
        self.outputs.clear();
        self.returned.clear();
        outputs.into_iter().for_each(|output| self.push_output(output));
    }

    /// The node.
    ///
    /// # Panics
    /// If the id is not of this graph.
    pub fn node(&self, id: NodeId) -> &Node {
        self.get(id).expect("the node is of this graph")
    }

    /// The node, if the graph has it.
    pub fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// The origin of a node, for changes.
    ///
    /// # Panics
    /// If the id is not of this graph.
    pub fn origin_mut(&mut self, id: NodeId) -> &mut Origin {
        self.change();
        &mut self.nodes.get_mut(id).origin
    }

    /// The type of a value.
    ///
    /// # Panics
    /// If the value is not of this graph.
    pub fn ty(&self, value: Value) -> &Type {
        &self.node(value.node).types[value.port as usize]
    }

    /// The type of a value, if the graph has it.
    pub fn try_ty(&self, value: Value) -> Option<&Type> {
        self.get(value.node)?.types.get(value.port as usize)
    }

    /// The operands of a node in order.
    pub fn operands(&self, id: NodeId) -> SmallVec<[Value; 4]> {
        self.nodes.operands(id).flatten().collect()
    }

    /// The nodes that compute the operands of a node, once for each operand, in order.
    pub fn producers(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes.operands(id).flatten().map(|value| value.node)
    }

    /// The operands of a node in order; `None` for those whose nodes have been removed. A valid
    /// graph has none of these.
    pub(crate) fn slots(&self, id: NodeId) -> impl Iterator<Item = Option<Value>> + '_ {
        self.nodes.operands(id)
    }

    /// The nodes that use any result of this node and the index of the operand in each, in
    /// ascending order.
    pub fn uses(&self, id: NodeId) -> Vec<(NodeId, usize)> {
        let mut uses: Vec<_> =
            self.nodes.uses(id).map(|each| (each.user, each.slot as usize)).collect();
        uses.sort_unstable();
        uses
    }

    /// The uses of one value, in ascending order.
    pub fn uses_of(&self, value: Value) -> Vec<(NodeId, usize)> {
        let uses = self.nodes.uses(value.node).filter(|each| each.port == value.port);
        let mut uses: Vec<_> = uses.map(|each| (each.user, each.slot as usize)).collect();
        uses.sort_unstable();
        uses
    }

    /// The nodes that use any result of this node, once for each use, in no particular order.
    pub fn users(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes.uses(id).map(|each| each.user)
    }

    /// The nodes that use one value, once for each use, in no particular order.
    pub fn users_of(&self, value: Value) -> impl Iterator<Item = NodeId> + '_ {
        let uses = self.nodes.uses(value.node).filter(move |each| each.port == value.port);
        uses.map(|each| each.user)
    }

    /// Whether the value is returned.
    pub fn is_output(&self, value: Value) -> bool {
        self.returned.contains_key(&value)
    }

    /// Replaces all uses of `old` by `new`, also in outputs.
    pub fn replace(&mut self, old: Value, new: Value) {
        if old == new {
            return;
        }
        self.change();
        self.record(|graph| Change::Replaced(graph.result(old), graph.result(new)));
        self.nodes.replace(old, new);
        if let Some(indices) = self.returned.remove(&old) {
            indices.iter().for_each(|&index| self.outputs[index].value = new);
            self.returned.entry(new).or_default().extend(indices);
        }
    }

    /// Replaces one operand of a node.
    pub fn set_operand(&mut self, id: NodeId, slot: usize, value: Value) {
        self.change();
        self.record(|graph| {
            let (node, to) = (graph.uid(id), graph.result(value));
            Change::Rewired { node, operand: slot as u32, to }
        });
        self.nodes.set_operand(id, slot, value);
    }

    /// Replaces the bodies of a node's op by others that take and give the same types.
    ///
    /// # Errors
    /// If the op does not accept them, or the types of the results change.
    pub fn set_bodies(&mut self, id: NodeId, bodies: &[Arc<Self>]) -> Result<(), Mistake> {
        let mut op = self.node(id).op.clone();
        op.bodies_mut().clone_from_slice(bodies);
        let depth = self.depth_with(&op)?;
        let operands = self.operands(id);
        let types = {
            let operands = operands.iter().map(|&value| self.ty(value));
            op.infer(&operands.collect::<SmallVec<[&Type; 4]>>())?
        };
        if types != self.node(id).types {
            return Err(format!("`{}`: its body gives other types than before", op.name()).into());
        }
        self.change();
        self.depth = depth;
        self.nodes.get_mut(id).op = op;
        Ok(())
    }

    /// Removes a node. Inputs are removed with [`Graph::remove_input`].
    pub fn remove(&mut self, id: NodeId) {
        if !self.is_input(id) {
            self.change();
            self.remove_node(id);
        }
    }

    fn remove_node(&mut self, id: NodeId) {
        if let Some(uid) = self.get(id).map(|node| node.uid) {
            self.record(|_| Change::Removed(uid));
        }
        self.nodes.remove(id);
    }

    /// Removes every node that no output needs; inputs stay. Returns the number of removed nodes.
    pub fn remove_dead(&mut self) -> usize {
        self.remove_unneeded([])
    }

    /// Removes every node that neither an output nor one of `kept` needs; inputs stay. Returns the
    /// number of removed nodes.
    pub fn remove_unneeded(&mut self, kept: impl IntoIterator<Item = NodeId>) -> usize {
        let mut live = vec![false; self.nodes.bound()];
        let mut stack: Vec<NodeId> = self.outputs.iter().map(|o| o.value.node).collect();
        stack.extend(kept);
        stack.extend(&self.inputs);
        while let Some(id) = stack.pop() {
            if live.get_mut(id.index()).is_some_and(|live| !std::mem::replace(live, true)) {
                stack.extend(self.producers(id));
            }
        }
        let before = self.len();
        if let Some(journal) = &mut self.journal {
            let dead = self.nodes.ids().filter(|id| !live[id.index()]);
            journal.extend(dead.filter_map(|id| Some(Change::Dead(self.nodes.get(id)?.uid))));
        }
        self.nodes.retain(|id| live[id.index()]);
        let removed = before - self.len();
        if removed > 0 {
            self.change();
        }
        removed
    }

    /// The number of nodes, inputs included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All nodes in ascending order of their handles.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes.ids()
    }

    /// Nodes in an order in which operands come before their uses; among ready nodes, the oldest is
    /// next. Nodes on a cycle are missing.
    pub fn order(&self) -> Vec<NodeId> {
        // For each node, the number of its operands that are not in the order yet.
        let mut waiting = vec![u32::MAX; self.nodes.bound()];
        for id in self.ids() {
            waiting[id.index()] = self.producers(id).count() as u32;
        }
        let mut order = Vec::with_capacity(self.len());
        // Nodes become ready in the order of their handles, except those that use a later one:
        // these are ready late, and older than all nodes that the walk has not reached.
        let mut late = BinaryHeap::new();
        for walked in 0..waiting.len() {
            let mut next = (waiting[walked] == 0).then_some(NodeId::at(walked));
            while let Some(id) = next {
                order.push(id);
                for user in self.users(id) {
                    let count = &mut waiting[user.index()];
                    *count -= 1;
                    if *count == 0 && user.index() < walked {
                        late.push(Reverse(user));
                    }
                }
                next = late.pop().map(|Reverse(id)| id);
            }
        }
        order
    }
}

/// A set of graphs that belong together, such as `train_step`, `eval_step` and `predict`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// The functions in the order of the text.
    pub graphs: Vec<Graph>,
}

impl Module {
    /// The function of this name.
    pub fn graph(&self, name: &str) -> Option<&Graph> {
        self.graphs.iter().find(|g| g.name == name)
    }
}
