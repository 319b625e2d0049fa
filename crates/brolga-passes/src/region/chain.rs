//! Epilogues and prologues of a node: elementwise chains after and before it.

use std::collections::BTreeSet;

use brolga_ir::{Graph, NodeId, Shape, Value};

use super::{Border, Growing, MAX_NODES, NodeSet, Schedule};
use crate::rewrites::Why;
use crate::values::{is_elementwise, is_returned, results};

pub(super) const NOT_ELEMENTWISE: Why = "it is not elementwise";
pub(super) const OTHER_SHAPE: Why = "its result has another shape";
pub(super) const OPERAND: Why = "it repeats an operand in a way that the kernel does not read";
pub(super) const OWN_RESULT: Why = "the kernel would need its own result by another path";
pub(super) const FULL: Why = "the kernel has as many nodes as one may have";

/// Extends a region by the elementwise ops after `root` that have the shape of its results.
///
/// Their other operands must satisfy `fits`. Ops of another role stay outside: a forward kernel
/// does not compute what only the backward part needs, and kernels of updates update states.
/// Elementwise producers of these operands without other uses belong to the region, such as the
/// mask of an activation.
pub(crate) fn epilogue(
    graph: &Graph,
    schedule: &Schedule,
    region: &mut NodeSet,
    border: &mut Border,
    root: NodeId,
    fits: impl Fn(&Graph, Value, &Shape) -> bool,
) {
    let shape = graph.ty(root.into()).shape.clone();
    let role = graph.node(root).origin.role;
    let mut candidates = BTreeSet::new();
    let push = |candidates: &mut BTreeSet<_>, id: NodeId| {
        candidates.extend(graph.users(id).map(|user| (schedule.position(user), user)));
    };
    push(&mut candidates, root);
    let mut growing = Growing::new(schedule, std::mem::take(region));
    let mut added = NodeSet::new();
    // In the order of the schedule, all operands of a candidate are decided before it.
    while growing.nodes.len() < MAX_NODES
        && let Some((_, id)) = candidates.pop_first()
    {
        let node = graph.node(id);
        let outside_fits = || {
            let operands = graph.operands(id);
            let mut outside = operands.iter().filter(|value| !growing.contains(value.node));
            outside.all(|&value| fits(graph, value, &shape))
        };
        let why = if growing.contains(id) {
            continue;
        } else if !is_elementwise(graph, id) {
            NOT_ELEMENTWISE
        } else if node.types[0].shape != shape {
            OTHER_SHAPE
        } else if node.origin.role != role {
            "it has another role"
        } else if !outside_fits() {
            OPERAND
        } else if !schedule.stays_convex(graph, &growing, id) {
            OWN_RESULT
        } else {
            growing.insert(schedule, id);
            push(&mut candidates, id);
            added.insert(id);
            continue;
        };
        border.refuse(graph, id, why);
    }
    candidates.iter().for_each(|&(_, id)| border.refuse(graph, id, FULL));
    *region = growing.nodes;
    for id in added.clone() {
        for value in graph.operands(id) {
            let room = region.len() < MAX_NODES;
            if room && !region.contains(&value.node) && graph.ty(value).shape == shape {
                let side = prologue(graph, schedule, border, value, &added, &fits);
                region.extend(&side);
                added.extend(side);
            }
        }
    }
}

/// The elementwise ops before `value` that have its shape and whose results are used only by each
/// other and by `users`.
///
/// All their operands satisfy `fits`.
pub(crate) fn prologue(
    graph: &Graph,
    schedule: &Schedule,
    border: &mut Border,
    value: Value,
    users: &NodeSet,
    fits: impl Fn(&Graph, Value, &Shape) -> bool,
) -> NodeSet {
    let shape = &graph.ty(value).shape;
    let mut chain = NodeSet::new();
    let mut candidates = BTreeSet::from([(schedule.position(value.node), value.node)]);
    // In reverse order of the schedule, all uses of a candidate are decided before it.
    while chain.len() < MAX_NODES
        && let Some((_, id)) = candidates.pop_last()
    {
        let used_inside = |value: Value| {
            graph.users_of(value).all(|user| users.contains(&user) || chain.contains(&user))
        };
        let operands = graph.operands(id);
        let why = if !is_elementwise(graph, id) {
            NOT_ELEMENTWISE
        } else if graph.node(id).types[0].shape != *shape {
            OTHER_SHAPE
        } else if is_returned(graph, id) {
            "its result is returned, and so has to be stored"
        } else if !results(graph, id).all(used_inside) {
            "its result is used elsewhere too, and so has to be stored"
        } else if !operands.iter().all(|&operand| fits(graph, operand, shape)) {
            OPERAND
        } else {
            chain.insert(id);
            candidates.extend(operands.iter().map(|v| (schedule.position(v.node), v.node)));
            continue;
        };
        border.refuse(graph, id, why);
    }
    chain
}
