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
use crate::loops::{Given, Loop, loops};
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
                let fits =
                    first.scan.length == second.scan.length && first.scan.checkpoint.is_none();
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
    let key =
        |graph: &Graph, id: NodeId, operands: Vec<Value>| (graph.node(id).op.name(), operands);
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
        places.push(first.stack(value));
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

#[cfg(test)]
mod tests {
    use super::StackRecomputed;
    use crate::testing::{refuses, run};

    /// A forward loop that stacks its carry, and a backward one whose step is given. Both read %x
    /// and %w.
    fn text(backward: &str, attributes: &str) -> String {
        format!(
            "func step(%h: f32[2,2], %x: f32[2,2], %w: f32[2,2]) {{
                %0: f32[2,2] = matmul %h, %w
                %1: f32[2,2] = add %0, %x
                %2: f32[2,2] = tanh %1
                return %2, %h
            }}
            func grad(%d: f32[2,2], %h: f32[2,2], %x: f32[2,2], %w: f32[2,2]) {{
                {backward}
            }}
            graph f(%a: f32[2,2], %d: f32[2,2], %x: f32[3,2,2], %w: f32[2,2]) {{
                %0: f32[2,2], %1: f32[3,2,2] = scan step %a, %x, %w {{carries=1, length=3, reverse=false, sequences=1}}
                %2: f32[2,2], %3: f32[3,2,2] = scan grad %d, %1, %x, %w {{carries=1, length=3, reverse=true, sequences=2{attributes}}}
                return %0, %2, %3
            }}"
        )
    }

    /// The gradient of a tanh by what it is taken of, which computes the tanh again.
    const BACKWARD: &str = "%0: f32[2,2] = matmul %h, %w
        %1: f32[2,2] = add %0, %x
        %2: f32[2,2] = tanh %1
        %3: f32[2,2] = mul %2, %2
        %4: f32[2,2] = sub %d, %3
        %5: f32[2,2] = matmul %4, %w {transpose_b=true}
        return %5, %4";

    #[test]
    fn the_backward_loop_reads_what_the_forward_one_stacks() {
        insta::assert_snapshot!(run(StackRecomputed, &text(BACKWARD, "")), @"
        func step(%h: f32[2,2], %x: f32[2,2], %w: f32[2,2]) {
          %0: f32[2,2] = matmul %h, %w {transpose_a=false, transpose_b=false}
          %1: f32[2,2] = add %0, %x
          %2: f32[2,2] = tanh %1
          return %2, %h, %2
        }

        func grad(%d: f32[2,2], %h: f32[2,2], %x: f32[2,2], %v4: f32[2,2], %w: f32[2,2]) {
          %0: f32[2,2] = mul %v4, %v4
          %1: f32[2,2] = sub %d, %0
          %2: f32[2,2] = matmul %1, %w {transpose_a=false, transpose_b=true}
          return %2, %1
        }

        graph f(%a: f32[2,2], %d: f32[2,2], %x: f32[3,2,2], %w: f32[2,2]) {
          %0: f32[2,2], %1: f32[3,2,2], %2: f32[3,2,2] = scan step %a, %x, %w {carries=1, length=3, reverse=false, sequences=1}
          %3: f32[2,2], %4: f32[3,2,2] = scan grad %d, %1, %x, %2, %w {carries=1, length=3, reverse=true, sequences=3}
          return %0, %3, %4
        }
        ");
    }

    #[test]
    fn with_a_checkpoint_it_is_computed_again() {
        refuses(StackRecomputed, &text(BACKWARD, ", checkpoint=1"));
    }

    #[test]
    fn cheap_ops_of_stacks_are_computed_again() {
        let cheap = "%0: f32[2,2] = add %h, %x
            %1: f32[2,2] = mul %0, %d
            return %1, %0";
        refuses(StackRecomputed, &text(cheap, ""));
    }

    #[test]
    fn what_is_the_same_in_each_step_is_not_stacked() {
        let text = "func step(%h: f32[2,2], %w: f32[2,2]) {
            %0: f32[2,2] = tanh %w
            %1: f32[2,2] = mul %h, %0
            return %1, %h
        }
        func grad(%d: f32[2,2], %h: f32[2,2], %w: f32[2,2]) {
            %0: f32[2,2] = tanh %w
            %1: f32[2,2] = mul %d, %0
            %2: f32[2,2] = mul %1, %h
            return %2
        }
        graph f(%a: f32[2,2], %d: f32[2,2], %w: f32[2,2]) {
            %0: f32[2,2], %1: f32[3,2,2] = scan step %a, %w {carries=1, length=3, reverse=false, sequences=0}
            %2: f32[2,2] = scan grad %d, %1, %w {carries=1, length=3, reverse=true, sequences=1}
            return %0, %2
        }";
        refuses(StackRecomputed, text);
    }

    #[test]
    fn loops_of_other_lengths_and_values_share_nothing() {
        // Of other operands: %x of the backward loop is the stack of carries.
        let other = text(BACKWARD, "").replace("scan grad %d, %1, %x", "scan grad %d, %x, %1");
        refuses(StackRecomputed, &other);
    }

    /// Whatever the number of steps, their order and the element type.
    #[test]
    fn every_kind_of_loop_keeps_its_bits() {
        for length in [0, 1, 2, 5] {
            for dtype in ["f32", "bf16", "f64"] {
                let text = text(BACKWARD, "")
                    .replace("f32[3,", &format!("f32[{length},"))
                    .replace("length=3", &format!("length={length}"))
                    .replace("f32", dtype);
                let after = run(StackRecomputed, &text);
                assert_eq!(after.matches("tanh").count(), 1, "{after}");
            }
        }
    }

    /// What the forward loop stacks already is read, and not stacked twice.
    #[test]
    fn a_value_is_stacked_once() {
        let stacked = text(BACKWARD, "")
            .replace("return %2, %h", "return %2, %h, %2")
            .replace(
                "%0: f32[2,2], %1: f32[3,2,2] = scan",
                "%0: f32[2,2], %1: f32[3,2,2], %s: f32[3,2,2] = scan",
            )
            .replace("return %0, %2, %3", "return %0, %2, %3, %s");
        insta::assert_snapshot!(run(StackRecomputed, &stacked), @"
        func step(%h: f32[2,2], %x: f32[2,2], %w: f32[2,2]) {
          %0: f32[2,2] = matmul %h, %w {transpose_a=false, transpose_b=false}
          %1: f32[2,2] = add %0, %x
          %2: f32[2,2] = tanh %1
          return %2, %h, %2
        }

        func grad(%d: f32[2,2], %h: f32[2,2], %x: f32[2,2], %v4: f32[2,2], %w: f32[2,2]) {
          %0: f32[2,2] = mul %v4, %v4
          %1: f32[2,2] = sub %d, %0
          %2: f32[2,2] = matmul %1, %w {transpose_a=false, transpose_b=true}
          return %2, %1
        }

        graph f(%a: f32[2,2], %d: f32[2,2], %x: f32[3,2,2], %w: f32[2,2]) {
          %0: f32[2,2], %1: f32[3,2,2], %2: f32[3,2,2] = scan step %a, %x, %w {carries=1, length=3, reverse=false, sequences=1}
          %3: f32[2,2], %4: f32[3,2,2] = scan grad %d, %1, %x, %2, %w {carries=1, length=3, reverse=true, sequences=3}
          return %0, %3, %4, %2
        }
        ");
    }
}
