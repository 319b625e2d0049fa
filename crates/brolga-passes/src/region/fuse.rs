//! Kernels made of regions.

use std::sync::Arc;

use brolga_ir::ops::{Kernel, KernelKind, ParameterKind};
use brolga_ir::{Graph, Mistake, Node, NodeId, Origin, Type, Value};
use rustc_hash::FxHashMap;

use super::{NodeSet, Schedule};
use crate::values::{is_elementwise, is_returned, results, splat};

/// The most ops that a kernel's name lists.
const NAMED_OPS: usize = 6;

/// A region and how its kernel is laid out.
pub(crate) struct Region {
    pub(crate) kind: KernelKind,
    /// The layer and role of the kernel.
    pub(crate) origin: Origin,
    /// The node that precedes all nodes that it does not depend on.
    pub(crate) main: Option<NodeId>,
    /// The nodes that go into the kernel.
    pub(crate) nodes: NodeSet,
    /// The nodes that are copied into the kernel. Their results are not results of the kernel; the
    /// originals stay while others use them.
    pub(crate) copied: NodeSet,
    /// The order of the nodes in the body, if it is not [`Region::order`].
    pub(crate) parts: Option<Vec<Part>>,
}

/// Consecutive nodes of a body.
pub(crate) struct Part {
    /// The first operands of the kernel that these nodes read; others come in the order of first
    /// use. Each part has operands of its own, even for a value that an earlier part reads.
    pub(crate) inputs: Vec<Value>,
    /// The nodes, operands before their uses.
    pub(crate) order: Vec<NodeId>,
}

impl Region {
    /// A region of these nodes.
    pub(crate) fn new(kind: KernelKind, origin: Origin, nodes: NodeSet) -> Self {
        Self { kind, origin, main: None, nodes, copied: NodeSet::new(), parts: None }
    }

    /// A region around a node, whose layer and role the kernel gets.
    pub(crate) fn around(graph: &Graph, kind: KernelKind, main: NodeId, nodes: NodeSet) -> Self {
        let origin = graph.node(main).origin.clone();
        Self { main: Some(main), ..Self::new(kind, origin, nodes) }
    }

    /// The nodes that the main node depends on, then that node, then all others, each in the
    /// schedule's order.
    fn order(&self, graph: &Graph, schedule: &Schedule) -> Vec<NodeId> {
        let mut order = schedule.sort(self.nodes.iter().chain(&self.copied));
        let mut needed = NodeSet::new();
        let mut stack: Vec<NodeId> = self.main.into_iter().collect();
        while let Some(id) = stack.pop() {
            if (self.nodes.contains(&id) || self.copied.contains(&id)) && needed.insert(id) {
                stack.extend(graph.operands(id).iter().map(|value| value.node));
            }
        }
        order.sort_by_key(|id| !needed.contains(id));
        order
    }

    /// Replaces the region by one kernel, in the graph and in the schedule.
    ///
    /// The kernel's operands are the values from outside that the region reads, in the order of
    /// first use. Splat constants of elementwise ops are copied into the body. Its results are the
    /// values that are used outside, in the order of the nodes.
    ///
    /// # Errors
    /// If an op rejects its operands in the body, which a valid graph cannot cause.
    pub(crate) fn fuse(
        self,
        graph: &mut Graph,
        schedule: &mut Schedule,
    ) -> Result<NodeId, Mistake> {
        let (nodes, copied) = (self.nodes.clone(), schedule.sort(&self.copied));
        let replacement = self.replacement(graph, schedule)?;
        let id = schedule.contract(graph, &nodes, |graph| replacement.insert(graph))?;
        for copied in copied.into_iter().rev() {
            if graph.users(copied).next().is_none() && !is_returned(graph, copied) {
                graph.remove(copied);
                schedule.forget(copied);
            }
        }
        Ok(id)
    }

    /// As [`Region::fuse`], for a region that copies nothing, and without a schedule to keep.
    ///
    /// # Errors
    /// As [`Region::fuse`].
    pub(crate) fn fuse_unscheduled(
        self,
        graph: &mut Graph,
        schedule: &Schedule,
    ) -> Result<NodeId, Mistake> {
        self.replacement(graph, schedule)?.insert(graph)
    }

    /// The kernel of the region.
    fn replacement(mut self, graph: &Graph, schedule: &Schedule) -> Result<Replacement, Mistake> {
        let parts = match self.parts.take() {
            Some(parts) => parts,
            None => vec![Part { inputs: Vec::new(), order: self.order(graph, schedule) }],
        };
        let order: Vec<NodeId> = parts.iter().flat_map(|part| part.order.iter().copied()).collect();
        let mut body = Body::new(kernel_name(graph, &order), graph);
        for part in &parts {
            for &input in &part.inputs {
                body.input(input)?;
            }
            for &id in &part.order {
                body.copy(id)?;
            }
        }
        let leaving = leaving(graph, &self.nodes, &order);
        let (body, operands) = body.finish(&leaving);
        let kernel = Kernel { kind: self.kind, body: Arc::new(body) };
        Ok(Replacement { kernel, operands, leaving, nodes: self.nodes, origin: self.origin })
    }
}

/// A kernel and the values that it replaces.
struct Replacement {
    kernel: Kernel,
    operands: Vec<Value>,
    /// The values that become the kernel's results.
    leaving: Vec<Value>,
    nodes: NodeSet,
    origin: Origin,
}

impl Replacement {
    fn insert(self, graph: &mut Graph) -> Result<NodeId, Mistake> {
        let id = graph.add_node(self.kernel, &self.operands, self.origin)?;
        for (port, &old) in (0..).zip(&self.leaving) {
            graph.replace(old, Value { node: id, port });
        }
        self.nodes.iter().for_each(|&node| graph.remove(node));
        Ok(id)
    }
}

/// The values of a region that are used outside, in the given order of the nodes.
fn leaving(graph: &Graph, nodes: &NodeSet, order: &[NodeId]) -> Vec<Value> {
    let leaves = |value: &Value| {
        graph.is_output(*value) || graph.users_of(*value).any(|user| !nodes.contains(&user))
    };
    let own = order.iter().filter(|id| nodes.contains(id));
    own.flat_map(|&id| results(graph, id)).filter(leaves).collect()
}

/// A body under construction.
struct Body<'a> {
    outer: &'a Graph,
    graph: Graph,
    /// The value in the body for each value outside.
    values: FxHashMap<Value, Value>,
    /// The copy in the body for each splat constant outside.
    constants: FxHashMap<NodeId, Value>,
    operands: Vec<Value>,
}

impl<'a> Body<'a> {
    fn new(name: String, outer: &'a Graph) -> Self {
        let (values, constants) = (FxHashMap::default(), FxHashMap::default());
        Self { outer, graph: Graph::nested(name, outer), values, constants, operands: Vec::new() }
    }

    /// Copies a node; its operands in the region have been copied.
    fn copy(&mut self, id: NodeId) -> Result<(), Mistake> {
        let node = self.outer.node(id);
        let mut operands = Vec::new();
        for value in self.outer.operands(id) {
            let constant = splat(self.outer, value).filter(|_| is_elementwise(self.outer, id));
            operands.push(match (constant, self.values.get(&value)) {
                (Some(_), _) => self.constant(value.node, &node.origin)?,
                (None, Some(&inside)) => inside,
                (None, None) => self.input(value)?,
            });
        }
        let copy = self.graph.add_copy(node, &operands)?;
        for value in results(self.outer, id) {
            self.values.insert(value, Value { node: copy, port: value.port });
        }
        Ok(())
    }

    /// The copy of a constant, which belongs to the layer that uses it first.
    fn constant(&mut self, id: NodeId, origin: &Origin) -> Result<Value, Mistake> {
        if let Some(&inside) = self.constants.get(&id) {
            return Ok(inside);
        }
        let constant = Node { origin: origin.clone(), ..self.outer.node(id).clone() };
        let inside = self.graph.add_copy(&constant, &[])?.into();
        self.constants.insert(id, inside);
        Ok(inside)
    }

    /// Makes a value from outside an operand of the kernel. The first operand for a parameter has
    /// its name; other parts have operands of their own.
    fn input(&mut self, value: Value) -> Result<Value, Mistake> {
        let name = match self.outer.parameter(value.node) {
            Some(parameter) if self.graph.input(&parameter.name).is_none() => {
                parameter.name.clone()
            }
            _ => {
                let numbers = self.operands.len()..;
                let mut names = numbers.map(|number| format!("v{number}"));
                names.find(|name| self.free(name)).expect("there are more names than operands")
            }
        };
        let ty: Type = self.outer.ty(value).clone();
        let inside = self.graph.add_input(&name, ParameterKind::Data, ty, Origin::default())?;
        self.operands.push(value);
        self.values.insert(value, inside);
        Ok(inside)
    }

    /// Whether neither the body nor a parameter of the graph has this name.
    fn free(&self, name: &str) -> bool {
        self.outer.input(name).is_none() && self.graph.input(name).is_none()
    }

    fn finish(mut self, leaving: &[Value]) -> (Graph, Vec<Value>) {
        for value in leaving {
            self.graph.add_output(self.values[value]);
        }
        (self.graph, self.operands)
    }
}

/// The ops in order, each once, such as `conv_add_relu_max_pool`. A `max_pool_index` beside its
/// `max_pool` is not listed.
fn kernel_name(graph: &Graph, order: &[NodeId]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for &id in order {
        let name = graph.node(id).op.name();
        let implied = name == "max_pool_index" && names.contains(&"max_pool");
        if !implied && !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > NAMED_OPS {
        names.truncate(NAMED_OPS - 1);
        names.push("etc");
    }
    names.join("_")
}
