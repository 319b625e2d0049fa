//! Elementwise chains behind and in front of a node.

use std::collections::BTreeSet;

use brolga_ir::{Graph, NodeId, Shape, Value};

use super::{Growing, MAX_NODES, NodeSet, Schedule};
use crate::values::{elements, is_elementwise, is_returned, results};

/// Whether an operand can be read along with a value of this shape while that is produced: it has the same shape, or is one row of the
/// last axis for all the others, or is one element.
pub(crate) fn streams(graph: &Graph, operand: Value, shape: &Shape) -> bool {
    let own = &graph.ty(operand).shape;
    let one_row = || {
        let (Some((last, leading)), Some(extent)) = (own.split_last(), shape.last()) else {
            return false;
        };
        last == extent && leading.iter().all(|&extent| extent == 1) && own.rank() <= shape.rank()
    };
    own == shape || elements(graph, operand) == 1 || one_row()
}

/// Whether an operand is repeated to this shape along whole axes.
pub(crate) fn broadcasts(graph: &Graph, operand: Value, shape: &Shape) -> bool {
    graph.ty(operand).shape.broadcasts_to(shape)
}

/// Whether an operand has the shape or is one element.
pub(crate) fn same_or_one(graph: &Graph, operand: Value, shape: &Shape) -> bool {
    graph.ty(operand).shape == *shape || elements(graph, operand) == 1
}

/// Whether an operand is repeated to this shape and has, of the axes from `split` on, all or none: so it has one element for each column
/// or the same for all columns.
pub(crate) fn repeats_columns(graph: &Graph, operand: Value, shape: &Shape, split: usize) -> bool {
    let own = &graph.ty(operand).shape;
    if !own.broadcasts_to(shape) {
        return false;
    }
    let missing = shape.rank() - own.rank();
    let repeated = |axis: usize| axis < missing || own[axis - missing] != shape[axis];
    let mut columns = (split..shape.rank()).filter(|&axis| shape[axis] != 1).map(repeated);
    columns.next().is_none_or(|first| columns.all(|other| other == first))
}

/// Lets a region grow by the elementwise ops behind `root` that have the shape of its results.
///
/// Their other operands must satisfy `fits`. Ops of another role stay outside: a forward kernel does not compute what only the backward
/// part needs, and state is updated in kernels of its own. What they read and nothing else uses is computed along with them, if it is
/// elementwise too, as the mask of an activation.
pub(crate) fn epilogue(
    graph: &Graph,
    schedule: &Schedule,
    region: &mut NodeSet,
    root: NodeId,
    fits: impl Fn(&Graph, Value, &Shape) -> bool,
) {
    let shape = graph.ty(root.into()).shape.clone();
    let role = graph.node(root).origin.role;
    let mut candidates = BTreeSet::new();
    let push = |candidates: &mut BTreeSet<_>, id: NodeId| {
        candidates.extend(graph.users(id).map(|user| (schedule.place(user), user)));
    };
    push(&mut candidates, root);
    let mut growing = Growing::new(schedule, std::mem::take(region));
    let mut added = NodeSet::new();
    // In the order of the schedule all operands of a candidate have been decided on before it.
    while growing.nodes.len() < MAX_NODES
        && let Some((_, id)) = candidates.pop_first()
    {
        let node = graph.node(id);
        if !is_elementwise(graph, id) || node.types[0].shape != shape || node.origin.role != role {
            continue;
        }
        let operands = graph.operands(id);
        let mut outside = operands.iter().filter(|value| !growing.contains(value.node));
        if outside.all(|&value| fits(graph, value, &shape))
            && schedule.stays_convex(graph, &growing, id)
        {
            growing.insert(schedule, id);
            push(&mut candidates, id);
            added.insert(id);
        }
    }
    *region = growing.nodes;
    for id in added.clone() {
        for value in graph.operands(id) {
            let room = region.len() < MAX_NODES;
            if room && !region.contains(&value.node) && graph.ty(value).shape == shape {
                let side = prologue(graph, schedule, value, &added, &fits);
                region.extend(&side);
                added.extend(side);
            }
        }
    }
}

/// The elementwise ops in front of `value` that have its shape and whose results nothing but each other and `users` uses.
///
/// All their operands satisfy `fits`.
pub(crate) fn prologue(
    graph: &Graph,
    schedule: &Schedule,
    value: Value,
    users: &NodeSet,
    fits: impl Fn(&Graph, Value, &Shape) -> bool,
) -> NodeSet {
    let shape = &graph.ty(value).shape;
    let mut chain = NodeSet::new();
    let mut candidates = BTreeSet::from([(schedule.place(value.node), value.node)]);
    // Against the order of the schedule all uses of a candidate have been decided on before it.
    while chain.len() < MAX_NODES
        && let Some((_, id)) = candidates.pop_last()
    {
        let used_inside = |value: Value| {
            graph.users_of(value).all(|user| users.contains(&user) || chain.contains(&user))
        };
        let operands = graph.operands(id);
        if is_elementwise(graph, id)
            && graph.node(id).types[0].shape == *shape
            && !is_returned(graph, id)
            && results(graph, id).all(used_inside)
            && operands.iter().all(|&operand| fits(graph, operand, shape))
        {
            chain.insert(id);
            candidates.extend(operands.iter().map(|v| (schedule.place(v.node), v.node)));
        }
    }
    chain
}
