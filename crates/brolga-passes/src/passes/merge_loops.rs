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

const MERGE: Rule = Rule { name: "merge two loops", reason: "their steps compute the same carries" };

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
