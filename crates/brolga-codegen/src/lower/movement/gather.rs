//! Rows of a table, read or added to by index.

use std::sync::Arc;

use brolga_ir::lanes::Lanes;
use brolga_ir::{DType, Value};

use super::{index_element, operand_slots, row, single};
use crate::error::Result;
use crate::lower::copy::fill;
use crate::lower::{Body, Lowered};
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{Builder, Extent, LANES, TileProgram, Trips};

/// The element types of updates. Sums of 16 bits would be rounded at every step.
const TYPES: &[DType] = &[DType::F32, DType::I32, DType::U8];

/// `y[i] = table[indices[i]]`; zeros where the index is out of range.
pub(super) fn gather(body: &Body<'_>, root: Value) -> Result<Lowered> {
    let slots = operand_slots(body, root)?;
    let operands = body.graph.operands(root.node);
    let table = body.shape(operands[0]);
    let count: usize = table[1..].iter().product();
    let positions = body.shape(operands[1]).elements();
    let element = body.element(root);
    let bytes = (count * element.size()) as i64;
    let index_element = index_element(body, operands[1])?;
    let mut nest = NestBuilder::new("gather");
    if count > 0 {
        let (copy, zero) = (row(element, count)?, fill(element, count, 0)?);
        let unit = Affine::from(Nest::UNIT);
        let address = Affine::slot(slots[1]).add(&unit, index_element.size() as i64);
        let index = nest.read(index_element, address);
        let to = Affine::slot(body.operands()).add(&unit, bytes);
        let from = Affine::slot(slots[0]).add(&index, bytes);
        let outside = to.clone();
        nest.when(
            index,
            0..table[0],
            |nest| nest.call(&copy, [from, to]),
            |nest| nest.call(&zero, [outside]),
        );
    }
    Ok(single(body, nest, positions, true))
}

/// A table of zeros to whose rows the updates are added, in ascending order of their position.
pub(super) fn scatter_add(body: &Body<'_>, root: Value, rows: usize) -> Result<Lowered> {
    let slots = operand_slots(body, root)?;
    let operands = body.graph.operands(root.node);
    let shape = body.shape(root);
    let count: usize = shape[1..].iter().product();
    let positions = body.shape(operands[0]).elements();
    body.expect_types(root, TYPES)?;
    let element = body.element(root);
    let bytes = (count * element.size()) as i64;
    let index_element = index_element(body, operands[0])?;
    let mut nest = NestBuilder::new("scatter_add");
    let table = Affine::slot(body.operands());
    if shape.elements() > 0 {
        nest.call(&fill(element, shape.elements(), 0)?, [table.clone()]);
    }
    if count > 0 {
        let add = add_row(body, root, count)?;
        nest.repeat(positions, |nest, position| {
            let address = Affine::slot(slots[0]).add(&position, index_element.size() as i64);
            let index = nest.read(index_element, address);
            let from = Affine::slot(slots[1]).add(&position, bytes);
            let to = table.clone().add(&index, bytes);
            nest.when(index, 0..rows, |nest| nest.call(&add, [from, to]), |_| {});
        });
    }
    Ok(single(body, nest, 1, false))
}

/// `to += from` for one row.
fn add_row(body: &Body<'_>, root: Value, count: usize) -> Result<Arc<TileProgram>> {
    let dtype = body.ty(root).dtype;
    let mut b = Builder::new(format!("add_row_{count}"));
    let (from, to) = (b.pointer("from"), b.pointer("to"));
    let vector = |b: &mut Builder, extent: Extent| match dtype {
        DType::F32 => {
            let (sum, x) = (b.load_f32(to.at(0), extent), b.load_f32(from.at(0), extent));
            let sum = b.add(sum, x);
            b.store_f32(to.at(0), extent, sum);
        }
        DType::I32 => {
            let (sum, x) = (b.load_i32(to.at(0), extent), b.load_i32(from.at(0), extent));
            let sum = b.iadd(sum, x);
            b.store_i32(to.at(0), extent, sum);
        }
        _ => {
            let (sum, x) = (b.load_u8(to.at(0), extent), b.load_u8(from.at(0), extent));
            let sum = b.iadd(sum, x);
            b.store_u8(to.at(0), extent, sum);
        }
    };
    let step = (LANES * dtype.size()) as i64;
    b.repeat(Trips::Const((count / LANES) as u32), |b| {
        vector(b, Extent::Full);
        b.step(from, step, Trips::Const(1));
        b.step(to, step, Trips::Const(1));
    });
    if !count.is_multiple_of(LANES) {
        vector(&mut b, Extent::first(count % LANES));
    }
    Ok(Arc::new(b.finish()?))
}
