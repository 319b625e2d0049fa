//! Moves the mask of an activation before the un-pooling that it follows, so that it is computed
//! for the maxima only.
//!
//! With `%r` an activation, `%p` its pooling and `%i` the indices of the maxima:
//!
//! ```text
//! %u: f32[8,6,6,4] = max_unpool %d, %i             %n: bool[8,3,3,4] = gt %p, 0
//! %m: bool[8,6,6,4] = gt %r, 0                 →   %e: f32[8,3,3,4] = select %n, %d, 0
//! %s: f32[8,6,6,4] = select %m, %u, 0              %s: f32[8,6,6,4] = max_unpool %e, %i
//! ```
//!
//! Then only the pooling uses `%r`, and the activation need not be stored. At a maximum, `%r` is
//! bit for bit `%p` of that window, NaN and −0 included, so both masks agree there, and both sides
//! are `+0 + d` or `+0 + 0`. At all other elements `%u` is +0, and so is `%s` before and after.
//!
//! The mask must be a comparison of `%r` with a splat constant, the other side of the `select` +0,
//! `%i` the indices in `%r` for the same window, and `%p` must exist.
//!
//! Refused: windows that overlap. There an element can be the maximum of several windows, whose
//! cotangents would be added after the mask instead of before it, with other roundings.

use brolga_ir::ops::{MaxPool, MaxPoolIndex, MaxUnpool, Select};
use brolga_ir::{Graph, Mistake, NodeId, Op, Shape, Value};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::rewrites::{Rewrites, Rule};
use crate::values::{add_splat, is_splat_of, splat};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct UnpoolMask;

impl Pass for UnpoolMask {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        super::sweep(graph, rewrites, move_mask)
    }
}

const MOVE: Rule = Rule {
    name: "mask before un-pooling",
    reason: "the pooled maximum is the element, and all other elements are +0",
};

fn move_mask(
    graph: &mut Graph,
    id: NodeId,
    rewrites: &mut Rewrites,
) -> Result<Option<Value>, Mistake> {
    if !matches!(graph.node(id).op, Op::Select(_)) {
        return Ok(None);
    }
    let operands = graph.operands(id);
    // The cotangent may be on either side of the mask.
    let Some(side) = [1, 2].into_iter().find(|&side| unpool(graph, operands[side]).is_some())
    else {
        return Ok(None);
    };
    let (mask, unpooled, zero) = (operands[0], operands[side], operands[3 - side]);
    let Some(op) = unpool(graph, unpooled) else { return Ok(None) };
    let Some((slot, activation)) = compared(graph, mask) else { return Ok(None) };
    let shape = &graph.ty(id.into()).shape;
    let MaxUnpool { pool, .. } = op;
    if pool.strides.iter().zip(pool.window.iter()).any(|(stride, window)| stride < window)
        || !is_splat_of(graph, zero, 0.0)
        || graph.ty(activation).shape != *shape
        || graph.ty(unpooled).shape != *shape
    {
        return Ok(None);
    }
    let (cotangent, index) = {
        let operands = graph.operands(unpooled.node);
        (operands[0], operands[1])
    };
    let index_op = Op::from(MaxPoolIndex { pool });
    if graph.node(index.node).op != index_op || graph.operands(index.node)[0] != activation {
        return Ok(None);
    }
    let pool_op = Op::from(MaxPool { pool });
    let mut users = graph.uses_of(activation).into_iter().map(|(user, _)| user);
    let Some(pooled) = users.find(|&user| graph.node(user).op == pool_op) else { return Ok(None) };
    if !rewrites.allow(&MOVE, graph, id) {
        return Ok(None);
    }

    let mut sides = graph.operands(mask.node);
    sides[slot] = pooled.into();
    let comparison = graph.node(mask.node);
    let (comparison, origin) = (comparison.op.clone(), comparison.origin.clone());
    let other = 1 - slot;
    sides[other] = scalar(graph, sides[other])?;
    let mask = graph.add(comparison, &sides, origin)?;
    let origin = graph.node(id).origin.clone();
    let zero = scalar(graph, zero)?;
    let chosen = if side == 1 { [mask, cotangent, zero] } else { [mask, zero, cotangent] };
    let masked = graph.add(Select, &chosen, origin)?;
    let origin = graph.node(unpooled.node).origin.clone();
    graph.add(op, &[masked, index], origin).map(Some)
}

fn unpool(graph: &Graph, value: Value) -> Option<MaxUnpool> {
    match &graph.node(value.node).op {
        Op::MaxUnpool(op) => Some(**op),
        _ => None,
    }
}

/// The operand of a comparison with a splat constant that is not the constant, and its slot.
fn compared(graph: &Graph, mask: Value) -> Option<(usize, Value)> {
    let op = &graph.node(mask.node).op;
    if !matches!(op, Op::Lt(_) | Op::Le(_) | Op::Gt(_) | Op::Ge(_) | Op::Eq(_) | Op::Ne(_)) {
        return None;
    }
    let operands = graph.operands(mask.node);
    let slot = (0..2).find(|&slot| splat(graph, operands[1 - slot]).is_some())?;
    Some((slot, operands[slot]))
}

/// A splat constant as a scalar.
fn scalar(graph: &mut Graph, value: Value) -> Result<Value, Mistake> {
    let Some(constant) = splat(graph, value).filter(|c| c.ty().shape.rank() > 0) else {
        return Ok(value);
    };
    let (element, origin) = (constant.value().clone(), graph.node(value.node).origin.clone());
    add_splat(graph, &element, Shape::scalar(), origin)
}

#[cfg(test)]
mod tests {
    use super::UnpoolMask;
    use crate::testing::{ops, refuses, run};

    /// A pooling of `%r` with a masked gradient.
    fn text(pool: &str, mask: &str, chosen: &str) -> String {
        format!(
            "graph f(%r: f32[2,5,6,2], %z: f32[2,5,6,2], %d: f32[2,2,3,2]) {{
                %p: f32[2,2,3,2] = max_pool %r {{{pool}}} @pool
                %i: u8[2,2,3,2] = max_pool_index %r {{{pool}}} @pool
                %u: f32[2,5,6,2] = max_unpool %d, %i {{input=[5,6], {pool}}} @pool #backward
                %0: f32[] = constant {{value=0}} @conv #backward
                %minus: f32[] = constant {{value=-0}} @conv #backward
                %m: bool[2,5,6,2] = {mask} @conv #backward
                %s: f32[2,5,6,2] = select {chosen} @conv #backward
                return %p, %s
            }}"
        )
    }

    const PLAIN: &str = "padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]";

    #[test]
    fn the_mask_is_computed_for_the_maxima() {
        let text = text(PLAIN, "gt %r, %0", "%m, %u, %0");
        insta::assert_snapshot!(run(UnpoolMask, &text), @r"
        graph f(%r: f32[2,5,6,2], %z: f32[2,5,6,2], %d: f32[2,2,3,2]) {
          %0: f32[2,2,3,2] = max_pool %r {padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}   @pool
          %1: u8[2,2,3,2] = max_pool_index %r {padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}   @pool
          %2: f32[] = constant {value=0}   @conv #backward
          %3: bool[2,2,3,2] = gt %0, %2   @conv #backward
          %4: f32[2,2,3,2] = select %3, %d, %2   @conv #backward
          %5: f32[2,5,6,2] = max_unpool %4, %1 {input=[5,6], padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}   @pool #backward
          return %0, %5
        }
        ");
    }

    #[test]
    fn the_cotangent_may_be_on_either_side() {
        let text = text(PLAIN, "le %0, %r", "%m, %0, %u");
        insta::assert_snapshot!(run(UnpoolMask, &text), @r"
        graph f(%r: f32[2,5,6,2], %z: f32[2,5,6,2], %d: f32[2,2,3,2]) {
          %0: f32[2,2,3,2] = max_pool %r {padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}   @pool
          %1: u8[2,2,3,2] = max_pool_index %r {padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}   @pool
          %2: f32[] = constant {value=0}   @conv #backward
          %3: bool[2,2,3,2] = le %2, %0   @conv #backward
          %4: f32[2,2,3,2] = select %3, %2, %d   @conv #backward
          %5: f32[2,5,6,2] = max_unpool %4, %1 {input=[5,6], padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}   @pool #backward
          return %0, %5
        }
        ");
    }

    #[test]
    fn windows_that_overlap_are_refused() {
        for pool in ["strides=[2,1], window=[2,4]", "strides=[1,2], window=[4,2]"] {
            let pool = format!("padding=[[0,0],[0,0]], {pool}");
            refuses(UnpoolMask, &text(&pool, "gt %r, %0", "%m, %u, %0"));
        }
    }

    #[test]
    fn windows_may_leave_gaps() {
        let pool = "padding=[[0,0],[0,0]], strides=[3,2], window=[2,2]";
        insta::assert_snapshot!(ops(UnpoolMask, &text(pool, "gt %r, %0", "%m, %u, %0")), @"max_pool, max_pool_index, constant, gt, select, max_unpool");
    }

    #[test]
    fn constants_of_the_full_shape_become_one_element() {
        let text = text(PLAIN, "gt %r, %0", "%m, %u, %0");
        let text = text.replace("%0: f32[] =", "%0: f32[2,5,6,2] =");
        insta::assert_snapshot!(run(UnpoolMask, &text), @"
        graph f(%r: f32[2,5,6,2], %z: f32[2,5,6,2], %d: f32[2,2,3,2]) {
          %0: f32[2,2,3,2] = max_pool %r {padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}   @pool
          %1: u8[2,2,3,2] = max_pool_index %r {padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}   @pool
          %2: f32[] = constant {value=0}   @conv #backward
          %3: bool[2,2,3,2] = gt %0, %2   @conv #backward
          %4: f32[] = constant {value=0}   @conv #backward
          %5: f32[2,2,3,2] = select %3, %d, %4   @conv #backward
          %6: f32[2,5,6,2] = max_unpool %5, %1 {input=[5,6], padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}   @pool #backward
          return %0, %6
        }
        ");
    }

    #[test]
    fn an_activation_that_the_mask_repeats_is_refused() {
        let text = text("strides=[2,2], window=[1,2]", "gt %r, %0", "%m, %u, %0")
            .replace("%r: f32[2,5,6,2]", "%r: f32[2,1,6,2]")
            .replace("%m: bool[2,5,6,2]", "%m: bool[2,1,6,2]")
            .replace("[2,2,3,2]", "[2,1,3,2]")
            .replace("[2,5,6,2]", "[2,2,6,2]")
            .replace("input=[5,6]", "input=[2,6]");
        refuses(UnpoolMask, &text);
    }

    #[test]
    fn masks_of_something_else_are_refused() {
        refuses(UnpoolMask, &text(PLAIN, "gt %z, %0", "%m, %u, %0"));
        refuses(UnpoolMask, &text(PLAIN, "gt %r, %z", "%m, %u, %0"));
    }

    #[test]
    fn another_value_than_plus_zero_is_refused() {
        refuses(UnpoolMask, &text(PLAIN, "gt %r, %0", "%m, %u, %minus"));
        refuses(UnpoolMask, &text(PLAIN, "gt %r, %0", "%m, %u, %z"));
    }

    #[test]
    fn indices_for_other_images_are_refused() {
        let text = text(PLAIN, "gt %r, %0", "%m, %u, %0");
        refuses(UnpoolMask, &text.replace("max_pool_index %r", "max_pool_index %z"));
        refuses(UnpoolMask, &text.replace("max_pool %r", "max_pool %z"));
    }
}
