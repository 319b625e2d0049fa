//! Kernels that do the same for groups of states.

use std::collections::{BTreeMap, BTreeSet};

use brolga_ir::{Graph, NodeId, Op, Shape, Value};

use super::{Checked, ensure};
use crate::values::is_elementwise;

pub(super) fn check(body: &Graph, nodes: &[NodeId]) -> Checked {
    for &id in nodes {
        ensure(
            is_elementwise(body, id),
            format!("`{}` is not elementwise", body.node(id).op.name()),
        )?;
    }
    let groups = groups(body, nodes);
    let ordered = groups.iter().flatten().eq(nodes);
    ensure(ordered, "the ops do not come group by group")?;
    let inputs: Vec<Value> = body.inputs().iter().map(|&id| Value::from(id)).collect();
    let shared = inputs.iter().take_while(|&&input| is_shared(body, input, &groups)).count();
    let first = program(body, groups.first().ok_or("the body is empty")?, &inputs[..shared])?;
    let mut own = Vec::new();
    for group in &groups {
        let group = program(body, group, &inputs[..shared])?;
        ensure(group.steps == first.steps, "two groups do not have the same program")?;
        own.extend(group.own);
    }
    // Each group's operands are in the order of first use, or in any other that is the same for all groups.
    let places: Vec<usize> =
        own.iter().filter_map(|value| inputs[shared..].iter().position(|v| v == value)).collect();
    let (count, size) = (groups.len(), own.len() / groups.len());
    ensure(places.len() == inputs.len() - shared, "an operand belongs to no group")?;
    let by_group = (0..count).all(|group| {
        let places = &places[group * size..(group + 1) * size];
        places.iter().all(|place| (group * size..(group + 1) * size).contains(place))
    });
    ensure(by_group, "the operands do not come group by group")?;
    let group_of = |value: Value| groups.iter().position(|group| group.contains(&value.node));
    let outputs: Vec<_> = body.outputs().iter().map(|output| group_of(output.value)).collect();
    ensure(outputs.is_sorted(), "the results do not come group by group")
}

/// The connected parts of the body: nodes that read each other or a common operand that is not shared by all.
fn groups(body: &Graph, nodes: &[NodeId]) -> Vec<Vec<NodeId>> {
    let mut group_of: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<NodeId>> = Vec::new();
    for &start in nodes {
        if group_of.contains_key(&start) {
            continue;
        }
        let mut found = BTreeSet::from([start]);
        let mut stack = vec![start];
        while let Some(id) = stack.pop() {
            let operands = body.operands(id).into_iter().map(|value| value.node);
            let users = body.uses(id).into_iter().map(|(user, _)| user);
            for next in operands.chain(users) {
                if nodes.contains(&next) && found.insert(next) {
                    stack.push(next);
                }
            }
        }
        let members: Vec<NodeId> = nodes.iter().copied().filter(|id| found.contains(id)).collect();
        members.iter().for_each(|&id| {
            group_of.insert(id, groups.len());
        });
        groups.push(members);
    }
    groups
}

/// Whether an input is a scalar that every group reads.
fn is_shared(body: &Graph, input: Value, groups: &[Vec<NodeId>]) -> bool {
    let users: Vec<NodeId> = body.uses_of(input).into_iter().map(|(user, _)| user).collect();
    let read_by = |group: &Vec<NodeId>| group.iter().any(|id| users.contains(id));
    body.ty(input).shape.rank() == 0 && groups.iter().all(read_by)
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

fn program(body: &Graph, group: &[NodeId], shared: &[Value]) -> Result<Program, String> {
    let shape: &Shape = &body.ty(group[0].into()).shape;
    let mut own: Vec<Value> = Vec::new();
    let mut steps = Vec::new();
    for &id in group {
        let same = body.ty(id.into()).shape == *shape;
        ensure(same, "a group computes values of several shapes")?;
        let mut operands = Vec::new();
        for value in body.operands(id) {
            let op = &body.node(value.node).op;
            operands.push(if let Some(step) = group.iter().position(|&id| id == value.node) {
                Operand::Step(step)
            } else if matches!(op, Op::Constant(_)) {
                Operand::Constant(op.clone())
            } else if let Some(place) = shared.iter().position(|&input| input == value) {
                Operand::Shared(place)
            } else {
                ensure(body.ty(value).shape == *shape, "a group reads a value of another shape")?;
                let known = own.iter().position(|&input| input == value);
                Operand::Own(known.unwrap_or_else(|| {
                    own.push(value);
                    own.len() - 1
                }))
            });
        }
        steps.push((body.node(id).op.clone(), operands));
    }
    Ok(Program { steps, own })
}
