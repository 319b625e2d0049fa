//! The serde form of graphs: nodes in topological order, the inputs first, referred to by their
//! position; the bodies of ops in one list, each once, inner ones before the ones they are in.
//!
//! A graph is verified when it is read, so that a graph from a file is valid.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Graph, NodeId, Origin, Output, Value};
use crate::op::Op;
use crate::ops::Parameter;
use crate::types::Type;
use crate::verify::verify;

#[derive(Serialize, Deserialize)]
struct GraphData {
    name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bodies: Vec<BodyData>,
    nodes: Vec<NodeData>,
    outputs: Vec<OutputData>,
}

#[derive(Serialize, Deserialize)]
struct BodyData {
    name: String,
    nodes: Vec<NodeData>,
    outputs: Vec<OutputData>,
}

#[derive(Serialize, Deserialize)]
struct NodeData {
    #[serde(flatten)]
    op: Op,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    operands: Vec<(usize, u32)>,
    /// The indices of the op's bodies in the graph's list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bodies: Vec<usize>,
    types: SmallVec<[Type; 1]>,
    #[serde(default)]
    origin: Origin,
}

#[derive(Serialize, Deserialize)]
struct OutputData {
    value: (usize, u32),
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaces: Option<usize>,
}

impl Serialize for Graph {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let malformed = || serde::ser::Error::custom("the graph is not valid; `verify` tells why");
        let bodies = self.bodies();
        let indices = bodies.iter().enumerate().map(|(i, body)| (Arc::as_ptr(body), i)).collect();
        let body = |body: &&Arc<Self>| body.data(&indices);
        let bodies = bodies.iter().map(body).collect::<Option<_>>().ok_or_else(malformed)?;
        let BodyData { name, nodes, outputs } = self.data(&indices).ok_or_else(malformed)?;
        GraphData { name, bodies, nodes, outputs }.serialize(serializer)
    }
}

impl Graph {
    /// The graph itself, with bodies as indices; `None` if it uses a value that does not exist.
    fn data(&self, bodies: &FxHashMap<*const Self, usize>) -> Option<BodyData> {
        let (order, positions) = self.signature_first();
        let position = |id: NodeId| positions.get(&id).copied();
        let at = |value: Value| {
            self.try_ty(value)?;
            Some((position(value.node)?, value.port))
        };
        let node = |&id: &NodeId| {
            let node = self.node(id);
            let index = |body: &Arc<Self>| bodies.get(&Arc::as_ptr(body)).copied();
            Some(NodeData {
                op: node.op.clone(),
                operands: self.operands(id).into_iter().map(at).collect::<Option<_>>()?,
                bodies: node.op.bodies().iter().map(index).collect::<Option<_>>()?,
                types: node.types.clone(),
                origin: node.origin.clone(),
            })
        };
        let output = |o: &Output| {
            let replaces = match o.replaces {
                Some(state) => Some(position(state)?),
                None => None,
            };
            Some(OutputData { value: at(o.value)?, replaces })
        };
        let nodes = order.iter().map(node).collect::<Option<_>>()?;
        let outputs = self.outputs.iter().map(output).collect::<Option<_>>()?;
        Some(BodyData { name: self.name.clone(), nodes, outputs })
    }
}

impl<'de> Deserialize<'de> for Graph {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;

        let GraphData { name, bodies: inner, nodes, outputs } =
            GraphData::deserialize(deserializer)?;
        let mut bodies = Vec::with_capacity(inner.len());
        for (index, data) in inner.into_iter().enumerate() {
            let body = read(data, &bodies)
                .map_err(|problem| Error::custom(format!("body {index}: {problem}")))?;
            bodies.push(Arc::new(body));
        }
        let graph = read(BodyData { name, nodes, outputs }, &bodies).map_err(Error::custom)?;
        verify(&graph).map_err(Error::custom)?;
        Ok(graph)
    }
}

/// A graph whose ops have some of these bodies.
fn read(data: BodyData, bodies: &[Arc<Graph>]) -> Result<Graph, String> {
    let mut graph = Graph::new(data.name);
    let mut ids: Vec<NodeId> = Vec::with_capacity(data.nodes.len());
    for (position, mut node) in data.nodes.into_iter().enumerate() {
        give_bodies(&mut node, bodies).map_err(|problem| format!("node {position} {problem}"))?;
        let operand = |(at, port): (usize, u32)| {
            let value = ids.get(at).map(|&node| Value { node, port });
            value.ok_or_else(|| {
                format!("node {position} has node {at} as operand, which comes later")
            })
        };
        let operands = node.operands.into_iter().map(operand).collect::<Result<Vec<_>, _>>()?;
        let id = match node.op {
            Op::Parameter(parameter) => {
                let Parameter { name, kind, ty } = *parameter;
                graph.add_input(&name, kind, ty, node.origin).map(|value| value.node)
            }
            op => graph.add_node(op, &operands, node.origin),
        };
        let id = id.map_err(|mistake| format!("node {position}: {mistake}"))?;
        if graph.node(id).types != node.types {
            return Err(format!("node {position}: its types are not its op's"));
        }
        ids.push(id);
    }
    let id = |position: usize| {
        ids.get(position).copied().ok_or_else(|| format!("there is no node {position}"))
    };
    for output in data.outputs {
        let value = Value { node: id(output.value.0)?, port: output.value.1 };
        if graph.try_ty(value).is_none() {
            return Err(format!("node {} has no such result", output.value.0));
        }
        let replaces = output.replaces.map(id).transpose()?;
        graph.push_output(Output { value, replaces });
    }
    Ok(graph)
}

/// Sets the bodies of a node's op.
fn give_bodies(node: &mut NodeData, bodies: &[Arc<Graph>]) -> Result<(), String> {
    let (slots, given) = (node.op.bodies_mut(), &node.bodies);
    if slots.len() != given.len() {
        return Err(format!("has bodies: {}, its op takes {}", given.len(), slots.len()));
    }
    for (slot, &index) in slots.iter_mut().zip(given) {
        let body = bodies.get(index);
        *slot = body.cloned().ok_or_else(|| format!("has body {index}, which comes later"))?;
    }
    Ok(())
}
