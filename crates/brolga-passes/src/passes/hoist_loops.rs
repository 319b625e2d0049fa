//! Takes out of loops what can be computed for all steps at once.
//!
//! ```text
//! step(%h, %x, %w, %u, %v):                     %0 = matmul %xs, %w      all steps at once
//!   %0: f32[8,64] = matmul %x, %w
//!   %1: f32[8,64] = matmul %h, %u               step(%h, %z, %u):
//!   %2: f32[8,64] = add %0, %1           →        %0: f32[8,64] = matmul %h, %u
//!   %3: f32[8,64] = tanh %2                       %1: f32[8,64] = add %z, %0
//!   %4: f32[8,10] = matmul %3, %v                 %2: f32[8,64] = tanh %1
//!   return %3, %4                                 return %2, %2
//!
//!                                               %2 = matmul %hs, %v      all steps at once
//! ```
//!
//! 1. In front: what is the same in each step is computed once. A contraction of slices of
//!    sequences with an operand that is the same in each step is one contraction of all steps. With
//!    it go the ops before it, and ops of its result that depend on no carry either and need no
//!    more memory.
//! 2. Behind: a contraction of which only stacks are made is one contraction of the stack of its
//!    operand, if its other operand is the same in each step. With it go the ops on its result, and
//!    ops before it whose operands are stacked anyway. In a gradient this is the product of the
//!    cotangents with the kernel's transpose.
//!
//! Each row of a contraction is a chain of its own, and so is each element of a reduction of
//! trailing axes: the axis of the steps is joined to the first axis, and no bit changes.
//!
//! Refused: what saves no contraction, since a stack is memory that the loop does not need; loops
//! with a checkpoint, whose purpose is to keep little; loops of one step or none.

mod behind;
mod front;
mod lift;

use brolga_ir::op::Family;
use brolga_ir::{Graph, NodeId, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use self::lift::can_lift;
use crate::error::PassError;
use crate::loops::{Loop, loops};
use crate::pass::{Changed, Pass};
use crate::rewrites::{Rewrites, Rule};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct HoistLoops;

const FRONT: Rule = Rule {
    name: "hoist in front of a loop",
    reason: "it depends on no carry, and each row of a contraction is a chain of its own",
};
const BEHIND: Rule = Rule {
    name: "take out behind a loop",
    reason: "only a stack is made of it, and each row of a contraction is a chain of its own",
};

impl Pass for HoistLoops {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        for id in loops(graph) {
            if let Some(id) = front::run(graph, id, rewrites)? {
                behind::run(graph, id, rewrites)?;
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}

/// How a value of a step depends on the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Not at all.
    Same,
    /// By the slices of sequences, and it can be computed for all steps at once.
    Slices,
}

/// The kinds of the nodes of a step that depend on no carry.
fn kinds(l: &Loop) -> FxHashMap<NodeId, Kind> {
    let shared = l.shared.iter().map(|given| (given.input, Kind::Same));
    let slices = l.sequences.iter().map(|given| (given.input, Kind::Slices));
    let mut kinds: FxHashMap<NodeId, Kind> = shared.chain(slices).collect();
    for id in l.body.order() {
        if l.body.parameter(id).is_some() {
            continue;
        }
        let of = |id: NodeId| kinds.get(&id).copied();
        let operands: Option<Vec<Kind>> = l.body.producers(id).map(of).collect();
        let Some(operands) = operands else { continue };
        let is_same = |value: Value| of(value.node) == Some(Kind::Same);
        if operands.iter().all(|&kind| kind == Kind::Same) {
            kinds.insert(id, Kind::Same);
        } else if can_lift(&l.body, id, l.scan.length, &is_same) {
            kinds.insert(id, Kind::Slices);
        }
    }
    kinds
}

fn is_contraction(body: &Graph, id: NodeId) -> bool {
    matches!(body.node(id).op.family(), Family::Contraction { .. })
}

/// These nodes and those that they need, down to inputs and to nodes for which `stops`.
fn with_needed(
    body: &Graph,
    roots: &FxHashSet<NodeId>,
    stops: impl Fn(NodeId) -> bool,
) -> FxHashSet<NodeId> {
    let mut found = FxHashSet::default();
    let mut stack: Vec<NodeId> = roots.iter().copied().collect();
    while let Some(id) = stack.pop() {
        if body.parameter(id).is_none() && found.insert(id) {
            stack.extend(body.producers(id).filter(|&id| !stops(id)));
        }
    }
    found
}

/// The distinct operands of a node.
fn distinct_operands(body: &Graph, id: NodeId) -> Vec<Value> {
    let mut operands = body.operands(id).to_vec();
    operands.sort_unstable();
    operands.dedup();
    operands
}

#[cfg(test)]
mod tests {
    use super::HoistLoops;
    use crate::testing::{refuses, run};

    /// A loop of three steps over %x with a body of these statements; %w and %v are shared.
    fn text(statements: &str, attributes: &str, results: &str, returned: &str) -> String {
        format!(
            "func step(%h: f32[2,4], %x: f32[2,3], %w: f32[3,4], %v: f32[4,5], %u: f32[4,4]) {{
                {statements}
            }}
            graph f(%h: f32[2,4], %xs: f32[3,2,3], %w: f32[3,4], %v: f32[4,5], %u: f32[4,4]) {{
                {results} = scan step %h, %xs, %w, %v, %u {{carries=1, length=3, reverse=false, sequences=1{attributes}}}
                return {returned}
            }}"
        )
    }

    #[test]
    fn the_products_of_the_slices_are_one_in_front() {
        let statements = "%0: f32[2,4] = matmul %x, %w @cell
            %1: f32[] = constant {value=0.5}
            %2: f32[2,4] = mul %0, %1 @cell
            %3: f32[2,4] = matmul %h, %u @cell
            %4: f32[2,4] = add %2, %3 @cell
            %5: f32[2,4] = tanh %4 @cell
            return %5, %5";
        let text = text(statements, "", "%0: f32[2,4], %1: f32[3,2,4]", "%0, %1");
        insta::assert_snapshot!(run(HoistLoops, &text), @"
        func step(%h: f32[2,4], %v5: f32[2,4], %u: f32[4,4]) {
          %0: f32[2,4] = matmul %h, %u {transpose_a=false, transpose_b=false}   @cell
          %1: f32[2,4] = add %v5, %0   @cell
          %2: f32[2,4] = tanh %1   @cell
          return %2, %2
        }

        graph f(%h: f32[2,4], %xs: f32[3,2,3], %w: f32[3,4], %v: f32[4,5], %u: f32[4,4]) {
          %0: f32[6,3] = reshape %xs {shape=[6,3]}
          %1: f32[6,4] = matmul %0, %w {transpose_a=false, transpose_b=false}   @cell
          %2: f32[] = constant {value=0.5}
          %3: f32[6,4] = mul %1, %2   @cell
          %4: f32[3,2,4] = reshape %3 {shape=[3,2,4]}   @cell
          %5: f32[2,4], %6: f32[3,2,4] = scan step %h, %4, %u {carries=1, length=3, reverse=false, sequences=1}
          return %5, %6
        }
        ");
    }

    #[test]
    fn the_products_of_a_stack_are_one_behind() {
        let statements = "%0: f32[2,4] = matmul %h, %u @cell
            %1: f32[2,4] = tanh %0 @cell
            %2: f32[2,5] = matmul %1, %v @dense
            %3: f32[5] = constant {value=[1,2,3,4,5]}
            %4: f32[2,5] = add %2, %3 @dense
            return %1, %4";
        let text = text(statements, "", "%0: f32[2,4], %1: f32[3,2,5]", "%0, %1");
        insta::assert_snapshot!(run(HoistLoops, &text), @"
        func step(%h: f32[2,4], %u: f32[4,4]) {
          %0: f32[2,4] = matmul %h, %u {transpose_a=false, transpose_b=false}   @cell
          %1: f32[2,4] = tanh %0   @cell
          return %1, %1
        }

        graph f(%h: f32[2,4], %xs: f32[3,2,3], %w: f32[3,4], %v: f32[4,5], %u: f32[4,4]) {
          %0: f32[2,4], %1: f32[3,2,4] = scan step %h, %u {carries=1, length=3, reverse=false, sequences=0}
          %2: f32[6,4] = reshape %1 {shape=[6,4]}   @cell
          %3: f32[6,5] = matmul %2, %v {transpose_a=false, transpose_b=false}   @dense
          %4: f32[5] = constant {value=[1,2,3,4,5]}
          %5: f32[6,5] = add %3, %4   @dense
          %6: f32[3,2,5] = reshape %5 {shape=[3,2,5]}   @dense
          return %0, %6
        }
        ");
    }

    #[test]
    fn what_is_stacked_already_is_read_behind() {
        // The carry before the step, whose relu costs nothing more.
        let statements = "%0: f32[2,4] = matmul %h, %u
            %1: f32[2,4] = tanh %0
            %2: f32[2,4] = relu %h
            %3: f32[2,5] = matmul %2, %v
            return %1, %h, %3";
        let results = "%0: f32[2,4], %1: f32[3,2,4], %2: f32[3,2,5]";
        insta::assert_snapshot!(run(HoistLoops, &text(statements, "", results, "%0, %1, %2")), @"
        func step(%h: f32[2,4], %u: f32[4,4]) {
          %0: f32[2,4] = matmul %h, %u {transpose_a=false, transpose_b=false}
          %1: f32[2,4] = tanh %0
          return %1, %h
        }

        graph f(%h: f32[2,4], %xs: f32[3,2,3], %w: f32[3,4], %v: f32[4,5], %u: f32[4,4]) {
          %0: f32[2,4], %1: f32[3,2,4] = scan step %h, %u {carries=1, length=3, reverse=false, sequences=0}
          %2: f32[6,4] = reshape %1 {shape=[6,4]}
          %3: f32[6,4] = relu %2
          %4: f32[6,5] = matmul %3, %v {transpose_a=false, transpose_b=false}
          %5: f32[3,2,5] = reshape %4 {shape=[3,2,5]}
          return %0, %1, %5
        }
        ");
    }

    #[test]
    fn what_is_the_same_in_each_step_is_computed_once() {
        let statements = "%0: f32[4,4] = exp %u
            %1: f32[4,4] = sub %u, %0
            %2: f32[2,4] = matmul %h, %1
            return %2, %0";
        let text = text(statements, "", "%0: f32[2,4], %1: f32[3,4,4]", "%0, %1");
        insta::assert_snapshot!(run(HoistLoops, &text), @"
        func step(%h: f32[2,4], %v5: f32[4,4], %v6: f32[4,4]) {
          %0: f32[2,4] = matmul %h, %v6 {transpose_a=false, transpose_b=false}
          return %0, %v5
        }

        graph f(%h: f32[2,4], %xs: f32[3,2,3], %w: f32[3,4], %v: f32[4,5], %u: f32[4,4]) {
          %0: f32[4,4] = exp %u
          %1: f32[4,4] = sub %u, %0
          %2: f32[2,4], %3: f32[3,4,4] = scan step %h, %0, %1 {carries=1, length=3, reverse=false, sequences=0}
          return %2, %3
        }
        ");
    }

    #[test]
    fn nothing_is_left_of_a_loop_without_carries() {
        let text = "func step(%x: f32[4], %w: f32[4,2], %b: f32[2]) {
            %0: f32[1,4] = reshape %x {shape=[1,4]}
            %1: f32[1,2] = matmul %0, %w
            %2: f32[1,2] = add %1, %b
            %3: f32[1] = reduce_sum %2 {axes=[1], keepdims=false}
            %4: f32[2,1] = transpose %2 {permutation=[1,0]}
            return %4, %3
        }
        graph f(%x: f32[3,4], %w: f32[4,2], %b: f32[2]) {
            %0: f32[3,2,1], %1: f32[3,1] = scan step %x, %w, %b {carries=0, length=3, reverse=true, sequences=1}
            return %0, %1
        }";
        insta::assert_snapshot!(run(HoistLoops, text), @"
        graph f(%x: f32[3,4], %w: f32[4,2], %b: f32[2]) {
          %0: f32[3,1,4] = reshape %x {shape=[3,1,4]}
          %1: f32[3,4] = reshape %0 {shape=[3,4]}
          %2: f32[3,2] = matmul %1, %w {transpose_a=false, transpose_b=false}
          %3: f32[3,2] = add %2, %b
          %4: f32[3] = reduce_sum %3 {axes=[1], keepdims=false}
          %5: f32[3,1,2] = reshape %3 {shape=[3,1,2]}
          %6: f32[3,2,1] = transpose %5 {permutation=[0,2,1]}
          %7: f32[3,1] = reshape %4 {shape=[3,1]}
          return %6, %7
        }
        ");
    }

    #[test]
    fn convolutions_of_images_are_one_of_all_images() {
        let text = "func step(%h: f32[1,4,4,2], %x: f32[1,4,4,3], %k: f32[3,3,3,2], %r: f32[3,3,2,2]) {
            %0: f32[1,4,4,2] = conv %x, %k {padding=[[1,1],[1,1]], strides=[1,1]}
            %1: f32[1,4,4,2] = conv %h, %r {padding=[[1,1],[1,1]], strides=[1,1]}
            %2: f32[1,4,4,2] = add %0, %1
            return %2
        }
        graph f(%h: f32[1,4,4,2], %xs: f32[2,1,4,4,3], %k: f32[3,3,3,2], %r: f32[3,3,2,2]) {
            %0: f32[1,4,4,2] = scan step %h, %xs, %k, %r {carries=1, length=2, reverse=false, sequences=1}
            return %0
        }";
        let after = run(HoistLoops, text);
        assert!(after.contains("f32[2,4,4,2] = conv"), "{after}");
    }

    /// Operands that broadcast along the first axis of a step, or that each step has for itself.
    #[test]
    fn ops_between_are_computed_in_the_shape_of_all_steps() {
        let text = "func step(%h: f32[2,4], %x: f32[2,3], %m: f32[2,1], %s: f32[4], %o: f32[1,4], %w: f32[3,4], %b: f32[2,4]) {
            %0: f32[2,3] = mul %x, %m
            %1: f32[2,4] = matmul %0, %w
            %2: f32[2,4] = add %1, %s
            %3: f32[2,4] = mul %2, %b
            %4: f32[2,4] = sub %3, %o
            %5: f32[2] = reduce_max %4 {axes=[1], keepdims=false}
            %6: f32[2,1] = reshape %5 {shape=[2,1]}
            %7: f32[2,4] = add %h, %6
            return %7
        }
        graph f(%h: f32[2,4], %x: f32[3,2,3], %m: f32[3,2,1], %s: f32[3,4], %o: f32[3,1,4], %w: f32[3,4], %b: f32[2,4]) {
            %0: f32[2,4] = scan step %h, %x, %m, %s, %o, %w, %b {carries=1, length=3, reverse=false, sequences=4}
            return %0
        }";
        insta::assert_snapshot!(run(HoistLoops, text), @"
        func step(%h: f32[2,4], %v7: f32[2,1]) {
          %0: f32[2,4] = add %h, %v7
          return %0
        }

        graph f(
          %h: f32[2,4],
          %x: f32[3,2,3],
          %m: f32[3,2,1],
          %s: f32[3,4],
          %o: f32[3,1,4],
          %w: f32[3,4],
          %b: f32[2,4]
        ) {
          %0: f32[6,3] = reshape %x {shape=[6,3]}
          %1: f32[6,1] = reshape %m {shape=[6,1]}
          %2: f32[6,3] = mul %0, %1
          %3: f32[6,4] = matmul %2, %w {transpose_a=false, transpose_b=false}
          %4: f32[3,2,4] = reshape %3 {shape=[3,2,4]}
          %5: f32[3,1,4] = reshape %s {shape=[3,1,4]}
          %6: f32[3,2,4] = add %4, %5
          %7: f32[3,2,4] = mul %6, %b
          %8: f32[3,2,4] = sub %7, %o
          %9: f32[6,4] = reshape %8 {shape=[6,4]}
          %10: f32[6] = reduce_max %9 {axes=[1], keepdims=false}
          %11: f32[3,2] = reshape %10 {shape=[3,2]}
          %12: f32[3,2,1] = reshape %11 {shape=[3,2,1]}
          %13: f32[2,4] = scan step %h, %12 {carries=1, length=3, reverse=false, sequences=1}
          return %13
        }
        ");
    }

    #[test]
    fn a_result_that_is_read_twice_is_not_given_twice() {
        // Both gates would be two sequences, their product is one.
        let statements = "%0: f32[2,4] = matmul %x, %w
            %1: f32[2,4] = tanh %0
            %2: f32[2,4] = sigmoid %0
            %3: f32[2,4] = mul %h, %1
            %4: f32[2,4] = mul %3, %2
            return %4";
        let after = run(HoistLoops, &text(statements, "", "%0: f32[2,4]", "%0"));
        assert!(
            after
                .starts_with("func step(%h: f32[2,4], %v5: f32[2,4]) {\n  %0: f32[2,4] = tanh %v5"),
            "{after}"
        );
    }

    #[test]
    fn every_element_type_keeps_its_bits() {
        let statements = "%0: f32[2,4] = matmul %x, %w
            %1: f32[2,4] = matmul %h, %u
            %2: f32[2,4] = add %0, %1
            %3: f32[2,5] = matmul %2, %v
            return %2, %3, %0";
        let results = "%0: f32[2,4], %1: f32[3,2,5], %2: f32[3,2,4]";
        for dtype in ["f32", "bf16", "f16", "f64", "i32", "u8"] {
            let text = text(statements, "", results, "%0, %1, %2").replace("f32", dtype);
            let after = run(HoistLoops, &text);
            assert_eq!(after.matches("[6,4] = matmul").count(), 1, "{after}");
            assert_eq!(after.matches("[6,5] = matmul").count(), 1, "{after}");
        }
    }

    #[test]
    fn inner_loops_give_to_outer_ones() {
        let text = "func inner(%h: f32[2,4], %x: f32[2,3], %w: f32[3,4]) {
            %0: f32[2,4] = matmul %x, %w
            %1: f32[2,4] = add %0, %h
            return %1
        }
        func outer(%h: f32[2,4], %x: f32[5,2,3], %w: f32[3,4]) {
            %0: f32[2,4] = scan inner %h, %x, %w {carries=1, length=5, reverse=true, sequences=1}
            return %0
        }
        graph f(%h: f32[2,4], %x: f32[3,5,2,3], %w: f32[3,4]) {
            %0: f32[2,4] = scan outer %h, %x, %w {carries=1, length=3, reverse=false, sequences=1}
            return %0
        }";
        let after = run(HoistLoops, text);
        assert!(after.contains("f32[30,4] = matmul"), "{after}");
        assert!(!after.contains("f32[10,4] = matmul"), "{after}");
    }

    #[test]
    fn what_a_carry_needs_or_no_product_saves_stays() {
        let stays = |statements: &str, attributes: &str| {
            let text = text(statements, attributes, "%0: f32[2,4], %1: f32[3,2,4]", "%0, %1");
            refuses(HoistLoops, &text);
        };
        // A product of a carry, which the next carry needs; ops without a product.
        stays(
            "%0: f32[2,4] = matmul %h, %u
            %1: f32[2,3] = exp %x
            %2: f32[2] = reduce_sum %1 {axes=[1], keepdims=false}
            %3: f32[2,1] = reshape %2 {shape=[2,1]}
            %4: f32[2,4] = add %0, %3
            %5: f32[2,4] = exp %4
            return %4, %5",
            "",
        );
        // The rows of a slice are contracted, or the slice is the second operand.
        stays(
            "%0: f32[3,3] = matmul %x, %x {transpose_a=true}
            %1: f32[3,4] = matmul %0, %w
            %2: f32[4,4] = matmul %w, %1 {transpose_a=true}
            %3: f32[2,4] = matmul %h, %2
            return %3, %h",
            "",
        );
        // A stacked product of two values of the step.
        stays(
            "%0: f32[2,4] = tanh %h
            %1: f32[2,2] = matmul %0, %h {transpose_b=true}
            %2: f32[2,4] = matmul %1, %h
            return %0, %2",
            "",
        );
        let product = "%0: f32[2,4] = matmul %x, %w
            %1: f32[2,4] = add %0, %h
            %2: f32[2,4] = matmul %1, %u
            return %1, %2";
        stays(product, ", checkpoint=2");
    }

    #[test]
    fn loops_of_one_step_stay() {
        let statements = "%0: f32[2,4] = matmul %x, %w
            %1: f32[2,4] = add %0, %h
            %2: f32[4,4] = exp %u
            %3: f32[2,4] = matmul %1, %2
            return %1, %3";
        for length in [0, 1] {
            let text = text(statements, "", "%0: f32[2,4], %1: f32[3,2,4]", "%0, %1")
                .replace("f32[3,2,", &format!("f32[{length},2,"))
                .replace("length=3", &format!("length={length}"));
            refuses(HoistLoops, &text);
        }
    }
}
