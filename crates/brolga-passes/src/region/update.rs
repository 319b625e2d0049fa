//! Groups of nodes that update one weight and its optimizer slots.
//!
//! A group computes the next values of the weight and its slots: a chain of elementwise ops of the
//! weight's shape, all of one role.

use std::collections::BTreeMap;

use brolga_ir::ops::Constant;
use brolga_ir::{DType, Graph, NodeId, Op, Shape, Value};
use rustc_hash::FxHashMap;

use super::{Border, MAX_NODES, NodeSet, Schedule, prologue};
use crate::rewrites::Why;
use crate::values::{is_elementwise, is_returned, splat};

/// The nodes that compute the next values of one weight and its slots.
pub(crate) struct Group {
    /// The nodes, operands before their uses, in an order that depends on the program alone.
    pub(crate) order: Vec<NodeId>,
    /// Operands of the group's shape, in the order of first use.
    pub(crate) own: Vec<Value>,
    /// Operands of rank 0, in the order of first use.
    pub(crate) scalars: Vec<Value>,
    /// The computation.
    pub(crate) program: Program,
}

/// The gradient that a group reads, a node for which `is_gradient` holds, and all nodes between it
/// and the group's results.
///
/// Elementwise ops before the group without other uses belong to them; their operands must satisfy
/// `fits`.
///
/// # Errors
/// If there is no such gradient or more than one, or if it reads a value of the group, is returned,
/// or has another use.
pub(crate) fn with_gradient(
    graph: &Graph,
    schedule: &Schedule,
    group: &Group,
    fits: impl Fn(&Graph, Value, &Shape) -> bool,
    is_gradient: impl Fn(NodeId) -> bool,
) -> Result<(NodeId, NodeSet), Why> {
    let mut nodes: NodeSet = group.order.iter().copied().collect();
    for &value in &group.own {
        let between = prologue(graph, schedule, &mut Border::default(), value, &nodes, &fits);
        nodes.extend(between);
    }
    let operands = nodes.iter().flat_map(|&id| graph.operands(id)).map(|value| value.node);
    let gradients: NodeSet = operands.filter(|&id| is_gradient(id)).collect();
    let [gradient] = gradients.into_iter().collect::<Vec<_>>()[..] else {
        return Err("the update reads no such gradient, or more than one");
    };
    // Such a gradient depends on the nodes after it.
    let reads_inside = graph.operands(gradient).iter().any(|value| nodes.contains(&value.node));
    let used_outside = graph.users(gradient).any(|user| !nodes.contains(&user));
    let shape = |id: NodeId| &graph.node(id).types[0].shape;
    let is_repeated = group.order.last().is_some_and(|&last| shape(last) != shape(gradient));
    if is_repeated {
        Err("the gradient is repeated to the shape of the update")
    } else if reads_inside {
        Err("the gradient reads a value of the update")
    } else if used_outside || is_returned(graph, gradient) {
        Err("the gradient is used elsewhere too, or is returned, and so has to be stored")
    } else {
        Ok((gradient, nodes))
    }
}

/// The parts of a group that the groups of one kernel have in common.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Program {
    steps: Vec<Step>,
    scalars: Vec<Value>,
    own: Vec<DType>,
}

#[derive(PartialEq, Eq, Hash)]
struct Step {
    op: Op,
    operands: Vec<Operand>,
    leaves: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Operand {
    Step(usize),
    Own(usize),
    Scalar(usize),
    Constant(Constant),
}

/// The groups of all states that are updated, in the order of the outputs.
pub(crate) fn groups(graph: &Graph) -> Vec<Group> {
    let roots: Vec<NodeId> = graph
        .outputs()
        .iter()
        .filter(|output| output.replaces.is_some() && output.value.port == 0)
        .map(|output| output.value.node)
        .filter(|&id| is_elementwise(graph, id) && graph.node(id).types[0].shape.rank() > 0)
        .collect();
    // Roots whose chains share a node, a weight and its slots, form one group: `group_of` maps each
    // node to its chain's first root.
    let mut group_of: FxHashMap<NodeId, usize> = FxHashMap::default();
    let mut merged: Vec<usize> = (0..roots.len()).collect();
    for (index, &root) in roots.iter().enumerate() {
        let mut stack = vec![root];
        while let Some(id) = stack.pop() {
            if let Some(&met) = group_of.get(&id) {
                let (a, b) = (find(&mut merged, met), find(&mut merged, index));
                merged[a.max(b)] = a.min(b);
                continue;
            }
            group_of.insert(id, index);
            let operands = graph.operands(id);
            stack
                .extend(operands.iter().map(|v| v.node).filter(|&node| belongs(graph, node, root)));
        }
    }
    let mut members: BTreeMap<usize, Vec<NodeId>> = BTreeMap::new();
    for (index, &root) in roots.iter().enumerate() {
        members.entry(find(&mut merged, index)).or_default().push(root);
    }
    members.values().filter_map(|roots| Group::new(graph, roots)).collect()
}

/// The representative of the set of this index, with path compression.
fn find(merged: &mut [usize], index: usize) -> usize {
    let mut first = index;
    while merged[first] != first {
        first = merged[first];
    }
    let mut next = index;
    while next != first {
        next = std::mem::replace(&mut merged[next], first);
    }
    first
}

/// Whether a node is part of the chain to `root`.
fn belongs(graph: &Graph, id: NodeId, root: NodeId) -> bool {
    let (node, root) = (graph.node(id), graph.node(root));
    is_elementwise(graph, id)
        && node.types[0].shape == root.types[0].shape
        && node.origin.role == root.origin.role
}

impl Group {
    /// The chains to these roots; `None` if they are too long for one kernel or read a value that
    /// no group may read.
    fn new(graph: &Graph, roots: &[NodeId]) -> Option<Self> {
        let root = *roots.first()?;
        let mut order = Vec::new();
        let mut steps_of: FxHashMap<NodeId, usize> = FxHashMap::default();
        for &root in roots {
            let mut stack = vec![(root, false)];
            while let Some((id, operands_done)) = stack.pop() {
                if steps_of.contains_key(&id) {
                    continue;
                }
                if operands_done {
                    steps_of.insert(id, order.len());
                    order.push(id);
                    continue;
                }
                stack.push((id, true));
                let operands = graph.operands(id);
                let inside = operands.iter().rev().map(|value| value.node);
                stack.extend(inside.filter(|&id| belongs(graph, id, root)).map(|id| (id, false)));
            }
        }
        if order.len() > MAX_NODES {
            return None;
        }
        let shape = &graph.ty(root.into()).shape;
        let (mut own, mut scalars) = (Vec::new(), Vec::new());
        let mut steps = Vec::with_capacity(order.len());
        for &id in &order {
            let mut operands = Vec::new();
            for value in graph.operands(id) {
                operands.push(match steps_of.get(&value.node) {
                    Some(&step) => Operand::Step(step),
                    None => outside(graph, value, shape, &mut own, &mut scalars)?,
                });
            }
            let used_outside = graph.users(id).any(|user| !steps_of.contains_key(&user));
            let leaves = used_outside || graph.is_output(id.into());
            steps.push(Step { op: graph.node(id).op.clone(), operands, leaves });
        }
        let dtypes = own.iter().map(|&value| graph.ty(value).dtype).collect();
        let program = Program { steps, scalars: scalars.clone(), own: dtypes };
        Some(Self { order, own, scalars, program })
    }

    /// Updates the operands, some of which may have become results of kernels.
    pub(crate) fn renew(&mut self, graph: &Graph) {
        let inside: NodeSet = self.order.iter().copied().collect();
        (self.own, self.scalars) = (Vec::new(), Vec::new());
        for value in self.order.iter().flat_map(|&id| graph.operands(id)) {
            if inside.contains(&value.node) || splat(graph, value).is_some() {
                continue;
            }
            let is_scalar = graph.ty(value).shape.rank() == 0;
            index_of(if is_scalar { &mut self.scalars } else { &mut self.own }, value);
        }
    }
}

/// How a group of this shape reads a value from outside.
fn outside(
    graph: &Graph,
    value: Value,
    shape: &Shape,
    own: &mut Vec<Value>,
    scalars: &mut Vec<Value>,
) -> Option<Operand> {
    if let Some(constant) = splat(graph, value) {
        return Some(Operand::Constant(constant.clone()));
    }
    if graph.ty(value).shape == *shape {
        return Some(Operand::Own(index_of(own, value)));
    }
    (graph.ty(value).shape.rank() == 0).then(|| Operand::Scalar(index_of(scalars, value)))
}

fn index_of(values: &mut Vec<Value>, value: Value) -> usize {
    values.iter().position(|&known| known == value).unwrap_or_else(|| {
        values.push(value);
        values.len() - 1
    })
}
