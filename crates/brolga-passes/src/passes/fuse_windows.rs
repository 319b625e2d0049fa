//! Makes one kernel of a pooling or its gradient, the indices of its maxima, and an epilogue.
//!
//! ```text
//! %0: f32[32,12,12,8] = max_pool %x
//! %1: u8[32,12,12,8] = max_pool_index %x          →   %0: f32[32,12,12,8], %1: u8[32,12,12,8] =
//! %2: f32[32,12,12,8] = relu %0                         kernel %x {kind="window"} max_pool_relu(..)
//! ```
//!
//! The epilogue is that of a product ([`FuseMatmul`](super::FuseMatmul)). Maxima and their indices
//! share a kernel if they are of the same images and windows: one walk over the window finds both.
//!
//! Refused: indices for other images or another window; indices beside an average; an epilogue of
//! the indices; and in the epilogue, ops of another role or shape, ops that read a row for each
//! image instead of one for all, and ops that need the kernel's result by another path. A window
//! alone is not fused.

use brolga_ir::op::Family;
use brolga_ir::ops::{KernelKind, MaxPoolIndex};
use brolga_ir::{Graph, NodeId, Op};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::region::{Border, NodeSet, Region, Schedule, epilogue};
use crate::rewrites::{Rewrites, Rule};
use crate::values::streams;

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct FuseWindows;

const WINDOW: Rule = Rule { name: "fuse around a window", reason: "the window is walked once" };

impl Pass for FuseWindows {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        let mut schedule = Schedule::new(graph);
        for id in schedule.seeds(graph, is_window) {
            let mut nodes = NodeSet::from([id]);
            nodes.extend(indices(graph, id));
            let mut border = Border::default();
            epilogue(graph, &schedule, &mut nodes, &mut border, id, streams);
            rewrites.refuse_outside(&WINDOW, graph, id, &border, |id| nodes.contains(&id));
            if nodes.len() > 1 && rewrites.allow(&WINDOW, graph, id) {
                Region::around(graph, KernelKind::Window, id, nodes).fuse(graph, &mut schedule)?;
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}

/// Ops that kernels of the kind `window` are made around.
fn is_window(op: &Op) -> bool {
    // Indices are computed beside their maxima.
    op.family() == Family::Window && !matches!(op, Op::MaxPoolIndex(_))
}

/// The node that gives the indices of the maxima of a `max_pool`.
fn indices(graph: &Graph, id: NodeId) -> Option<NodeId> {
    let Op::MaxPool(pool) = &graph.node(id).op else { return None };
    let index = Op::from(MaxPoolIndex { pool: pool.pool });
    let users = graph.uses_of(graph.operands(id)[0]);
    users.into_iter().map(|(user, _)| user).find(|&user| graph.node(user).op == index)
}

#[cfg(test)]
mod tests {
    use super::FuseWindows;
    use crate::testing::{ops, refuses, run};

    #[test]
    fn maxima_their_indices_and_an_epilogue_are_one() {
        let text = "graph f(%x: f32[2,4,5,3]) {
            %0: f32[2,3,4,3] = max_pool %x {strides=[1,1], window=[2,2]} @pool
            %1: u8[2,3,4,3] = max_pool_index %x {strides=[1,1], window=[2,2]} @pool
            %2: f32[2,3,4,3] = relu %0 @activation
            return %2, %1
        }";
        insta::assert_snapshot!(run(FuseWindows, text), @r#"
        graph f(%x: f32[2,4,5,3]) {
          %0: f32[2,3,4,3], %1: u8[2,3,4,3] = kernel %x {kind="window"} max_pool_relu(%x: f32[2,4,5,3]) {
            %0: f32[2,3,4,3] = max_pool %x {padding=[[0,0],[0,0]], strides=[1,1], window=[2,2]}   @pool
            %1: f32[2,3,4,3] = relu %0   @activation
            %2: u8[2,3,4,3] = max_pool_index %x {padding=[[0,0],[0,0]], strides=[1,1], window=[2,2]}   @pool
            return %1, %2
          }   @pool
          return %0, %1
        }
        "#);
    }

    #[test]
    fn indices_for_other_windows_are_another_kernel() {
        let text = "graph f(%x: f32[2,4,5,3]) {
            %0: f32[2,3,4,3] = max_pool %x {strides=[1,1], window=[2,2]}
            %1: u8[2,2,2,3] = max_pool_index %x {strides=[2,2], window=[2,2]}
            %2: f32[2,3,4,3] = avg_pool %x {count_include_pad=false, strides=[1,1], window=[2,2]}
            %3: f32[2,3,4,3] = add %0, %2
            return %3, %1
        }";
        insta::assert_snapshot!(ops(FuseWindows, text), @"max_pool_index, avg_pool, window max_pool_add");
    }

    /// A maximum pooling and these lines after it.
    fn pooled(lines: &str, outputs: &str) -> String {
        format!(
            "graph f(%x: f32[2,4,5,3], %y: f32[2,4,5,3], %row: f32[2,1,1,3], %five: f32[2,2,3,4,3]) {{
                %0: f32[2,3,4,3] = max_pool %x {{strides=[1,1], window=[2,2]}}
                {lines}
                return {outputs}
            }}"
        )
    }

    #[test]
    fn a_window_alone_is_left_alone() {
        refuses(FuseWindows, &pooled("", "%0"));
    }

    #[test]
    fn indices_for_other_images_are_refused() {
        let indices = "%1: u8[2,3,4,3] = max_pool_index %y {strides=[1,1], window=[2,2]}";
        refuses(FuseWindows, &pooled(indices, "%0, %1"));
    }

    #[test]
    fn indices_for_other_windows_are_refused() {
        for indices in [
            "%1: u8[2,2,2,3] = max_pool_index %x {strides=[2,2], window=[2,2]}",
            "%1: u8[2,2,3,3] = max_pool_index %x {strides=[1,1], window=[3,3]}",
            "%1: u8[2,3,5,3] = max_pool_index %x {padding=[[0,0],[1,0]], strides=[1,1], window=[2,2]}",
        ] {
            refuses(FuseWindows, &pooled(indices, "%0, %1"));
        }
    }

    #[test]
    fn indices_beside_an_average_are_refused() {
        refuses(
            FuseWindows,
            "graph f(%x: f32[2,4,5,3]) {
                %0: f32[2,3,4,3] = avg_pool %x {count_include_pad=false, strides=[1,1], window=[2,2]}
                %1: u8[2,3,4,3] = max_pool_index %x {strides=[1,1], window=[2,2]}
                return %0, %1
            }",
        );
    }

    #[test]
    fn an_epilogue_of_indices_is_refused() {
        refuses(
            FuseWindows,
            "graph f(%x: f32[2,4,5,3]) {
                %0: u8[2,3,4,3] = max_pool_index %x {strides=[1,1], window=[2,2]}
                %1: f32[2,3,4,3] = cast %0 {dtype=\"f32\"}
                return %1
            }",
        );
    }

    #[test]
    fn ops_of_another_role_are_refused() {
        refuses(FuseWindows, &pooled("%1: f32[2,3,4,3] = relu %0 #backward", "%1"));
    }

    #[test]
    fn ops_of_another_shape_are_refused() {
        refuses(FuseWindows, &pooled("%1: f32[2,2,3,4,3] = add %0, %five", "%1"));
    }

    #[test]
    fn a_row_for_each_image_is_refused() {
        refuses(FuseWindows, &pooled("%1: f32[2,3,4,3] = add %0, %row", "%1"));
    }

    #[test]
    fn what_would_need_the_kernel_itself_is_refused() {
        let lines = "%1: f32[] = reduce_max %0 {axes=[0,1,2,3], keepdims=false}
            %2: f32[2,3,4,3] = sub %0, %1";
        refuses(FuseWindows, &pooled(lines, "%2"));
    }
}
