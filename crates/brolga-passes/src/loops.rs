//! Loops as passes see them.

use std::sync::Arc;

use brolga_ir::op::Family;
use brolga_ir::ops::{ParameterKind, Scan};
use brolga_ir::{Graph, Mistake, NodeId, Op, Origin, Output, Type, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::error::PassError;

/// The loops of a graph, operands before their uses.
pub(crate) fn loops(graph: &Graph) -> Vec<NodeId> {
    let is_loop = |id: &NodeId| graph.node(*id).op.family() == Family::Loop;
    match graph.may_nest() && graph.ids().any(|id| is_loop(&id)) {
        true => graph.order().into_iter().filter(is_loop).collect(),
        false => Vec::new(),
    }
}

/// Changes the bodies of all loops of a graph, each once.
///
/// # Errors
/// That of the change.
pub(crate) fn for_each_step(
    graph: &mut Graph,
    change: &mut dyn FnMut(&mut Graph) -> Result<(), PassError>,
) -> Result<(), PassError> {
    let mut known: FxHashMap<*const Graph, (Arc<Graph>, Arc<Graph>)> = FxHashMap::default();
    for id in loops(graph) {
        let old = graph.node(id).op.bodies().to_vec();
        let mut new = old.clone();
        for body in &mut new {
            if let Some((_, changed)) = known.get(&Arc::as_ptr(body)) {
                *body = Arc::clone(changed);
                continue;
            }
            let mut inner = (**body).clone();
            change(&mut inner)?;
            let changed = match inner.revision() == body.revision() {
                true => Arc::clone(body),
                false => Arc::new(inner),
            };
            known.insert(Arc::as_ptr(body), (Arc::clone(body), Arc::clone(&changed)));
            *body = changed;
        }
        if !old.iter().zip(&new).all(|(old, new)| Arc::ptr_eq(old, new)) {
            graph.set_bodies(id, &new)?;
        }
    }
    Ok(())
}

/// An input of a loop's body, and the value outside that it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Given {
    /// The value outside: of a carry the first one.
    pub(crate) outside: Value,
    /// The input.
    pub(crate) input: NodeId,
}

/// A carry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Carried {
    pub(crate) given: Given,
    /// The value after a step.
    pub(crate) next: Value,
    /// The result of the node that it was; `None` if it is new.
    pub(crate) port: Option<u32>,
}

/// A stack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stacked {
    /// What a step adds.
    pub(crate) value: Value,
    /// The result of the node that it was; `None` if it is new.
    pub(crate) port: Option<u32>,
}

/// A scan taken apart, to be changed.
#[derive(Debug, Clone)]
pub(crate) struct Loop {
    pub(crate) scan: Scan,
    pub(crate) body: Graph,
    pub(crate) carries: Vec<Carried>,
    pub(crate) sequences: Vec<Given>,
    pub(crate) shared: Vec<Given>,
    pub(crate) stacks: Vec<Stacked>,
}

impl Loop {
    /// The parts of a node, if it is a scan.
    pub(crate) fn of(graph: &Graph, id: NodeId) -> Option<Self> {
        let Op::Scan(scan) = &graph.node(id).op else { return None };
        let body = (*scan.body).clone();
        let given: Vec<Given> = (graph.operands(id).iter().zip(body.inputs()))
            .map(|(&outside, &input)| Given { outside, input })
            .collect();
        let outputs: Vec<(u32, Value)> =
            (0..).zip(body.outputs().iter().map(|output| output.value)).collect();
        let carried = |(given, (port, next)): (&Given, &(u32, Value))| Carried {
            given: *given,
            next: *next,
            port: Some(*port),
        };
        let stacked = |&(port, value): &(u32, Value)| Stacked { value, port: Some(port) };
        Some(Self {
            carries: given.iter().zip(&outputs).take(scan.carries).map(carried).collect(),
            sequences: given[scan.carries..][..scan.sequences].to_vec(),
            shared: given[scan.carries + scan.sequences..].to_vec(),
            stacks: outputs[scan.carries..].iter().map(stacked).collect(),
            scan: Scan::clone(scan),
            body,
        })
    }

    /// A new input of the body. It has to be added to a list too.
    pub(crate) fn input(&mut self, ty: Type) -> Result<NodeId, Mistake> {
        let mut number = self.body.inputs().len();
        while self.body.input(&format!("v{number}")).is_some() {
            number += 1;
        }
        let name = format!("v{number}");
        let origin = Origin::default();
        Ok(self.body.add_input(&name, ParameterKind::Data, ty, origin)?.node)
    }

    /// Whether a step reads or returns an input.
    pub(crate) fn uses(&self, input: NodeId) -> bool {
        let value = Value::from(input);
        self.body.users(input).next().is_some()
            || self.carries.iter().any(|carry| carry.next == value)
            || self.stacks.iter().any(|stack| stack.value == value)
    }

    /// Lets steps read and return another value of the body in the place of one.
    pub(crate) fn substitute(&mut self, old: Value, new: Value) {
        self.body.replace(old, new);
        let carries = self.carries.iter_mut().map(|carry| &mut carry.next);
        let stacks = self.stacks.iter_mut().map(|stack| &mut stack.value);
        carries.chain(stacks).filter(|value| **value == old).for_each(|value| *value = new);
    }

    /// Tells the body what it returns, and removes what is dead.
    pub(crate) fn settle(&mut self) {
        let values = self.carries.iter().map(|carry| carry.next);
        let values = values.chain(self.stacks.iter().map(|stack| stack.value));
        let output = |value| Output { value, replaces: None };
        self.body.set_outputs(values.map(output).collect());
        self.body.remove_dead();
    }

    /// The place of a value among the stacks, to which it is added if it is new.
    pub(crate) fn stack(&mut self, value: Value) -> usize {
        let known = self.stacks.iter().position(|stack| stack.value == value);
        known.unwrap_or_else(|| {
            self.stacks.push(Stacked { value, port: None });
            self.stacks.len() - 1
        })
    }

    /// Lets go of sequences and shared values that no step reads.
    pub(crate) fn drop_unread(&mut self) {
        self.settle();
        let (sequences, shared) = (self.sequences.clone(), self.shared.clone());
        let read = |list: Vec<Given>| {
            list.into_iter().filter(|given| self.uses(given.input)).collect::<Vec<Given>>()
        };
        (self.sequences, self.shared) = (read(sequences), read(shared));
    }

    /// Puts a scan of these parts in the place of a node, whose results it has under other ports.
    pub(crate) fn replace(self, graph: &mut Graph, id: NodeId) -> Result<NodeId, Mistake> {
        let new = self.put(graph, id)?;
        graph.remove(id);
        Ok(new)
    }

    /// Adds a scan of these parts, whose results are used instead of those that a node has under
    /// other ports; the node stays.
    pub(crate) fn put(mut self, graph: &mut Graph, id: NodeId) -> Result<NodeId, Mistake> {
        self.settle();
        let given = self.carries.iter().map(|carry| &carry.given);
        let given: Vec<Given> = given.chain(&self.sequences).chain(&self.shared).copied().collect();
        self.body.arrange_inputs(&given.iter().map(|given| given.input).collect::<Vec<_>>())?;
        let op = Scan {
            carries: self.carries.len(),
            sequences: self.sequences.len(),
            body: Arc::new(self.body),
            ..self.scan
        };
        let operands: Vec<Value> = given.iter().map(|given| given.outside).collect();
        let origin = graph.node(id).origin.clone();
        let new = graph.add_node(op, &operands, origin)?;
        let ports = self.carries.iter().map(|carry| carry.port);
        for (port, old) in (0..).zip(ports.chain(self.stacks.iter().map(|stack| stack.port))) {
            if let Some(old) = old {
                graph.replace(Value { node: id, port: old }, Value { node: new, port });
            }
        }
        Ok(new)
    }
}

/// The nodes that these values need.
pub(crate) fn needed(body: &Graph, roots: impl Iterator<Item = Value>) -> FxHashSet<NodeId> {
    let mut found = FxHashSet::default();
    let mut stack: Vec<NodeId> = roots.map(|root| root.node).collect();
    while let Some(id) = stack.pop() {
        if found.insert(id) {
            stack.extend(body.producers(id));
        }
    }
    found
}

/// Whether something uses a result.
pub(crate) fn is_used(graph: &Graph, value: Value) -> bool {
    graph.users_of(value).next().is_some() || graph.is_output(value)
}
