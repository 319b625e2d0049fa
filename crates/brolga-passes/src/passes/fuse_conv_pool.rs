//! Makes one kernel of a convolution, its elementwise epilogue and the maximum pooling after that.
//!
//! ```text
//! %0: f32[32,26,26,32] = conv %x, %w
//! %1: f32[32,26,26,32] = add %0, %b
//! %2: f32[32,26,26,32] = relu %1              →   %0: f32[32,13,13,32], %1: u8[32,13,13,32] =
//! %3: f32[32,13,13,32] = max_pool %2                kernel %x, %w, %b {kind="contraction"}
//! %4: u8[32,13,13,32] = max_pool_index %2           conv_add_relu_max_pool(..)
//! ```
//!
//! The activation at full size is never stored: training keeps the maxima and an index of one byte
//! for each.
//!
//! The epilogue is that of a product ([`FuseMatmul`](super::FuseMatmul)). The pooling is fused if
//! nothing else uses its operand, its windows do not overlap (strides equal the window) and there
//! is no padding, so that each element belongs to at most one window and no window reaches over an
//! edge. Otherwise the convolution and its epilogue are fused alone.
//!
//! Refused: other poolings, and poolings of two values or by two windows; averages; in the
//! epilogue, ops of another role or shape, ops that read a row for each image instead of one for
//! all, and ops that need the kernel's result by another path. A convolution alone is not fused.

use std::collections::BTreeSet;

use brolga_ir::ops::{KernelKind, Pooling};
use brolga_ir::{Graph, NodeId, Op, Value};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::region::{Border, NodeSet, Region, Schedule, epilogue};
use crate::rewrites::{Rewrites, Rule, Why};
use crate::values::streams;

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct FuseConvPool;

const EPILOGUE: Rule =
    Rule { name: "fuse a convolution's epilogue", reason: "the convolution is still in registers" };
const POOL: Rule = Rule {
    name: "fuse a convolution with its pooling",
    reason: "the activation at full size is never stored",
};

impl Pass for FuseConvPool {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        let mut schedule = Schedule::new(graph);
        for id in schedule.seeds(graph, |op| matches!(op, Op::Conv(_))) {
            let mut nodes = NodeSet::from([id]);
            let mut border = Border::default();
            epilogue(graph, &schedule, &mut nodes, &mut border, id, streams);
            let pools = pools(graph, &nodes).unwrap_or_else(|why| {
                rewrites.refuse(&POOL, graph, id, why);
                Vec::new()
            });
            let rule = if pools.is_empty() { &EPILOGUE } else { &POOL };
            nodes.extend(pools);
            rewrites.refuse_outside(rule, graph, id, &border, |id| nodes.contains(&id));
            if nodes.len() > 1 && rewrites.allow(rule, graph, id) {
                Region::around(graph, KernelKind::Contraction, id, nodes)
                    .fuse(graph, &mut schedule)?;
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}

/// The poolings by one window that are the only uses of the region's result.
///
/// # Errors
/// Why they cannot be fused with it.
fn pools(graph: &Graph, region: &NodeSet) -> Result<Vec<NodeId>, Why> {
    let leaving: BTreeSet<(NodeId, NodeId)> = region
        .iter()
        .flat_map(|&id| graph.uses(id).into_iter().map(move |(user, _)| (id, user)))
        .filter(|(_, user)| !region.contains(user))
        .collect();
    let Some(&(pooled, first)) = leaving.first() else { return Ok(Vec::new()) };
    let one_value = leaving.iter().all(|&(id, _)| id == pooled);
    let returned = region.iter().any(|&id| graph.is_output(Value::from(id)));
    let window = plain_window(graph, first)
        .ok_or("its consumer is no maximum pooling, or one whose windows overlap, have padding or three axes")?;
    let one_window = leaving.iter().all(|&(_, user)| plain_window(graph, user) == Some(window));
    if !one_value || returned || !one_window {
        return Err("the pooled value is returned, or has another consumer");
    }
    Ok(leaving.into_iter().map(|(_, user)| user).collect())
}

/// The window of a maximum pooling over one or two axes, without padding and overlap.
fn plain_window(graph: &Graph, id: NodeId) -> Option<Pooling> {
    graph.node(id).op.max_pooling().filter(Pooling::tiles_a_plane)
}

#[cfg(test)]
mod tests {
    use super::FuseConvPool;
    use crate::testing::{refuses, run};

    fn text(pool: &str, outputs: &str) -> String {
        format!(
            "graph f(%x: f32[2,6,7,1], %w: f32[3,3,1,4], %b: f32[4]) {{
                %0: f32[2,4,5,4] = conv %x, %w {{strides=[1,1]}} @conv
                %1: f32[2,4,5,4] = add %0, %b @conv
                %2: f32[2,4,5,4] = relu %1 @conv
                {pool}
                return {outputs}
            }}"
        )
    }

    const MAX_POOL: &str = "%3: f32[2,2,2,4] = max_pool %2 {strides=[2,2], window=[2,2]} @pool";
    const INDEX: &str =
        "%4: u8[2,2,2,4] = max_pool_index %2 {strides=[2,2], window=[2,2]} @pool #backward";

    #[test]
    fn convolution_bias_activation_and_pooling_are_one() {
        insta::assert_snapshot!(run(FuseConvPool, &text(MAX_POOL, "%3")), @r#"
        graph f(%x: f32[2,6,7,1], %w: f32[3,3,1,4], %b: f32[4]) {
          %0: f32[2,2,2,4] = kernel %x, %w, %b {kind="contraction"} conv_add_relu_max_pool(
            %x: f32[2,6,7,1],
            %w: f32[3,3,1,4],
            %b: f32[4]
          ) {
            %0: f32[2,4,5,4] = conv %x, %w {dilation=[1,1], groups=1, padding=[[0,0],[0,0]], strides=[1,1]}   @conv
            %1: f32[2,4,5,4] = add %0, %b   @conv
            %2: f32[2,4,5,4] = relu %1   @conv
            %3: f32[2,2,2,4] = max_pool %2 {padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}   @pool
            return %3
          }   @conv
          return %0
        }
        "#);
        insta::assert_snapshot!(run(FuseConvPool, &text(&format!("{MAX_POOL} {INDEX}"), "%3, %4")), @r#"
        graph f(%x: f32[2,6,7,1], %w: f32[3,3,1,4], %b: f32[4]) {
          %0: f32[2,2,2,4], %1: u8[2,2,2,4] = kernel %x, %w, %b {kind="contraction"} conv_add_relu_max_pool(
            %x: f32[2,6,7,1],
            %w: f32[3,3,1,4],
            %b: f32[4]
          ) {
            %0: f32[2,4,5,4] = conv %x, %w {dilation=[1,1], groups=1, padding=[[0,0],[0,0]], strides=[1,1]}   @conv
            %1: f32[2,4,5,4] = add %0, %b   @conv
            %2: f32[2,4,5,4] = relu %1   @conv
            %3: f32[2,2,2,4] = max_pool %2 {padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}   @pool
            %4: u8[2,2,2,4] = max_pool_index %2 {padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}   @pool #backward
            return %3, %4
          }   @conv
          return %0, %1
        }
        "#);
    }

    /// The ops that the pass leaves.
    fn ops(pool: &str, outputs: &str) -> String {
        crate::testing::ops(FuseConvPool, &text(pool, outputs))
    }

    #[test]
    fn an_activation_with_another_use_is_stored() {
        insta::assert_snapshot!(ops(MAX_POOL, "%3, %2"), @"contraction conv_add_relu, max_pool");
        let used =
            format!("{MAX_POOL} %5: f32[2,4,5,1] = reduce_sum %2 {{axes=[3], keepdims=true}}");
        insta::assert_snapshot!(ops(&used, "%3, %5"), @"contraction conv_add_relu, max_pool, reduce_sum");
    }

    #[test]
    fn windows_that_overlap_or_look_over_the_edge_are_refused() {
        let overlapping = "%3: f32[2,3,4,4] = max_pool %2 {strides=[1,1], window=[2,2]}";
        insta::assert_snapshot!(ops(overlapping, "%3"), @"contraction conv_add_relu, max_pool");
        let padded =
            "%3: f32[2,2,3,4] = max_pool %2 {padding=[[0,0],[1,0]], strides=[2,2], window=[2,2]}";
        insta::assert_snapshot!(ops(padded, "%3"), @"contraction conv_add_relu, max_pool");
        let two =
            format!("{MAX_POOL} %5: f32[2,1,1,4] = max_pool %2 {{strides=[3,3], window=[3,3]}}");
        insta::assert_snapshot!(ops(&two, "%3, %5"), @"contraction conv_add_relu, max_pool, max_pool");
    }

    #[test]
    fn a_convolution_alone_is_left_alone() {
        refuses(
            FuseConvPool,
            "graph f(%x: f32[2,6,7,1], %w: f32[3,3,1,4]) {
                %0: f32[2,4,5,4] = conv %x, %w {strides=[1,1]}
                return %0
            }",
        );
    }

    /// A convolution without bias and activation, and these lines after it.
    fn bare(lines: &str, outputs: &str) -> String {
        format!(
            "graph f(%x: f32[2,6,7,1], %w: f32[3,3,1,4], %row: f32[2,1,1,4], %five: f32[2,2,4,5,4]) {{
                %0: f32[2,4,5,4] = conv %x, %w {{strides=[1,1]}}
                {lines}
                return {outputs}
            }}"
        )
    }

    #[test]
    fn windows_with_gaps_are_refused() {
        let gaps = "%1: f32[2,1,2,4] = max_pool %0 {strides=[3,3], window=[2,2]}";
        refuses(FuseConvPool, &bare(gaps, "%1"));
    }

    #[test]
    fn windows_that_overlap_are_refused() {
        let overlapping = "%1: f32[2,3,4,4] = max_pool %0 {strides=[1,1], window=[2,2]}";
        refuses(FuseConvPool, &bare(overlapping, "%1"));
    }

    #[test]
    fn windows_with_padding_are_refused() {
        let padded =
            "%1: f32[2,2,3,4] = max_pool %0 {padding=[[0,0],[1,0]], strides=[2,2], window=[2,2]}";
        refuses(FuseConvPool, &bare(padded, "%1"));
    }

    #[test]
    fn two_windows_are_refused() {
        let two = "%1: f32[2,2,2,4] = max_pool %0 {strides=[2,2], window=[2,2]}
            %2: f32[2,1,1,4] = max_pool %0 {strides=[3,3], window=[3,3]}";
        refuses(FuseConvPool, &bare(two, "%1, %2"));
    }

    #[test]
    fn averages_are_refused() {
        let average =
            "%1: f32[2,2,2,4] = avg_pool %0 {count_include_pad=false, strides=[2,2], window=[2,2]}";
        refuses(FuseConvPool, &bare(average, "%1"));
    }

    #[test]
    fn a_convolution_with_another_use_is_refused() {
        let pool = "%1: f32[2,2,2,4] = max_pool %0 {strides=[2,2], window=[2,2]}";
        refuses(FuseConvPool, &bare(pool, "%0, %1"));
    }

    #[test]
    fn two_values_that_are_pooled_are_stored() {
        let two =
            format!("{MAX_POOL} %5: f32[2,2,2,4] = max_pool %1 {{strides=[2,2], window=[2,2]}}");
        insta::assert_snapshot!(ops(&two, "%3, %5"), @"contraction conv_add_relu, max_pool, max_pool");
    }

    #[test]
    fn volumes_are_refused() {
        refuses(
            FuseConvPool,
            "graph f(%x: f32[2,4,6,6,1], %w: f32[1,3,3,1,4]) {
                %0: f32[2,4,4,4,4] = conv %x, %w {strides=[1,1,1]}
                %1: f32[2,2,2,2,4] = max_pool %0 {strides=[2,2,2], window=[2,2,2]}
                return %1
            }",
        );
    }

    #[test]
    fn ops_of_another_role_are_refused() {
        refuses(FuseConvPool, &bare("%1: f32[2,4,5,4] = neg %0 #backward", "%1"));
    }

    #[test]
    fn ops_of_another_shape_are_refused() {
        refuses(FuseConvPool, &bare("%1: f32[2,2,4,5,4] = add %five, %0", "%1"));
    }

    #[test]
    fn a_row_for_each_image_is_refused() {
        refuses(FuseConvPool, &bare("%1: f32[2,4,5,4] = add %0, %row", "%1"));
    }

    #[test]
    fn what_would_need_the_kernel_itself_is_refused() {
        let lines = "%1: f32[] = reduce_max %0 {axes=[0,1,2,3], keepdims=false}
            %2: f32[2,4,5,4] = sub %0, %1";
        refuses(FuseConvPool, &bare(lines, "%2"));
    }
}
