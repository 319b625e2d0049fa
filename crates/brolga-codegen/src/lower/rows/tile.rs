//! The tile of one row: a pass for each level of reductions, and one for the results.

use brolga_ir::lanes::{Lane, Lanes};
use brolga_ir::op::{Combine, Family};
use brolga_ir::ops::Max;
use brolga_ir::{DType, Elementwise, NodeId, Op, Value};
use rustc_hash::FxHashSet;

use super::{Rows, Space, is_reduction};
use crate::error::Result;
use crate::lower::body::{Recorded, broadcast, load, round, store};
use crate::tile::{Builder, Extent, F, I, LANES, Pointer, Reduction, Trips, Variable};

/// A visitor of a vector of elements: the values recorded there, the offset of the first element
/// from the pointers, the lanes.
type Visit<'a, R> =
    dyn FnMut(&mut R, &mut Builder, &mut Recorded, usize, Extent) -> Result<()> + 'a;

/// The state of writing a row's tile.
pub(super) struct Row<'a> {
    pub(super) rows: &'a Rows<'a>,
    pub(super) inputs: Vec<Pointer>,
    pub(super) outputs: Vec<Pointer>,
    /// Values with one element for each row, recorded outside of all loops.
    pub(super) known: Recorded,
    pub(super) columns: usize,
}

/// A reduction and its lanes so far; for a minimum, the maximum of the negated values.
struct Accumulator {
    value: Value,
    combine: Combine,
    lanes: Variable<F>,
}

impl Row<'_> {
    /// One pass over the row: all reductions of a level.
    pub(super) fn reduce(&mut self, b: &mut Builder, level: usize) -> Result<()> {
        let rows = self.rows;
        let mine = rows.reductions.iter().filter(|(.., of)| *of == level);
        let accumulators: Vec<Accumulator> = mine
            .map(|&(value, combine, _)| {
                let identity = b.float(match combine {
                    Combine::Sum | Combine::Mean => 0.0,
                    Combine::Max | Combine::Min | Combine::Argmax => f64::NEG_INFINITY,
                });
                Accumulator { value, combine, lanes: b.variable(identity) }
            })
            .collect();
        self.pass(b, &mut |row, b, recorded, first, extent| {
            for accumulator in &accumulators {
                let operand = row.rows.body.graph.operands(accumulator.value.node)[0];
                let Lane::F(x) = row.full(b, recorded, operand, first, extent)? else {
                    unreachable!("reductions are of floats")
                };
                let acc = b.get(accumulator.lanes);
                let next = match accumulator.combine {
                    Combine::Sum | Combine::Mean => b.add(acc, x),
                    Combine::Max | Combine::Argmax => max(b, acc, x),
                    Combine::Min => {
                        let x = b.neg(x);
                        max(b, acc, x)
                    }
                };
                let next = keep_outside(b, extent, next, acc);
                b.set(accumulator.lanes, next);
            }
            Ok(())
        })?;
        for accumulator in accumulators {
            let lane = self.result(b, &accumulator)?;
            let lane = round(b, rows.body.ty(accumulator.value).dtype, lane);
            self.known.insert(accumulator.value, lane);
        }
        Ok(())
    }

    /// The value of a reduction after its pass, in every lane.
    fn result(&mut self, b: &mut Builder, accumulator: &Accumulator) -> Result<Lane<Builder>> {
        let lanes = b.get(accumulator.lanes);
        Ok(match accumulator.combine {
            Combine::Sum => Lane::F(b.reduce(Reduction::Sum, lanes)),
            Combine::Mean => {
                let sum = b.reduce(Reduction::Sum, lanes);
                let count = b.float(self.rows.columns as f64);
                Lane::F(b.div(sum, count))
            }
            Combine::Max => Lane::F(b.reduce(Reduction::Max, lanes)),
            Combine::Min => {
                let negated = b.reduce(Reduction::Max, lanes);
                Lane::F(b.neg(negated))
            }
            Combine::Argmax => {
                let maximum = b.reduce(Reduction::Max, lanes);
                Lane::I(self.first_index(b, accumulator.value, maximum)?)
            }
        })
    }

    /// The first index of the row's maximum, which may be NaN. Indices are floats, which are exact
    /// up to 2²⁴.
    fn first_index(&mut self, b: &mut Builder, value: Value, maximum: F) -> Result<I> {
        let body = self.rows.body;
        if self.columns > 1 << 24 {
            return Err(body.refused("`argmax` counts at most 2^24 elements in floats"));
        }
        let operand = body.graph.operands(value.node)[0];
        let low = b.float(f64::NEG_INFINITY);
        let best = b.variable(low);
        let zero = b.int(0);
        let base = b.variable(zero);
        let is_nan = b.is_nan(maximum);
        self.pass(b, &mut |row, b, recorded, first, extent| {
            let Lane::F(x) = row.full(b, recorded, operand, first, extent)? else {
                unreachable!("reductions are of floats")
            };
            let (equal, nan) = (b.eq(x, maximum), b.is_nan(x));
            let nan = b.and(nan, is_nan);
            let hit = b.or(equal, nan);
            let (start, lane, step) = (b.get(base), b.iota(), b.int(LANES as i64));
            let index = b.iadd(start, lane);
            let index = b.to_float(index);
            let index = b.neg(index);
            let low = b.float(f64::NEG_INFINITY);
            let candidate = b.select(hit, index, low);
            let acc = b.get(best);
            let next = max(b, acc, candidate);
            let next = keep_outside(b, extent, next, acc);
            b.set(best, next);
            let start = b.iadd(start, step);
            b.set(base, start);
            Ok(())
        })?;
        let lanes = b.get(best);
        let negated = b.reduce(Reduction::Max, lanes);
        let index = b.neg(negated);
        Ok(b.to_int(index))
    }

    /// The last pass: results with an element for each of the row, then those with one for each
    /// row.
    pub(super) fn finish(&mut self, b: &mut Builder) -> Result<()> {
        let rows = self.rows;
        // Results may overwrite operands, so those with one value for each row are read before any
        // result is written.
        self.hoist(b)?;
        let results: Vec<(usize, Value)> =
            rows.body.results().map(|(v, _)| v).enumerate().collect();
        let full: Vec<(usize, Value)> =
            results.iter().copied().filter(|(_, v)| rows.space(*v) == Space::Full).collect();
        if !full.is_empty() {
            self.pass(b, &mut |row, b, recorded, first, extent| {
                let mut lanes = Vec::new();
                for &(_, value) in &full {
                    lanes.push(row.full(b, recorded, value, first, extent)?);
                }
                for (&(index, value), lane) in full.iter().zip(lanes) {
                    let dtype = row.rows.body.ty(value).dtype;
                    let address = row.outputs[index].at((first * dtype.size()) as i64);
                    store(b, dtype, address, extent, lane);
                }
                Ok(())
            })?;
        }
        for (index, value) in results {
            if rows.space(value) == Space::Row {
                let lane = self.row_value(b, value)?;
                let dtype = rows.body.ty(value).dtype;
                store(b, dtype, self.outputs[index].at(0), Extent::First(1), lane);
            }
        }
        Ok(())
    }

    /// Writes `visit` for every vector of the row, given the offset of its first element from the
    /// pointers, and its lanes. Short rows are unrolled; long ones are a loop, after which the
    /// pointers move back.
    fn pass(&mut self, b: &mut Builder, visit: &mut Visit<'_, Self>) -> Result<()> {
        const UNROLLED: usize = 4;
        self.hoist(b)?;
        let (vectors, rest) = (self.columns / LANES, self.columns % LANES);
        let looped = if vectors > UNROLLED { vectors } else { 0 };
        if looped > 0 {
            let mut result = Ok(());
            b.repeat(Trips::Const(looped as u32), |b| {
                result = visit(self, b, &mut self.known.clone(), 0, Extent::Full);
                self.step(b, LANES as i64);
            });
            result?;
        }
        let written = (vectors - looped) * LANES;
        for first in (0..written).step_by(LANES) {
            visit(self, b, &mut self.known.clone(), first, Extent::Full)?;
        }
        if rest > 0 {
            visit(self, b, &mut self.known.clone(), written, Extent::first(rest))?;
        }
        self.step(b, -((looped * LANES) as i64));
        Ok(())
    }

    /// Moves the pointers of all tensors with elements along the row.
    fn step(&self, b: &mut Builder, elements: i64) {
        let rows = self.rows;
        let split = rows.outer.len();
        for (leaf, &pointer) in rows.leaves.iter().zip(&self.inputs) {
            if rows.is_along(leaf, split) {
                let size = rows.body.ty(leaf.value).dtype.size() as i64;
                b.step(pointer, elements * size, Trips::Const(1));
            }
        }
        for ((value, _), &pointer) in rows.body.results().zip(&self.outputs) {
            if rows.space(value) == Space::Full {
                let size = rows.body.ty(value).dtype.size() as i64;
                b.step(pointer, elements * size, Trips::Const(1));
            }
        }
    }

    /// Records the values with one element for each row that can be computed now, so that loops
    /// find them.
    fn hoist(&mut self, b: &mut Builder) -> Result<()> {
        let rows = self.rows;
        // The values with one element for each row that need no unknown reduction.
        let mut by_row: FxHashSet<NodeId> = FxHashSet::default();
        for &id in &rows.body.order {
            let value = Value::from(id);
            let known = self.known.contains_key(&value);
            if known || self.is_row_value(value, &by_row) {
                by_row.insert(id);
                if !known {
                    self.row_value(b, value)?;
                }
            }
        }
        Ok(())
    }

    /// Whether a value has one element for each row and can be computed; `by_row` are such nodes
    /// before it.
    fn is_row_value(&self, value: Value, by_row: &FxHashSet<NodeId>) -> bool {
        let rows = self.rows;
        if let Some(slot) = rows.body.input_slot(value) {
            return !rows.is_along(&rows.leaves[slot], rows.outer.len());
        }
        let op = rows.body.op(value);
        rows.body.splat(value).is_some()
            || (!is_reduction(op)
                && !matches!(op.family(), Family::Source | Family::Indices)
                && rows.body.graph.producers(value.node).all(|id| by_row.contains(&id)))
    }

    /// Records a value with one element for each row.
    fn row_value(&mut self, b: &mut Builder, value: Value) -> Result<Lane<Builder>> {
        let (rows, inputs) = (self.rows, &self.inputs);
        let mut leaf = |b: &mut Builder, value: Value| {
            let index = rows.body.input_slot(value)?;
            Some(broadcast(b, rows.body.ty(value).dtype, inputs[index].at(0)))
        };
        rows.body.record(b, &mut self.known, value, &mut leaf)
    }

    /// Records a value at a vector of elements.
    fn full(
        &self,
        b: &mut Builder,
        recorded: &mut Recorded,
        value: Value,
        first: usize,
        extent: Extent,
    ) -> Result<Lane<Builder>> {
        let rows = self.rows;
        let one_hot = self.one_hots(b, recorded, first)?;
        let mut leaf = |b: &mut Builder, value: Value| {
            if let Some((_, lane)) = one_hot.iter().find(|(own, _)| *own == value) {
                return Some(*lane);
            }
            let index = rows.body.input_slot(value)?;
            let dtype = rows.body.ty(value).dtype;
            let address = self.inputs[index].at((first * dtype.size()) as i64);
            Some(load(b, dtype, address, extent))
        };
        rows.body.record(b, recorded, value, &mut leaf)
    }

    /// One-hot vectors and `iota` along the last axis, in rows that are short enough to be
    /// unrolled.
    fn one_hots(
        &self,
        b: &mut Builder,
        recorded: &Recorded,
        first: usize,
    ) -> Result<Vec<(Value, Lane<Builder>)>> {
        let body = self.rows.body;
        let mut lanes = Vec::new();
        for &id in &body.order {
            let value = Value::from(id);
            let op = body.op(value);
            if op.family() != Family::Indices || recorded.contains_key(&value) {
                continue;
            }
            if self.columns / LANES > 4 {
                return Err(body.refused(format!(
                    "`{}` along more than 79 columns is no part of a row",
                    op.name()
                )));
            }
            let (first, lane) = (b.int(first as i64), b.iota());
            let index = b.iadd(first, lane);
            let lane = match op {
                Op::OneHot(_) => {
                    let hot = body.graph.operands(id)[0];
                    let Some(Lane::I(hot)) = recorded.get(&hot).copied() else {
                        return Err(body.refused(
                            "a one-hot vector of a value that is not one index for each row",
                        ));
                    };
                    let equal = b.ieq(index, hot);
                    match body.ty(value).dtype {
                        dtype if dtype.is_float() => {
                            let (one, zero) = (b.float(1.0), b.float(0.0));
                            Lane::F(b.select(equal, one, zero))
                        }
                        DType::Bool => Lane::M(equal),
                        _ => Lane::I(b.mask_to_int(equal)),
                    }
                }
                _ if body.ty(value).dtype.is_float() => {
                    let index = b.to_float(index);
                    round(b, body.ty(value).dtype, Lane::F(index))
                }
                _ => Lane::I(index),
            };
            lanes.push((value, lane));
        }
        Ok(lanes)
    }
}

fn max(b: &mut Builder, a: F, x: F) -> F {
    match Max.emit(b, &[Lane::F(a), Lane::F(x)]) {
        Lane::F(result) => result,
        _ => a,
    }
}

/// The new lanes inside the extent, and the old ones outside.
fn keep_outside(b: &mut Builder, extent: Extent, new: F, old: F) -> F {
    if extent == Extent::Full {
        return new;
    }
    let inside = b.first_lanes(extent);
    b.select(inside, new, old)
}
