//! Graphs of many stages, in which a node that stays the same is written once.

use std::sync::Arc;

use brolga_ir::{Graph, Node, NodeId, Op, Origin, Output, Type, Uid, Value, verify};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

/// The graphs of a program, bodies included, and the parts that they share: ops, types and origins
/// are in lists and have indices.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Graphs {
    /// The ops, without their bodies.
    pub ops: Vec<Op>,
    /// The types.
    pub types: Vec<Type>,
    /// The origins.
    pub origins: Vec<Origin>,
    /// The nodes. A node that a pass changes is another one afterwards, of the same identity.
    pub nodes: Vec<NodeRecord>,
    /// The graphs; the bodies of a graph's nodes come before it.
    pub graphs: Vec<GraphRecord>,
}

/// A node of one or several graphs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its identity: the same in all stages, inside of kernels and outside.
    pub uid: Uid,
    /// Its op.
    pub op: u32,
    /// The operands: nodes of the same graph, and the indices of their results.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operands: Vec<(Uid, u32)>,
    /// The bodies of its op: indices into [`Graphs::graphs`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bodies: Vec<u32>,
    /// The types of its results.
    pub types: Vec<u32>,
    /// Its origin.
    pub origin: u32,
}

/// A graph.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GraphRecord {
    /// Its name.
    pub name: String,
    /// Its nodes in topological order, the inputs first: indices into [`Graphs::nodes`]. No two
    /// have the same identity.
    pub nodes: Vec<u32>,
    /// Its outputs.
    pub outputs: Vec<OutputRecord>,
}

/// One of the results of a graph.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OutputRecord {
    /// The node, and the index of its result.
    pub value: (Uid, u32),
    /// The state whose next value it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Uid>,
}

impl Graphs {
    /// The nodes of a graph in topological order.
    pub fn nodes_of<'a>(
        &'a self,
        graph: &'a GraphRecord,
    ) -> impl DoubleEndedIterator<Item = &'a NodeRecord> + Clone {
        graph.nodes.iter().filter_map(|&index| self.nodes.get(index as usize))
    }

    /// The nodes of a graph and those inside of its nodes, each with the node around it; bodies
    /// follow their node. The inputs of bodies are left out.
    #[must_use]
    pub fn all_nodes<'a>(
        &'a self,
        graph: &'a GraphRecord,
    ) -> Vec<(&'a NodeRecord, Option<&'a NodeRecord>)> {
        let mut found = Vec::new();
        self.collect(graph, None, &mut found);
        found
    }

    /// The recursion is as deep as bodies nest: a body's index is less than that of its graph.
    fn collect<'a>(
        &'a self,
        graph: &'a GraphRecord,
        around: Option<&'a NodeRecord>,
        found: &mut Vec<(&'a NodeRecord, Option<&'a NodeRecord>)>,
    ) {
        for node in self.nodes_of(graph) {
            if around.is_some() && matches!(self.op(node), Op::Parameter(_)) {
                continue;
            }
            found.push((node, around));
            for body in self.bodies(node) {
                self.collect(body, Some(node), found);
            }
        }
    }

    /// The op of a node, without bodies.
    #[must_use]
    pub fn op(&self, node: &NodeRecord) -> &Op {
        &self.ops[node.op as usize]
    }

    /// The types of a node's results.
    pub fn types<'a>(&'a self, node: &'a NodeRecord) -> impl Iterator<Item = &'a Type> {
        node.types.iter().map(|&index| &self.types[index as usize])
    }

    /// The origin of a node.
    #[must_use]
    pub fn origin(&self, node: &NodeRecord) -> &Origin {
        &self.origins[node.origin as usize]
    }

    /// The bodies of a node.
    pub fn bodies<'a>(&'a self, node: &'a NodeRecord) -> impl Iterator<Item = &'a GraphRecord> {
        node.bodies.iter().map(|&index| &self.graphs[index as usize])
    }

    /// The graph of an index, with the identities of its nodes. It is verified.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn graph(&self, index: u32) -> Result<Graph, String> {
        let index = index as usize;
        let wanted = self.graphs.get(index).ok_or_else(|| format!("there is no graph {index}"))?;
        // Bodies come before the graphs that they are in.
        let mut needed = vec![false; index];
        let bodies = |graph: &GraphRecord| -> Vec<usize> {
            let bodies = self.nodes_of(graph).flat_map(|node| &node.bodies);
            bodies.map(|&body| body as usize).collect()
        };
        bodies(wanted).into_iter().for_each(|body| needed[body] = true);
        for inner in (0..index).rev() {
            if needed[inner] {
                bodies(&self.graphs[inner]).into_iter().for_each(|body| needed[body] = true);
            }
        }
        let mut built: FxHashMap<u32, Arc<Graph>> = FxHashMap::default();
        for (inner, _) in needed.iter().enumerate().filter(|(_, needed)| **needed) {
            let body = self.build(&self.graphs[inner], &built)?;
            built.insert(inner as u32, Arc::new(body));
        }
        let graph = self.build(wanted, &built)?;
        verify(&graph).map_err(|errors| errors.to_string())?;
        Ok(graph)
    }

    fn build(
        &self,
        record: &GraphRecord,
        bodies: &FxHashMap<u32, Arc<Graph>>,
    ) -> Result<Graph, String> {
        let mut graph = Graph::new(record.name.clone());
        let mut ids: FxHashMap<Uid, NodeId> = FxHashMap::default();
        let at = |ids: &FxHashMap<Uid, NodeId>, (uid, port): (Uid, u32)| match ids.get(&uid) {
            Some(&node) => Ok(Value { node, port }),
            None => Err(format!("graph `{}` uses node {uid} before it has it", record.name)),
        };
        for node in self.nodes_of(record) {
            let mut op = self.op(node).clone();
            let slots = op.bodies_mut();
            if slots.len() != node.bodies.len() {
                return Err(format!("node {} has another number of bodies than its op", node.uid));
            }
            for (slot, body) in slots.iter_mut().zip(&node.bodies) {
                *slot = bodies.get(body).cloned().ok_or_else(|| format!("no body {body}"))?;
            }
            let operands: Vec<Value> =
                node.operands.iter().map(|&value| at(&ids, value)).collect::<Result<_, _>>()?;
            let types = self.types(node).cloned().collect();
            let new = Node { op, types, origin: self.origin(node).clone(), uid: node.uid };
            let id = graph
                .restore(&new, &operands)
                .map_err(|mistake| format!("node {}: {mistake}", node.uid))?;
            if graph.node(id).types != new.types {
                return Err(format!("node {}: its types are not its op's", node.uid));
            }
            if ids.insert(node.uid, id).is_some() {
                return Err(format!("graph `{}` has two nodes {}", record.name, node.uid));
            }
        }
        let mut outputs = Vec::with_capacity(record.outputs.len());
        for output in &record.outputs {
            let value = at(&ids, output.value)?;
            if graph.try_ty(value).is_none() {
                return Err(format!("node {} has no such result", output.value.0));
            }
            let replaces = output.replaces.map(|state| at(&ids, (state, 0))).transpose()?;
            outputs.push(Output { value, replaces: replaces.map(|value| value.node) });
        }
        graph.set_outputs(outputs);
        Ok(graph)
    }

    /// Checks that all indices are those of something, and that bodies come before their graphs.
    pub(crate) fn check(&self) -> Result<(), String> {
        let lost = |what: &str, index: u32| Err(format!("there is no {what} {index}"));
        for node in &self.nodes {
            if node.op as usize >= self.ops.len() {
                return lost("op", node.op);
            }
            if node.origin as usize >= self.origins.len() {
                return lost("origin", node.origin);
            }
            if let Some(&ty) = node.types.iter().find(|&&ty| ty as usize >= self.types.len()) {
                return lost("type", ty);
            }
        }
        // How deep bodies nest, and how many nodes there are if each body is counted wherever it is.
        let mut sizes: Vec<(usize, usize)> = Vec::with_capacity(self.graphs.len());
        for (index, graph) in self.graphs.iter().enumerate() {
            let (mut depth, mut count) = (0, graph.nodes.len());
            for &node in &graph.nodes {
                let Some(node) = self.nodes.get(node as usize) else { return lost("node", node) };
                for &body in &node.bodies {
                    let Some(inner) = sizes.get(body as usize).filter(|_| (body as usize) < index)
                    else {
                        return Err(format!("graph {index} comes before its body {body}"));
                    };
                    depth = depth.max(inner.0 + 1);
                    count = count.saturating_add(inner.1);
                }
            }
            if depth > brolga_ir::text::MAX_DEPTH || count > MAX_NODES {
                return Err(format!("the bodies of graph {index} are too deep or too many"));
            }
            sizes.push((depth, count));
        }
        Ok(())
    }
}

/// The most nodes of a graph with bodies, those of a body counted for each node that has it.
const MAX_NODES: usize = 1 << 22;

/// Collects graphs.
#[derive(Debug, Default)]
pub struct GraphsBuilder {
    graphs: Graphs,
    ops: FxHashMap<Op, u32>,
    types: FxHashMap<Type, u32>,
    origins: FxHashMap<Origin, u32>,
    nodes: FxHashMap<NodeRecord, u32>,
    known: FxHashMap<GraphRecord, u32>,
    /// The bodies so far by their addresses, which stay as long as the bodies are held here.
    bodies: FxHashMap<*const Graph, (Arc<Graph>, u32)>,
}

impl GraphsBuilder {
    /// Adds a graph, and its bodies; returns its index.
    pub fn add(&mut self, graph: &Graph) -> u32 {
        let order = graph.order();
        let inner = order.iter().copied().filter(|&id| !graph.is_input(id));
        let order: Vec<NodeId> = graph.inputs().iter().copied().chain(inner).collect();
        // The inputs of a body may have an identity of a node beside them. They take another one:
        // it is their name that tells what they are.
        let mut others = u64::from(u32::MAX);
        let (mut taken, mut uids) = (FxHashSet::default(), FxHashMap::default());
        for &id in order.iter().rev() {
            let mut uid = graph.uid(id);
            while !taken.insert(uid) {
                others += 1;
                uid = Uid::new(others);
            }
            uids.insert(id, uid);
        }
        let nodes = order.iter().map(|&id| self.node(graph, id, &uids)).collect();
        let at = |value: Value| (uids[&value.node], value.port);
        let output = |output: &Output| OutputRecord {
            value: at(output.value),
            replaces: output.replaces.map(|state| uids[&state]),
        };
        let outputs = graph.outputs().iter().map(output).collect();
        let record = GraphRecord { name: graph.name().to_owned(), nodes, outputs };
        intern(&mut self.known, &mut self.graphs.graphs, record)
    }

    fn node(&mut self, graph: &Graph, id: NodeId, uids: &FxHashMap<NodeId, Uid>) -> u32 {
        let node = graph.node(id);
        let bodies: Vec<u32> = node.op.bodies().iter().map(|body| self.body(body)).collect();
        let mut op = node.op.clone();
        op.bodies_mut().fill(Arc::default());
        let operands = graph.operands(id);
        let record = NodeRecord {
            uid: uids[&id],
            op: intern(&mut self.ops, &mut self.graphs.ops, op),
            operands: operands.iter().map(|value| (uids[&value.node], value.port)).collect(),
            bodies,
            types: (node.types.iter())
                .map(|ty| intern(&mut self.types, &mut self.graphs.types, ty.clone()))
                .collect(),
            origin: intern(&mut self.origins, &mut self.graphs.origins, node.origin.clone()),
        };
        intern(&mut self.nodes, &mut self.graphs.nodes, record)
    }

    /// The recursion is as deep as bodies nest.
    fn body(&mut self, body: &Arc<Graph>) -> u32 {
        if let Some((_, index)) = self.bodies.get(&Arc::as_ptr(body)) {
            return *index;
        }
        let index = self.add(body);
        self.bodies.insert(Arc::as_ptr(body), (Arc::clone(body), index));
        index
    }

    /// The graphs so far.
    #[must_use]
    pub fn graphs(&self) -> &Graphs {
        &self.graphs
    }

    /// All graphs.
    #[must_use]
    pub fn finish(self) -> Graphs {
        self.graphs
    }
}

/// The index of a part in its list, to which it is added if it is new.
fn intern<T: Clone + Eq + std::hash::Hash>(
    known: &mut FxHashMap<T, u32>,
    list: &mut Vec<T>,
    part: T,
) -> u32 {
    if let Some(&index) = known.get(&part) {
        return index;
    }
    let index = list.len() as u32;
    list.push(part.clone());
    known.insert(part, index);
    index
}
