//! Makes one kernel of each gradient of a convolution, with a prologue of the cotangent, an
//! epilogue, and the gradient of the bias.
//!
//! ```text
//! %0: bool[32,13,13,32] = gt %p, 0
//! %1: f32[32,13,13,32] = select %0, %d, 0          %0: f32[3,3,1,32], %1: f32[32] =
//! %2: f32[32,26,26,32] = max_unpool %1, %i     →     kernel %p, %d, %i, %x {kind="contraction"}
//! %3: f32[3,3,1,32] = conv_grad_filter %x, %2        gt_select_max_unpool_conv_grad_filter_..(..)
//! %4: f32[32] = reduce_sum %2 {axes=[0,1,2]}
//! ```
//!
//! The epilogues of both gradients are the updates of the filter and of the bias, groups as in
//! [`FuseUpdates`](super::FuseUpdates), so that these gradients are not stored.
//!
//! The cotangent at full size is never stored. Both gradients of a convolution read it, so its
//! prologue (elementwise ops, then at most one `max_unpool`) is copied into both kernels. That pays
//! while the copy is cheap: it must consist of comparisons, selections and simple arithmetic on
//! operands that have the cotangent's shape or are one element, and the cotangent must have no
//! other use, for which it would have to be stored. The `reduce_sum` over all axes but the last,
//! the bias's gradient, becomes a second result of the filter's gradient.
//!
//! The epilogue of the input's gradient is that of a product ([`FuseMatmul`](super::FuseMatmul)),
//! such as the mask of the activation before the convolution.
//!
//! Refused:
//!
//! * un-pooling of windows that overlap, leave gaps or have padding, since not every element of the
//!   cotangent belongs to one window;
//! * in the prologue: `exp`, `log`, `pow`, divisions, roots and the like; ops that are not
//!   elementwise or have other uses; a cotangent that is returned, or that anything but these
//!   gradients reads;
//! * two sums of the cotangent, sums over other axes and other reductions, which are no gradient of
//!   a bias;
//! * after the gradient of a filter or bias: all but an update that shares no node with another;
//! * after the gradient of an input: ops of another role or shape, ops that read several rows, and
//!   ops that need the kernel's result by another path.
//!
//! A gradient without any of these is not fused.

use brolga_ir::op::{Cost, Family};
use brolga_ir::ops::KernelKind;
use brolga_ir::{Graph, NodeId, Op, Value};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::region::gradients::{bias_gradient, is_filter_gradient, updates};
use crate::region::{Border, NodeSet, Region, Schedule, epilogue, prologue};
use crate::rewrites::{Rewrites, Rule, Why};
use crate::values::{is_returned, same_or_one, streams};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct FuseConvGrads;

const GRADIENT: Rule = Rule {
    name: "fuse a convolution's gradient with its surroundings",
    reason: "the cotangent at full size is never stored",
};

impl Pass for FuseConvGrads {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        let mut schedule = Schedule::new(graph);
        // In the order of the schedule, a gradient takes its epilogue before the next layer's
        // gradients take it as their prologue.
        let updates = updates(graph, &schedule);
        let is_gradient =
            |op: &Op| matches!(op.family(), Family::Contraction { cotangent: Some(_) });
        for id in schedule.seeds(graph, is_gradient) {
            let Some(slot) = cotangent_slot(graph, id) else { continue };
            let cotangent = graph.operands(id)[slot];
            let mut nodes = NodeSet::from([id]);
            let mut border = Border::default();
            if matches!(graph.node(id).op, Op::ConvGradInput(_)) {
                epilogue(graph, &schedule, &mut nodes, &mut border, id, streams);
            }
            let copied = preparation(graph, &schedule, &mut border, cotangent);
            let copied = copied.unwrap_or_else(|why| {
                border.refuse(graph, cotangent.node, why);
                NodeSet::new()
            });
            if is_filter_gradient(graph, id)
                && let Some(bias) = bias_gradient(graph, cotangent)
            {
                extend(graph, &schedule, &mut nodes, &NodeSet::from([bias]));
            }
            for gradient in nodes.clone() {
                if let Some(update) = updates.get(&gradient) {
                    extend(graph, &schedule, &mut nodes, update);
                }
            }
            let inside = |id| nodes.contains(&id) || copied.contains(&id);
            rewrites.refuse_outside(&GRADIENT, graph, id, &border, inside);
            if nodes.len() + copied.len() > 1 && rewrites.allow(&GRADIENT, graph, id) {
                let region = Region::around(graph, KernelKind::Contraction, id, nodes);
                Region { copied, ..region }.fuse(graph, &mut schedule)?;
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}

/// Adds nodes to a region if it stays convex.
fn extend(graph: &Graph, schedule: &Schedule, region: &mut NodeSet, nodes: &NodeSet) {
    let larger: NodeSet = region.union(nodes).copied().collect();
    if schedule.is_convex(graph, &larger) {
        *region = larger;
    }
}

/// Which operand of the gradient of a contraction is the cotangent.
fn cotangent_slot(graph: &Graph, id: NodeId) -> Option<usize> {
    match graph.node(id).op.family() {
        Family::Contraction { cotangent } => cotangent,
        _ => None,
    }
}

/// The most uses of a cotangent whose prologue is copied; with more, the cotangent is stored.
const MAX_COPIES: usize = 64;

/// The prologue of a cotangent, which can be copied into the kernels that read it.
///
/// # Errors
/// Why the cotangent has to be stored.
fn preparation(
    graph: &Graph,
    schedule: &Schedule,
    border: &mut Border,
    cotangent: Value,
) -> Result<NodeSet, Why> {
    if graph.users_of(cotangent).nth(MAX_COPIES).is_some() {
        return Err("it has too many uses to be computed for each of them");
    }
    let uses = graph.uses_of(cotangent);
    let has_filter = uses.iter().any(|(user, _)| is_filter_gradient(graph, *user));
    let bias = bias_gradient(graph, cotangent).filter(|_| has_filter);
    let inside = |&(user, slot): &(NodeId, usize)| {
        cotangent_slot(graph, user) == Some(slot) || Some(user) == bias
    };
    if !uses.iter().all(inside) || is_returned(graph, cotangent.node) {
        return Err("it is returned, or read by more than gradients of contractions");
    }
    let users: NodeSet = uses.into_iter().map(|(user, _)| user).collect();
    let (mut copied, value, users) = match &graph.node(cotangent.node).op {
        Op::MaxUnpool(op) if op.pool.tiles_a_plane() => {
            let unpool = NodeSet::from([cotangent.node]);
            (unpool.clone(), graph.operands(cotangent.node)[0], unpool)
        }
        _ => (NodeSet::new(), cotangent, users),
    };
    let chain = prologue(graph, schedule, border, value, &users, same_or_one);
    let cheap = |&id: &NodeId| graph.node(id).op.family() == Family::Elementwise(Cost::Cheap);
    match chain.iter().find(|id| !cheap(id)) {
        Some(&costly) => {
            border.refuse(graph, costly, "it costs too much to be computed in each kernel");
        }
        None => copied.extend(chain),
    }
    Ok(copied)
}

#[cfg(test)]
mod tests {
    use super::FuseConvGrads;
    use crate::testing::{refuses, run};

    fn text(lines: &str, outputs: &str) -> String {
        format!(
            "graph f(%x: f32[2,6,7,3], %w: f32[3,3,3,4], %p: f32[2,2,2,4], %d: f32[2,2,2,4], %i: u8[2,2,2,4], %r: f32[2,6,7,3]) {{
                %0: f32[] = constant {{value=0}}
                %m: bool[2,2,2,4] = gt %p, %0 @conv #backward
                %s: f32[2,2,2,4] = select %m, %d, %0 @conv #backward
                %u: f32[2,4,5,4] = max_unpool %s, %i {{input=[4,5], strides=[2,2], window=[2,2]}} @pool #backward
                {lines}
                return {outputs}
            }}"
        )
    }

    const FILTER: &str =
        "%f: f32[3,3,3,4] = conv_grad_filter %x, %u {kernel=[3,3], strides=[1,1]} @conv #backward";
    const INPUT: &str =
        "%g: f32[2,6,7,3] = conv_grad_input %u, %w {input=[6,7], strides=[1,1]} @conv #backward";
    const BIAS: &str = "%b: f32[4] = reduce_sum %u {axes=[0,1,2], keepdims=false} @conv #backward";

    /// The ops that the pass leaves.
    fn ops(lines: &str, outputs: &str) -> String {
        crate::testing::ops(FuseConvGrads, &text(lines, outputs))
    }

    #[test]
    fn both_gradients_prepare_the_cotangent_themselves() {
        let text = text(&[FILTER, INPUT, BIAS].join("\n"), "%f, %g, %b");
        insta::assert_snapshot!(run(FuseConvGrads, &text), @r#"
        graph f(
          %x: f32[2,6,7,3],
          %w: f32[3,3,3,4],
          %p: f32[2,2,2,4],
          %d: f32[2,2,2,4],
          %i: u8[2,2,2,4],
          %r: f32[2,6,7,3]
        ) {
          %0: f32[2,6,7,3] = kernel %p, %d, %i, %w {kind="contraction"} gt_select_max_unpool_conv_grad_input(
            %p: f32[2,2,2,4],
            %d: f32[2,2,2,4],
            %i: u8[2,2,2,4],
            %w: f32[3,3,3,4]
          ) {
            %0: f32[] = constant {value=0}   @conv #backward
            %1: bool[2,2,2,4] = gt %p, %0   @conv #backward
            %2: f32[2,2,2,4] = select %1, %d, %0   @conv #backward
            %3: f32[2,4,5,4] = max_unpool %2, %i {input=[4,5], padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}   @pool #backward
            %4: f32[2,6,7,3] = conv_grad_input %3, %w {dilation=[1,1], groups=1, input=[6,7], padding=[[0,0],[0,0]], strides=[1,1]}   @conv #backward
            return %4
          }   @conv #backward
          %1: f32[3,3,3,4], %2: f32[4] = kernel %p, %d, %i, %x {kind="contraction"} gt_select_max_unpool_conv_grad_filter_reduce_sum(
            %p: f32[2,2,2,4],
            %d: f32[2,2,2,4],
            %i: u8[2,2,2,4],
            %x: f32[2,6,7,3]
          ) {
            %0: f32[] = constant {value=0}   @conv #backward
            %1: bool[2,2,2,4] = gt %p, %0   @conv #backward
            %2: f32[2,2,2,4] = select %1, %d, %0   @conv #backward
            %3: f32[2,4,5,4] = max_unpool %2, %i {input=[4,5], padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}   @pool #backward
            %4: f32[3,3,3,4] = conv_grad_filter %x, %3 {dilation=[1,1], groups=1, kernel=[3,3], padding=[[0,0],[0,0]], strides=[1,1]}   @conv #backward
            %5: f32[4] = reduce_sum %3 {axes=[0,1,2], keepdims=false}   @conv #backward
            return %4, %5
          }   @conv #backward
          return %1, %0, %2
        }
        "#);
    }

    #[test]
    fn the_mask_of_the_layer_before_is_an_epilogue() {
        let mask = "%n: bool[2,6,7,3] = gt %r, %0 #backward %h: f32[2,6,7,3] = select %n, %g, %0 #backward";
        insta::assert_snapshot!(ops(&[INPUT, mask].join("\n"), "%h"), @"contraction gt_select_max_unpool_conv_grad_input");
    }

    #[test]
    fn a_cotangent_with_another_use_is_stored() {
        insta::assert_snapshot!(ops(&[FILTER, INPUT].join("\n"), "%f, %g, %u"), @"constant, gt, select, max_unpool, conv_grad_filter, conv_grad_input");
        // Without a gradient of the filter, no kernel takes the sum.
        insta::assert_snapshot!(ops(&[INPUT, BIAS].join("\n"), "%g, %b"), @"constant, gt, select, max_unpool, conv_grad_input, reduce_sum");
    }

    #[test]
    fn what_is_expensive_is_computed_once() {
        let tanh = "%t: f32[2,2,2,4] = tanh %s #backward
            %v: f32[2,4,5,4] = max_unpool %t, %i {input=[4,5], strides=[2,2], window=[2,2]}";
        let filter = FILTER.replace("%u", "%v");
        insta::assert_snapshot!(ops(&[tanh, &filter].join("\n"), "%f"), @"constant, gt, select, tanh, contraction max_unpool_conv_grad_filter");
    }

    #[test]
    fn ops_of_another_shape_are_no_prologue() {
        let scaled = "%t: f32[2,2,2,4] = mul %s, %c #backward
            %v: f32[2,4,5,4] = max_unpool %t, %i {input=[4,5], strides=[2,2], window=[2,2]}";
        let filter = FILTER.replace("%u", "%v");
        let text =
            text(&[scaled, &filter].join("\n"), "%f").replace("%r: f32", "%c: f32[4], %r: f32");
        insta::assert_snapshot!(crate::testing::ops(FuseConvGrads, &text), @"constant, gt, select, mul, contraction max_unpool_conv_grad_filter");
    }

    #[test]
    fn windows_that_overlap_are_refused() {
        let overlapping =
            "%v: f32[2,3,3,4] = max_unpool %s, %i {input=[3,3], strides=[1,1], window=[2,2]}
            %f: f32[4,5,3,4] = conv_grad_filter %x, %v {kernel=[4,5], strides=[1,1]}";
        refuses(FuseConvGrads, &text(overlapping, "%f"));
    }

    /// The same with a cotangent that is an input of the graph.
    fn plain(lines: &str, outputs: &str) -> String {
        text(lines, outputs).replace(
            "%r: f32",
            "%q: f32[2,4,5,4], %n: f32[3,3,3,4], %row: f32[2,1,1,3], %five: f32[2,2,6,7,3], %r: f32",
        )
    }

    /// A gradient of a filter for that cotangent, and other lines.
    fn filter(lines: &str, outputs: &str) -> String {
        plain(&[&FILTER.replace("%u", "%q"), lines].join("\n"), outputs)
    }

    /// A gradient of an input for that cotangent, and other lines.
    fn input(lines: &str, outputs: &str) -> String {
        plain(&[&INPUT.replace("%u", "%q"), lines].join("\n"), outputs)
    }

    #[test]
    fn a_gradient_alone_is_left_alone() {
        refuses(FuseConvGrads, &filter("", "%f"));
        let input = INPUT.replace("%u", "%q");
        refuses(FuseConvGrads, &plain(&input, "%g"));
    }

    #[test]
    fn windows_with_padding_are_refused() {
        let padded = "%v: f32[2,4,3,4] = max_unpool %s, %i {input=[4,3], padding=[[0,0],[1,0]], strides=[2,2], window=[2,2]}
            %f: f32[3,5,3,4] = conv_grad_filter %x, %v {kernel=[3,5], strides=[1,1]}";
        refuses(FuseConvGrads, &text(padded, "%f"));
    }

    #[test]
    fn windows_with_gaps_are_refused() {
        let gaps = "%v: f32[2,5,5,4] = max_unpool %s, %i {input=[5,5], strides=[3,3], window=[2,2]}
            %f: f32[2,3,3,4] = conv_grad_filter %x, %v {kernel=[2,3], strides=[1,1]}";
        refuses(FuseConvGrads, &text(gaps, "%f"));
    }

    #[test]
    fn expensive_ops_are_no_prologue() {
        for op in ["exp", "log", "rsqrt", "sigmoid", "sqrt", "tanh"] {
            let lines =
                format!("%v: f32[2,4,5,4] = {op} %q #backward\n{}", FILTER.replace("%u", "%v"));
            refuses(FuseConvGrads, &plain(&lines, "%f"));
        }
        for op in ["div", "pow"] {
            let lines =
                format!("%v: f32[2,4,5,4] = {op} %q, %q #backward\n{}", FILTER.replace("%u", "%v"));
            refuses(FuseConvGrads, &plain(&lines, "%f"));
        }
    }

    #[test]
    fn a_prologue_that_is_not_elementwise_is_refused() {
        let lines = format!(
            "%v: f32[2,4,5,4] = reverse %q {{axes=[1]}} #backward\n{}",
            FILTER.replace("%u", "%v")
        );
        refuses(FuseConvGrads, &plain(&lines, "%f"));
    }

    #[test]
    fn values_with_other_uses_are_no_prologue() {
        let lines = format!(
            "%t: f32[2,4,5,4] = abs %q #backward
            %v: f32[2,4,5,4] = neg %t #backward\n{}",
            FILTER.replace("%u", "%v")
        );
        insta::assert_snapshot!(crate::testing::ops(FuseConvGrads, &plain(&lines, "%f, %t")), @"abs, contraction neg_conv_grad_filter");
    }

    #[test]
    fn a_cotangent_that_is_convolved_itself_is_refused() {
        // The convolution of `%k` reads the cotangent as images, so that it has to be stored.
        let lines = format!(
            "%v: f32[2,4,5,4] = neg %q #backward\n{}
            %k: f32[3,4,4,4] = conv_grad_filter %v, %p {{kernel=[3,4], strides=[1,1]}} #backward",
            FILTER.replace("%u", "%v")
        );
        refuses(FuseConvGrads, &plain(&lines, "%f, %k"));
    }

    #[test]
    fn two_sums_of_the_cotangent_are_refused() {
        let sums = "%b: f32[4] = reduce_sum %q {axes=[0,1,2], keepdims=false} #backward
            %c: f32[1,1,1,4] = reduce_sum %q {axes=[0,1,2], keepdims=true} #backward";
        refuses(FuseConvGrads, &filter(sums, "%f, %b, %c"));
    }

    #[test]
    fn sums_over_other_axes_are_refused() {
        let sum = "%b: f32[5,4] = reduce_sum %q {axes=[0,1], keepdims=false} #backward";
        refuses(FuseConvGrads, &filter(sum, "%f, %b"));
    }

    #[test]
    fn other_reductions_of_the_cotangent_are_refused() {
        let mean = "%b: f32[4] = reduce_mean %q {axes=[0,1,2], keepdims=false} #backward";
        refuses(FuseConvGrads, &filter(mean, "%f, %b"));
    }

    /// A convolution whose filter and bias are updated.
    fn updated(lines: &str, outputs: &str) -> String {
        format!(
            "graph f(%x: f32[2,6,7,3], %q: f32[2,4,5,4], %rate: f32[], state %w: f32[3,3,3,4], state %v: f32[4], state %s: f32[4]) {{
                %f: f32[3,3,3,4] = conv_grad_filter %x, %q {{kernel=[3,3], strides=[1,1]}} @conv #backward
                %b: f32[4] = reduce_sum %q {{axes=[0,1,2], keepdims=false}} @conv #backward
                {lines}
                return {outputs}
            }}"
        )
    }

    #[test]
    fn filter_and_bias_are_updated_after_their_gradients() {
        let lines = "%0: f32[3,3,3,4] = mul %f, %rate @conv #update
            %1: f32[3,3,3,4] = sub %w, %0 @conv #update
            %2: f32[4] = add %s, %b @conv #update
            %3: f32[4] = sub %v, %2 @conv #update";
        insta::assert_snapshot!(run(FuseConvGrads, &updated(lines, "%1 => %w, %3 => %v, %2 => %s")), @r#"
        graph f(
          %x: f32[2,6,7,3],
          %q: f32[2,4,5,4],
          %rate: f32[],
          state %w: f32[3,3,3,4],
          state %v: f32[4],
          state %s: f32[4]
        ) {
          %0: f32[3,3,3,4], %1: f32[4], %2: f32[4] = kernel %x, %q, %rate, %w, %s, %v {kind="contraction"} conv_grad_filter_mul_sub_reduce_sum_add(
            %x: f32[2,6,7,3],
            %q: f32[2,4,5,4],
            %rate: f32[],
            %w: f32[3,3,3,4],
            %s: f32[4],
            %v: f32[4]
          ) {
            %0: f32[3,3,3,4] = conv_grad_filter %x, %q {dilation=[1,1], groups=1, kernel=[3,3], padding=[[0,0],[0,0]], strides=[1,1]}   @conv #backward
            %1: f32[3,3,3,4] = mul %0, %rate   @conv #update
            %2: f32[3,3,3,4] = sub %w, %1   @conv #update
            %3: f32[4] = reduce_sum %q {axes=[0,1,2], keepdims=false}   @conv #backward
            %4: f32[4] = add %s, %3   @conv #update
            %5: f32[4] = sub %v, %4   @conv #update
            return %2, %4, %5
          }   @conv #backward
          return %0 => %w, %2 => %v, %1 => %s
        }
        "#);
    }

    #[test]
    fn updates_that_have_more_than_the_gradient_stay_outside() {
        // The gradient is returned, or used elsewhere, or the update reads one row for all rows.
        let update = "%1: f32[3,3,3,4] = sub %w, %f @conv #update";
        insta::assert_snapshot!(crate::testing::ops(FuseConvGrads, &updated(update, "%1 => %w, %f, %b")), @"contraction conv_grad_filter_reduce_sum, sub");
        let used = "%1: f32[3,3,3,4] = sub %w, %f @conv #update
            %2: f32[3,3,3,4] = reverse %f {axes=[0]}";
        insta::assert_snapshot!(crate::testing::ops(FuseConvGrads, &updated(used, "%1 => %w, %2, %b")), @"contraction conv_grad_filter_reduce_sum, sub, reverse");
        let row = "%0: f32[3,3,3,4] = mul %f, %v @conv #backward
            %1: f32[3,3,3,4] = sub %w, %0 @conv #update";
        insta::assert_snapshot!(crate::testing::ops(FuseConvGrads, &updated(row, "%1 => %w, %b")), @"contraction conv_grad_filter_reduce_sum, mul, sub");
    }

    #[test]
    fn only_updates_follow_the_gradient_of_a_filter() {
        refuses(FuseConvGrads, &filter("%h: f32[3,3,3,4] = add %f, %n #backward", "%h"));
        let lines = "%b: f32[4] = reduce_sum %q {axes=[0,1,2], keepdims=false} #backward
            %c: f32[4] = reverse %b {axes=[0]} #backward
            %h: f32[3,3,3,4] = add %f, %c #backward";
        insta::assert_snapshot!(crate::testing::ops(FuseConvGrads, &filter(lines, "%h")), @"contraction conv_grad_filter_reduce_sum, reverse, add");
    }

    #[test]
    fn an_epilogue_of_another_role_is_refused() {
        refuses(FuseConvGrads, &input("%h: f32[2,6,7,3] = sub %r, %g #update", "%h"));
    }

    #[test]
    fn an_epilogue_of_another_shape_is_refused() {
        refuses(FuseConvGrads, &input("%h: f32[2,2,6,7,3] = add %five, %g #backward", "%h"));
    }

    #[test]
    fn an_epilogue_that_reads_several_rows_is_refused() {
        refuses(FuseConvGrads, &input("%h: f32[2,6,7,3] = add %g, %row #backward", "%h"));
    }

    #[test]
    fn what_would_need_the_kernel_itself_is_refused() {
        let lines = "%b: f32[] = reduce_max %g {axes=[0,1,2,3], keepdims=false} #backward
            %h: f32[2,6,7,3] = sub %g, %b #backward";
        refuses(FuseConvGrads, &input(lines, "%h"));
    }
}
