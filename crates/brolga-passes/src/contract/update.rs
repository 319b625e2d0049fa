//! Kernels of the kind `update`: the same program for each group of states.

use brolga_ir::{Graph, NodeId, Op, Shape, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Checked, ensure};
use crate::values::is_elementwise;

pub(super) fn check(body: &Graph, nodes: &[NodeId]) -> Checked {
    for &id in nodes {
        ensure(
            is_elementwise(body, id),
            format!("`{}` is not elementwise", body.node(id).op.name()),
        )?;
    }
    let group_of = group_of(body, nodes);
    let count = group_of.values().max().map_or(0, |last| last + 1);
    ensure(count > 0, "the body is empty")?;
    let ordered = nodes.iter().map(|id| group_of[id]).is_sorted();
    ensure(ordered, "the ops do not come group by group")?;
    let groups: Vec<&[NodeId]> = nodes.chunk_by(|a, b| group_of[a] == group_of[b]).collect();
    let inputs: Vec<Value> = body.inputs().iter().map(|&id| Value::from(id)).collect();
    let is_shared = |&&input: &&Value| is_shared(body, input, &group_of, count);
    let shared = positions(inputs.iter().take_while(is_shared));
    let first = program(body, groups[0], &shared)?;
    let mut own = Vec::new();
    for group in &groups {
        let group = program(body, group, &shared)?;
        ensure(group.steps == first.steps, "two groups do not have the same program")?;
        own.extend(group.own);
    }
    // All groups have their operands in the same order, be it that of first use or another.
    let known = positions(&inputs[shared.len()..]);
    let positions: Vec<usize> = own.iter().filter_map(|value| known.get(value).copied()).collect();
    let size = own.len() / count;
    ensure(positions.len() == known.len(), "an operand belongs to no group")?;
    let by_group = (0..count).all(|group| {
        let positions = &positions[group * size..(group + 1) * size];
        positions.iter().all(|position| (group * size..(group + 1) * size).contains(position))
    });
    ensure(by_group, "the operands do not come group by group")?;
    let outputs = body.outputs().iter().map(|output| group_of.get(&output.value.node));
    ensure(outputs.is_sorted(), "the results do not come group by group")
}

/// The index of each node's group. Groups are the connected components of the body.
fn group_of(body: &Graph, nodes: &[NodeId]) -> FxHashMap<NodeId, usize> {
    let known: FxHashSet<NodeId> = nodes.iter().copied().collect();
    let mut group_of = FxHashMap::default();
    let mut groups = 0;
    for &start in nodes {
        let mut stack = vec![start];
        let new = !group_of.contains_key(&start);
        while let Some(id) = stack.pop() {
            if known.contains(&id) && !group_of.contains_key(&id) {
                group_of.insert(id, groups);
                stack.extend(body.producers(id).chain(body.users(id)));
            }
        }
        groups += usize::from(new);
    }
    group_of
}

/// The position of each value in a list.
fn positions<'a>(values: impl IntoIterator<Item = &'a Value>) -> FxHashMap<Value, usize> {
    values.into_iter().enumerate().map(|(position, &value)| (value, position)).collect()
}

/// Whether an input is a scalar that every group reads.
fn is_shared(
    body: &Graph,
    input: Value,
    group_of: &FxHashMap<NodeId, usize>,
    count: usize,
) -> bool {
    let readers = || body.users_of(input).filter_map(|user| group_of.get(&user));
    body.ty(input).shape.rank() == 0 && readers().collect::<FxHashSet<_>>().len() == count
}

struct Program {
    steps: Vec<(Op, Vec<Operand>)>,
    own: Vec<Value>,
}

#[derive(PartialEq)]
enum Operand {
    Step(usize),
    Shared(usize),
    Own(usize),
    Constant(Op),
}

fn program(
    body: &Graph,
    group: &[NodeId],
    shared: &FxHashMap<Value, usize>,
) -> Result<Program, String> {
    let shape: &Shape = &body.ty(group[0].into()).shape;
    let of_group: FxHashMap<NodeId, usize> =
        group.iter().enumerate().map(|(step, &id)| (id, step)).collect();
    let (mut own, mut own_positions) = (Vec::new(), FxHashMap::default());
    let mut steps = Vec::new();
    for &id in group {
        let same = body.ty(id.into()).shape == *shape;
        ensure(same, "a group computes values of several shapes")?;
        let mut operands = Vec::new();
        for value in body.operands(id) {
            let op = &body.node(value.node).op;
            operands.push(if let Some(&step) = of_group.get(&value.node) {
                Operand::Step(step)
            } else if matches!(op, Op::Constant(_)) {
                Operand::Constant(op.clone())
            } else if let Some(&index) = shared.get(&value) {
                Operand::Shared(index)
            } else {
                ensure(body.ty(value).shape == *shape, "a group reads a value of another shape")?;
                Operand::Own(*own_positions.entry(value).or_insert_with(|| {
                    own.push(value);
                    own.len() - 1
                }))
            });
        }
        steps.push((body.node(id).op.clone(), operands));
    }
    Ok(Program { steps, own })
}
