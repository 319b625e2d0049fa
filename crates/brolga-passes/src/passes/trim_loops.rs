//! Takes out of loops what no step needs.
//!
//! ```text
//! %0, %1, %2 = scan f %a, %b, %x      →      %0 = scan f %a
//! return %0
//! ```
//!
//! * A sequence that is the same in each step, because it is broadcast along the steps, is a shared
//!   value.
//! * A stack of the slices of a sequence is that sequence, one of a shared value its broadcast, and
//!   the last value of a carry that no step changes is the first.
//! * A stack of a `reshape` is a `reshape` of the stack, and one value is stacked once.
//! * A stack that nothing uses goes, and so does a carry if nothing uses its last value and no step
//!   needs it for something else: a fixed point over the carries.
//! * A carry that no step changes is a shared value.
//! * A sequence or a shared value that no step reads goes; one that is given twice stays once.
//!
//! Refused: loops of which nothing would stay. They are dead.

use brolga_ir::ops::{Broadcast, Reshape};
use brolga_ir::types::MAX_RANK;
use brolga_ir::{Graph, NodeId, Op, Shape, Value};
use rustc_hash::FxHashMap;

use crate::error::PassError;
use crate::loops::{Carried, Given, Loop, Stacked, is_used, loops, needed};
use crate::pass::{Changed, Pass};
use crate::rewrites::{Rewrites, Rule};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct TrimLoops;

const SHARE: Rule =
    Rule { name: "share a sequence", reason: "all its steps are the same broadcast" };
const ONCE: Rule =
    Rule { name: "stack once", reason: "the steps of both stacks have the same elements" };
const GIVEN: Rule = Rule { name: "use what a loop is given", reason: "it returns it as it is" };
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
            id = stack_once(graph, id, rewrites)?;
            let Some(whole) = Loop::of(graph, id) else { continue };
            give_back(graph, id, &whole, rewrites)?;
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

/// Stacks the operand of a `reshape`, and what is stacked twice once.
fn stack_once(graph: &mut Graph, id: NodeId, rewrites: &mut Rewrites) -> Result<NodeId, PassError> {
    let Some(mut l) = Loop::of(graph, id) else { return Ok(id) };
    let (mut kept, mut again): (Vec<Stacked>, Vec<(Stacked, Value)>) = Default::default();
    for stack in std::mem::take(&mut l.stacks) {
        let root = viewed(&l.body, stack.value);
        let is_first = kept.iter().all(|other| other.value != root);
        match root == stack.value && is_first {
            true => kept.push(stack),
            false => again.push((stack, root)),
        }
    }
    l.stacks = kept;
    if again.is_empty() || !rewrites.allow(&ONCE, graph, id) {
        return Ok(id);
    }
    let places: Vec<usize> = again.iter().map(|&(_, root)| l.stack(root)).collect();
    let carries = l.carries.len();
    let node = l.put(graph, id)?;
    for ((Stacked { port, .. }, _), place) in again.into_iter().zip(places) {
        let Some(old) = port.map(|port| Value { node: id, port }) else { continue };
        let mut new = Value { node, port: (carries + place) as u32 };
        let shape = graph.ty(old).shape.clone();
        if graph.ty(new).shape != shape {
            let origin = graph.node(id).origin.clone();
            new = graph.add(Reshape { shape }, &[new], origin)?;
        }
        graph.replace(old, new);
    }
    graph.remove(id);
    Ok(node)
}

/// The value of which this one is a view, if that can be stacked too.
fn viewed(body: &Graph, mut value: Value) -> Value {
    while let Op::Reshape(_) = body.node(value.node).op {
        let operand = body.operands(value.node)[0];
        if body.ty(operand).shape.rank() == MAX_RANK {
            break;
        }
        value = operand;
    }
    value
}

/// Lets users of results that steps only hand on use what the loop is given.
fn give_back(
    graph: &mut Graph,
    id: NodeId,
    l: &Loop,
    rewrites: &mut Rewrites,
) -> Result<(), PassError> {
    let is = |given: &Given, value: Value| Value::from(given.input) == value;
    for carry in l.carries.iter().filter(|carry| is(&carry.given, carry.next)) {
        let old = carry.port.map(|port| Value { node: id, port });
        if let Some(old) = old.filter(|&old| is_used(graph, old))
            && rewrites.allow(&GIVEN, graph, id)
        {
            graph.replace(old, carry.given.outside);
        }
    }
    for stack in &l.stacks {
        let Some(old) = stack.port.map(|port| Value { node: id, port }) else { continue };
        let unchanged = l.carries.iter().filter(|carry| is(&carry.given, carry.next));
        let mut same = l.shared.iter().chain(unchanged.map(|carry| &carry.given));
        let sequence = l.sequences.iter().find(|given| is(given, stack.value));
        let same = same.find(|given| is(given, stack.value));
        if !is_used(graph, old) || sequence.or(same).is_none() || !rewrites.allow(&GIVEN, graph, id)
        {
            continue;
        }
        if let Some(given) = sequence {
            graph.replace(old, given.outside);
        } else if let Some(given) = same {
            let (shape, origin) = (graph.ty(old).shape.clone(), graph.node(id).origin.clone());
            let repeated = graph.add(Broadcast { shape }, &[given.outside], origin)?;
            graph.replace(old, repeated);
        }
    }
    Ok(())
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
    l.drop_unread();
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

#[cfg(test)]
mod tests {
    use super::TrimLoops;
    use crate::testing::{refuses, run};

    /// A loop with a body of these inputs, statements and results.
    fn text(body: &str, operands: &str, results: &str, returned: &str) -> String {
        format!(
            "func f{body}
            graph g(%a: f32[2], %b: f32[2], %x: f32[3,2], %y: f32[3,2], %n: i32[]) {{
                {results} = scan f {operands}
                return {returned}
            }}"
        )
    }

    #[test]
    fn carries_that_only_feed_each_other_go_with_what_they_read() {
        let body = "(%c: f32[2], %d: f32[2], %e: f32[2], %x: f32[2], %y: f32[2], %s: f32[2]) {
            %0: f32[2] = add %c, %x
            %1: f32[2] = mul %e, %y
            %2: f32[2] = mul %d, %s
            return %0, %1, %2, %c, %1
        }";
        let results = "%0: f32[2], %1: f32[2], %2: f32[2], %3: f32[3,2], %4: f32[3,2]";
        let operands = "%a, %b, %a, %x, %y, %b {carries=3, length=3, reverse=false, sequences=2}";
        insta::assert_snapshot!(run(TrimLoops, &text(body, operands, results, "%0, %3")), @"
        func f(%c: f32[2], %x: f32[2]) {
          %0: f32[2] = add %c, %x
          return %0, %c
        }

        graph g(%a: f32[2], %b: f32[2], %x: f32[3,2], %y: f32[3,2], %n: i32[]) {
          %0: f32[2], %1: f32[3,2] = scan f %a, %x {carries=1, length=3, reverse=false, sequences=1}
          return %0, %1
        }
        ");
    }

    #[test]
    fn a_sequence_that_is_repeated_is_shared() {
        let text = "func f(%c: f32[2], %x: f32[2]) {
            %0: f32[2] = add %c, %x
            return %0
        }
        graph g(%a: f32[2], %b: f32[1]) {
            %0: f32[3,2] = broadcast %b {shape=[3,2]}
            %1: f32[2] = scan f %a, %0 {carries=1, length=3, reverse=true, sequences=1}
            return %1
        }";
        insta::assert_snapshot!(run(TrimLoops, text), @"
        func f(%c: f32[2], %x: f32[2]) {
          %0: f32[2] = add %c, %x
          return %0
        }

        graph g(%a: f32[2], %b: f32[1]) {
          %0: f32[2] = broadcast %b {shape=[2]}
          %1: f32[2] = scan f %a, %0 {carries=1, length=3, reverse=true, sequences=0}
          return %1
        }
        ");
    }

    #[test]
    fn a_carry_that_no_step_changes_is_shared_and_what_is_given_twice_is_read_once() {
        let body = "(%c: f32[2], %d: f32[2], %x: f32[2], %y: f32[2], %s: f32[2], %t: f32[2]) {
            %0: f32[2] = add %c, %d
            %1: f32[2] = mul %x, %y
            %2: f32[2] = mul %s, %t
            %3: f32[2] = add %0, %1
            %4: f32[2] = add %3, %2
            return %4, %d
        }";
        let operands = "%a, %b, %x, %x, %b, %b {carries=2, length=3, reverse=false, sequences=2}";
        insta::assert_snapshot!(run(TrimLoops, &text(body, operands, "%0: f32[2], %1: f32[2]", "%0")), @"
        func f(%c: f32[2], %x: f32[2], %s: f32[2]) {
          %0: f32[2] = add %c, %s
          %1: f32[2] = mul %x, %x
          %2: f32[2] = mul %s, %s
          %3: f32[2] = add %0, %1
          %4: f32[2] = add %3, %2
          return %4
        }

        graph g(%a: f32[2], %b: f32[2], %x: f32[3,2], %y: f32[3,2], %n: i32[]) {
          %0: f32[2] = scan f %a, %x, %b {carries=1, length=3, reverse=false, sequences=1}
          return %0
        }
        ");
    }

    /// Whatever the number of steps and their order, and whatever is carried.
    #[test]
    fn every_kind_of_loop_keeps_its_bits() {
        for (length, reverse) in [(0, false), (0, true), (1, false), (1, true), (4, true)] {
            for dtype in ["f32", "bf16", "f64", "i32", "u8"] {
                let text = format!(
                    "func inner(%c: {dtype}[2], %x: {dtype}[2], %u: {dtype}[2]) {{
                        %0: {dtype}[2] = add %c, %x
                        return %0, %x, %u
                    }}
                    func f(%c: {dtype}[2], %d: {dtype}[2], %x: {dtype}[2,2], %y: {dtype}[]) {{
                        %0: {dtype}[2], %1: {dtype}[2,2], %2: {dtype}[2,2] = scan inner %c, %x, %d {{carries=1, length=2, reverse={reverse}, sequences=1}}
                        %3: {dtype}[2] = mul %d, %y
                        return %0, %3, %1, %x, %d
                    }}
                    graph g(%a: {dtype}[2], %x: {dtype}[{length},2,2], %y: {dtype}[{length}]) {{
                        %0: {dtype}[2], %1: {dtype}[2], %2: {dtype}[{length},2,2], %3: {dtype}[{length},2,2], %4: {dtype}[{length},2] = scan f %a, %a, %x, %y {{carries=2, length={length}, reverse={reverse}, sequences=2}}
                        return %0, %2, %3
                    }}"
                );
                let after = run(TrimLoops, &text);
                assert!(after.contains("{carries=1, length=2"), "{after}");
                assert!(!after.contains("mul"), "{after}");
            }
        }
    }

    #[test]
    fn a_value_is_stacked_once() {
        let body = "(%c: f32[2], %x: f32[2], %s: f32[2]) {
            %0: f32[2] = add %c, %x
            %1: f32[1,2] = reshape %0 {shape=[1,2]}
            %2: f32[2,1] = reshape %1 {shape=[2,1]}
            return %0, %2, %0, %0
        }";
        let results = "%0: f32[2], %1: f32[3,2,1], %2: f32[3,2], %3: f32[3,2]";
        let operands = "%a, %x, %b {carries=1, length=3, reverse=false, sequences=1}";
        let returned = "%0, %1, %2, %3";
        insta::assert_snapshot!(run(TrimLoops, &text(body, operands, results, returned)), @"
        func f(%c: f32[2], %x: f32[2]) {
          %0: f32[2] = add %c, %x
          return %0, %0
        }

        graph g(%a: f32[2], %b: f32[2], %x: f32[3,2], %y: f32[3,2], %n: i32[]) {
          %0: f32[2], %1: f32[3,2] = scan f %a, %x {carries=1, length=3, reverse=false, sequences=1}
          %2: f32[3,2,1] = reshape %1 {shape=[3,2,1]}
          return %0, %2, %1, %1
        }
        ");
    }

    #[test]
    fn what_a_step_only_hands_on_is_what_the_loop_is_given() {
        let body = "(%c: f32[2], %d: f32[2], %x: f32[2], %s: f32[2]) {
            %0: f32[2] = add %d, %x
            return %c, %0, %x, %s, %c
        }";
        let results = "%0: f32[2], %1: f32[2], %2: f32[3,2], %3: f32[3,2], %4: f32[3,2]";
        let operands = "%a, %b, %x, %b {carries=2, length=3, reverse=false, sequences=1}";
        let returned = "%0, %1, %2, %3, %4";
        insta::assert_snapshot!(run(TrimLoops, &text(body, operands, results, returned)), @"
        func f(%d: f32[2], %x: f32[2]) {
          %0: f32[2] = add %d, %x
          return %0
        }

        graph g(%a: f32[2], %b: f32[2], %x: f32[3,2], %y: f32[3,2], %n: i32[]) {
          %0: f32[3,2] = broadcast %b {shape=[3,2]}
          %1: f32[3,2] = broadcast %a {shape=[3,2]}
          %2: f32[2] = scan f %b, %x {carries=1, length=3, reverse=false, sequences=1}
          return %a, %2, %x, %0, %1
        }
        ");
        // Nothing is left of a loop that only hands on.
        let body = "(%c: f32[2], %x: f32[2]) {
            return %c, %x
        }";
        let operands = "%a, %x {carries=1, length=3, reverse=false, sequences=1}";
        let after = run(TrimLoops, &text(body, operands, "%0: f32[2], %1: f32[3,2]", "%0, %1"));
        assert!(!after.contains("scan"), "{after}");
    }

    #[test]
    fn what_a_step_needs_stays() {
        let body = "(%c: f32[2], %d: f32[2], %x: f32[2], %s: f32[2]) {
            %0: f32[2] = add %d, %x
            %1: f32[2] = mul %c, %s
            return %0, %1
        }";
        let operands = "%a, %b, %x, %b {carries=2, length=3, reverse=false, sequences=1}";
        let results = "%0: f32[2], %1: f32[2]";
        refuses(TrimLoops, &text(body, operands, results, "%0"));
        // One element repeated along an axis of the step is no repeated step.
        let plain = "(%c: f32[2], %x: f32[2]) {
            %0: f32[2] = add %c, %x
            return %0
        }";
        refuses(
            TrimLoops,
            &format!(
                "func f{plain}
                graph g(%a: f32[2], %x: f32[3,1]) {{
                    %0: f32[3,2] = broadcast %x {{shape=[3,2]}}
                    %1: f32[2] = scan f %a, %0 {{carries=1, length=3, reverse=false, sequences=1}}
                    return %1
                }}"
            ),
        );
    }
}
