//! Makes one kernel of a matrix product and its epilogue: bias, activation, dropout.
//!
//! ```text
//! %0: f32[32,128] = matmul %x, %w
//! %1: f32[32,128] = add %0, %b             →   %0: f32[32,128] = kernel %x, %w, %b
//! %2: f32[32,128] = relu %1                      {kind="contraction"} matmul_add_relu(..)
//! ```
//!
//! The epilogue is elementwise ops of the product's shape, whose other operands have that shape, or
//! are one row for all rows, or one element.
//!
//! Refused: ops of another role (such as a weight's update after a forward product), ops that need
//! the kernel's result by another path, and a bias for each row instead of each column.

use brolga_ir::ops::KernelKind;
use brolga_ir::{Graph, Op};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::region::{Border, NodeSet, Region, Schedule, epilogue};
use crate::rewrites::{Rewrites, Rule};
use crate::values::streams;

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct FuseMatmul;

const EPILOGUE: Rule =
    Rule { name: "fuse a matrix product's epilogue", reason: "the product is still in registers" };

impl Pass for FuseMatmul {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        let mut schedule = Schedule::new(graph);
        for id in schedule.seeds(graph, |op| matches!(op, Op::Matmul(_))) {
            let mut nodes = NodeSet::from([id]);
            let mut border = Border::default();
            epilogue(graph, &schedule, &mut nodes, &mut border, id, streams);
            rewrites.refuse_outside(&EPILOGUE, graph, id, &border, |id| nodes.contains(&id));
            if nodes.len() > 1 && rewrites.allow(&EPILOGUE, graph, id) {
                Region::around(graph, KernelKind::Contraction, id, nodes)
                    .fuse(graph, &mut schedule)?;
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}

#[cfg(test)]
mod tests {
    use super::FuseMatmul;
    use crate::testing::{refuses, run};

    #[test]
    fn bias_activation_and_dropout_are_the_epilogue() {
        let text = "graph f(%x: f32[2,3], state %w: f32[3,4], state %b: f32[4], %kept: bool[2,4]) {
            %0: f32[2,4] = matmul %x, %w {transpose_a=false, transpose_b=false} @dense
            %1: f32[2,4] = add %0, %b @dense
            %2: f32[2,4] = relu %1 @dense
            %3: f32[] = constant {value=0} @dropout
            %4: f32[2,4] = select %kept, %2, %3 @dropout
            return %4, %2
        }";
        insta::assert_snapshot!(run(FuseMatmul, text), @r#"
        graph f(%x: f32[2,3], state %w: f32[3,4], state %b: f32[4], %kept: bool[2,4]) {
          %0: f32[2,4], %1: f32[2,4] = kernel %x, %w, %b, %kept {kind="contraction"} matmul_add_relu_select(
            %x: f32[2,3],
            %w: f32[3,4],
            %b: f32[4],
            %kept: bool[2,4]
          ) {
            %0: f32[2,4] = matmul %x, %w {transpose_a=false, transpose_b=false}   @dense
            %1: f32[2,4] = add %0, %b   @dense
            %2: f32[2,4] = relu %1   @dense
            %3: f32[] = constant {value=0}   @dropout
            %4: f32[2,4] = select %kept, %2, %3   @dropout
            return %2, %4
          }   @dense
          return %1, %0
        }
        "#);
    }

    #[test]
    fn a_mask_that_nothing_else_uses_comes_along() {
        let text = "graph f(%x: f32[2,3], %w: f32[3,4], %r: f32[2,4]) {
            %0: f32[2,4] = matmul %x, %w {transpose_a=false, transpose_b=false} #backward
            %1: f32[] = constant {value=0}
            %2: bool[2,4] = gt %r, %1 #backward
            %3: f32[2,4] = select %2, %0, %1 #backward
            return %3
        }";
        insta::assert_snapshot!(run(FuseMatmul, text), @r#"
        graph f(%x: f32[2,3], %w: f32[3,4], %r: f32[2,4]) {
          %0: f32[2,4] = kernel %x, %w, %r {kind="contraction"} matmul_gt_select(
            %x: f32[2,3],
            %w: f32[3,4],
            %r: f32[2,4]
          ) {
            %0: f32[2,4] = matmul %x, %w {transpose_a=false, transpose_b=false}   #backward
            %1: f32[] = constant {value=0}   #backward
            %2: bool[2,4] = gt %r, %1   #backward
            %3: f32[2,4] = select %2, %0, %1   #backward
            return %3
          }   #backward
          return %0
        }
        "#);
    }

    #[test]
    fn ops_of_another_role_stay_outside() {
        refuses(
            FuseMatmul,
            "graph f(%x: f32[2,3], %y: f32[2,4], state %w: f32[3,4]) {
                %0: f32[3,4] = matmul %x, %y {transpose_a=true, transpose_b=false} #backward
                %1: f32[3,4] = sub %w, %0 #update
                return %1 => %w
            }",
        );
    }

    #[test]
    fn one_element_for_each_row_is_refused() {
        refuses(
            FuseMatmul,
            "graph f(%x: f32[2,3], %w: f32[3,4], %b: f32[2,1]) {
                %0: f32[2,4] = matmul %x, %w {transpose_a=false, transpose_b=false}
                %1: f32[2,4] = add %0, %b
                return %1
            }",
        );
    }

    #[test]
    fn what_would_need_the_kernel_itself_is_refused() {
        // Another kernel computes the maximum of the product.
        refuses(
            FuseMatmul,
            "graph f(%x: f32[2,3], %w: f32[3,4]) {
                %0: f32[2,4] = matmul %x, %w {transpose_a=false, transpose_b=false}
                %1: f32[] = reduce_max %0 {axes=[0,1], keepdims=false}
                %2: f32[2,4] = sub %0, %1
                return %2
            }",
        );
    }
}
