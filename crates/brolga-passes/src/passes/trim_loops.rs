//! Takes out of loops what no step needs.
//!
//! ```text
//! %0, %1, %2 = scan f %a, %b, %x      →      %0 = scan f %a
//! return %0
//! ```
//!
//! * A sequence that is the same in each step, because it is broadcast along the steps, is a shared
//!   value.
//! * A stack that nothing uses goes, and so does a carry if nothing uses its last value and no step
//!   needs it for something else: a fixed point over the carries.
//! * A carry that no step changes is a shared value.
//! * A sequence or a shared value that no step reads goes; one that is given twice stays once.
//!
//! Refused: loops of which nothing would stay.

use brolga_ir::ops::Broadcast;
use brolga_ir::{Graph, NodeId, Op, Shape, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::error::PassError;
use crate::loops::{Carried, Given, Loop, is_used, loops};
use crate::pass::{Changed, Pass};
use crate::rewrites::{Rewrites, Rule};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct TrimLoops;

const SHARE: Rule =
    Rule { name: "share a sequence", reason: "all its steps are the same broadcast" };
const TRIM: Rule = Rule { name: "trim a loop", reason: "no step needs it" };

impl Pass for TrimLoops {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        // A loop that reads another's results comes first: what it does not need is not used.
        for mut id in loops(graph).into_iter().rev() {
            let Some(mut whole) = Loop::of(graph, id) else { continue };
            let repeated: Vec<(usize, Value, Shape)> = repeated(graph, &whole);
            if !repeated.is_empty() && rewrites.allow(&SHARE, graph, id) {
                for (index, source, shape) in repeated.into_iter().rev() {
                    let given = whole.sequences.remove(index);
                    let origin = graph.node(id).origin.clone();
                    let outside = graph.add(Broadcast { shape }, &[source], origin)?;
                    whole.shared.push(Given { outside, ..given });
                }
                id = whole.replace(graph, id)?;
            }
            let Some(whole) = Loop::of(graph, id) else { continue };
            let trimmed = trimmed(graph, id, whole.clone());
            let stays = trimmed.carries.len() + trimmed.stacks.len() > 0;
            if stays && size(&trimmed) != size(&whole) && rewrites.allow(&TRIM, graph, id) {
                trimmed.replace(graph, id)?;
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}

/// The sequences that are broadcasts along the steps, with what is broadcast, and the shape of a
/// step.
fn repeated(graph: &Graph, l: &Loop) -> Vec<(usize, Value, Shape)> {
    let repeated = |(index, given): (usize, &Given)| {
        let Op::Broadcast(broadcast) = &graph.node(given.outside.node).op else { return None };
        let source = graph.operands(given.outside.node)[0];
        let fewer = graph.ty(source).shape.rank() < broadcast.shape.rank();
        fewer.then(|| (index, source, broadcast.shape[1..].into()))
    };
    l.sequences.iter().enumerate().filter_map(repeated).collect()
}

fn size(l: &Loop) -> [usize; 4] {
    [l.carries.len(), l.sequences.len(), l.shared.len(), l.stacks.len()]
}

/// The loop without what no step needs.
fn trimmed(graph: &Graph, id: NodeId, mut l: Loop) -> Loop {
    let used = |port: Option<u32>| port.is_none_or(|port| is_used(graph, Value { node: id, port }));
    l.stacks.retain(|stack| used(stack.port));
    let live = live(&l, &used);
    let mut places = live.iter();
    l.carries.retain(|_| *places.next().unwrap_or(&true));
    let unchanged =
        |carry: &Carried| carry.next == Value::from(carry.given.input) && !used(carry.port);
    let (fixed, carries) = std::mem::take(&mut l.carries).into_iter().partition(unchanged);
    l.carries = carries;
    let fixed: Vec<Carried> = fixed;
    l.shared.extend(fixed.iter().map(|carry| carry.given));
    l.settle();
    merge_equal(&mut l);
    for (sequences, other) in [(true, l.sequences.clone()), (false, l.shared.clone())] {
        let kept: Vec<Given> = other.into_iter().filter(|given| l.uses(given.input)).collect();
        *(if sequences { &mut l.sequences } else { &mut l.shared }) = kept;
    }
    l
}

/// Which carries are needed: their last values are used, or stacks or other such carries depend on
/// them.
fn live(l: &Loop, used: &dyn Fn(Option<u32>) -> bool) -> Vec<bool> {
    let mut live: Vec<bool> = l.carries.iter().map(|carry| used(carry.port)).collect();
    loop {
        let roots = l.carries.iter().zip(&live).filter(|(_, live)| **live);
        let roots = roots.map(|(carry, _)| carry.next);
        let needed = needed(&l.body, roots.chain(l.stacks.iter().map(|stack| stack.value)));
        let before = live.clone();
        for (carry, live) in l.carries.iter().zip(&mut live) {
            *live |= needed.contains(&carry.given.input);
        }
        if before == live {
            return live;
        }
    }
}

/// The nodes that these values need.
fn needed(body: &Graph, roots: impl Iterator<Item = Value>) -> FxHashSet<NodeId> {
    let mut found = FxHashSet::default();
    let mut stack: Vec<NodeId> = roots.map(|root| root.node).collect();
    while let Some(id) = stack.pop() {
        if found.insert(id) {
            stack.extend(body.producers(id));
        }
    }
    found
}

/// Reads a value that is given twice where it is given first.
fn merge_equal(l: &mut Loop) {
    for list in [l.sequences.clone(), l.shared.clone()] {
        let mut first: FxHashMap<Value, NodeId> = FxHashMap::default();
        for Given { outside, input } in list {
            let kept = *first.entry(outside).or_insert(input);
            if kept != input {
                l.substitute(input.into(), kept.into());
            }
        }
    }
}
