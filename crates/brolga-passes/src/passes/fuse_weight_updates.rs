//! Makes one kernel of a weight's gradient, a matrix product, and the update of that weight and its
//! optimizer slots.
//!
//! ```text
//! %0: f32[784,10] = matmul %x, %dy {transpose_a=true}
//! %1: f32[784,10] = mul %0, %rate                  →   %0: f32[784,10] = kernel %x, %dy, %rate, %w
//! %2: f32[784,10] = sub %w, %1                           {kind="contraction"} matmul_mul_sub(..)
//! return %2 => %w                                      return %0 => %w
//! ```
//!
//! The gradient stays in registers. The update is a group as in
//! [`FuseUpdates`](super::FuseUpdates), with the elementwise ops between the product and the group
//! that have no other use.
//!
//! Refused: gradients that are returned or have another use, such as a norm over all gradients;
//! groups that read two products, or a product of one of their own values; groups that repeat an
//! operand along only some axes; and groups that need their own results by another path.

use brolga_ir::ops::KernelKind;
use brolga_ir::{Graph, NodeId, Op};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::region::update::{Group, groups, with_gradient};
use crate::region::{NodeSet, Region, Schedule};
use crate::rewrites::{Rewrites, Rule, Why};
use crate::values::streams;

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct FuseWeightUpdates;

const UPDATE: Rule = Rule {
    name: "fuse a weight's gradient with its update",
    reason: "the gradient is still in registers",
};

impl Pass for FuseWeightUpdates {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        let mut schedule = Schedule::new(graph);
        for mut group in groups(graph) {
            group.renew(graph);
            let (product, nodes) = match region(graph, &schedule, &group) {
                Ok(region) => region,
                Err(why) => {
                    if let Some(&last) = group.order.last() {
                        rewrites.refuse(&UPDATE, graph, last, why);
                    }
                    continue;
                }
            };
            if rewrites.allow(&UPDATE, graph, product) {
                Region::around(graph, KernelKind::Contraction, product, nodes)
                    .fuse(graph, &mut schedule)?;
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}

/// The product that a group reads, and the nodes from it to the group's results.
///
/// # Errors
/// Why there is none that can be fused.
fn region(graph: &Graph, schedule: &Schedule, group: &Group) -> Result<(NodeId, NodeSet), Why> {
    let is_product = |id| matches!(graph.node(id).op, Op::Matmul(_));
    let (product, mut nodes) = with_gradient(graph, schedule, group, streams, is_product)?;
    nodes.insert(product);
    if schedule.is_convex(graph, &nodes) {
        Ok((product, nodes))
    } else {
        Err("the kernel would need its own result by another path")
    }
}

#[cfg(test)]
mod tests {
    use super::FuseWeightUpdates;
    use crate::testing::{ops, refuses, run};

    #[test]
    fn a_weight_and_its_slots_are_updated_after_the_product() {
        let text = "graph f(%x: f32[2,3], %dy: f32[2,4], %rate: f32[], state %w: f32[3,4], state %v: f32[3,4]) {
            %0: f32[3,4] = matmul %x, %dy {transpose_a=true, transpose_b=false} @dense #backward
            %1: f32[] = constant {value=0.9}
            %2: f32[3,4] = mul %v, %1 @dense #update
            %3: f32[3,4] = add %2, %0 @dense #update
            %4: f32[3,4] = mul %rate, %3 @dense #update
            %5: f32[3,4] = sub %w, %4 @dense #update
            return %5 => %w, %3 => %v
        }";
        insta::assert_snapshot!(run(FuseWeightUpdates, text), @r#"
        graph f(%x: f32[2,3], %dy: f32[2,4], %rate: f32[], state %w: f32[3,4], state %v: f32[3,4]) {
          %0: f32[3,4], %1: f32[3,4] = kernel %x, %dy, %v, %rate, %w {kind="contraction"} matmul_mul_add_sub(
            %x: f32[2,3],
            %dy: f32[2,4],
            %v: f32[3,4],
            %rate: f32[],
            %w: f32[3,4]
          ) {
            %0: f32[3,4] = matmul %x, %dy {transpose_a=true, transpose_b=false}   @dense #backward
            %1: f32[] = constant {value=0.9}   @dense #update
            %2: f32[3,4] = mul %v, %1   @dense #update
            %3: f32[3,4] = add %2, %0   @dense #update
            %4: f32[3,4] = mul %rate, %3   @dense #update
            %5: f32[3,4] = sub %w, %4   @dense #update
            return %3, %5
          }   @dense #backward
          return %1 => %w, %0 => %v
        }
        "#);
    }

    #[test]
    fn what_is_between_the_product_and_the_update_comes_along() {
        // A scaled gradient and weight decay.
        let text = "graph f(%x: f32[2,3], %dy: f32[2,4], %scale: f32[], state %w: f32[3,4]) {
            %0: f32[3,4] = matmul %x, %dy {transpose_a=true, transpose_b=false} #backward
            %1: f32[3,4] = mul %0, %scale #backward
            %2: f32[] = constant {value=0.01}
            %3: f32[3,4] = mul %w, %2 #backward
            %4: f32[3,4] = add %1, %3 #backward
            %5: f32[3,4] = sub %w, %4 #update
            return %5 => %w
        }";
        insta::assert_snapshot!(ops(FuseWeightUpdates, text), @"contraction matmul_mul_add_sub");
    }

    #[test]
    fn a_gradient_that_is_repeated_is_refused() {
        refuses(
            FuseWeightUpdates,
            "graph f(%x: f32[2,1], %dy: f32[2,1], state %w: f32[3,4]) {
                %0: f32[1,1] = matmul %x, %dy {transpose_a=true, transpose_b=false} #backward
                %1: f32[3,4] = sub %w, %0 #update
                return %1 => %w
            }",
        );
    }

    #[test]
    fn a_gradient_that_something_else_uses_is_refused() {
        refuses(
            FuseWeightUpdates,
            "graph f(%x: f32[2,3], %dy: f32[2,4], state %w: f32[3,4]) {
                %0: f32[3,4] = matmul %x, %dy {transpose_a=true, transpose_b=false} #backward
                %1: f32[] = reduce_sum %0 {axes=[0,1], keepdims=false} #backward
                %2: f32[3,4] = mul %0, %1 #update
                %3: f32[3,4] = sub %w, %2 #update
                return %3 => %w
            }",
        );
    }

    #[test]
    fn a_gradient_that_is_returned_is_refused() {
        refuses(
            FuseWeightUpdates,
            "graph f(%x: f32[2,3], %dy: f32[2,4], state %w: f32[3,4]) {
                %0: f32[3,4] = matmul %x, %dy {transpose_a=true, transpose_b=false} #backward
                %1: f32[3,4] = sub %w, %0 #update
                return %1 => %w, %0
            }",
        );
    }

    #[test]
    fn a_weight_with_two_products_is_refused() {
        // A weight that two layers share.
        refuses(
            FuseWeightUpdates,
            "graph f(%x: f32[2,3], %dy: f32[2,4], %z: f32[2,3], state %w: f32[3,4]) {
                %0: f32[3,4] = matmul %x, %dy {transpose_a=true, transpose_b=false} #backward
                %1: f32[3,4] = matmul %z, %dy {transpose_a=true, transpose_b=false} #backward
                %2: f32[3,4] = add %0, %1 #backward
                %3: f32[3,4] = sub %w, %2 #update
                return %3 => %w
            }",
        );
    }

    #[test]
    fn operands_repeated_along_some_axes_are_refused() {
        refuses(
            FuseWeightUpdates,
            "graph f(%x: f32[2,3], %dy: f32[2,4], %row: f32[4], state %w: f32[3,4]) {
                %0: f32[3,4] = matmul %x, %dy {transpose_a=true, transpose_b=false} #backward
                %1: f32[3,4] = mul %0, %row #update
                %2: f32[3,4] = sub %w, %1 #update
                return %2 => %w
            }",
        );
    }

    #[test]
    fn a_product_that_needs_the_next_value_of_a_slot_is_refused() {
        refuses(
            FuseWeightUpdates,
            "graph f(%x: f32[3,3], %g: f32[3,4], state %w: f32[3,4], state %v: f32[3,4]) {
                %0: f32[3,4] = add %v, %g #update
                %1: f32[3,4] = reverse %0 {axes=[0]} #update
                %2: f32[3,4] = matmul %x, %1 {transpose_a=false, transpose_b=false} #update
                %3: f32[3,4] = mul %2, %0 #update
                %4: f32[3,4] = sub %w, %3 #update
                return %4 => %w, %0 => %v
            }",
        );
    }

    #[test]
    fn a_product_of_a_value_of_the_group_is_refused() {
        refuses(
            FuseWeightUpdates,
            "graph f(%x: f32[4,4], %g: f32[4,4], state %w: f32[4,4]) {
                %0: f32[4,4] = add %w, %g #update
                %1: f32[4,4] = matmul %x, %0 {transpose_a=false, transpose_b=false} #update
                %2: f32[4,4] = add %0, %1 #update
                return %2 => %w
            }",
        );
    }

    #[test]
    fn products_that_no_state_takes_are_refused() {
        refuses(
            FuseWeightUpdates,
            "graph f(%x: f32[2,3], %dy: f32[2,4], %w: f32[3,4]) {
                %0: f32[3,4] = matmul %x, %dy {transpose_a=true, transpose_b=false} #backward
                %1: f32[3,4] = sub %w, %0 #update
                return %1
            }",
        );
    }
}
