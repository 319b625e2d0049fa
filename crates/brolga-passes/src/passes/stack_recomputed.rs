//! Lets a loop stack what another one would compute again.
//!
//! ```text
//! step: .. %1 = tanh %0 ..              step: .. %1 = tanh %0 ..  return .., %1
//! step.grad: .. %1 = tanh %0 ..   →     step.grad(.., %1): ..
//! ```
//!
//! The backward function of a step recomputes the values of the step that it needs. Where both
//! loops take the same sequences and shared values, or one takes what the other stacks, equal nodes
//! of both steps have the same values. Those that are costly are stacked by the first loop, and
//! read by the second; cheap elementwise ops of what is stacked are computed again.
//!
//! Refused: loops with a checkpoint, whose purpose is to compute again.

use brolga_ir::op::{Cost, Family};
use brolga_ir::{Graph, NodeId, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::error::PassError;
use crate::loops::{Given, Loop, Stacked, loops};
use crate::pass::{Changed, Pass};
use crate::rewrites::{Rewrites, Rule};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct StackRecomputed;

const STACK: Rule = Rule { name: "stack a value", reason: "another loop would compute it again" };

impl Pass for StackRecomputed {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        for mut id in loops(graph) {
            let Some(own) = Loop::of(graph, id) else { continue };
            if own.scan.checkpoint.is_some() {
                continue;
            }
            for source in sources(graph, &own) {
                let (Some(first), Some(second)) = (Loop::of(graph, source), Loop::of(graph, id))
                else {
                    continue;
                };
                let fits = first.scan.length == second.scan.length
                    && first.scan.checkpoint.is_none();
                let costly = if fits { costly(source, &first, &second) } else { Vec::new() };
                if !costly.is_empty() && rewrites.allow(&STACK, graph, id) {
                    id = stack(graph, (source, first), (id, second), &costly)?;
                }
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}

/// The loops whose stacks a loop reads.
fn sources(graph: &Graph, l: &Loop) -> Vec<NodeId> {
    let mut sources: Vec<NodeId> = Vec::new();
    for given in &l.sequences {
        let node = given.outside.node;
        if graph.node(node).op.family() == Family::Loop && !sources.contains(&node) {
            sources.push(node);
        }
    }
    sources
}

/// The costly values of the second loop that the first one computes too, each with that value.
fn costly(source: NodeId, first: &Loop, second: &Loop) -> Vec<(Value, Value)> {
    let same = same_values(source, first, second);
    let body = &second.body;
    let is_input = |value: Value| body.parameter(value.node).is_some();
    // Values that both compute, and that something reads which the first does not compute.
    let read = |&(&value, _): &(&Value, &Value)| {
        let others = body.users_of(value).any(|user| !same.contains_key(&Value::from(user)));
        !is_input(value) && (others || body.is_output(value))
    };
    let mut stack: Vec<Value> = same.iter().filter(read).map(|(&value, _)| value).collect();
    stack.sort_unstable();
    let (mut seen, mut found) = (FxHashSet::default(), Vec::new());
    while let Some(value) = stack.pop() {
        if is_input(value) || !seen.insert(value) {
            continue;
        }
        let operands = body.operands(value.node);
        match body.node(value.node).op.family() {
            Family::Source => {}
            Family::View | Family::Elementwise(Cost::Cheap) => stack.extend(operands),
            // Nothing is gained by a stack of what does not depend on the step.
            _ if !depends_on_step(second, value) => {}
            _ => found.push((value, same[&value])),
        }
    }
    found.sort_unstable();
    found
}

/// Whether a value of the body is not the same in each step.
fn depends_on_step(l: &Loop, value: Value) -> bool {
    let moving = l.carries.iter().map(|carry| carry.given.input);
    let moving = moving.chain(l.sequences.iter().map(|given| given.input));
    l.body.dependents(moving).contains(&value.node)
}

/// The values of the second loop's step that are values of the first one's.
fn same_values(source: NodeId, first: &Loop, second: &Loop) -> FxHashMap<Value, Value> {
    let mut same: FxHashMap<Value, Value> = FxHashMap::default();
    for given in &second.sequences {
        let stacks = first.stacks.iter().find(|stack| {
            stack.port.map(|port| Value { node: source, port }) == Some(given.outside)
        });
        let given_too = || first.sequences.iter().find(|other| other.outside == given.outside);
        let value = stacks.map(|stack| stack.value);
        let value = value.or_else(|| given_too().map(|other| other.input.into()));
        same.extend(value.map(|value| (Value::from(given.input), value)));
    }
    for given in &second.shared {
        let other = first.shared.iter().find(|other| other.outside == given.outside);
        same.extend(other.map(|other| (Value::from(given.input), other.input.into())));
    }
    let mut nodes: FxHashMap<(&str, Vec<Value>), Vec<NodeId>> = FxHashMap::default();
    let key = |graph: &Graph, id: NodeId, operands: Vec<Value>| (graph.node(id).op.name(), operands);
    for id in first.body.ids() {
        let operands = first.body.operands(id).to_vec();
        nodes.entry(key(&first.body, id, operands)).or_default().push(id);
    }
    for id in second.body.order() {
        if second.body.parameter(id).is_some() {
            continue;
        }
        let operands = second.body.operands(id);
        let Some(operands) = operands.iter().map(|value| same.get(value).copied()).collect() else {
            continue;
        };
        let candidates = nodes.get(&key(&second.body, id, operands));
        let equal = |other: &&NodeId| first.body.node(**other).op == second.body.node(id).op;
        if let Some(&other) = candidates.and_then(|nodes| nodes.iter().find(equal)) {
            for port in 0..second.body.node(id).types.len() as u32 {
                same.insert(Value { node: id, port }, Value { node: other, port });
            }
        }
    }
    same
}

/// Stacks values in the first loop and reads them in the second.
fn stack(
    graph: &mut Graph,
    (source, mut first): (NodeId, Loop),
    (id, mut second): (NodeId, Loop),
    costly: &[(Value, Value)],
) -> Result<NodeId, PassError> {
    let mut places = Vec::new();
    for &(_, value) in costly {
        let known = first.stacks.iter().position(|stack| stack.value == value);
        places.push(known.unwrap_or_else(|| {
            first.stacks.push(Stacked { value, port: None });
            first.stacks.len() - 1
        }));
    }
    let carries = first.carries.len();
    let new = first.replace(graph, source)?;
    // The operands of the second loop are results of the new first one now.
    let operands = graph.operands(id);
    let given = second.carries.iter_mut().map(|carry| &mut carry.given);
    let given = given.chain(&mut second.sequences).chain(&mut second.shared);
    given.zip(operands).for_each(|(given, outside)| given.outside = outside);
    for (&(value, _), place) in costly.iter().zip(places) {
        let input = second.input(second.body.ty(value).clone())?;
        second.substitute(value, input.into());
        let outside = Value { node: new, port: (carries + place) as u32 };
        second.sequences.push(Given { outside, input });
    }
    Ok(second.replace(graph, id)?)
}
