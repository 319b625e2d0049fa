//! Rows of a table, read or added to by index.

use std::sync::Arc;

use brolga_ir::lanes::Lanes;
use brolga_ir::{DType, Value};

use super::{index_element, operand_slots, row, single};
use crate::error::Result;
use crate::lower::copy::{fill, run};
use crate::lower::{Body, Lowered, Stage};
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{Builder, Element, Extent, LANES, TileProgram, Trips};

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

/// The elements of a table that one unit copies.
const COPIED: usize = 1 << 14;

/// A copy of a table, in a stage of its own, in which rows are replaced.
pub(super) fn set_rows(body: &Body<'_>, root: Value) -> Result<Lowered> {
    let slots = operand_slots(body, root)?;
    let operands = body.graph.operands(root.node);
    let shape = body.shape(root);
    let count: usize = shape[1..].iter().product();
    let positions = body.shape(operands[1]).elements();
    let element = body.element(root);
    let size = element.size() as i64;
    let index_element = index_element(body, operands[1])?;
    let table = Affine::slot(body.operands());
    let mut replace = NestBuilder::new("update_rows");
    if shape.elements() > 0 {
        let bytes = size * count as i64;
        let copy = row(element, count)?;
        replace.repeat(positions, |nest, position| {
            let address = Affine::slot(slots[1]).add(&position, index_element.size() as i64);
            let index = nest.read(index_element, address);
            let from = Affine::slot(slots[2]).add(&position, bytes);
            let to = table.clone().add(&index, bytes);
            nest.when(index, 0..shape[0], |nest| nest.call(&copy, [from, to]), |_| {});
        });
    }
    let mut lowered = single(body, replace, 1, false);
    let Stage { reads, writes, .. } = &mut lowered.stages[0];
    let writes = writes.clone();
    // The table is read by the copy alone, unless it is another operand too.
    let of_table: Vec<_> = reads.iter().copied().filter(|touch| touch.slot == slots[0]).collect();
    if !slots[1..].contains(&slots[0]) {
        reads.retain(|touch| touch.slot != slots[0]);
    }
    let (full, rest) = (shape.elements() / COPIED, shape.elements() % COPIED);
    if shape.elements() > 0 {
        let mut nest = NestBuilder::new("copy");
        let unit = Affine::from(Nest::UNIT);
        let at = |slot: usize| Affine::slot(slot).add(&unit, size * COPIED as i64);
        let args = [at(slots[0]), at(body.operands())];
        if full > 0 {
            let tile = run(element, COPIED, 1)?;
            nest.when(unit.clone(), 0..full, |nest| nest.call(&tile, args.clone()), |_| {});
        }
        if rest > 0 {
            let tile = run(element, rest, 1)?;
            nest.when(unit.clone(), full..full + 1, |nest| nest.call(&tile, args), |_| {});
        }
        let units = full + usize::from(rest > 0);
        let code = nest.finish().into();
        lowered.stages.insert(0, Stage { code, units, reads: of_table, writes, flops: 0 });
    }
    Ok(lowered)
}

/// The sums of rows by runs of equal keys, and the keys at the ends of the runs.
pub(super) fn run_sums(body: &Body<'_>, root: Value) -> Result<Lowered> {
    let slots = operand_slots(body, root)?;
    let operands = body.graph.operands(root.node);
    let dtypes = [DType::I32, DType::I32, DType::F32];
    if let Some((operand, _)) =
        operands.iter().zip(dtypes).find(|(operand, dtype)| body.ty(**operand).dtype != *dtype)
    {
        let dtype = body.ty(*operand).dtype;
        return Err(body.refused(format!("`run_sums` of {dtype} has no tiles")));
    }
    let shape = body.shape(operands[2]);
    let (count, width) = (shape[0], shape[1..].iter().product::<usize>());
    let results: Vec<(Value, usize)> = body.results().collect();
    let slot_of = |port: u32| {
        let found = results.iter().find(|(value, _)| value.port == port);
        found.map(|&(_, slot)| slot)
    };
    let bytes = 4 * width as i64;
    let i32_at = |slot: usize, place: &Affine| Affine::slot(slot).add(place, 4);
    let mut nest = NestBuilder::new("run_sums");
    if let Some(sums) = slot_of(0).filter(|_| count > 0 && width > 0) {
        let (zero, same) = (fill(Element::F32, width, 0)?, row(Element::F32, width)?);
        let [start, add] = [false, true].map(|continues| sum_row(width, continues));
        let (start, add) = (start?, add?);
        let one = |nest: &mut NestBuilder, place: Affine, continues: bool| {
            let from = nest.read(Element::I32, i32_at(slots[1], &place));
            let update = Affine::slot(slots[2]).add(&from, bytes);
            let to = Affine::slot(sums).add(&place, bytes);
            let before = to.clone().plus(-bytes);
            if continues {
                nest.when(
                    from,
                    0..count,
                    |nest| nest.call(&add, [before.clone(), update, to.clone()]),
                    |nest| nest.call(&same, [before.clone(), to.clone()]),
                );
            } else {
                nest.when(
                    from,
                    0..count,
                    |nest| nest.call(&start, [update, to.clone()]),
                    |nest| nest.call(&zero, [to.clone()]),
                );
            }
        };
        one(&mut nest, Affine::number(0), false);
        nest.range(Affine::number(1), Affine::number(count as i64), |nest, place| {
            let place = Affine::from(place);
            let key = nest.read(Element::I32, i32_at(slots[0], &place));
            let before = nest.read(Element::I32, i32_at(slots[0], &place).plus(-4));
            nest.when(
                key.add(&before, -1),
                0..1,
                |nest| one(nest, place.clone(), true),
                |nest| one(nest, place.clone(), false),
            );
        });
    }
    if let Some(ends) = slot_of(1).filter(|_| count > 0) {
        let (none, own) = (fill(Element::I32, 1, -1)?, row(Element::I32, 1)?);
        nest.range(Affine::number(0), Affine::number(count as i64 - 1), |nest, place| {
            let place = Affine::from(place);
            let key = nest.read(Element::I32, i32_at(slots[0], &place));
            let next = nest.read(Element::I32, i32_at(slots[0], &place).plus(4));
            nest.when(
                next.add(&key, -1),
                0..1,
                |nest| nest.call(&none, [i32_at(ends, &place)]),
                |nest| nest.call(&own, [i32_at(slots[0], &place), i32_at(ends, &place)]),
            );
        });
        let last = Affine::number(count as i64 - 1);
        nest.call(&own, [i32_at(slots[0], &last), i32_at(ends, &last)]);
    }
    Ok(single(body, nest, 1, false))
}

/// `to = before + from` for one row of floats, or `to = 0 + from`.
fn sum_row(count: usize, continues: bool) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("sum_row_{count}"));
    let before = continues.then(|| b.pointer("before"));
    let (from, to) = (b.pointer("from"), b.pointer("to"));
    let vector = |b: &mut Builder, extent: Extent| {
        let sum = match before {
            Some(before) => b.load_f32(before.at(0), extent),
            None => b.float(0.0),
        };
        let x = b.load_f32(from.at(0), extent);
        let sum = b.add(sum, x);
        b.store_f32(to.at(0), extent, sum);
    };
    b.repeat(Trips::Const((count / LANES) as u32), |b| {
        vector(b, Extent::Full);
        for pointer in before.into_iter().chain([from, to]) {
            b.step(pointer, 4 * LANES as i64, Trips::Const(1));
        }
    });
    if !count.is_multiple_of(LANES) {
        vector(&mut b, Extent::first(count % LANES));
    }
    Ok(Arc::new(b.finish()?))
}
