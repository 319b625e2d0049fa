//! The serde form of graphs: nodes in topological order, the inputs first, referred to by their place.
//!
//! What is read is verified, so that no file gives a graph that is not valid.

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
    nodes: Vec<NodeData>,
    outputs: Vec<OutputData>,
}

#[derive(Serialize, Deserialize)]
struct NodeData {
    #[serde(flatten)]
    op: Op,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    operands: Vec<(usize, u32)>,
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
        use serde::ser::Error;

        let (order, places) = self.signature_first();
        let place = |id: NodeId| {
            let malformed = || S::Error::custom("the graph is not valid; `verify` tells why");
            places.get(&id).copied().ok_or_else(malformed)
        };
        let at = |value: Value| Ok((place(value.node)?, value.port));
        let node = |&id: &NodeId| {
            let node = self.node(id);
            Ok(NodeData {
                op: node.op.clone(),
                operands: self.operands(id).into_iter().map(at).collect::<Result<_, _>>()?,
                types: node.types.clone(),
                origin: node.origin.clone(),
            })
        };
        let output = |o: &Output| {
            Ok(OutputData { value: at(o.value)?, replaces: o.replaces.map(place).transpose()? })
        };
        let nodes = order.iter().map(node).collect::<Result<_, _>>()?;
        let outputs = self.outputs.iter().map(output).collect::<Result<_, _>>()?;
        GraphData { name: self.name.clone(), nodes, outputs }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Graph {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;

        let data = GraphData::deserialize(deserializer)?;
        let mut graph = Self::new(data.name);
        let mut ids: Vec<NodeId> = Vec::with_capacity(data.nodes.len());
        for (place, node) in data.nodes.into_iter().enumerate() {
            let operand = |(at, port): (usize, u32)| {
                ids.get(at).map(|&node| Value { node, port }).ok_or_else(|| {
                    Error::custom(format!(
                        "node {place} has node {at} as operand, which comes later"
                    ))
                })
            };
            let operands = node.operands.into_iter().map(operand).collect::<Result<Vec<_>, _>>()?;
            let id = match node.op {
                Op::Parameter(Parameter { name, kind, ty }) => {
                    graph.add_input(&name, kind, ty, node.origin).map(|value| value.node)
                }
                op => graph.add_node(op, &operands, node.origin),
            }
            .map_err(|mistake| Error::custom(format!("node {place}: {mistake}")))?;
            if graph.node(id).types != node.types {
                return Err(Error::custom(format!("node {place}: its types are not its op's")));
            }
            ids.push(id);
        }
        let id = |place: usize| {
            ids.get(place)
                .copied()
                .ok_or_else(|| Error::custom(format!("there is no node {place}")))
        };
        for output in data.outputs {
            let value = Value { node: id(output.value.0)?, port: output.value.1 };
            if graph.try_ty(value).is_none() {
                return Err(Error::custom(format!("node {} has no such result", output.value.0)));
            }
            let replaces = output.replaces.map(id).transpose()?;
            graph.push_output(Output { value, replaces });
        }
        verify(&graph).map_err(Error::custom)?;
        Ok(graph)
    }
}
