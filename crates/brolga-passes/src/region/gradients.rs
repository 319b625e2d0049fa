//! The gradients of a convolution's filter and bias, and the updates that read them.
//!
//! These updates belong to the kernel of the filter's gradient, so that kernels of updates leave
//! them out.

use std::collections::BTreeMap;

use brolga_ir::{Graph, NodeId, Op, Value};

use super::update::{groups, with_gradient};
use super::{NodeSet, Schedule};
use crate::values::same_or_one;

/// The updates that kernels of filters' gradients take: the nodes after each gradient of a filter,
/// and of the bias beside it.
pub(crate) fn updates(graph: &Graph, schedule: &Schedule) -> BTreeMap<NodeId, NodeSet> {
    let is_filter = |id: NodeId| is_filter_gradient(graph, id);
    let is_bias = |id: NodeId| {
        let cotangent = |value: &Value| {
            bias_gradient(graph, *value) == Some(id)
                && graph
                    .uses_of(*value)
                    .into_iter()
                    .any(|(user, slot)| is_filter(user) && slot == 1)
        };
        is_bias_gradient(graph, id) && graph.operands(id).first().is_some_and(cotangent)
    };
    let groups = groups(graph);
    let updates = groups.iter().filter_map(|group| {
        let is_gradient = |id| is_filter(id) || is_bias(id);
        with_gradient(graph, schedule, group, same_or_one, is_gradient).ok()
    });
    updates.collect()
}

/// Whether a node is the gradient of a convolution's filter.
pub(crate) fn is_filter_gradient(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.node(id).op, Op::ConvGradFilter(_))
}

/// The sum of the cotangent over all axes but the last, if it is the only one.
pub(crate) fn bias_gradient(graph: &Graph, cotangent: Value) -> Option<NodeId> {
    let mut sums = graph.users_of(cotangent).filter(|&user| is_bias_gradient(graph, user));
    let id = sums.next()?;
    sums.next().is_none().then_some(id)
}

fn is_bias_gradient(graph: &Graph, id: NodeId) -> bool {
    let Op::ReduceSum(sum) = &graph.node(id).op else { return false };
    let rank = graph.ty(graph.operands(id)[0]).shape.rank();
    rank > 2 && sum.axes.iter().copied().eq(0..rank - 1)
}
