//! Rule 2: what only stacks need is computed behind.

use brolga_ir::{Graph, NodeId, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use super::lift::{Lift, Lifted, can_lift};
use super::{BEHIND, Kind, distinct_operands, is_contraction, kinds, with_needed};
use crate::error::PassError;
use crate::loops::{Loop, Stacked, needed};
use crate::rewrites::Rewrites;
use crate::values::is_returned;

/// Takes out what can be.
pub(super) fn run(graph: &mut Graph, id: NodeId, rewrites: &mut Rewrites) -> Result<(), PassError> {
    let Some(mut l) = Loop::of(graph, id) else { return Ok(()) };
    if l.scan.length < 2 || l.scan.checkpoint.is_some() {
        return Ok(());
    }
    let body = l.body.clone();
    let kinds = kinds(&l);
    let is_same = |value: Value| kinds.get(&value.node) == Some(&Kind::Same);
    let taken = taken(&l, &is_same);
    if taken.is_empty() || !rewrites.allow(&BEHIND, graph, id) {
        return Ok(());
    }
    let (moved, stacks) = l.stacks.iter().partition(|stack| taken.contains(&stack.value.node));
    l.stacks = stacks;
    let moved: Vec<Stacked> = moved;
    let mut known: FxHashMap<Value, Lifted> =
        l.shared.iter().map(|given| (given.input.into(), Lifted::Same(given.outside))).collect();
    let mut of_stacks: Vec<(Value, usize)> = Vec::new();
    for value in border(&body, &taken, &is_same) {
        match l.sequences.iter().find(|given| Value::from(given.input) == value) {
            Some(given) => drop(known.insert(value, Lifted::stack(given.outside))),
            None => of_stacks.push((value, l.stack(value))),
        }
    }
    l.drop_unread();
    let (length, carries) = (l.scan.length, l.carries.len());
    if carries + l.stacks.len() > 0 {
        let node = l.put(graph, id)?;
        for (value, place) in of_stacks {
            let port = (carries + place) as u32;
            known.insert(value, Lifted::stack(Value { node, port }));
        }
    }
    let all = with_needed(&body, &taken, |id| !taken.contains(&id) && !is_same(id.into()));
    let mut lift = Lift { graph, body: &body, length, known };
    let order = body.order();
    order.iter().filter(|id| all.contains(id)).try_for_each(|&id| lift.add(id))?;
    for Stacked { value, port } in moved {
        if let Some(port) = port {
            let outside = lift.outside(value)?;
            lift.graph.replace(Value { node: id, port }, outside);
        }
    }
    graph.remove(id);
    Ok(())
}

/// What the nodes read of a step: those that are not the same in each.
fn border(body: &Graph, taken: &FxHashSet<NodeId>, is_same: &dyn Fn(Value) -> bool) -> Vec<Value> {
    let nodes = body.order().into_iter().filter(|id| taken.contains(id));
    let read = nodes.flat_map(|id| distinct_operands(body, id));
    let mut read: Vec<Value> =
        read.filter(|&value| !is_same(value) && !taken.contains(&value.node)).collect();
    read.sort_unstable();
    read.dedup();
    read
}

/// The contractions of which only stacks are made, all that is computed of them, and ops before
/// them that read what exists for all steps.
fn taken(l: &Loop, is_same: &dyn Fn(Value) -> bool) -> FxHashSet<NodeId> {
    let body = &l.body;
    let order = body.order();
    let free = free(l, &order, is_same);
    let contractions = free.iter().copied().filter(|&id| is_contraction(body, id));
    let mut taken: FxHashSet<NodeId> = body.dependents(contractions);
    let exists = |value: Value| {
        is_same(value)
            || l.sequences.iter().any(|given| Value::from(given.input) == value)
            || l.stacks.iter().any(|stack| stack.value == value)
    };
    for &id in order.iter().rev().filter(|id| free.contains(id)) {
        let mut users = body.users(id).peekable();
        if !taken.contains(&id)
            && users.peek().is_some()
            && users.all(|user| taken.contains(&user))
            && body.operands(id).iter().all(|&value| exists(value))
        {
            taken.insert(id);
        }
    }
    taken
}

/// The nodes that no carry needs and that can be computed for all steps, if all their users can.
fn free(l: &Loop, order: &[NodeId], is_same: &dyn Fn(Value) -> bool) -> FxHashSet<NodeId> {
    let body = &l.body;
    let carried = needed(body, l.carries.iter().map(|carry| carry.next));
    let mut free = FxHashSet::default();
    for &id in order.iter().rev() {
        let is_free = body.parameter(id).is_none()
            && !carried.contains(&id)
            && !is_same(id.into())
            && (body.users(id).next().is_some() || is_returned(body, id))
            && body.users(id).all(|user| free.contains(&user))
            && can_lift(body, id, l.scan.length, is_same);
        if is_free {
            free.insert(id);
        }
    }
    free
}
