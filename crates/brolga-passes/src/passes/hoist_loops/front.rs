//! Rule 1: what depends on no carry is computed in front.

use brolga_ir::op::Family;
use brolga_ir::{Graph, NodeId, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use super::lift::{Lift, Lifted};
use super::{FRONT, Kind, distinct_operands, is_contraction, kinds, with_needed};
use crate::error::PassError;
use crate::loops::{Given, Loop, Stacked};
use crate::rewrites::Rewrites;
use crate::values::results;

/// Hoists what can be; returns the loop, unless nothing is left of it.
pub(super) fn run(
    graph: &mut Graph,
    id: NodeId,
    rewrites: &mut Rewrites,
) -> Result<Option<NodeId>, PassError> {
    let Some(mut l) = Loop::of(graph, id) else { return Ok(Some(id)) };
    if l.scan.length < 2 {
        return Ok(Some(id));
    }
    let kinds = kinds(&l);
    let kept = l.scan.checkpoint.is_some();
    if kept && l.body.ids().any(|id| is_contraction(&l.body, id) && kinds.contains_key(&id)) {
        rewrites.refuse(&FRONT, graph, id, "it has a checkpoint, so that it keeps little");
    }
    let taken = taken(&l, &kinds, kept);
    if taken.is_empty() || !rewrites.allow(&FRONT, graph, id) {
        return Ok(Some(id));
    }
    let body = l.body.clone();
    let known = (l.shared.iter().map(|given| (given, Lifted::Same(given.outside))))
        .chain(l.sequences.iter().map(|given| (given, Lifted::stack(given.outside))));
    let known = known.map(|(given, lifted)| (Value::from(given.input), lifted)).collect();
    let mut lift = Lift { graph, body: &body, length: l.scan.length, known };
    let all = with_needed(&body, &taken, |_| false);
    let order = body.order();
    order.iter().filter(|id| all.contains(id)).try_for_each(|&id| lift.add(id))?;
    for &node in order.iter().filter(|id| taken.contains(id)) {
        let is_same = kinds[&node] == Kind::Same;
        for value in results(&body, node) {
            if !is_same {
                stack_outside(&mut lift, id, &mut l, value)?;
            }
            if is_read(&l, &taken, value) {
                let outside = lift.outside(value)?;
                let input = l.input(body.ty(value).clone())?;
                l.substitute(value, input.into());
                let given = Given { outside, input };
                if is_same { l.shared.push(given) } else { l.sequences.push(given) }
            }
        }
    }
    l.drop_unread();
    if l.carries.is_empty() && l.stacks.is_empty() {
        graph.remove(id);
        return Ok(None);
    }
    Ok(Some(l.replace(graph, id)?))
}

/// Lets users of a stack use what was computed outside.
fn stack_outside(
    lift: &mut Lift<'_>,
    id: NodeId,
    l: &mut Loop,
    value: Value,
) -> Result<(), PassError> {
    let (moved, stacks) = l.stacks.iter().partition(|stack| stack.value == value);
    l.stacks = stacks;
    let moved: Vec<Stacked> = moved;
    for port in moved.iter().filter_map(|stack| stack.port) {
        let outside = lift.outside(value)?;
        lift.graph.replace(Value { node: id, port }, outside);
    }
    Ok(())
}

/// Whether a step reads or returns a value after these nodes are taken out of it.
fn is_read(l: &Loop, taken: &FxHashSet<NodeId>, value: Value) -> bool {
    l.body.users_of(value).any(|user| !taken.contains(&user))
        || l.carries.iter().any(|carry| carry.next == value)
        || l.stacks.iter().any(|stack| stack.value == value)
}

/// The nodes whose results steps read from outside: what is the same in each step, contractions,
/// and what follows them.
fn taken(l: &Loop, kinds: &FxHashMap<NodeId, Kind>, kept: bool) -> FxHashSet<NodeId> {
    let body = &l.body;
    let mut taken = FxHashSet::default();
    for id in body.order() {
        if body.parameter(id).is_some() {
            continue;
        }
        let take = match kinds.get(&id) {
            Some(Kind::Same) => computes(body, id),
            Some(Kind::Slices) if kept => false,
            Some(Kind::Slices) if is_contraction(body, id) => true,
            Some(Kind::Slices) => follows(l, kinds, &taken, id),
            None => false,
        };
        if take {
            taken.insert(id);
        }
    }
    taken
}

/// Whether it is worth a value outside of the loop: sources and views compute nothing, and elements
/// that are repeated or follow from their indices take less time to make than to read.
fn computes(body: &Graph, id: NodeId) -> bool {
    let elements = |value: Value| body.ty(value).shape.elements();
    let operands: usize = body.operands(id).iter().map(|&value| elements(value)).sum();
    match body.node(id).op.family() {
        Family::Source | Family::View => false,
        Family::Movement | Family::Indices => {
            results(body, id).map(elements).sum::<usize>() <= operands
        }
        _ => true,
    }
}

/// Whether a node is computed of what is taken, and steps read no more bytes if it is taken too.
fn follows(
    l: &Loop,
    kinds: &FxHashMap<NodeId, Kind>,
    taken: &FxHashSet<NodeId>,
    id: NodeId,
) -> bool {
    let body = &l.body;
    let operands = distinct_operands(body, id);
    let of_slices = |value: &&Value| kinds.get(&value.node) == Some(&Kind::Slices);
    let slices: Vec<Value> = operands.iter().filter(of_slices).copied().collect();
    let is_known =
        |value: &Value| taken.contains(&value.node) || body.parameter(value.node).is_some();
    if !slices.iter().any(|value| taken.contains(&value.node)) || !slices.iter().all(is_known) {
        return false;
    }
    let is_carried = |value: Value| l.carries.iter().any(|carry| carry.next == value);
    let unread = |value: &&Value| {
        let only = body.users_of(**value).all(|user| user == id || taken.contains(&user));
        taken.contains(&value.node) && only && !is_carried(**value)
    };
    let saved: usize = slices.iter().filter(unread).map(|&value| body.ty(value).bytes()).sum();
    let result = Value::from(id);
    let reads = body.users_of(result).next().is_some() || is_carried(result);
    let added = if reads { body.ty(result).bytes() } else { 0 };
    added <= saved
}
