//! Makes one kernel of connected elementwise ops over one shape.
//!
//! ```text
//! %0: f32[32,8] = exp %x
//! %1: f32[32,8] = add %0, %b              →   %0: f32[32,8] = kernel %x, %b {kind="rows"}
//! %2: f32[32,8] = tanh %1                       exp_add_tanh(..)
//! ```
//!
//! It runs after the other fusions and takes what they leave. A region is the largest convex one of
//! connected ops with results of one shape. Ops on scalars (counters, a learning rate's correction)
//! cost nothing but the call, so that those are fused even if they are not connected.
//!
//! The region grows as in [`FuseRows`](super::FuseRows), with the last axis as the row. So it takes
//! a connected reduction along that axis if that pass has left one, and `broadcast`, `iota` and
//! `one_hot` along it.
//!
//! Refused: reductions of a single long row, which one worker would compute; ops over other shapes,
//! views and all other ops that are not elementwise; ops that are not connected; scalars together
//! with the ops that broadcast them; ops that need the kernel's result by a path that cannot be
//! fused, or are so far away in the schedule that the search for such paths would take too long. A
//! single op is not fused.

use brolga_ir::ops::KernelKind;
use brolga_ir::{Graph, NodeId};
use rustc_hash::FxHashMap;

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::region::rows::{Domain, rows};
use crate::region::{Border, MAX_NODES, Region, Schedule};
use crate::rewrites::{Rewrites, Rule};
use crate::values::is_elementwise;

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct FuseElementwise;

const CHAIN: Rule =
    Rule { name: "fuse an elementwise chain", reason: "values in between need not be stored" };
const SCALARS: Rule = Rule { name: "fuse scalar ops", reason: "a call costs more than they do" };

impl Pass for FuseElementwise {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        let mut schedule = Schedule::new(graph);
        fuse_scalars(graph, &mut schedule, rewrites)?;
        for id in schedule.nodes() {
            // An earlier kernel may have taken this node, and its handle.
            if graph.get(id).is_none() || !is_elementwise(graph, id) || is_scalar_op(graph, id) {
                continue;
            }
            let domain = Domain::elementwise(graph.ty(id.into()).shape.clone());
            let mut border = Border::default();
            let nodes = rows(graph, &schedule, &mut border, &[id], domain);
            rewrites.refuse_outside(&CHAIN, graph, id, &border, |id| nodes.contains(&id));
            let Some(&last) = schedule.sort(&nodes).last() else { continue };
            if nodes.len() > 1 && rewrites.allow(&CHAIN, graph, last) {
                Region::around(graph, KernelKind::Rows, last, nodes).fuse(graph, &mut schedule)?;
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}

/// Whether the node is elementwise on scalars.
fn is_scalar_op(graph: &Graph, id: NodeId) -> bool {
    is_elementwise(graph, id) && graph.node(id).types[0].shape.rank() == 0
}

/// Fuses scalar ops level by level.
fn fuse_scalars(
    graph: &mut Graph,
    schedule: &mut Schedule,
    rewrites: &mut Rewrites,
) -> Result<(), PassError> {
    let mut fused = false;
    for level in levels(graph, schedule) {
        // A contiguous part, in the schedule's order, of a convex region is convex.
        for part in level.chunks(MAX_NODES) {
            if part.len() > 1 && rewrites.allow(&SCALARS, graph, part[0]) {
                let nodes = part.iter().copied().collect();
                Region::around(graph, KernelKind::Rows, part[0], nodes)
                    .fuse_unscheduled(graph, schedule)?;
                fused = true;
            }
        }
    }
    if fused {
        *schedule = Schedule::new(graph);
    }
    Ok(())
}

/// The scalar ops by level. The level of an op is the largest number of times that a path to it
/// enters other ops after a scalar op.
fn levels(graph: &Graph, schedule: &Schedule) -> Vec<Vec<NodeId>> {
    let mut levels: Vec<Vec<NodeId>> = Vec::new();
    // For each node the first level that can read its results.
    let mut first: FxHashMap<NodeId, usize> = FxHashMap::default();
    for id in schedule.nodes() {
        let is_scalar = is_scalar_op(graph, id);
        let after = |producer: NodeId| {
            let level = first.get(&producer).copied().unwrap_or(0);
            // An op that is not on scalars separates its consumers from the scalar it reads.
            level + usize::from(!is_scalar && is_scalar_op(graph, producer))
        };
        let level = graph.producers(id).map(after).max().unwrap_or(0);
        first.insert(id, level);
        if is_scalar {
            levels.resize(levels.len().max(level + 1), Vec::new());
            levels[level].push(id);
        }
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::FuseElementwise;
    use crate::testing::{ops, refuses, run};

    #[test]
    fn a_chain_is_one_kernel_with_the_results_used_outside() {
        let text = "graph f(%x: f32[3,5], %b: f32[5], %s: f32[3,1]) {
            %0: f32[3,5] = exp %x @a
            %1: f32[3,5] = add %0, %b @b
            %2: f32[3,5] = mul %1, %s @c
            %3: bool[3,5] = gt %2, %0 @d
            return %1, %3
        }";
        insta::assert_snapshot!(run(FuseElementwise, text), @r#"
        graph f(%x: f32[3,5], %b: f32[5], %s: f32[3,1]) {
          %0: f32[3,5], %1: bool[3,5] = kernel %x, %b, %s {kind="rows"} exp_add_mul_gt(
            %x: f32[3,5],
            %b: f32[5],
            %s: f32[3,1]
          ) {
            %0: f32[3,5] = exp %x   @a
            %1: f32[3,5] = add %0, %b   @b
            %2: f32[3,5] = mul %1, %s   @c
            %3: bool[3,5] = gt %2, %0   @d
            return %1, %3
          }   @d
          return %0, %1
        }
        "#);
    }

    #[test]
    fn the_reduction_of_one_long_row_stays_apart() {
        let graph = |n: usize| {
            format!(
                "graph f(%x: f32[{n}], %y: f32[{n}]) {{
                    %0: f32[{n}] = add %x, %y
                    %1: f32[{n}] = exp %0
                    %2: f32[] = reduce_sum %1 {{axes=[0], keepdims=false}}
                    return %1, %2
                }}"
            )
        };
        insta::assert_snapshot!(ops(FuseElementwise, &graph(16384)), @"rows add_exp_reduce_sum");
        insta::assert_snapshot!(ops(FuseElementwise, &graph(16385)), @"rows add_exp, reduce_sum");
    }

    #[test]
    fn scalar_ops_are_fused_without_a_connection() {
        let text = "graph f(state %step: i32[], state %count: f32[], %x: f32[3]) {
            %0: i32[] = constant {value=1}
            %1: i32[] = add %step, %0
            %2: f32[] = constant {value=32}
            %3: f32[] = add %count, %2
            %4: f32[] = cast %1 {dtype=\"f32\"}
            %5: f32[3] = mul %x, %4
            return %1 => %step, %3 => %count, %5
        }";
        insta::assert_snapshot!(run(FuseElementwise, text), @r#"
        graph f(state %step: i32[], state %count: f32[], %x: f32[3]) {
          %0: i32[], %1: f32[], %2: f32[] = kernel %step, %count {kind="rows"} add_cast(
            %step: i32[],
            %count: f32[]
          ) {
            %0: i32[] = constant {value=1}
            %1: i32[] = add %step, %0
            %2: f32[] = constant {value=32}
            %3: f32[] = add %count, %2
            %4: f32[] = cast %1 {dtype="f32"}
            return %1, %3, %4
          }
          %3: f32[3] = mul %x, %2
          return %0 => %step, %1 => %count, %3
        }
        "#);
    }

    #[test]
    fn what_would_need_the_kernel_itself_is_another_kernel() {
        let text = "graph f(%x: f32[4,4]) {
            %0: f32[4,4] = exp %x
            %1: f32[4,4] = transpose %0 {permutation=[1,0]}
            %2: f32[4,4] = add %0, %1
            %3: f32[4,4] = relu %2
            return %3
        }";
        insta::assert_snapshot!(ops(FuseElementwise, text), @"exp, transpose, rows add_relu");
    }

    #[test]
    fn other_shapes_and_views_are_refused() {
        refuses(
            FuseElementwise,
            "graph f(%x: f32[4], %y: f32[2,4]) {
                %0: f32[4] = exp %x
                %1: f32[2,4] = add %y, %0
                %2: f32[8] = reshape %1 {shape=[8]}
                %3: f32[8] = exp %2
                return %3
            }",
        );
    }

    #[test]
    fn an_op_alone_is_left_alone() {
        refuses(
            FuseElementwise,
            "graph f(%x: f32[4], %n: f32[]) {
                %0: f32[4] = exp %x
                %1: f32[] = exp %n
                return %0, %1
            }",
        );
    }

    #[test]
    fn ops_without_a_connection_are_refused() {
        // They read the same value, but neither reads the other.
        refuses(
            FuseElementwise,
            "graph f(%x: f32[4], %y: f32[4]) {
                %0: f32[4] = exp %x
                %1: f32[4] = neg %x
                %2: f32[4] = neg %y
                return %0, %1, %2
            }",
        );
    }

    #[test]
    fn what_would_need_the_kernel_itself_is_refused() {
        refuses(
            FuseElementwise,
            "graph f(%x: f32[4,4]) {
                %0: f32[4,4] = exp %x
                %1: f32[4,4] = transpose %0 {permutation=[1,0]}
                %2: f32[4,4] = add %0, %1
                return %2
            }",
        );
    }

    #[test]
    fn scalars_that_would_need_the_kernel_itself_are_refused() {
        refuses(
            FuseElementwise,
            "graph f(%n: f32[]) {
                %0: f32[] = exp %n
                %1: f32[4] = broadcast %0 {shape=[4]}
                %2: f32[] = reduce_sum %1 {axes=[0], keepdims=false}
                %3: f32[] = add %0, %2
                return %3
            }",
        );
    }

    #[test]
    fn scalars_and_the_ops_that_repeat_them_are_refused() {
        refuses(
            FuseElementwise,
            "graph f(%n: f32[], %x: f32[4]) {
                %0: f32[] = exp %n
                %1: f32[4] = mul %x, %0
                return %1
            }",
        );
    }

    #[test]
    fn what_is_far_away_is_refused() {
        // The second use of `%exp` requires a search for paths.
        let far = |count: usize| {
            let line = |n: usize| format!("%r{}: f32[4] = reverse %r{n} {{axes=[0]}}\n", n + 1);
            let between: String = (0..count).map(line).collect();
            format!(
                "graph f(%x: f32[4], %r0: f32[4]) {{
                    %exp: f32[4] = exp %x
                    {between}
                    %sum: f32[4] = add %exp, %r{count}
                    %other: f32[4] = reverse %exp {{axes=[0]}}
                    return %sum, %other
                }}"
            )
        };
        refuses(FuseElementwise, &far(300));
        insta::assert_snapshot!(ops(FuseElementwise, &far(2)), @"reverse, reverse, rows exp_add, reverse");
    }
}
