//! Kernels around one contraction.

use brolga_ir::op::Family;
use brolga_ir::{Graph, NodeId, Op, Value};

use super::{Checked, ancestors, check_streaming, ensure, is_code, is_input, split};
use crate::values::{elements, same_or_one, splat};

pub(super) fn check(body: &Graph, nodes: &[NodeId]) -> Checked {
    let (main, _) = split(body, nodes, |family| matches!(family, Family::Contraction { .. }))?;
    let &[main] = &main[..] else { return Err(format!("there are {} contractions", main.len())) };
    let before = ancestors(body, main);
    let (prologue, others): (Vec<NodeId>, Vec<NodeId>) =
        nodes.iter().filter(|id| **id != main).partition(|id| before.contains(id));
    check_prologue(body, main, &prologue)?;
    let cotangent = cotangent_slot(&body.node(main).op).map(|slot| body.operands(main)[slot]);
    let (sums, epilogue): (Vec<NodeId>, Vec<NodeId>) = others.iter().partition(|&&id| {
        matches!(body.node(id).op, Op::ReduceSum(_)) && Some(body.operands(id)[0]) == cotangent
    });
    check_sums(body, main, &sums)?;
    if !matches!(body.node(main).op, Op::ConvGradFilter(_)) {
        return check_epilogue(body, main, &epilogue);
    }
    let shape = |id: NodeId| &body.ty(id.into()).shape;
    let (of_sum, of_main): (Vec<NodeId>, Vec<NodeId>) =
        epilogue.iter().partition(|&&id| shape(id) != shape(main));
    check_chain(body, main, &of_main)?;
    match sums.first() {
        Some(&sum) => check_chain(body, sum, &of_sum),
        None => {
            ensure(of_sum.is_empty(), "a node after the gradient of a filter has another shape")
        }
    }
}

/// Which operand of the gradient of a contraction is the cotangent.
fn cotangent_slot(op: &Op) -> Option<usize> {
    match op.family() {
        Family::Contraction { cotangent } => cotangent,
        _ => None,
    }
}

/// The gradient of the bias: a sum of the same cotangent.
fn check_sums(body: &Graph, main: NodeId, sums: &[NodeId]) -> Checked {
    ensure(sums.len() <= 1, "there are two sums of the cotangent")?;
    let Some(&sum) = sums.first() else { return Ok(()) };
    let last = body.ty(body.operands(sum)[0]).shape.rank() - 1;
    let axes =
        matches!(&body.node(sum).op, Op::ReduceSum(sum) if sum.axes.iter().copied().eq(0..last));
    let filter = matches!(body.node(main).op, Op::ConvGradFilter(_));
    ensure(axes && filter, "the sum is not the gradient of the bias")
}

/// Checks the update of a filter or bias after its gradient: ops of the gradient's shape that read
/// no value of the kernel but the gradient and each other.
fn check_chain(body: &Graph, root: NodeId, chain: &[NodeId]) -> Checked {
    let shape = &body.ty(root.into()).shape;
    for &id in chain {
        check_streaming(body, id, shape)?;
        let fits = |&value: &Value| {
            body.ty(value).shape == *shape
                || splat(body, value).is_some()
                || (is_input(body, value) && elements(body, value) == 1)
        };
        let name = body.node(id).op.name();
        ensure(body.operands(id).iter().all(fits), format!("`{name}` reads another shape"))?;
    }
    Ok(())
}

fn check_prologue(body: &Graph, main: NodeId, prologue: &[NodeId]) -> Checked {
    let op = &body.node(main).op;
    let operands = body.operands(main);
    let slot = cotangent_slot(op);
    for (index, &operand) in operands.iter().enumerate() {
        let free = Some(index) == slot || is_input(body, operand);
        ensure(
            free,
            format!("operand {index} of `{}` is not an operand of the kernel", op.name()),
        )?;
    }
    let Some(slot) = slot else {
        return ensure(prologue.is_empty(), format!("`{}` has a prologue", op.name()));
    };
    let cotangent = operands[slot];
    let (unpools, chain): (Vec<NodeId>, Vec<NodeId>) =
        prologue.iter().partition(|&&id| matches!(body.node(id).op, Op::MaxUnpool(_)));
    let prepared = match unpools[..] {
        [] => cotangent,
        [unpool] => unpooled(body, unpool, cotangent)?,
        _ => return Err("there are two `max_unpool`".to_owned()),
    };
    let shape = &body.ty(prepared).shape;
    for id in chain {
        check_streaming(body, id, shape)?;
        let same =
            |value: &Value| same_or_one(body, *value, shape) || splat(body, *value).is_some();
        ensure(body.operands(id).iter().all(same), "a node of the prologue reads another shape")?;
        ensure(!body.is_output(id.into()), "a node of the prologue is a result")?;
    }
    Ok(())
}

/// The operand of the `max_unpool` that gives the cotangent.
fn unpooled(body: &Graph, unpool: NodeId, cotangent: Value) -> Result<Value, String> {
    let Op::MaxUnpool(op) = &body.node(unpool).op else { return Ok(cotangent) };
    let operands = body.operands(unpool);
    ensure(cotangent == unpool.into(), "`max_unpool` does not give the cotangent")?;
    ensure(is_input(body, operands[1]), "the indices of the maxima are computed inside")?;
    ensure(op.pool.tiles_a_plane(), "`max_unpool` has overlapping windows, padding or three axes")?;
    Ok(operands[0])
}

fn check_epilogue(body: &Graph, main: NodeId, epilogue: &[NodeId]) -> Checked {
    let is_pool = |id: &NodeId| body.node(*id).op.max_pooling().is_some();
    let (pools, chain): (Vec<NodeId>, Vec<NodeId>) = epilogue.iter().partition(|id| is_pool(id));
    let shape = &body.ty(main.into()).shape;
    chain.iter().try_for_each(|&id| check_streaming(body, id, shape))?;
    let Some(&first) = pools.first() else { return Ok(()) };
    ensure(matches!(body.node(main).op, Op::Conv(_)), "pooling does not follow a convolution")?;
    let pooled = body.operands(first)[0];
    for &pool in &pools {
        let Some(window) = body.node(pool).op.max_pooling() else { continue };
        ensure(window.tiles_a_plane(), "a pooling has overlapping windows, padding or three axes")?;
        ensure(body.operands(pool)[0] == pooled, "two values are pooled")?;
    }
    let full = body
        .outputs()
        .iter()
        .any(|o| is_code(body, o.value.node) && !pools.contains(&o.value.node));
    ensure(!full, "the value that is pooled is a result")
}
