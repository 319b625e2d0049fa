//! Ops on indices: `iota`, `one_hot`, `argmax`.

use std::sync::Arc;

use brolga_ir::lanes::{Lane, Lanes};
use brolga_ir::{DType, Value};

use super::{index_element, operand_slots, single};
use crate::error::Result;
use crate::lower::body::{constant, load, store};
use crate::lower::copy::fill;
use crate::lower::{Body, Lowered};
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{Builder, Extent, LANES, M, TileProgram, Trips};

/// The index along an axis.
pub(super) fn iota(body: &Body<'_>, root: Value, axis: usize) -> Result<Lowered> {
    let shape = body.shape(root);
    let dtype = body.ty(root).dtype;
    let (extent, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let outer: usize = shape[..axis].iter().product();
    let size = dtype.size() as i64;
    let mut nest = NestBuilder::new("iota");
    if shape.elements() > 0 {
        let result = Affine::slot(body.operands());
        // A run has ascending numbers along the last axis, and one number along all others.
        let last = inner == 1;
        let count = if last { extent } else { inner };
        let tile = count_run(dtype, count, last)?;
        let block = Affine::from(Nest::UNIT);
        let start = result.add(&block, size * (extent * inner) as i64);
        nest.repeat(if last { 1 } else { extent }, |nest, i| {
            let to = start.clone().add(&i, size * inner as i64);
            nest.call(&tile, [to, i]);
        });
    }
    Ok(single(body, nest, outer, true))
}

/// The tile that writes `count` numbers: ascending from the argument, or all equal to it.
fn count_run(dtype: DType, count: usize, ascending: bool) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("count_{count}"));
    let (to, first) = (b.pointer("to"), b.count("first"));
    let start = b.splat(first);
    let lane = b.iota();
    let initial = if ascending { b.iadd(start, lane) } else { start };
    let number = b.variable(initial);
    let vector = |b: &mut Builder, extent: Extent| {
        let now = b.get(number);
        let lane = if dtype.is_float() { Lane::F(b.to_float(now)) } else { Lane::I(now) };
        store(b, dtype, to.at(0), extent, lane);
        let step = b.int(if ascending { LANES as i64 } else { 0 });
        let next = b.iadd(now, step);
        b.set(number, next);
    };
    b.repeat(Trips::Const((count / LANES) as u32), |b| {
        vector(b, Extent::Full);
        b.step(to, (LANES * dtype.size()) as i64, Trips::Const(1));
    });
    if !count.is_multiple_of(LANES) {
        vector(&mut b, Extent::first(count % LANES));
    }
    Ok(Arc::new(b.finish()?))
}

/// For each index a row of zeros with a one at it.
pub(super) fn one_hot(body: &Body<'_>, root: Value, depth: usize) -> Result<Lowered> {
    let slots = operand_slots(body, root)?;
    let operand = body.graph.operands(root.node)[0];
    let positions = body.shape(operand).elements();
    let dtype = body.ty(root).dtype;
    let element = body.element(root);
    let index_element = index_element(body, operand)?;
    let mut nest = NestBuilder::new("one_hot");
    if depth > 0 {
        let unit = Affine::from(Nest::UNIT);
        let size = dtype.size() as i64;
        let start = Affine::slot(body.operands()).add(&unit, size * depth as i64);
        nest.call(&fill(element, depth, 0)?, [start.clone()]);
        let address = Affine::slot(slots[0]).add(&unit, index_element.size() as i64);
        let index = nest.read(index_element, address);
        let mut b = Builder::new("one");
        let to = b.pointer("to");
        let one = constant(&mut b, dtype, 1.0);
        store(&mut b, dtype, to.at(0), Extent::First(1), one);
        let one = Arc::new(b.finish()?);
        let address = start.add(&index, size);
        nest.when(index, 0..depth, |nest| nest.call(&one, [address]), |_| {});
    }
    Ok(single(body, nest, positions, true))
}

/// The index of the first maximum along any axis.
pub(super) fn argmax(body: &Body<'_>, root: Value, axis: usize) -> Result<Lowered> {
    let slots = operand_slots(body, root)?;
    let operand = body.graph.operands(root.node)[0];
    let shape = body.shape(operand);
    let dtype = body.ty(operand).dtype;
    let (extent, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let outer: usize = shape[..axis].iter().product();
    let mut nest = NestBuilder::new("argmax");
    let size = dtype.size() as i64;
    let unit = Affine::from(Nest::UNIT);
    let from = Affine::slot(slots[0]).add(&unit, size * (extent * inner) as i64);
    let to = Affine::slot(body.operands()).add(&unit, 4 * inner as i64);
    // Vectors of adjacent elements; the elements after the last whole vector are another tile.
    let (full, rest) = (inner / LANES, inner % LANES);
    for (count, lanes, first) in [(full, LANES, 0), (usize::from(rest > 0), rest, full * LANES)] {
        if count == 0 || outer == 0 {
            continue;
        }
        let tile = first_maximum(body, dtype, extent, inner, lanes)?;
        nest.repeat(count, |nest, i| {
            let from = from.clone().plus(size * first as i64).add(&i, size * LANES as i64);
            let to = to.clone().plus(4 * first as i64).add(&i, 4 * LANES as i64);
            nest.call(&tile, [from, to]);
        });
    }
    Ok(single(body, nest, outer, true))
}

fn first_maximum(
    body: &Body<'_>,
    dtype: DType,
    extent: usize,
    inner: usize,
    lanes: usize,
) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("argmax_{extent}"));
    let (from, to) = (b.pointer("from"), b.pointer("to"));
    let lanes = Extent::first(lanes);
    let (zero, one) = (b.int(0), b.int(1));
    let (index, best_index) = (b.variable(zero), b.variable(zero));
    // Selects this element's index where `take` holds, and moves to the next.
    let advance = |b: &mut Builder, take: M| {
        let (now, chosen) = (b.get(index), b.get(best_index));
        let chosen = b.iselect(take, now, chosen);
        b.set(best_index, chosen);
        let next = b.iadd(now, one);
        b.set(index, next);
        b.step(from, (inner * dtype.size()) as i64, Trips::Const(1));
    };
    match load(&mut b, dtype, from.at(0), lanes) {
        Lane::F(first) => {
            let best = b.variable(first);
            b.repeat(Trips::Const(extent as u32), |b| {
                let Lane::F(x) = load(b, dtype, from.at(0), lanes) else { return };
                let so_far = b.get(best);
                let (not_above, number) = (b.le(x, so_far), b.eq(so_far, so_far));
                let above = b.not(not_above);
                let take = b.and(above, number);
                let next = b.select(take, x, so_far);
                b.set(best, next);
                advance(b, take);
            });
        }
        Lane::I(first) => {
            let best = b.variable(first);
            b.repeat(Trips::Const(extent as u32), |b| {
                let Lane::I(x) = load(b, dtype, from.at(0), lanes) else { return };
                let so_far = b.get(best);
                let take = b.ilt(so_far, x);
                let next = b.iselect(take, x, so_far);
                b.set(best, next);
                advance(b, take);
            });
        }
        Lane::M(_) => return Err(body.refused("`argmax` of truth values has no tiles")),
    }
    let chosen = b.get(best_index);
    b.store_i32(to.at(0), lanes, chosen);
    Ok(Arc::new(b.finish()?))
}
