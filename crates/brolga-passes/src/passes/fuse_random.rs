//! Makes one kernel of random numbers and their epilogue.
//!
//! ```text
//! %0: bool[32,128] = random_bernoulli %seed, %step
//! %1: f32[32,128] = cast %0                          →   %0: f32[32,128] = kernel %seed, %step
//!                                                          {kind="random"} random_bernoulli_cast(..)
//! ```
//!
//! The epilogue is that of a product ([`FuseMatmul`](super::FuseMatmul)), but its other operands
//! have the shape of the numbers or are one element: numbers are made in one run, whatever their
//! shape. The pass runs after the contractions, which take the mask of a dropout as an operand.
//!
//! Refused: ops of another role, ops that read the numbers in another shape or repeat an operand,
//! and ops that need the kernel's result by another path. Numbers without an epilogue are not
//! fused.

use brolga_ir::op::Family;
use brolga_ir::ops::KernelKind;
use brolga_ir::{Graph, Op};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::region::{Border, NodeSet, Region, Schedule, epilogue};
use crate::rewrites::{Rewrites, Rule};
use crate::values::same_or_one;

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct FuseRandom;

const EPILOGUE: Rule =
    Rule { name: "fuse the epilogue of random numbers", reason: "the numbers need not be stored" };

impl Pass for FuseRandom {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        let mut schedule = Schedule::new(graph);
        let is_random = |op: &Op| matches!(op.family(), Family::Random { .. });
        for id in schedule.seeds(graph, is_random) {
            let mut nodes = NodeSet::from([id]);
            let mut border = Border::default();
            epilogue(graph, &schedule, &mut nodes, &mut border, id, same_or_one);
            rewrites.refuse_outside(&EPILOGUE, graph, id, &border, |id| nodes.contains(&id));
            if nodes.len() > 1 && rewrites.allow(&EPILOGUE, graph, id) {
                Region::around(graph, KernelKind::Random, id, nodes).fuse(graph, &mut schedule)?;
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}

#[cfg(test)]
mod tests {
    use super::FuseRandom;
    use crate::testing::{refuses, run};

    #[test]
    fn noise_is_scaled_where_it_is_made() {
        let text = "graph f(%seed: i32[2], %step: i32[]) {
            %0: f32[4] = random_uniform %seed, %step {stream=3} @noise
            %1: f32[] = constant {value=0.5} @noise
            %2: f32[4] = sub %0, %1 @noise
            return %2
        }";
        insta::assert_snapshot!(run(FuseRandom, text), @r#"
        graph f(%seed: i32[2], %step: i32[]) {
          %0: f32[4] = kernel %seed, %step {kind="random"} random_uniform_sub(%seed: i32[2], %step: i32[]) {
            %0: f32[4] = random_uniform %seed, %step {stream=3}   @noise
            %1: f32[] = constant {value=0.5}   @noise
            %2: f32[4] = sub %0, %1   @noise
            return %2
          }   @noise
          return %0
        }
        "#);
    }

    #[test]
    fn numbers_that_are_read_otherwise_are_stored() {
        refuses(
            FuseRandom,
            "graph f(%seed: i32[2], %step: i32[], %x: f32[2,4]) {
                %0: f32[4] = random_uniform %seed, %step {stream=3}
                %1: f32[2,4] = add %x, %0
                return %1
            }",
        );
    }

    /// Random numbers and these lines after them.
    fn numbers(lines: &str, outputs: &str) -> String {
        format!(
            "graph f(%seed: i32[2], %step: i32[], %rows: f32[2,1], %columns: f32[4]) {{
                %0: f32[2,4] = random_uniform %seed, %step {{stream=3}}
                {lines}
                return {outputs}
            }}"
        )
    }

    #[test]
    fn numbers_alone_are_left_alone() {
        refuses(FuseRandom, &numbers("", "%0"));
    }

    #[test]
    fn what_is_not_elementwise_is_refused() {
        refuses(FuseRandom, &numbers("%1: f32[2,4] = reverse %0 {axes=[1]}", "%1"));
    }

    #[test]
    fn ops_of_another_role_are_refused() {
        refuses(FuseRandom, &numbers("%1: f32[2,4] = neg %0 #backward", "%1"));
    }

    #[test]
    fn what_is_repeated_along_some_axes_is_refused() {
        refuses(FuseRandom, &numbers("%1: f32[2,4] = add %0, %rows", "%1"));
        refuses(FuseRandom, &numbers("%1: f32[2,4] = add %0, %columns", "%1"));
    }

    #[test]
    fn what_would_need_the_kernel_itself_is_refused() {
        let lines = "%1: f32[] = reduce_max %0 {axes=[0,1], keepdims=false}
            %2: f32[2,4] = sub %0, %1";
        refuses(FuseRandom, &numbers(lines, "%2"));
    }
}
