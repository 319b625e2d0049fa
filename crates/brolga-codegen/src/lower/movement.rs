//! Kernels of kind `move`: one op that moves elements to other indices.

use std::collections::BTreeSet;

use brolga_ir::op::Family;
use brolga_ir::ops::Update;
use brolga_ir::{DType, Op, Shape, Value};

use super::body::Body;
use super::copy::{Strided, fill, run};
use super::{Lowered, Stage, columns};
use crate::error::Result;
use crate::kernel::{Access, Touch};
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::Element;

mod gather;
mod indices;

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
        Op::UpdateRows(op) if op.update == Update::Set => gather::set_rows(body, root),
        Op::RunSums(_) => gather::run_sums(body, root),
        Op::Iota(op) => indices::iota(body, root, op.axis),
        Op::OneHot(op) => indices::one_hot(body, root, op.depth),
        Op::Argmax(op) => indices::argmax(body, root, op.axis),
        op if matches!(op.family(), Family::Reduction { .. }) => columns::lower(body),
        _ => strided(body, root),
    }
}

/// A kernel of one stage; units divide the first axis of the result if `parted`.
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

/// The most copies of a stage: the time to compile a function grows faster than its size.
const STAGE_COPIES: usize = 64;

/// A copy between strided tensors: its offset in each, its extents, and the strides of the operand,
/// all in elements.
struct Copy {
    slot: usize,
    from: i64,
    to: i64,
    extents: Vec<usize>,
    from_strides: Vec<i64>,
}

/// A result made of copies.
struct Copies<'a> {
    body: &'a Body<'a>,
    root: Value,
    /// The slot and the strides of the result.
    result: usize,
    strides: Vec<i64>,
    /// Whether the result is filled with zeros first.
    zero: bool,
    /// Whether units divide the first axis, which the only copy covers.
    parted: bool,
}

fn strided(body: &Body<'_>, root: Value) -> Result<Lowered> {
    let shape = body.shape(root);
    let strides = strides(shape);
    let copies = copies(body, root, &strides)?;
    let Some((_, result)) = body.results().next() else {
        return Err(body.refused("a kernel without results"));
    };
    let zero = matches!(body.op(root), Op::Pad(_));
    let parted = !zero && copies.len() == 1 && shape.rank() > 1;
    let lowering = Copies { body, root, result, strides, zero, parted };
    let stages = copies.chunks(STAGE_COPIES).map(|copies| lowering.stage(copies));
    Ok(Lowered {
        stages: stages.collect::<Result<_>>()?,
        workspace: 0,
        scratch: 0,
        in_place: Vec::new(),
    })
}

fn strides(shape: &Shape) -> Vec<i64> {
    shape.strides().iter().map(|&stride| stride as i64).collect()
}

/// The copies of an op's operands into its result, whose strides are `to`.
fn copies(body: &Body<'_>, root: Value, to: &[i64]) -> Result<Vec<Copy>> {
    let slots = operand_slots(body, root)?;
    let operands = body.graph.operands(root.node);
    let operand = body.shape(operands[0]);
    let shape = body.shape(root);
    let own = strides(operand);
    let mut copy =
        Copy { slot: slots[0], from: 0, to: 0, extents: shape.to_vec(), from_strides: own.clone() };
    match body.op(root) {
        Op::Transpose(op) => {
            copy.from_strides = op.permutation.iter().map(|&axis| own[axis]).collect();
        }
        Op::Broadcast(_) => {
            let strides = operand.broadcast_strides(shape).into_iter();
            copy.from_strides = strides.map(|stride| stride as i64).collect();
        }
        Op::Slice(op) => {
            copy.from = offset(&own, &op.starts);
            copy.from_strides = own.iter().zip(&op.strides).map(|(a, &b)| a * b as i64).collect();
        }
        Op::Reverse(op) => {
            for &axis in &op.axes {
                copy.from += own[axis] * (shape[axis] as i64 - 1);
                copy.from_strides[axis] = -own[axis];
            }
        }
        Op::Pad(op) => {
            copy.extents = operand.to_vec();
            copy.to = offset(to, &op.low);
        }
        Op::Concat(op) => {
            let mut first = 0;
            let copy = |(&operand, slot): (&Value, usize)| {
                let extents = body.shape(operand).to_vec();
                let to = first * to[op.axis];
                first += extents[op.axis] as i64;
                Copy { slot, from: 0, to, from_strides: strides(body.shape(operand)), extents }
            };
            return Ok(operands.iter().zip(slots).map(copy).collect());
        }
        op => return Err(body.refused(format!("`{}` is no move", op.name()))),
    }
    Ok(vec![copy])
}

/// The offset of an element with these indices.
fn offset(strides: &[i64], indices: &[usize]) -> i64 {
    strides.iter().zip(indices).map(|(stride, &index)| stride * index as i64).sum()
}

impl Copies<'_> {
    /// A stage of some copies.
    fn stage(&self, copies: &[Copy]) -> Result<Stage> {
        let Self { body, root, result, zero, parted, .. } = *self;
        let (shape, element) = (body.shape(root), body.element(root));
        let mut nest = NestBuilder::new(body.op(root).name());
        if zero && shape.elements() > 0 {
            nest.call(&fill(element, shape.elements(), 0)?, [Affine::slot(result)]);
        }
        for copy in copies {
            self.copy(&mut nest, copy)?;
        }
        let slots: BTreeSet<usize> = copies.iter().map(|copy| copy.slot).collect();
        let access = if parted { Access::Units } else { Access::Whole };
        Ok(Stage {
            code: nest.finish().into(),
            units: if parted { shape[0] } else { 1 },
            reads: slots.into_iter().map(|slot| Touch { slot, access: Access::Whole }).collect(),
            writes: vec![Touch { slot: result, access }],
            flops: 0,
        })
    }

    /// A unit's part of a copy.
    fn copy(&self, nest: &mut NestBuilder, copy: &Copy) -> Result<()> {
        let element = self.body.element(self.root);
        let size = element.size() as i64;
        let axes = usize::from(self.parted);
        let unit = |strides: &[i64]| {
            Affine::number(0).term(Nest::UNIT, if self.parted { strides[0] } else { 0 })
        };
        let from =
            Affine::slot(copy.slot).plus(copy.from * size).add(&unit(&copy.from_strides), size);
        let target = Affine::slot(self.result).plus(copy.to * size).add(&unit(&self.strides), size);
        let strided = Strided {
            element,
            extents: copy.extents[axes..].to_vec(),
            from: copy.from_strides[axes..].to_vec(),
            to: self.strides[axes..].to_vec(),
        };
        strided.nest(nest, &from, &target)
    }
}

/// The format of indices in memory.
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
