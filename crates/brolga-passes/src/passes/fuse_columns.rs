//! Makes one kernel of a reduction over adjacent axes before the last one, with a prologue and an
//! epilogue.
//!
//! ```text
//! %0: f32[32,8] = sub %x, %y
//! %1: f32[32,8] = mul %0, %0                   →   %0: f32[8] = kernel %x, %y {kind="columns"}
//! %2: f32[8] = reduce_mean %1 {axes=[0]}             sub_mul_reduce_mean_sqrt(..)
//! %3: f32[8] = sqrt %2
//! ```
//!
//! The prologue has the shape that is reduced, and nothing else uses its values: a value with other
//! uses must be stored, and is better computed where it is stored. The epilogue has the shape of
//! the result.
//!
//! To the kernel, the axes after the reduced ones are one long row of *columns*. So operands of the
//! prologue have an element for each column or one for all of them, and operands of the epilogue
//! have the shape of the result or are one element; others are refused.
//!
//! Also refused: reductions along the last axis, which are rows ([`FuseRows`](super::FuseRows));
//! axes that are not adjacent, or none, since the kernel walks over one run of rows; `argmax`,
//! which no kernel of columns computes; in the prologue, ops that are not elementwise; in the
//! epilogue, ops of another role and ops that need the kernel's result by another path. A reduction
//! without prologue and epilogue is not fused.

use brolga_ir::ops::KernelKind;
use brolga_ir::{Graph, NodeId};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::region::rows::column_axes;
use crate::region::{Border, NodeSet, Region, Schedule, epilogue, prologue};
use crate::rewrites::{Rewrites, Rule};
use crate::values::{repeats_columns, same_or_one};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct FuseColumns;

const COLUMNS: Rule = Rule {
    name: "fuse around a reduction of columns",
    reason: "the reduced values need not be stored",
};

impl Pass for FuseColumns {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        let mut schedule = Schedule::new(graph);
        for id in schedule.nodes() {
            let Some(axes) = column_axes(graph, id) else { continue };
            let mut border = Border::default();
            let nodes = columns(graph, &schedule, &mut border, id, axes.end);
            rewrites.refuse_outside(&COLUMNS, graph, id, &border, |id| nodes.contains(&id));
            if nodes.len() > 1 && rewrites.allow(&COLUMNS, graph, id) {
                Region::around(graph, KernelKind::Columns, id, nodes).fuse(graph, &mut schedule)?;
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}

/// The region around a reduction, whose columns are the axes from `split` on.
fn columns(
    graph: &Graph,
    schedule: &Schedule,
    border: &mut Border,
    reduction: NodeId,
    split: usize,
) -> NodeSet {
    let mut nodes = NodeSet::from([reduction]);
    let reduced = graph.operands(reduction)[0];
    let fits = |graph: &Graph, operand, shape: &_| repeats_columns(graph, operand, shape, split);
    nodes.extend(prologue(graph, schedule, border, reduced, &nodes, fits));
    epilogue(graph, schedule, &mut nodes, border, reduction, same_or_one);
    nodes
}

#[cfg(test)]
mod tests {
    use super::FuseColumns;
    use crate::testing::{ops, refuses, run};

    #[test]
    fn a_standard_deviation_is_one_kernel() {
        let text = "graph f(%x: f32[2,3,5], %mean: f32[5]) {
            %0: f32[2,3,5] = sub %x, %mean
            %1: f32[2,3,5] = mul %0, %0
            %2: f32[5] = reduce_mean %1 {axes=[0,1], keepdims=false}
            %3: f32[5] = sqrt %2
            return %3
        }";
        insta::assert_snapshot!(run(FuseColumns, text), @r#"
        graph f(%x: f32[2,3,5], %mean: f32[5]) {
          %0: f32[5] = kernel %x, %mean {kind="columns"} sub_mul_reduce_mean_sqrt(
            %x: f32[2,3,5],
            %mean: f32[5]
          ) {
            %0: f32[2,3,5] = sub %x, %mean
            %1: f32[2,3,5] = mul %0, %0
            %2: f32[5] = reduce_mean %1 {axes=[0,1], keepdims=false}
            %3: f32[5] = sqrt %2
            return %3
          }
          return %0
        }
        "#);
    }

    #[test]
    fn operands_that_repeat_within_the_columns_stay_outside() {
        let text = "graph f(%x: f32[2,3,5], %a: f32[5], %b: f32[2,1,1], %c: f32[5]) {
            %0: f32[2,3,5] = add %x, %a
            %1: f32[2,3,5] = mul %0, %b
            %2: f32[3,5] = reduce_sum %1 {axes=[0], keepdims=false}
            %3: f32[3,5] = neg %2
            %4: f32[3,5] = add %3, %c
            return %4
        }";
        insta::assert_snapshot!(ops(FuseColumns, text), @"add, columns mul_reduce_sum_neg, add");
    }

    #[test]
    fn axes_in_the_middle_are_reduced_where_they_are() {
        let text = "graph f(%x: f32[2,3,5]) {
            %0: f32[2,3,5] = exp %x
            %1: f32[2,5] = reduce_sum %0 {axes=[1], keepdims=false}
            return %1
        }";
        insta::assert_snapshot!(ops(FuseColumns, text), @"columns exp_reduce_sum");
    }

    #[test]
    fn what_is_used_elsewhere_stays_outside() {
        let text = "graph f(%x: f32[3,5]) {
            %0: f32[3,5] = exp %x
            %1: f32[3,5] = mul %0, %x
            %2: f32[5] = reduce_sum %1 {axes=[0], keepdims=false}
            return %2, %0
        }";
        insta::assert_snapshot!(ops(FuseColumns, text), @"exp, columns mul_reduce_sum");
    }

    #[test]
    fn reductions_along_rows_are_refused() {
        refuses(
            FuseColumns,
            "graph f(%x: f32[3,5]) {
                %0: f32[3,5] = exp %x
                %1: f32[3] = reduce_sum %0 {axes=[1], keepdims=false}
                %2: f32[] = reduce_sum %0 {axes=[0,1], keepdims=false}
                return %1, %2
            }",
        );
    }

    /// A sum of columns and its epilogue.
    fn summed(lines: &str, outputs: &str) -> String {
        format!(
            "graph f(%x: f32[2,3,5], %c: f32[5], %more: f32[4,3,5]) {{
                %0: f32[3,5] = reduce_sum %x {{axes=[0], keepdims=false}}
                {lines}
                return {outputs}
            }}"
        )
    }

    #[test]
    fn a_reduction_alone_is_left_alone() {
        refuses(FuseColumns, &summed("", "%0"));
    }

    #[test]
    fn axes_that_are_no_neighbours_are_refused() {
        refuses(
            FuseColumns,
            "graph f(%x: f32[2,3,4,5]) {
                %0: f32[2,3,4,5] = exp %x
                %1: f32[3,5] = reduce_sum %0 {axes=[0,2], keepdims=false}
                return %1
            }",
        );
    }

    #[test]
    fn a_reduction_over_no_axes_is_refused() {
        refuses(
            FuseColumns,
            "graph f(%x: f32[3,5]) {
                %0: f32[3,5] = exp %x
                %1: f32[3,5] = reduce_sum %0 {axes=[], keepdims=false}
                return %1
            }",
        );
    }

    #[test]
    fn argmax_is_refused() {
        refuses(
            FuseColumns,
            "graph f(%x: f32[3,5]) {
                %0: f32[3,5] = exp %x
                %1: i32[5] = argmax %0 {axis=0, keepdims=false}
                return %1
            }",
        );
    }

    #[test]
    fn a_prologue_that_is_returned_is_refused() {
        refuses(
            FuseColumns,
            "graph f(%x: f32[3,5]) {
                %0: f32[3,5] = exp %x
                %1: f32[5] = reduce_sum %0 {axes=[0], keepdims=false}
                return %0, %1
            }",
        );
    }

    #[test]
    fn a_prologue_that_is_not_elementwise_is_refused() {
        refuses(
            FuseColumns,
            "graph f(%x: f32[3,5]) {
                %0: f32[3,5] = reverse %x {axes=[0]}
                %1: f32[5] = reduce_sum %0 {axes=[0], keepdims=false}
                return %1
            }",
        );
    }

    #[test]
    fn ops_of_another_shape_are_no_prologue() {
        let text = "graph f(%x: f32[3,5], %c: f32[5]) {
            %0: f32[5] = exp %c
            %1: f32[3,5] = add %x, %0
            %2: f32[5] = reduce_sum %1 {axes=[0], keepdims=false}
            return %2
        }";
        insta::assert_snapshot!(ops(FuseColumns, text), @"exp, columns add_reduce_sum");
    }

    #[test]
    fn operands_of_the_prologue_that_repeat_within_the_columns_are_refused() {
        refuses(
            FuseColumns,
            "graph f(%x: f32[2,3,5], %a: f32[5]) {
                %0: f32[2,3,5] = add %x, %a
                %1: f32[3,5] = reduce_sum %0 {axes=[0], keepdims=false}
                return %1
            }",
        );
    }

    #[test]
    fn operands_of_the_epilogue_that_repeat_are_refused() {
        refuses(FuseColumns, &summed("%1: f32[3,5] = add %0, %c", "%1"));
    }

    #[test]
    fn an_epilogue_of_another_role_is_refused() {
        refuses(FuseColumns, &summed("%1: f32[3,5] = neg %0 #update", "%1"));
    }

    #[test]
    fn an_epilogue_of_another_shape_is_refused() {
        refuses(FuseColumns, &summed("%1: f32[4,3,5] = add %more, %0", "%1"));
    }

    #[test]
    fn what_would_need_the_kernel_itself_is_refused() {
        let lines = "%1: f32[] = reduce_max %0 {axes=[0,1], keepdims=false}
            %2: f32[3,5] = sub %0, %1";
        refuses(FuseColumns, &summed(lines, "%2"));
    }
}
