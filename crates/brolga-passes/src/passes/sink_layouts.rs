//! Moves transpositions of images behind the ops that compute the same on either side of them, until
//! they meet another one, and cancels both.
//!
//! Models from ONNX have channels before the spatial axes, convolutions after them: every
//! convolution stands between two transpositions, with bias and activation outside.
//!
//! ```text
//! %1: f32[8,4,9,9] = transpose %0 {permutation=[0,3,1,2]}
//! %2: f32[8,4,9,9] = relu %1                           →   %1: f32[8,9,9,4] = relu %0
//! %3: f32[8,9,9,4] = transpose %2 {permutation=[0,2,3,1]}
//! ```
//!
//! A transposition `[0, r−1, 1, .., r−2]` passes elementwise ops, `pad`, `slice`, `reverse` and `concat`.
//! The other operands of an elementwise op must be transposed in the same way, or have at most one
//! axis whose extent is not 1, which a reshape moves. No op here adds anything up, so no bit
//! changes.
//!
//! Refused: an operand that would have to be transposed itself, and a transposition that an op
//! reads which it cannot pass, a sum over axes (whose order is that of its axes) or a reshape: it
//! would stay, and there would be one more.

use brolga_ir::ops::{Concat, Pad, Reshape, Reverse, Slice, Transpose};
use brolga_ir::{Graph, Mistake, NodeId, Op, Shape, Value};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::rewrites::{Rewrites, Rule};
use crate::values::{elements, is_elementwise};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct SinkLayouts;

impl Pass for SinkLayouts {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        super::sweep(graph, rewrites, rewrite)
    }
}

const SINK: Rule = Rule {
    name: "transpose behind its user",
    reason: "each element is computed from the same elements, wherever they stand",
};

const CANCEL: Rule =
    Rule { name: "transpose and back", reason: "every element returns to its place" };

fn rewrite(
    graph: &mut Graph,
    id: NodeId,
    rewrites: &mut Rewrites,
) -> Result<Option<Value>, Mistake> {
    match &graph.node(id).op {
        Op::Transpose(outer) => {
            let inner = graph.operands(id)[0];
            let Op::Transpose(own) = &graph.node(inner.node).op else { return Ok(None) };
            let returns = outer.permutation.iter().enumerate();
            let returns = returns.fold(true, |all, (at, &axis)| all && own.permutation[axis] == at);
            let x = graph.operands(inner.node)[0];
            Ok((returns && rewrites.allow(&CANCEL, graph, id)).then_some(x))
        }
        op if op.is_elementwise() || moves(op) => sink(graph, id, rewrites),
        _ => Ok(None),
    }
}

/// Whether an op moves elements in a way that is the same for each order of the axes.
fn moves(op: &Op) -> bool {
    matches!(op, Op::Pad(_) | Op::Slice(_) | Op::Reverse(_) | Op::Concat(_))
}

/// The operand of a transposition that brings the channels of images to the front, and its axes.
fn images(graph: &Graph, value: Value) -> Option<(Value, &[usize])> {
    let Op::Transpose(Transpose { permutation }) = &graph.node(value.node).op else { return None };
    let rank = permutation.len();
    let channels_first = [0, rank.checked_sub(1)?].into_iter().chain(1..rank.max(1) - 1);
    (rank > 2 && permutation.iter().copied().eq(channels_first))
        .then(|| (graph.operands(value.node)[0], &permutation[..]))
}

fn sink(graph: &mut Graph, id: NodeId, rewrites: &mut Rewrites) -> Result<Option<Value>, Mistake> {
    let ty = graph.ty(id.into()).clone();
    let operands = graph.operands(id);
    let moved = operands.iter().filter_map(|&operand| images(graph, operand));
    let mut moved = moved.filter(|(_, permutation)| permutation.len() == ty.shape.rank());
    let Some((_, permutation)) = moved.next() else { return Ok(None) };
    let permutation: Shape = permutation.iter().copied().collect();
    let only_images = moves(&graph.node(id).op);
    for &operand in &operands {
        if !can_move(graph, operand, &permutation, only_images) {
            rewrites.refuse(&SINK, graph, id, "another operand would have to be transposed");
            return Ok(None);
        }
        if images(graph, operand).is_some() && !all_pass(graph, operand, id) {
            rewrites.refuse(&SINK, graph, id, "the transposition has a user that stays");
            return Ok(None);
        }
    }
    if !rewrites.allow(&SINK, graph, id) {
        return Ok(None);
    }
    let origin = graph.node(id).origin.clone();
    let mut before = Vec::new();
    for &operand in &operands {
        before.push(moved_operand(graph, operand, &permutation)?);
    }
    let op = moved_op(&graph.node(id).op, &permutation);
    let inner = graph.add(op, &before, origin.clone())?;
    let permutation = permutation.iter().copied().collect();
    graph.add(Transpose { permutation }, &[inner], origin).map(Some)
}

/// The only axis of an operand whose extent is not 1, counted among those of the result; `None`
/// within if there is no such axis.
fn only_axis(graph: &Graph, operand: Value, rank: usize) -> Option<Option<usize>> {
    let shape = &graph.ty(operand).shape;
    let added = rank - shape.rank();
    let mut wide = (0..shape.rank()).filter(|&axis| shape[axis] != 1);
    let first = wide.next();
    wide.next().is_none().then(|| first.map(|axis| axis + added))
}

fn can_move(graph: &Graph, operand: Value, permutation: &Shape, only_images: bool) -> bool {
    let is_moved = images(graph, operand).is_some_and(|(_, own)| *own == permutation[..]);
    is_moved || !only_images && only_axis(graph, operand, permutation.rank()).is_some()
}

/// Whether all users of a transposition are ops that it may pass, or transpositions.
fn all_pass(graph: &Graph, value: Value, id: NodeId) -> bool {
    let passes = |user: NodeId| {
        let op = &graph.node(user).op;
        user == id || is_elementwise(graph, user) || moves(op) || matches!(op, Op::Transpose(_))
    };
    // Nodes that rewrites have replaced are there until the end of the pass.
    let is_dead = |user: NodeId| {
        graph.users(user).next().is_none() && !crate::values::is_returned(graph, user)
    };
    !graph.is_output(value) && graph.users_of(value).all(|user| passes(user) || is_dead(user))
}

/// An operand as it is before the transposition.
fn moved_operand(graph: &mut Graph, operand: Value, permutation: &Shape) -> Result<Value, Mistake> {
    let rank = permutation.rank();
    if let Some((x, own)) = images(graph, operand)
        && own.len() == rank
    {
        return Ok(x);
    }
    let Some(Some(axis)) = only_axis(graph, operand, rank) else { return Ok(operand) };
    let mut shape = vec![1; rank];
    shape[permutation[axis]] = elements(graph, operand);
    let shape: Shape = shape.into();
    if graph.ty(operand).shape == shape {
        return Ok(operand);
    }
    let origin = graph.node(operand.node).origin.clone();
    graph.add(Reshape { shape }, &[operand], origin)
}

/// The op on what is before the transposition.
fn moved_op(op: &Op, permutation: &Shape) -> Op {
    // Axis `at` behind the transposition is axis `permutation[at]` before it.
    let list = |values: &[usize]| {
        let mut moved = values.to_vec();
        for (&axis, &value) in permutation.iter().zip(values) {
            moved[axis] = value;
        }
        moved.into_iter().collect()
    };
    match op {
        Op::Pad(pad) => Pad { low: list(&pad.low), high: list(&pad.high) }.into(),
        Op::Slice(slice) => Slice {
            starts: list(&slice.starts),
            limits: list(&slice.limits),
            strides: list(&slice.strides),
        }
        .into(),
        Op::Reverse(reverse) => {
            let mut axes: Vec<usize> = reverse.axes.iter().map(|&axis| permutation[axis]).collect();
            axes.sort_unstable();
            Reverse { axes: axes.into_iter().collect() }.into()
        }
        Op::Concat(concat) => Concat { axis: permutation[concat.axis] }.into(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::SinkLayouts;
    use crate::testing::{refuses, run};

    /// A graph of two transposed images `%p`, `%q: f32[2,3,4,5]` and a bias for each channel.
    fn text(body: &str) -> String {
        format!(
            "graph f(%x: f32[2,4,5,3], %y: f32[2,4,5,3], %b: f32[3], %z: f32[2,3,4,5]) {{
                %p: f32[2,3,4,5] = transpose %x {{permutation=[0,3,1,2]}}
                %q: f32[2,3,4,5] = transpose %y {{permutation=[0,3,1,2]}}
                {body}
            }}"
        )
    }

    #[test]
    fn a_transposition_meets_its_opposite_behind_bias_and_activation() {
        insta::assert_snapshot!(run(SinkLayouts, &text(
            "%c: f32[3,1,1] = reshape %b {shape=[3,1,1]}
             %0: f32[2,3,4,5] = add %p, %c
             %1: f32[2,3,4,5] = relu %0
             %2: f32[2,4,5,3] = transpose %1 {permutation=[0,2,3,1]}
             return %2"
        )), @"
        graph f(%x: f32[2,4,5,3], %y: f32[2,4,5,3], %b: f32[3], %z: f32[2,3,4,5]) {
          %0: f32[3,1,1] = reshape %b {shape=[3,1,1]}
          %1: f32[1,1,1,3] = reshape %0 {shape=[1,1,1,3]}
          %2: f32[2,4,5,3] = add %x, %1
          %3: f32[2,4,5,3] = relu %2
          return %3
        }
        ");
    }

    #[test]
    fn branches_are_added_before_one_transposition() {
        insta::assert_snapshot!(run(SinkLayouts, &text(
            "%0: f32[2,3,4,5] = add %p, %q
             %1: f32[2,3,4,5] = relu %0
             %2: f32[2,4,5,3] = transpose %1 {permutation=[0,2,3,1]}
             %3: f32[2,3,4,5] = mul %1, %1
             return %2, %3"
        )), @"
        graph f(%x: f32[2,4,5,3], %y: f32[2,4,5,3], %b: f32[3], %z: f32[2,3,4,5]) {
          %0: f32[2,4,5,3] = add %x, %y
          %1: f32[2,4,5,3] = relu %0
          %2: f32[2,4,5,3] = mul %1, %1
          %3: f32[2,3,4,5] = transpose %2 {permutation=[0,3,1,2]}
          return %1, %3
        }
        ");
    }

    #[test]
    fn movements_are_made_on_other_axes() {
        insta::assert_snapshot!(run(SinkLayouts, &text(
            "%0: f32[2,6,4,5] = concat %p, %q {axis=1}
             %1: f32[2,6,6,8] = pad %0 {low=[0,0,1,2], high=[0,0,1,1]}
             %2: f32[2,2,3,8] = slice %1 {starts=[0,1,0,0], limits=[2,6,5,8], strides=[1,3,2,1]}
             %3: f32[2,2,3,8] = reverse %2 {axes=[1,2]}
             return %3"
        )), @"
        graph f(%x: f32[2,4,5,3], %y: f32[2,4,5,3], %b: f32[3], %z: f32[2,3,4,5]) {
          %0: f32[2,4,5,6] = concat %x, %y {axis=3}
          %1: f32[2,6,8,6] = pad %0 {high=[0,1,1,0], low=[0,1,2,0]}
          %2: f32[2,3,8,2] = slice %1 {limits=[2,5,8,6], starts=[0,0,0,1], strides=[1,2,1,3]}
          %3: f32[2,3,8,2] = reverse %2 {axes=[1,3]}
          %4: f32[2,2,3,8] = transpose %3 {permutation=[0,3,1,2]}
          return %4
        }
        ");
    }

    #[test]
    fn selections_take_masks_along() {
        insta::assert_snapshot!(run(SinkLayouts, &text(
            "%0: f32[] = constant {value=0}
             %m: bool[2,3,4,5] = gt %p, %0
             %1: f32[2,3,4,5] = select %m, %q, %0
             return %1"
        )), @"
        graph f(%x: f32[2,4,5,3], %y: f32[2,4,5,3], %b: f32[3], %z: f32[2,3,4,5]) {
          %0: f32[] = constant {value=0}
          %1: bool[2,4,5,3] = gt %x, %0
          %2: f32[2,4,5,3] = select %1, %y, %0
          %3: f32[2,3,4,5] = transpose %2 {permutation=[0,3,1,2]}
          return %3
        }
        ");
    }

    #[test]
    fn another_operand_is_not_transposed() {
        refuses(SinkLayouts, &text("%0: f32[2,3,4,5] = add %p, %z return %0, %q"));
        refuses(SinkLayouts, &text("%0: f32[2,6,4,5] = concat %p, %z {axis=1} return %0, %q"));
    }

    #[test]
    fn sums_and_reshapes_keep_their_transposition() {
        refuses(
            SinkLayouts,
            &text(
                "%0: f32[2,3] = reduce_sum %p {axes=[2,3], keepdims=false}
                 %1: f32[2,3,4,5] = relu %p
                 return %0, %1",
            ),
        );
        refuses(
            SinkLayouts,
            &text("%0: f32[6,20] = reshape %p {shape=[6,20]} %1: f32[6,20] = relu %0 return %1"),
        );
    }

    #[test]
    fn a_transposition_that_is_returned_stays() {
        refuses(SinkLayouts, &text("%0: f32[2,3,4,5] = relu %p return %0, %p"));
    }

    #[test]
    fn other_orders_of_axes_stay() {
        refuses(
            SinkLayouts,
            "graph f(%x: f32[2,3,4]) {
                %0: f32[3,2,4] = transpose %x {permutation=[1,0,2]}
                %1: f32[3,2,4] = relu %0
                return %1
            }",
        );
    }
}
