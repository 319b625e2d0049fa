//! Makes one kernel of a convolution, the elementwise ops behind it and the maximum pooling behind those.
//!
//! ```text
//! %0: f32[32,26,26,32] = conv2d %x, %w
//! %1: f32[32,26,26,32] = add %0, %b
//! %2: f32[32,26,26,32] = relu %1              →   %0: f32[32,13,13,32], %1: u8[32,13,13,32] = kernel %x, %w, %b
//! %3: f32[32,13,13,32] = max_pool %2                {kind="contraction"} conv2d_add_relu_max_pool(..)
//! %4: u8[32,13,13,32] = max_pool_index %2
//! ```
//!
//! The activation at full size is never stored: training keeps the maxima and one byte for each of their places.
//!
//! The elementwise ops are those that [`FuseMatmul`](super::FuseMatmul) takes behind a product. The pooling is fused if nothing else uses
//! what it pools, its windows do not overlap (strides equal the window) and there is no padding, so that each element belongs to one
//! window at most and a window never looks over the edge. Otherwise the convolution and its elementwise ops are fused alone.

use std::collections::BTreeSet;

use brolga_ir::ops::{KernelKind, MaxPool, MaxPoolIndex};
use brolga_ir::{Graph, NodeId, Op, Value};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::region::{NodeSet, Region, Schedule, epilogue, streams};
use crate::rewrites::{Rewrites, Rule};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct FuseConvPool;

const EPILOGUE: Rule = Rule {
    name: "fuse what is behind a convolution",
    reason: "the convolution is still in registers",
};
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
        for id in schedule.seeds(graph, |op| matches!(op, Op::Conv2d(_))) {
            let mut nodes = NodeSet::from([id]);
            epilogue(graph, &schedule, &mut nodes, id, streams);
            let pools = pools(graph, &nodes);
            let rule = if pools.is_empty() { &EPILOGUE } else { &POOL };
            nodes.extend(pools);
            if nodes.len() > 1 && rewrites.allow(rule, graph, id) {
                Region::new(KernelKind::Contraction, id, nodes).fuse(graph, &mut schedule)?;
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}

/// The poolings by one window that alone use what leaves the region; none if something else does.
fn pools(graph: &Graph, region: &NodeSet) -> Vec<NodeId> {
    let leaving: BTreeSet<(NodeId, NodeId)> = region
        .iter()
        .flat_map(|&id| graph.uses(id).into_iter().map(move |(user, _)| (id, user)))
        .filter(|(_, user)| !region.contains(user))
        .collect();
    let Some(&(pooled, first)) = leaving.first() else { return Vec::new() };
    let one_value = leaving.iter().all(|&(id, _)| id == pooled);
    let returned = region.iter().any(|&id| graph.is_output(Value::from(id)));
    let Some(window) = plain_window(graph, first) else { return Vec::new() };
    let one_window = leaving.iter().all(|&(_, user)| plain_window(graph, user) == Some(window));
    if !one_value || returned || !one_window {
        return Vec::new();
    }
    leaving.into_iter().map(|(_, user)| user).collect()
}

/// The window of a maximum pooling without padding and overlap.
fn plain_window(graph: &Graph, id: NodeId) -> Option<[usize; 2]> {
    let (window, strides, padding) = match graph.node(id).op {
        Op::MaxPool(MaxPool { window, strides, padding })
        | Op::MaxPoolIndex(MaxPoolIndex { window, strides, padding }) => (window, strides, padding),
        _ => return None,
    };
    (window == strides && padding == [[0; 2]; 2]).then_some(window)
}
