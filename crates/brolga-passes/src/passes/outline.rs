//! Makes a kernel of every node that is in none yet, so that code generation sees only kernels.
//!
//! ```text
//! %0: f32[8,32] = transpose %x {permutation=[1,0]}
//!                                                  →   %0: f32[8,32] = kernel %x {kind="move"}
//!                                                        transpose(..)
//! ```
//!
//! Parameters stay, and so do `reshape`s, which are views and need no code, and constants; the
//! bodies of elementwise ops have copies of splats. [`contract`](crate::contract) states what the
//! result must be, and checks it.

use brolga_ir::op::Family;
use brolga_ir::ops::KernelKind;
use brolga_ir::{Graph, NodeId};

use crate::contract::check_kernels;
use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::region::rows::{column_axes, reduced_domain};
use crate::region::{NodeSet, Region, Schedule};
use crate::rewrites::{Rewrites, Rule};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct Outline;

const ALONE: Rule = Rule { name: "make a kernel of one node", reason: "all code is in kernels" };

impl Pass for Outline {
    fn is_required(&self) -> bool {
        true
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        let mut schedule = Schedule::new(graph);
        for id in schedule.nodes() {
            if let Some(kind) = kind(graph, id)
                && rewrites.allow(&ALONE, graph, id)
            {
                Region::around(graph, kind, id, NodeSet::from([id])).fuse(graph, &mut schedule)?;
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }

    fn check(&self, graph: &Graph) -> Result<(), PassError> {
        check_kernels(graph).map_err(PassError::Contract)
    }
}

/// The kind of kernel that computes a node alone; `None` if it needs none.
fn kind(graph: &Graph, id: NodeId) -> Option<KernelKind> {
    Some(match graph.node(id).op.family() {
        Family::Source | Family::View | Family::Call => return None,
        Family::Loop => KernelKind::Loop,
        Family::Elementwise(_) => KernelKind::Rows,
        Family::Contraction { .. } => KernelKind::Contraction,
        Family::Window => KernelKind::Window,
        Family::Random { .. } => KernelKind::Random,
        Family::Attention => KernelKind::Attention,
        Family::Reduction { .. } if reduced_domain(graph, id).is_some() => KernelKind::Rows,
        Family::Reduction { .. } if column_axes(graph, id).is_some() => KernelKind::Columns,
        Family::Reduction { .. } | Family::Movement | Family::Indices | Family::Other => {
            KernelKind::Move
        }
    })
}

#[cfg(test)]
mod tests {
    use super::Outline;
    use crate::testing::{ops, run};

    #[test]
    fn every_node_becomes_a_kernel_of_its_kind() {
        let text = "graph f(%x: f32[4,6], %w: f32[6,2], %im: f32[1,4,4,1], %i: i32[3], %seed: i32[2], %step: i32[]) {
            %0: f32[4,2] = matmul %x, %w {transpose_a=false, transpose_b=false}
            %1: f32[1,2,2,1] = max_pool %im {strides=[2,2], window=[2,2]}
            %2: f32[6,4] = transpose %x {permutation=[1,0]}
            %3: f32[3,6] = gather %x, %i
            %4: f32[4] = reduce_sum %x {axes=[1], keepdims=false}
            %5: f32[6] = reduce_sum %x {axes=[0], keepdims=false}
            %6: i32[6] = argmax %x {axis=0, keepdims=false}
            %7: i32[4] = argmax %x {axis=1, keepdims=false}
            %8: f32[4,6] = exp %x
            %9: i32[5] = random_bits %seed, %step {stream=0}
            %10: f32[24] = reshape %x {shape=[24]}
            %11: f32[2,4,6] = broadcast %x {shape=[2,4,6]}
            return %0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11
        }";
        insta::assert_snapshot!(ops(Outline, text), @"window max_pool, move transpose, move gather, rows reduce_sum, columns reduce_sum, move argmax, rows argmax, rows exp, random random_bits, move broadcast, reshape, contraction matmul");
    }

    #[test]
    fn constants_of_elementwise_ops_are_inside_and_tables_outside() {
        let text = "graph f(%x: f32[3], %y: f32[3,2]) {
            %0: f32[3] = constant {value=[1,2,3]}
            %1: f32[] = constant {value=2}
            %2: f32[2,2] = constant {value=1}
            %3: f32[3] = mul %x, %0
            %4: f32[3] = mul %x, %1
            %5: f32[3,2] = matmul %y, %2 {transpose_a=false, transpose_b=false}
            return %3, %4, %5, %1
        }";
        insta::assert_snapshot!(run(Outline, text), @r#"
        graph f(%x: f32[3], %y: f32[3,2]) {
          %0: f32[3] = constant {value=[1,2,3]}
          %1: f32[] = constant {value=2}
          %2: f32[2,2] = constant {value=1}
          %3: f32[3] = kernel %x {kind="rows"} mul(%x: f32[3]) {
            %0: f32[] = constant {value=2}
            %1: f32[3] = mul %x, %0
            return %1
          }
          %4: f32[3,2] = kernel %y, %2 {kind="contraction"} matmul(%y: f32[3,2], %v1: f32[2,2]) {
            %0: f32[3,2] = matmul %y, %v1 {transpose_a=false, transpose_b=false}
            return %0
          }
          %5: f32[3] = kernel %x, %0 {kind="rows"} mul(%x: f32[3], %v1: f32[3]) {
            %0: f32[3] = mul %x, %v1
            return %0
          }
          return %5, %3, %4, %1
        }
        "#);
    }
}
