//! Kernels of kind `move`: one op that puts elements to other places.

use std::collections::BTreeSet;

use brolga_ir::op::Family;
use brolga_ir::{DType, Op, Shape, Value};

use super::body::Body;
use super::copy::{Strided, fill, run};
use super::{Lowered, Stage, columns};
use crate::error::Result;
use crate::kernel::{Access, Touch};
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::Element;

mod gather;
mod places;

pub(super) fn lower(body: &Body<'_>) -> Result<Lowered> {
    let mut ops = body
        .order
        .iter()
        .copied()
        .map(Value::from)
        .filter(|&value| body.op(value).family() != Family::Source);
    let (Some(root), None) = (ops.next(), ops.next()) else {
        return Err(body.refused("a move kernel holds exactly one op"));
    };
    match body.op(root) {
        Op::Gather(_) => gather::gather(body, root),
        Op::ScatterAdd(op) => gather::scatter_add(body, root, op.rows),
        Op::Iota(op) => places::iota(body, root, op.axis),
        Op::OneHot(op) => places::one_hot(body, root, op.depth),
        Op::Argmax(op) => places::argmax(body, root, op.axis),
        op if matches!(op.family(), Family::Reduction { .. }) => columns::lower(body),
        _ => strided(body, root),
    }
}

/// A stage whose units are cut by the first axis of the result.
pub(super) fn single(body: &Body<'_>, nest: NestBuilder, units: usize, parted: bool) -> Lowered {
    let (reads, writes) = body.touches(|slot| parted && slot >= body.operands());
    let stage = Stage { code: nest.finish().into(), units, reads, writes, flops: 0 };
    Lowered { stages: vec![stage], workspace: 0, scratch: 0, in_place: Vec::new() }
}

pub(super) fn operand_slots(body: &Body<'_>, root: Value) -> Result<Vec<usize>> {
    let slot = |&value: &Value| {
        body.input_slot(value)
            .ok_or_else(|| body.refused("an operand of a move is computed inside"))
    };
    body.graph.operands(root.node).iter().map(slot).collect()
}

/// How many copies share a stage at most: the time to compile a function grows faster than its size.
const STAGE_COPIES: usize = 64;

/// A copy between strided places: where it starts in each, in elements, and how it goes on.
struct Copy {
    slot: usize,
    from: i64,
    to: i64,
    extents: Vec<usize>,
    from_strides: Vec<i64>,
}

fn strided(body: &Body<'_>, root: Value) -> Result<Lowered> {
    let slots = operand_slots(body, root)?;
    let operands = body.graph.operands(root.node);
    let shape = body.shape(root);
    let signed =
        |shape: &Shape| -> Vec<i64> { shape.strides().iter().map(|&s| s as i64).collect() };
    let own = signed(body.shape(operands[0]));
    let to = signed(shape);
    let mut copies = Vec::new();
    let mut copy =
        Copy { slot: slots[0], from: 0, to: 0, extents: shape.to_vec(), from_strides: own.clone() };
    let mut zero = false;
    match body.op(root) {
        Op::Transpose(op) => {
            copy.from_strides = op.permutation.iter().map(|&axis| own[axis]).collect()
        }
        Op::Broadcast(_) => {
            let operand = body.shape(operands[0]);
            let lead = shape.rank() - operand.rank();
            copy.from_strides = (0..shape.rank())
                .map(|axis| match axis.checked_sub(lead) {
                    Some(axis) if operand[axis] != 1 => own[axis],
                    _ => 0,
                })
                .collect();
        }
        Op::Slice(op) => {
            copy.from =
                own.iter().zip(&op.starts).map(|(stride, &start)| stride * start as i64).sum();
            copy.from_strides = own.iter().zip(&op.strides).map(|(a, &b)| a * b as i64).collect();
        }
        Op::Reverse(op) => {
            for &axis in &op.axes {
                copy.from += own[axis] * (shape[axis] as i64 - 1);
                copy.from_strides[axis] = -own[axis];
            }
        }
        Op::Pad(op) => {
            zero = true;
            copy.extents = body.shape(operands[0]).to_vec();
            copy.to = to.iter().zip(&op.low).map(|(stride, &low)| stride * low as i64).sum();
        }
        Op::Concat(op) => {
            let mut done = 0;
            for (operand, &slot) in operands.iter().zip(&slots) {
                let extents = body.shape(*operand).to_vec();
                let own = signed(body.shape(*operand));
                copies.push(Copy {
                    slot,
                    from: 0,
                    to: done * to[op.axis],
                    from_strides: own,
                    extents: extents.clone(),
                });
                done += extents[op.axis] as i64;
            }
        }
        op => return Err(body.refused(format!("`{}` is no move", op.name()))),
    }
    if copies.is_empty() {
        copies.push(copy);
    }
    let element = body.element(root);
    let size = element.size() as i64;
    let Some((_, result)) = body.results().next() else {
        return Err(body.refused("a kernel without results"));
    };
    // The first axis is shared among workers if all copies run along the whole of it.
    let outer = shape.first().copied().unwrap_or(1);
    let parted = !zero && copies.len() == 1 && shape.rank() > 1;
    let units = if parted { outer } else { 1 };
    let mut stages = Vec::new();
    for copies in copies.chunks(STAGE_COPIES) {
        let mut nest = NestBuilder::new(body.op(root).name());
        if zero && shape.elements() > 0 {
            nest.call(&fill(element, shape.elements(), 0)?, [Affine::slot(result)]);
        }
        for copy in copies {
            let axes = usize::from(parted);
            let unit = |strides: &[i64]| {
                Affine::number(0).term(Nest::UNIT, if parted { strides[0] } else { 0 })
            };
            let from =
                Affine::slot(copy.slot).plus(copy.from * size).add(&unit(&copy.from_strides), size);
            let target = Affine::slot(result).plus(copy.to * size).add(&unit(&to), size);
            let strided = Strided {
                element,
                extents: copy.extents[axes..].to_vec(),
                from: copy.from_strides[axes..].to_vec(),
                to: to[axes..].to_vec(),
            };
            strided.nest(&mut nest, &from, &target)?;
        }
        let slots: BTreeSet<usize> = copies.iter().map(|copy| copy.slot).collect();
        let reads = slots.into_iter().map(|slot| Touch { slot, access: Access::Whole }).collect();
        let access = if parted { Access::Units } else { Access::Whole };
        let writes = vec![Touch { slot: result, access }];
        stages.push(Stage { code: nest.finish().into(), units, reads, writes, flops: 0 });
    }
    Ok(Lowered { stages, workspace: 0, scratch: 0, in_place: Vec::new() })
}

/// How indices lie in memory.
pub(super) fn index_element(body: &Body<'_>, value: Value) -> Result<Element> {
    match body.ty(value).dtype {
        DType::I32 => Ok(Element::I32),
        DType::U8 => Ok(Element::U8),
        other => Err(body.refused(format!("indices of {other} have no tiles"))),
    }
}

/// A run of `count` elements copied as they are.
pub(super) fn row(
    element: Element,
    count: usize,
) -> Result<std::sync::Arc<crate::tile::TileProgram>> {
    run(element, count, 1)
}
