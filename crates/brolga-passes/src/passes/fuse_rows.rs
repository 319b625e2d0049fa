//! Makes one kernel of a reduction along rows and all connected ops that work row by row: a
//! softmax, the cross entropy after it and the gradient of both; a normalisation; a mean of losses.
//!
//! ```text
//! %0: f32[32,1] = reduce_max %z {axes=[1], keepdims=true}
//! %1: f32[32,10] = sub %z, %0
//! %2: f32[32,10] = exp %1
//! %3: f32[32,1] = reduce_sum %2 {axes=[1], keepdims=true}
//! %4: f32[32,10] = div %2, %3
//!                                         →   %0: f32[32,10] = kernel %z {kind="rows"}
//!                                               reduce_max_sub_exp_reduce_sum_div(..)
//! ```
//!
//! The *domain* `[r.., c..]` is the shape that the reduction reduces; `c..` are the reduced axes,
//! the last ones. The region is the largest convex one around it in which every node is elementwise
//! over the domain, a reduction of it along `c..`, elementwise on reduced values, or a `broadcast`,
//! `iota` or `one_hot` along the domain. All ops on a row run while it is in the nearest cache.
//!
//! Reductions of single rows (the means of losses and metrics) cost hardly more than the call, so
//! that those of one extent are fused even if they are not connected. One worker computes a single
//! row. So the region of a long row is limited to the ops before its reduction that nothing else
//! needs; the rest is a kernel that all workers share.
//!
//! Refused:
//!
//! * reductions over no axes, or over other axes than the last ones, which do not run along rows;
//!   `transpose`, `reverse` and all other ops that mix rows;
//! * operands that repeat within a row of several axes, and `iota` and `one_hot` along one of them,
//!   since a row is one run of elements; `iota` over the rows, and `one_hot` of a value that the
//!   kernel computes, for which it has no code;
//! * reduced values of shape `[r..]`, together with any but each other and single elements: NumPy's
//!   rule would read them along the wrong axis;
//! * reductions of reduced values, and reductions of another domain, which have other rows;
//! * reductions that are not connected, if there are several rows or the extents differ;
//! * ops that need the kernel's result by a path that cannot be fused, or are so far away in the
//!   schedule that the search for such paths would take too long.
//!
//! A reduction alone is not fused.

use brolga_ir::ops::KernelKind;
use brolga_ir::{Graph, NodeId};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::region::rows::{MAX_SPAN, reduced_domain, rows};
use crate::region::{Border, NodeSet, Region, Schedule, prologue};
use crate::rewrites::{Rewrites, Rule};
use crate::values::repeats_columns;

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct FuseRows;

const ROWS: Rule = Rule {
    name: "fuse around a reduction of rows",
    reason: "a row is read once for all ops on it",
};

impl Pass for FuseRows {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        let mut schedule = Schedule::new(graph);
        let reduces = |graph: &Graph, id: &NodeId| reduced_domain(graph, *id).is_some();
        let mut seeds: Vec<NodeId> = schedule.nodes();
        seeds.retain(|id| reduces(graph, id));
        for id in seeds {
            // An earlier kernel may have taken this node, and its handle.
            let Some(domain) = reduced_domain(graph, id) else { continue };
            let mut border = Border::default();
            let nodes = if domain.is_long_row() {
                let split = domain.split;
                let fits = |graph: &Graph, v, shape: &_| repeats_columns(graph, v, shape, split);
                let mut nodes = NodeSet::from([id]);
                let reduced = graph.operands(id)[0];
                nodes.extend(prologue(graph, &schedule, &mut border, reduced, &nodes, fits));
                nodes
            } else if domain.is_one_row() {
                let same = |id: &NodeId| reduced_domain(graph, *id).as_ref() == Some(&domain);
                let together: Vec<NodeId> = schedule.from(id, MAX_SPAN).filter(same).collect();
                rows(graph, &schedule, &mut border, &together, domain)
            } else {
                rows(graph, &schedule, &mut border, &[id], domain)
            };
            rewrites.refuse_outside(&ROWS, graph, id, &border, |id| nodes.contains(&id));
            if nodes.len() > 1 && rewrites.allow(&ROWS, graph, id) {
                Region::around(graph, KernelKind::Rows, id, nodes).fuse(graph, &mut schedule)?;
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}

#[cfg(test)]
mod tests {
    use super::FuseRows;
    use crate::testing::{ops, refuses, run};

    #[test]
    fn a_loss_its_gradient_and_the_prediction_are_one() {
        let text = "graph f(%z: f32[3,5], %y: i32[3]) {
            %0: f32[3,1] = reduce_max %z {axes=[1], keepdims=true}
            %1: f32[3,5] = sub %z, %0
            %2: f32[3,5] = exp %1
            %3: f32[3,1] = reduce_sum %2 {axes=[1], keepdims=true}
            %4: f32[3,1] = log %3
            %5: f32[3,5] = sub %1, %4
            %6: f32[3,5] = one_hot %y {depth=5, dtype=\"f32\"}
            %7: f32[3,5] = mul %5, %6
            %8: f32[3] = reduce_sum %7 {axes=[1], keepdims=false}
            %9: f32[3] = neg %8
            %10: f32[3,5] = div %2, %3 #backward
            %11: f32[3,5] = sub %10, %6 #backward
            %12: i32[3] = argmax %z {axis=1, keepdims=false} #update
            return %9, %11, %12
        }";
        insta::assert_snapshot!(run(FuseRows, text), @r#"
        graph f(%z: f32[3,5], %y: i32[3]) {
          %0: f32[3], %1: f32[3,5], %2: i32[3] = kernel %z, %y {kind="rows"} reduce_max_sub_exp_reduce_sum_log_etc(
            %z: f32[3,5],
            %y: i32[3]
          ) {
            %0: f32[3,1] = reduce_max %z {axes=[1], keepdims=true}
            %1: f32[3,5] = sub %z, %0
            %2: f32[3,5] = exp %1
            %3: f32[3,1] = reduce_sum %2 {axes=[1], keepdims=true}
            %4: f32[3,1] = log %3
            %5: f32[3,5] = sub %1, %4
            %6: f32[3,5] = one_hot %y {depth=5, dtype="f32"}
            %7: f32[3,5] = mul %5, %6
            %8: f32[3] = reduce_sum %7 {axes=[1], keepdims=false}
            %9: f32[3] = neg %8
            %10: f32[3,5] = div %2, %3   #backward
            %11: f32[3,5] = sub %10, %6   #backward
            %12: i32[3] = argmax %z {axis=1, keepdims=false}   #update
            return %9, %11, %12
          }
          return %0, %1, %2
        }
        "#);
    }

    #[test]
    fn what_is_computed_of_one_row_stays_with_it() {
        let text = "graph f(%losses: f32[7], state %total: f32[]) {
            %0: f32[] = reduce_mean %losses {axes=[0], keepdims=false}
            %1: f32[] = constant {value=7}
            %2: f32[] = mul %0, %1
            %3: f32[] = add %total, %2
            return %0, %3 => %total
        }";
        insta::assert_snapshot!(run(FuseRows, text), @r#"
        graph f(%losses: f32[7], state %total: f32[]) {
          %0: f32[], %1: f32[] = kernel %losses, %total {kind="rows"} reduce_mean_mul_add(
            %losses: f32[7],
            %total: f32[]
          ) {
            %0: f32[] = reduce_mean %losses {axes=[0], keepdims=false}
            %1: f32[] = constant {value=7}
            %2: f32[] = mul %0, %1
            %3: f32[] = add %total, %2
            return %0, %3
          }
          return %0, %1 => %total
        }
        "#);
    }

    #[test]
    fn single_rows_are_fused_without_a_connection() {
        let text =
            "graph f(%losses: f32[7], %right: bool[7], %x: f32[1,7], %y: f32[2,7], %z: f32[2,7]) {
            %0: f32[] = reduce_mean %losses {axes=[0], keepdims=false}
            %1: f32[7] = cast %right {dtype=\"f32\"}
            %2: f32[] = reduce_sum %1 {axes=[0], keepdims=false}
            %3: f32[] = mul %2, %0
            %4: f32[1] = reduce_sum %x {axes=[1], keepdims=false}
            %5: f32[2] = reduce_sum %y {axes=[1], keepdims=false}
            %6: f32[2] = reduce_max %z {axes=[1], keepdims=false}
            return %3, %4, %5, %6
        }";
        insta::assert_snapshot!(ops(FuseRows, text), @"reduce_sum, reduce_sum, reduce_max, rows cast_reduce_sum_reduce_mean_mul");
    }

    #[test]
    fn a_region_grows_over_what_lies_between() {
        // Neither the reduction nor the exponential can be added alone: the region would not be
        // convex.
        let text = "graph f(%x: f32[3,5], %y: f32[3,5]) {
            %0: f32[3,1] = reduce_sum %y {axes=[1], keepdims=true}
            %1: f32[3,5] = exp %x
            %2: f32[3,1] = reduce_sum %1 {axes=[1], keepdims=true}
            %3: f32[3,5] = mul %1, %2
            %4: f32[3,5] = mul %3, %0
            return %4
        }";
        insta::assert_snapshot!(ops(FuseRows, text), @"rows exp_reduce_sum_mul");
    }

    #[test]
    fn reduced_values_without_their_axis_are_not_read_along_the_other() {
        // `%1` has one number for each row, but `add` reads it along the columns.
        let text = "graph f(%x: f32[4,4]) {
            %0: f32[4,4] = exp %x
            %1: f32[4] = reduce_sum %0 {axes=[1], keepdims=false}
            %2: f32[4,4] = add %x, %1
            %3: f32[4] = reduce_max %2 {axes=[1], keepdims=false}
            return %3
        }";
        insta::assert_snapshot!(ops(FuseRows, text), @"rows exp_reduce_sum, rows add_reduce_max");
    }

    #[test]
    fn several_last_axes_are_one_row() {
        let text = "graph f(%x: f32[3,5], %y: f32[3,5]) {
            %0: f32[3,5] = sub %x, %y
            %1: f32[3,5] = mul %0, %0
            %2: f32[] = reduce_mean %1 {axes=[0,1], keepdims=false}
            %3: f32[] = constant {value=0.5}
            %4: f32[3,5] = mul %0, %3
            return %2, %4
        }";
        insta::assert_snapshot!(ops(FuseRows, text), @"rows sub_mul_reduce_mean");
    }

    #[test]
    fn operands_that_repeat_within_a_row_stay_outside() {
        let text = "graph f(%x: f32[2,3,5], %a: f32[5], %b: f32[2,1,1], %c: f32[3,5]) {
            %0: f32[2,3,5] = mul %x, %a
            %1: f32[2,3,5] = mul %0, %b
            %2: f32[2,3,5] = mul %1, %c
            %3: f32[2] = reduce_sum %2 {axes=[1,2], keepdims=false}
            return %3
        }";
        insta::assert_snapshot!(ops(FuseRows, text), @"mul, rows mul_reduce_sum");
    }

    #[test]
    fn a_long_single_row_takes_in_what_only_it_needs() {
        let text = "graph f(%x: f32[200,100]) {
            %0: f32[200,100] = abs %x
            %1: f32[200,100] = mul %x, %0
            %2: f32[] = reduce_sum %1 {axes=[0,1], keepdims=false}
            %3: f32[200,100] = tanh %0
            return %2, %3
        }";
        insta::assert_snapshot!(ops(FuseRows, text), @"abs, tanh, rows mul_reduce_sum");
    }

    #[test]
    fn other_axes_are_refused() {
        refuses(
            FuseRows,
            "graph f(%x: f32[3,5]) {
                %0: f32[3,5] = exp %x
                %1: f32[5] = reduce_sum %0 {axes=[0], keepdims=false}
                return %1
            }",
        );
    }

    /// A chain over `[2,3,5]` that ends in a sum over the last two axes.
    fn of_two_axes(line: &str) -> String {
        format!(
            "graph f(%x: f32[2,3,5], %a: f32[5], %y: i32[2,3]) {{
                {line}
                %1: f32[2] = reduce_sum %0 {{axes=[1,2], keepdims=false}}
                return %1
            }}"
        )
    }

    #[test]
    fn a_reduction_alone_is_left_alone() {
        refuses(FuseRows, &of_two_axes("%0: f32[2,3,5] = reverse %x {axes=[1]}"));
    }

    #[test]
    fn axes_that_are_no_neighbours_are_refused() {
        refuses(
            FuseRows,
            "graph f(%x: f32[2,3,5]) {
                %0: f32[2,3,5] = exp %x
                %1: f32[3] = reduce_sum %0 {axes=[0,2], keepdims=false}
                return %1
            }",
        );
    }

    #[test]
    fn a_reduction_over_no_axes_is_refused() {
        refuses(
            FuseRows,
            "graph f(%x: f32[3,5]) {
                %0: f32[3,5] = exp %x
                %1: f32[3,5] = reduce_sum %0 {axes=[], keepdims=false}
                return %1
            }",
        );
    }

    #[test]
    fn operands_that_repeat_within_a_row_are_refused() {
        refuses(FuseRows, &of_two_axes("%0: f32[2,3,5] = mul %x, %a"));
        refuses(FuseRows, &of_two_axes("%0: f32[2,3,5] = broadcast %a {shape=[2,3,5]}"));
    }

    #[test]
    fn counting_along_one_of_several_axes_is_refused() {
        refuses(FuseRows, &of_two_axes("%0: f32[2,3,5] = iota {axis=1}"));
        refuses(FuseRows, &of_two_axes("%0: f32[2,3,5] = iota {axis=2}"));
    }

    #[test]
    fn counting_rows_is_refused() {
        refuses(
            FuseRows,
            "graph f() {
                %0: f32[3,5] = iota {axis=0}
                %1: f32[3] = reduce_sum %0 {axes=[1], keepdims=false}
                return %1
            }",
        );
    }

    #[test]
    fn marks_along_one_of_several_axes_are_refused() {
        refuses(FuseRows, &of_two_axes("%0: f32[2,3,5] = one_hot %y {depth=5, dtype=\"f32\"}"));
    }

    #[test]
    fn marks_of_what_the_row_computes_are_refused() {
        refuses(
            FuseRows,
            "graph f(%x: f32[3,5]) {
                %0: i32[3] = argmax %x {axis=1, keepdims=false}
                %1: f32[3,5] = one_hot %0 {depth=5, dtype=\"f32\"}
                return %1
            }",
        );
    }

    /// Sums of rows, with the axis kept and dropped, and another line.
    fn sums(line: &str) -> String {
        format!(
            "graph f(%x: f32[4,4], %v: f32[4]) {{
                %kept: f32[4,1] = reduce_sum %x {{axes=[1], keepdims=true}}
                %dropped: f32[4] = reduce_max %x {{axes=[1], keepdims=false}}
                {line}
                return %0
            }}"
        )
    }

    #[test]
    fn reduced_values_without_their_axis_meet_no_others() {
        refuses(FuseRows, &sums("%0: f32[4] = add %dropped, %v"));
        refuses(FuseRows, &sums("%0: f32[4,4] = broadcast %dropped {shape=[4,4]}"));
        refuses(FuseRows, &sums("%0: f32[4,4] = add %x, %dropped"));
        insta::assert_snapshot!(ops(FuseRows, &sums("%0: f32[4,4] = add %kept, %dropped")), @"rows reduce_sum_reduce_max, add");
    }

    #[test]
    fn reduced_values_that_are_reduced_again_are_refused() {
        refuses(FuseRows, &sums("%0: f32[4,1] = reduce_max %kept {axes=[1], keepdims=true}"));
        refuses(FuseRows, &sums("%0: f32[] = reduce_sum %dropped {axes=[0], keepdims=false}"));
    }

    #[test]
    fn a_row_of_one_element_is_not_reduced_twice() {
        // The reduced value has the domain's shape.
        refuses(
            FuseRows,
            "graph f(%x: f32[3,1]) {
                %0: f32[3,1] = reduce_sum %x {axes=[1], keepdims=true}
                %1: f32[3,1] = reduce_max %0 {axes=[1], keepdims=true}
                return %1
            }",
        );
    }

    #[test]
    fn what_is_far_away_is_refused() {
        let far = |count: usize| {
            let line = |n: usize| format!("%r{}: f32[4,1] = reverse %r{n} {{axes=[0]}}\n", n + 1);
            let between: String = (0..count).map(line).collect();
            format!(
                "graph f(%x: f32[4,5], %r0: f32[4,1]) {{
                    %sum: f32[4,1] = reduce_sum %x {{axes=[1], keepdims=true}}
                    {between}
                    %after: f32[4,1] = add %sum, %r{count}
                    return %after
                }}"
            )
        };
        refuses(FuseRows, &far(300));
        insta::assert_snapshot!(ops(FuseRows, &far(2)), @"reverse, reverse, rows reduce_sum_add");
    }

    #[test]
    fn what_is_not_computed_row_by_row_is_refused() {
        refuses(FuseRows, &sums("%0: f32[4,1] = reverse %kept {axes=[0]}"));
        refuses(FuseRows, &sums("%0: f32[1,4] = transpose %kept {permutation=[1,0]}"));
    }

    #[test]
    fn what_would_need_the_kernel_itself_is_refused() {
        let lines = "%back: f32[4,1] = reverse %kept {axes=[0]}
            %0: f32[4,1] = add %kept, %back";
        refuses(FuseRows, &sums(lines));
    }

    #[test]
    fn several_rows_without_a_connection_are_refused() {
        refuses(
            FuseRows,
            "graph f(%x: f32[2,7], %y: f32[2,7]) {
                %0: f32[2] = reduce_sum %x {axes=[1], keepdims=false}
                %1: f32[2] = reduce_sum %y {axes=[1], keepdims=false}
                return %0, %1
            }",
        );
    }

    #[test]
    fn single_rows_of_other_extents_are_refused() {
        refuses(
            FuseRows,
            "graph f(%x: f32[7], %y: f32[6]) {
                %0: f32[] = reduce_sum %x {axes=[0], keepdims=false}
                %1: f32[] = reduce_sum %y {axes=[0], keepdims=false}
                return %0, %1
            }",
        );
    }

    #[test]
    fn a_long_single_row_refuses_what_others_need() {
        refuses(
            FuseRows,
            "graph f(%x: f32[200,100]) {
                %0: f32[200,100] = abs %x
                %1: f32[] = reduce_sum %0 {axes=[0,1], keepdims=false}
                return %0, %1
            }",
        );
    }

    #[test]
    fn a_long_single_row_refuses_its_consumers_and_other_reductions() {
        refuses(
            FuseRows,
            "graph f(%x: f32[200,100]) {
                %0: f32[] = reduce_sum %x {axes=[0,1], keepdims=false}
                %1: f32[] = reduce_max %x {axes=[0,1], keepdims=false}
                %2: f32[200,100] = sub %x, %1
                %3: f32[] = neg %0
                return %2, %3
            }",
        );
    }

    #[test]
    fn a_long_single_row_refuses_operands_that_repeat_within_it() {
        refuses(
            FuseRows,
            "graph f(%x: f32[200,100], %a: f32[100]) {
                %0: f32[200,100] = mul %x, %a
                %1: f32[] = reduce_sum %0 {axes=[0,1], keepdims=false}
                return %1
            }",
        );
    }
}
