//! Makes one loop of two that run the same steps.
//!
//! ```text
//! %0, %1 = scan f %h, %x                %0, %1, %2 = scan fg %h, %x
//! %2, %3 = scan g %h, %x          →
//! ```
//!
//! A gradient needs the carries of all steps, and asks for them with a loop that is otherwise the
//! forward one: here the forward loop comes to stack them.
//!
//! Both take the same operands, have the same length and direction, and their steps compute the
//! same next carries, once equal nodes are shared.
//!
//! Refused: loops whose carries differ, whatever else they have in common.

use brolga_ir::{Graph, NodeId, Origin, Output, Value};
use rustc_hash::FxHashMap;

use super::CommonSubexpressions;
use crate::error::PassError;
use crate::loops::{Loop, Stacked, loops};
use crate::pass::{Changed, Pass};
use crate::rewrites::{Rewrites, Rule};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct MergeLoops;

const MERGE: Rule =
    Rule { name: "merge two loops", reason: "their steps compute the same carries" };

impl Pass for MergeLoops {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        let mut known: FxHashMap<Key, Vec<NodeId>> = FxHashMap::default();
        for id in loops(graph) {
            let Some(own) = Loop::of(graph, id) else { continue };
            let first = known.entry(key(graph, id, &own)).or_default();
            let mut merged = None;
            for (place, &other) in first.iter().enumerate() {
                let Some(both) = Loop::of(graph, other) else { continue };
                // A handle in a key may have come to be another node's.
                if graph.operands(other) != graph.operands(id) {
                    continue;
                }
                if let Some(both) = merge(both, &own)?
                    && rewrites.allow(&MERGE, graph, id)
                {
                    merged = Some((place, other, both));
                    break;
                }
            }
            match merged {
                Some((place, other, both)) => first[place] = replace(graph, other, id, both)?,
                None => first.push(id),
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}

/// What two loops that become one have in common: operands, and the numbers that divide them.
type Key = (Vec<Value>, [usize; 3], bool);

fn key(graph: &Graph, id: NodeId, l: &Loop) -> Key {
    let counts = [l.scan.length, l.carries.len(), l.sequences.len()];
    (graph.operands(id).to_vec(), counts, l.scan.reverse)
}

/// A loop with the stacks of both, if their carries are the same.
fn merge(mut both: Loop, other: &Loop) -> Result<Option<Loop>, PassError> {
    let inputs = other.body.inputs().iter().zip(both.body.inputs());
    let inputs = inputs.map(|(&theirs, &ours)| (Value::from(theirs), Value::from(ours))).collect();
    let values = both.body.paste(&other.body, inputs, &Origin::default())?;
    let count = both.carries.len() + both.stacks.len();
    let theirs = other.carries.iter().map(|carry| carry.next);
    let theirs = theirs.chain(other.stacks.iter().map(|stack| stack.value));
    let theirs: Vec<Value> = theirs.map(|value| values[&value]).collect();
    let outputs = both.body.outputs().to_vec();
    let output = |&value: &Value| Output { value, replaces: None };
    both.body.set_outputs(outputs.into_iter().chain(theirs.iter().map(output)).collect());
    // Equal nodes become the first of them: those of the first loop.
    let mut rewrites = Rewrites::new(None, false);
    rewrites.begin("merge_loops", true, usize::MAX);
    CommonSubexpressions.run(&mut both.body, &mut rewrites)?;
    let returned: Vec<Value> = both.body.outputs().iter().map(|output| output.value).collect();
    let (ours, theirs) = returned.split_at(count);
    let carries = both.carries.len();
    if ours[..carries] != theirs[..carries] {
        return Ok(None);
    }
    for (carry, &next) in both.carries.iter_mut().zip(ours) {
        carry.next = next;
    }
    for (stack, &value) in both.stacks.iter_mut().zip(&ours[carries..]) {
        stack.value = value;
    }
    both.stacks.extend(theirs[carries..].iter().map(|&value| Stacked { value, port: None }));
    Ok(Some(both))
}

/// Puts the loop of both in their place.
fn replace(
    graph: &mut Graph,
    first: NodeId,
    second: NodeId,
    both: Loop,
) -> Result<NodeId, PassError> {
    let carries = both.carries.len() as u32;
    let new = both.stacks.iter().filter(|stack| stack.port.is_none()).count() as u32;
    let begin = carries + both.stacks.len() as u32 - new;
    let merged = both.replace(graph, first)?;
    for port in 0..carries + new {
        let place = if port < carries { port } else { begin + port - carries };
        graph.replace(Value { node: second, port }, Value { node: merged, port: place });
    }
    graph.remove(second);
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::MergeLoops;
    use crate::testing::{refuses, run};

    /// Two loops over %x, the second one with these attributes.
    fn text(second: &str, operands: &str, attributes: &str) -> String {
        format!(
            "func f(%h: f32[2], %x: f32[2], %w: f32[2]) {{
                %0: f32[2] = mul %h, %w
                %1: f32[2] = add %0, %x
                %2: f32[2] = tanh %1
                return %2, %1
            }}
            func g(%h: f32[2], %x: f32[2], %w: f32[2]) {{
                {second}
            }}
            graph two(%a: f32[2], %b: f32[2], %x: f32[3,2], %w: f32[2]) {{
                %0: f32[2], %1: f32[3,2] = scan f %a, %x, %w {{carries=1, length=3, reverse=false, sequences=1}}
                %2: f32[2], %3: f32[3,2] = scan g {operands} {{{attributes}}}
                return %0, %1, %2, %3
            }}"
        )
    }

    /// The step of the first loop, which stacks what it is given.
    const SAME: &str = "%0: f32[2] = mul %h, %w
        %1: f32[2] = add %0, %x
        %2: f32[2] = tanh %1
        return %2, %h";

    const ATTRIBUTES: &str = "carries=1, length=3, reverse=false, sequences=1";

    #[test]
    fn the_first_loop_stacks_what_the_second_does() {
        insta::assert_snapshot!(run(MergeLoops, &text(SAME, "%a, %x, %w", ATTRIBUTES)), @"
        func f(%h: f32[2], %x: f32[2], %w: f32[2]) {
          %0: f32[2] = mul %h, %w
          %1: f32[2] = add %0, %x
          %2: f32[2] = tanh %1
          return %2, %1, %h
        }

        graph two(%a: f32[2], %b: f32[2], %x: f32[3,2], %w: f32[2]) {
          %0: f32[2], %1: f32[3,2], %2: f32[3,2] = scan f %a, %x, %w {carries=1, length=3, reverse=false, sequences=1}
          return %0, %1, %0, %2
        }
        ");
    }

    #[test]
    fn loops_that_differ_stay_two() {
        // Other operands, another direction, another next carry, the carry of the second alone.
        refuses(MergeLoops, &text(SAME, "%b, %x, %w", ATTRIBUTES));
        let reverse = "carries=1, length=3, reverse=true, sequences=1";
        refuses(MergeLoops, &text(SAME, "%a, %x, %w", reverse));
        let other = SAME.replace("tanh", "sigmoid");
        refuses(MergeLoops, &text(&other, "%a, %x, %w", ATTRIBUTES));
        let swapped = SAME.replace("return %2, %h", "return %1, %2");
        refuses(MergeLoops, &text(&swapped, "%a, %x, %w", ATTRIBUTES));
    }

    #[test]
    fn a_loop_that_reads_the_other_stays() {
        refuses(MergeLoops, &text(SAME, "%0, %x, %w", ATTRIBUTES));
        refuses(MergeLoops, &text(SAME, "%a, %1, %w", ATTRIBUTES));
    }

    /// Three loops become one, at any length, in loops as well.
    #[test]
    fn three_loops_in_a_loop_become_one() {
        for (length, reverse, dtype) in
            [(0, false, "f32"), (1, true, "bf16"), (3, true, "i32"), (3, false, "f64")]
        {
            let step = |name: &str, stacked: &str| {
                format!(
                    "func {name}(%h: {dtype}[2], %x: {dtype}[2]) {{
                        %0: {dtype}[2] = add %h, %x
                        %1: {dtype}[2] = mul %0, %x
                        return %1, {stacked}
                    }}\n"
                )
            };
            let scan = |place: usize, name: &str| {
                let (last, stack) = (2 * place, 2 * place + 1);
                format!(
                    "%{last}: {dtype}[2], %{stack}: {dtype}[{length},2] = scan {name} %h, %x {{carries=1, length={length}, reverse={reverse}, sequences=1}}\n"
                )
            };
            let (steps, loops) = (
                [("a", "%0"), ("b", "%h"), ("c", "%x")].map(|(name, value)| step(name, value)),
                [(0, "a"), (1, "b"), (2, "c")].map(|(place, name)| scan(place, name)),
            );
            let text = format!(
                "{}func outer(%h: {dtype}[2], %x: {dtype}[{length},2]) {{
                    {}return %4, %0, %1, %3, %5
                }}
                graph f(%h: {dtype}[2], %x: {dtype}[{length},2]) {{
                    %0: {dtype}[2], %1: {dtype}[2,2], %2: {dtype}[2,{length},2], %3: {dtype}[2,{length},2], %4: {dtype}[2,{length},2] = scan outer %h, %x {{carries=1, length=2, reverse=false, sequences=0}}
                    return %0, %1, %2, %3, %4
                }}",
                steps.concat(),
                loops.concat()
            );
            let after = run(MergeLoops, &text);
            assert_eq!(after.matches("scan").count(), 2, "{after}");
            assert_eq!(after.matches("mul").count(), 1, "{after}");
        }
    }
}
