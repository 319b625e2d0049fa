//! Kernels of kind `rows`: elementwise chains, with reductions along the last axes and their results broadcast back.
//!
//! The domain is cut into rows of `columns` elements: the reduced axes, or the last axes along which all operands lie alike. One tile
//! works on a row. It goes over the row once for each level of reductions, recomputing what is cheap, and a last time for the results; what
//! has one value a row stays in registers.

use std::collections::HashMap;
use std::sync::Arc;

use brolga_ir::lanes::{Lane, Lanes};
use brolga_ir::ops::Max;
use brolga_ir::{DType, Elementwise, Op, Shape, Value};

use super::body::{Body, Recorded, broadcast, load, store};
use super::{Lowered, Stage};
use crate::error::Result;
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{Builder, Extent, F, LANES, Pointer, Reduction, TileProgram, Trips, Variable};

/// Elements of a unit where rows are not the units.
const BLOCK: usize = 2048;

pub(super) fn lower(body: &Body<'_>) -> Result<Lowered> {
    Rows::new(body)?.lower()
}

/// Where a value of the body lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Space {
    /// One element for each place of the domain.
    Full,
    /// One element a row.
    Row,
}

struct Rows<'a> {
    body: &'a Body<'a>,
    domain: Shape,
    /// Axes of the domain in front of a row.
    outer: Vec<usize>,
    /// Elements of a row.
    columns: usize,
    /// How many of the domain's last axes make a row.
    row_axes: usize,
    spaces: HashMap<Value, Space>,
    /// The reductions with their level: those of level n depend on reductions below n alone.
    reductions: Vec<(Value, usize)>,
    leaves: Vec<Leaf>,
}

/// An operand with how it lies in the domain.
struct Leaf {
    value: Value,
    slot: usize,
    /// Elements between places of the domain, for each of its axes; 0 where it repeats.
    strides: Vec<usize>,
}

impl<'a> Rows<'a> {
    fn new(body: &'a Body<'a>) -> Result<Self> {
        let (domain, reduced) = domain(body)?;
        let mut rows = Self {
            body,
            outer: Vec::new(),
            columns: 0,
            row_axes: reduced,
            spaces: HashMap::new(),
            reductions: Vec::new(),
            leaves: Vec::new(),
            domain,
        };
        rows.classify()?;
        rows.place_leaves()?;
        if reduced == 0 {
            // Without reductions a row is as long as all operands lie alike; the first axis stays outside, to be shared among workers.
            let rank = rows.domain.rank();
            let mut axes = 1.min(rank);
            while axes + 1 < rank && rows.collapses(rank - axes) {
                axes += 1;
            }
            if axes + 1 == rank && rows.domain[0] == 1 && rows.collapses(1) {
                axes = rank;
            }
            rows.row_axes = axes;
        }
        let split = rows.domain.rank() - rows.row_axes;
        rows.columns = rows.domain[split..].iter().product();
        rows.outer = rows.domain[..split].to_vec();
        rows.check_rows(split)?;
        Ok(rows)
    }

    /// Whether in every operand the axis in front of `axis` continues it.
    fn collapses(&self, axis: usize) -> bool {
        self.leaves.iter().all(|leaf| {
            let (outer, inner) = (leaf.strides[axis - 1], leaf.strides[axis]);
            outer == inner * self.domain[axis] || self.domain[axis - 1] == 1
        }) && self.body.order.iter().all(|&id| {
            // These know their place along the last axis.
            !matches!(self.body.graph.node(id).op, Op::OneHot(_) | Op::Iota(_))
        })
    }

    fn classify(&mut self) -> Result<()> {
        let body = self.body;
        let mut levels: HashMap<Value, usize> = HashMap::new();
        for &id in &body.order {
            let value = Value::from(id);
            let operands = body.graph.operands(id);
            let op = body.op(value);
            let level = operands.iter().filter_map(|v| levels.get(v)).max().copied().unwrap_or(0);
            let shape = body.shape(value);
            let space = match op {
                _ if is_reduction(op) => {
                    self.reductions.push((value, level));
                    levels.insert(value, level + 1);
                    self.spaces.insert(value, Space::Row);
                    continue;
                }
                Op::Parameter(_) | Op::Constant(_) => continue,
                Op::OneHot(_) | Op::Iota(_) => Space::Full,
                // Every place of the domain, or one value a row however its shape is written.
                _ if *shape == self.domain => Space::Full,
                _ if operands.iter().any(|v| self.spaces.get(v) == Some(&Space::Full)) => {
                    return Err(body.malformed(format!(
                        "`{}` of shape {shape} is neither the domain {} nor one value a row",
                        op.name(),
                        self.domain
                    )));
                }
                _ => Space::Row,
            };
            levels.insert(value, level);
            self.spaces.insert(value, space);
        }
        Ok(())
    }

    /// The strides of every operand in the domain. An operand used beside values of one element a row may have their shape.
    fn place_leaves(&mut self) -> Result<()> {
        let body = self.body;
        for (slot, &id) in body.graph.inputs().iter().enumerate() {
            let value = Value::from(id);
            let shape = body.shape(value);
            let rank = self.domain.rank();
            let aligned = self.align(value, shape);
            let Some(aligned) = aligned else {
                return Err(body.malformed(format!(
                    "an operand of shape {shape} does not lie in the domain {}",
                    self.domain
                )));
            };
            let own = aligned.strides();
            let strides: Vec<usize> =
                (0..rank).map(|axis| if aligned[axis] == 1 { 0 } else { own[axis] }).collect();
            self.leaves.push(Leaf { value, slot, strides });
        }
        Ok(())
    }

    /// The operand's shape with the domain's rank.
    fn align(&self, value: Value, shape: &Shape) -> Option<Shape> {
        let rank = self.domain.rank();
        let split = rank - self.row_axes;
        let by_row = self.row_axes > 0
            && self.body.graph.uses_of(value).iter().all(|&(user, _)| {
                let user = Value::from(user);
                matches!(self.body.op(user), Op::OneHot(_))
                    || (self.spaces.get(&user) == Some(&Space::Row)
                        && !is_reduction(self.body.op(user)))
            });
        let by_row = by_row
            && shape.rank() <= split
            && shape.broadcasts_to(&Shape::from(&self.domain[..split]));
        let mut dims = vec![1; rank];
        if by_row {
            dims[split - shape.rank()..split].copy_from_slice(shape);
        } else {
            dims.get_mut(rank.checked_sub(shape.rank())?..)?.copy_from_slice(shape);
        }
        let aligned = Shape::from(dims);
        aligned.broadcasts_to(&self.domain).then_some(aligned)
    }

    /// Along a row every operand must be one element after the other, or the same.
    fn check_rows(&self, split: usize) -> Result<()> {
        for leaf in &self.leaves {
            let axes = split..self.domain.rank();
            let extents = |axis: &usize| self.domain[*axis] > 1;
            let constant = axes.clone().filter(extents).all(|axis| leaf.strides[axis] == 0);
            let mut step = 1;
            let contiguous = axes.rev().all(|axis| {
                let fits = self.domain[axis] == 1 || leaf.strides[axis] == step;
                step *= self.domain[axis];
                fits
            });
            if !constant && !contiguous {
                return Err(self
                    .body
                    .malformed("an operand repeats within a row that is reduced as a whole"));
            }
        }
        Ok(())
    }

    /// Whether an operand lies along the row, one element after the other; else it has one value a row.
    fn is_along(&self, leaf: &Leaf, split: usize) -> bool {
        (split..self.domain.rank()).any(|axis| self.domain[axis] > 1 && leaf.strides[axis] != 0)
    }

    fn lower(&self) -> Result<Lowered> {
        let split = self.outer.len();
        let rows: usize = self.outer.iter().product();
        let mut nest = NestBuilder::new("rows");
        let units = self.outer.first().copied().unwrap_or(1);
        // A single long row without reductions is cut into blocks.
        let blocks =
            rows == 1 && self.reductions.is_empty() && self.columns > BLOCK && self.row_uniform();
        let (units, parted) =
            if blocks { (self.columns.div_ceil(BLOCK), false) } else { (units, true) };
        if blocks {
            let (full, rest) = (self.columns / BLOCK, self.columns % BLOCK);
            let unit = Affine::from(Nest::UNIT);
            let whole = self.tile(BLOCK)?;
            let tail = if rest > 0 { Some(self.tile(rest)?) } else { None };
            let args = self.block_args(split, &unit);
            nest.when(
                unit,
                0..full,
                |nest| nest.call(&whole, args.clone()),
                |nest| tail.iter().for_each(|tile| nest.call(tile, args.clone())),
            );
        } else {
            let tile = self.tile(self.columns)?;
            let mut indices =
                vec![if self.outer.is_empty() { Affine::number(0) } else { Nest::UNIT.into() }];
            self.loops(&mut nest, split, &tile, &mut indices);
        }
        let first = self.domain.first().copied().unwrap_or(1);
        let (reads, writes) = self.body.touches(|slot| {
            if !parted || units != first {
                return false;
            }
            match self.leaves.iter().find(|leaf| leaf.slot == slot) {
                Some(leaf) => leaf.strides.first().is_some_and(|&s| s > 0) && split > 0,
                None => split > 0,
            }
        });
        let flops = (self.domain.elements() * self.body.order.len()) as u64;
        let stage = Stage { nest: nest.finish(), units, reads, writes, flops };
        let in_place = if self.reductions.is_empty() { self.in_place() } else { Vec::new() };
        Ok(Lowered { stages: vec![stage], workspace: 0, scratch: 0, in_place })
    }

    /// Whether places along the row differ in their operands alone.
    fn row_uniform(&self) -> bool {
        self.body
            .order
            .iter()
            .all(|&id| !matches!(self.body.graph.node(id).op, Op::OneHot(_) | Op::Iota(_)))
    }

    /// Results may replace operands that are read at the same place, and before.
    fn in_place(&self) -> Vec<(usize, usize)> {
        let body = self.body;
        let mut pairs = Vec::new();
        for (value, slot) in body.results() {
            for leaf in &self.leaves {
                if body.ty(leaf.value) == body.ty(value) && *body.shape(value) == self.domain {
                    pairs.push((slot - body.operands(), leaf.slot));
                }
            }
        }
        pairs
    }

    fn loops(
        &self,
        nest: &mut NestBuilder,
        split: usize,
        tile: &Arc<TileProgram>,
        indices: &mut Vec<Affine>,
    ) {
        if indices.len() >= split {
            let args = self.row_args(split, indices);
            nest.call(tile, args);
            return;
        }
        let extent = self.outer[indices.len()];
        let mut indices = indices.clone();
        nest.repeat(extent, |nest, i| {
            indices.push(i);
            self.loops(nest, split, tile, &mut indices);
        });
    }

    fn row_args(&self, split: usize, indices: &[Affine]) -> Vec<Affine> {
        let body = self.body;
        let mut args = Vec::new();
        for leaf in &self.leaves {
            let size = body.ty(leaf.value).dtype.size();
            let mut start = Affine::slot(leaf.slot);
            for axis in 0..split {
                start = start.add(&indices[axis], (leaf.strides[axis] * size) as i64);
            }
            args.push(start);
        }
        let rows = Shape::from(&self.outer[..]).strides();
        for (value, slot) in body.results() {
            let size = body.ty(value).dtype.size();
            let elements = if self.space(value) == Space::Full { self.columns } else { 1 };
            let mut start = Affine::slot(slot);
            for axis in 0..split {
                start = start.add(&indices[axis], (rows[axis] * elements * size) as i64);
            }
            args.push(start);
        }
        args
    }

    fn block_args(&self, split: usize, unit: &Affine) -> Vec<Affine> {
        let body = self.body;
        let leaves = self.leaves.iter().map(|leaf| {
            let size = body.ty(leaf.value).dtype.size();
            let step = if self.is_along(leaf, split) { BLOCK * size } else { 0 };
            Affine::slot(leaf.slot).add(unit, step as i64)
        });
        let results = body.results().map(|(value, slot)| {
            Affine::slot(slot).add(unit, (BLOCK * body.ty(value).dtype.size()) as i64)
        });
        leaves.chain(results).collect()
    }

    fn space(&self, value: Value) -> Space {
        self.spaces.get(&value).copied().unwrap_or_else(|| {
            if *self.body.shape(value) == self.domain { Space::Full } else { Space::Row }
        })
    }

    /// The tile for one row of so many elements.
    fn tile(&self, columns: usize) -> Result<Arc<TileProgram>> {
        let body = self.body;
        let mut b = Builder::new(body.name());
        let inputs: Vec<Pointer> =
            (0..self.leaves.len()).map(|i| b.pointer(format!("in{i}"))).collect();
        let outputs: Vec<Pointer> =
            (0..body.results().count()).map(|i| b.pointer(format!("out{i}"))).collect();
        let mut row = Row { rows: self, inputs, outputs, known: Recorded::new(), columns };
        let levels = self.reductions.iter().map(|(_, level)| level + 1).max().unwrap_or(0);
        for level in 0..levels {
            row.reduce(&mut b, level)?;
        }
        row.finish(&mut b)?;
        Ok(Arc::new(b.finish()?))
    }
}

/// The state of writing a row's tile.
struct Row<'a> {
    rows: &'a Rows<'a>,
    inputs: Vec<Pointer>,
    outputs: Vec<Pointer>,
    /// What has one value a row, recorded outside of all loops.
    known: Recorded,
    columns: usize,
}

/// What a reduction does with its lanes.
enum Accumulator {
    Sum(Variable<F>),
    Max(Variable<F>),
    /// The maximum of the negated values.
    Min(Variable<F>),
    /// The maximum, and then, in a pass of its own, its first place.
    ArgMax(Variable<F>),
}

impl Row<'_> {
    /// One pass over the row: all reductions of a level.
    fn reduce(&mut self, b: &mut Builder, level: usize) -> Result<()> {
        let rows = self.rows;
        let mine: Vec<Value> =
            rows.reductions.iter().filter(|(_, l)| *l == level).map(|(v, _)| *v).collect();
        let mut accumulators = Vec::new();
        for &value in &mine {
            let accumulator = match rows.body.op(value) {
                Op::ReduceSum(_) | Op::ReduceMean(_) => {
                    let zero = b.float(0.0);
                    Accumulator::Sum(b.variable(zero))
                }
                op => {
                    let low = b.float(f64::NEG_INFINITY);
                    let variable = b.variable(low);
                    match op {
                        Op::ReduceMax(_) => Accumulator::Max(variable),
                        Op::ReduceMin(_) => Accumulator::Min(variable),
                        _ => Accumulator::ArgMax(variable),
                    }
                }
            };
            accumulators.push(accumulator);
        }
        self.pass(b, &mut |row, b, recorded, place, extent| {
            for (&value, accumulator) in mine.iter().zip(&accumulators) {
                let operand = row.rows.body.graph.operands(value.node)[0];
                let Lane::F(x) = row.full(b, recorded, operand, place, extent)? else {
                    let dtype = row.rows.body.ty(operand).dtype;
                    return Err(row
                        .rows
                        .body
                        .malformed(format!("a reduction of {dtype} has no native code")));
                };
                let (Accumulator::Sum(variable)
                | Accumulator::Max(variable)
                | Accumulator::Min(variable)
                | Accumulator::ArgMax(variable)) = accumulator;
                let acc = b.get(*variable);
                let next = match accumulator {
                    Accumulator::Sum(_) => b.add(acc, x),
                    Accumulator::Max(_) | Accumulator::ArgMax(_) => max(b, acc, x),
                    Accumulator::Min(_) => {
                        let x = b.neg(x);
                        max(b, acc, x)
                    }
                };
                let next = keep_outside(b, extent, next, acc);
                b.set(*variable, next);
            }
            Ok(())
        })?;
        for (value, accumulator) in mine.into_iter().zip(accumulators) {
            let lane = self.result(b, value, &accumulator)?;
            self.known.insert(value, lane);
        }
        Ok(())
    }

    /// The value of a reduction after its pass, in every lane.
    fn result(
        &mut self,
        b: &mut Builder,
        value: Value,
        accumulator: &Accumulator,
    ) -> Result<Lane<Builder>> {
        let body = self.rows.body;
        Ok(match accumulator {
            Accumulator::Sum(variable) => {
                let lanes = b.get(*variable);
                let sum = b.reduce(Reduction::Sum, lanes);
                Lane::F(match body.op(value) {
                    Op::ReduceMean(_) => {
                        let count = b.float(self.rows.columns as f64);
                        b.div(sum, count)
                    }
                    _ => sum,
                })
            }
            Accumulator::Max(variable) => {
                let lanes = b.get(*variable);
                Lane::F(b.reduce(Reduction::Max, lanes))
            }
            Accumulator::Min(variable) => {
                let lanes = b.get(*variable);
                let negated = b.reduce(Reduction::Max, lanes);
                Lane::F(b.neg(negated))
            }
            Accumulator::ArgMax(variable) => {
                let lanes = b.get(*variable);
                let maximum = b.reduce(Reduction::Max, lanes);
                Lane::I(self.first_place(b, value, maximum)?)
            }
        })
    }

    /// The first place of the row that holds the maximum, or NaN if that is it: places are counted in floats, which are exact up to 2²⁴.
    fn first_place(&mut self, b: &mut Builder, value: Value, maximum: F) -> Result<crate::tile::I> {
        let body = self.rows.body;
        if self.columns > 1 << 24 {
            return Err(body.malformed("`argmax` along more than 2^24 elements has no native code"));
        }
        let operand = body.graph.operands(value.node)[0];
        let low = b.float(f64::NEG_INFINITY);
        let best = b.variable(low);
        let zero = b.int(0);
        let base = b.variable(zero);
        let is_nan = b.is_nan(maximum);
        self.pass(b, &mut |row, b, recorded, place, extent| {
            let Lane::F(x) = row.full(b, recorded, operand, place, extent)? else {
                return Err(row.rows.body.malformed("`argmax` of integers has no native code"));
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

    /// The last pass: results that have an element for each place; then those that have one a row.
    fn finish(&mut self, b: &mut Builder) -> Result<()> {
        let rows = self.rows;
        let results: Vec<(usize, Value)> =
            rows.body.results().map(|(v, _)| v).enumerate().collect();
        let full: Vec<(usize, Value)> =
            results.iter().copied().filter(|(_, v)| rows.space(*v) == Space::Full).collect();
        if !full.is_empty() {
            self.pass(b, &mut |row, b, recorded, place, extent| {
                let mut lanes = Vec::new();
                for &(_, value) in &full {
                    lanes.push(row.full(b, recorded, value, place, extent)?);
                }
                for (&(index, value), lane) in full.iter().zip(lanes) {
                    let dtype = row.rows.body.ty(value).dtype;
                    let address = row.outputs[index].at((place * dtype.size()) as i32);
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

    /// Writes `visit` for every vector of the row: its first place (counted from the pointers) and its lanes. Short rows are written out,
    /// long ones are a loop that moves the pointers and takes them back.
    fn pass(
        &mut self,
        b: &mut Builder,
        visit: &mut dyn FnMut(&mut Self, &mut Builder, &mut Recorded, usize, Extent) -> Result<()>,
    ) -> Result<()> {
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
        for place in (0..written).step_by(LANES) {
            visit(self, b, &mut self.known.clone(), place, Extent::Full)?;
        }
        if rest > 0 {
            visit(self, b, &mut self.known.clone(), written, Extent::first(rest))?;
        }
        self.step(b, -((looped * LANES) as i64));
        Ok(())
    }

    /// Moves the pointers of everything that lies along the row.
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

    /// Records what has one value a row and can be known now, so that loops find it.
    fn hoist(&mut self, b: &mut Builder) -> Result<()> {
        let rows = self.rows;
        for &id in &rows.body.order {
            let value = Value::from(id);
            if !self.known.contains_key(&value) && self.is_row_value(value) {
                self.row_value(b, value)?;
            }
        }
        Ok(())
    }

    /// Whether the value is one a row and all reductions it needs are known.
    fn is_row_value(&self, value: Value) -> bool {
        let rows = self.rows;
        if self.known.contains_key(&value) {
            return true;
        }
        if let Some(leaf) = rows.leaves.iter().find(|leaf| leaf.value == value) {
            return !rows.is_along(leaf, rows.outer.len());
        }
        let op = rows.body.op(value);
        rows.body.splat(value).is_some()
            || (!is_reduction(op)
                && !matches!(op, Op::Parameter(_) | Op::Constant(_) | Op::Iota(_) | Op::OneHot(_))
                && rows.body.graph.operands(value.node).iter().all(|&v| self.is_row_value(v)))
    }

    /// Records a value that is one a row.
    fn row_value(&mut self, b: &mut Builder, value: Value) -> Result<Lane<Builder>> {
        let (rows, inputs) = (self.rows, &self.inputs);
        let mut leaf = |b: &mut Builder, value: Value| {
            let index = rows.leaves.iter().position(|leaf| leaf.value == value)?;
            Some(broadcast(b, rows.body.ty(value).dtype, inputs[index].at(0)))
        };
        rows.body.record(b, &mut self.known, value, &mut leaf)
    }

    /// Records a value at a vector of places.
    fn full(
        &self,
        b: &mut Builder,
        recorded: &mut Recorded,
        value: Value,
        place: usize,
        extent: Extent,
    ) -> Result<Lane<Builder>> {
        let rows = self.rows;
        let one_hot = self.one_hots(b, recorded, place)?;
        let mut leaf = |b: &mut Builder, value: Value| {
            if let Some((_, lane)) = one_hot.iter().find(|(own, _)| *own == value) {
                return Some(*lane);
            }
            let index = rows.leaves.iter().position(|leaf| leaf.value == value)?;
            let dtype = rows.body.ty(value).dtype;
            let address = self.inputs[index].at((place * dtype.size()) as i32);
            Some(load(b, dtype, address, extent))
        };
        rows.body.record(b, recorded, value, &mut leaf)
    }

    /// One-hot vectors and counts along the last axis; rows with them are short enough to be written out, or counted here.
    fn one_hots(
        &self,
        b: &mut Builder,
        recorded: &Recorded,
        place: usize,
    ) -> Result<Vec<(Value, Lane<Builder>)>> {
        let body = self.rows.body;
        let mut lanes = Vec::new();
        for &id in &body.order {
            let value = Value::from(id);
            let op = body.op(value);
            if !matches!(op, Op::OneHot(_) | Op::Iota(_)) || recorded.contains_key(&value) {
                continue;
            }
            if self.columns / LANES > 4 {
                return Err(body.malformed(format!(
                    "`{}` along more than 79 columns is no part of a row",
                    op.name()
                )));
            }
            let (first, lane) = (b.int(place as i64), b.iota());
            let index = b.iadd(first, lane);
            let lane = match op {
                Op::OneHot(_) => {
                    let hot = body.graph.operands(id)[0];
                    let Some(Lane::I(hot)) = recorded.get(&hot).copied() else {
                        return Err(
                            body.malformed("a one-hot vector of what is not one index a row")
                        );
                    };
                    let equal = b.ieq(index, hot);
                    match body.ty(value).dtype {
                        DType::F32 => {
                            let (one, zero) = (b.float(1.0), b.float(0.0));
                            Lane::F(b.select(equal, one, zero))
                        }
                        DType::Bool => Lane::M(equal),
                        _ => Lane::I(b.mask_to_int(equal)),
                    }
                }
                _ if body.ty(value).dtype == DType::F32 => Lane::F(b.to_float(index)),
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

/// Lanes outside the extent keep what they had.
fn keep_outside(b: &mut Builder, extent: Extent, new: F, old: F) -> F {
    if extent == Extent::Full {
        return new;
    }
    let inside = b.first_lanes(extent);
    b.select(inside, new, old)
}

fn is_reduction(op: &Op) -> bool {
    matches!(
        op,
        Op::ReduceSum(_) | Op::ReduceMean(_) | Op::ReduceMax(_) | Op::ReduceMin(_) | Op::Argmax(_)
    )
}

/// The shape over which a body works, and how many of its last axes are reduced.
fn domain(body: &Body<'_>) -> Result<(Shape, usize)> {
    let mut found: Option<(Shape, usize)> = None;
    for &id in &body.order {
        let op = &body.graph.node(id).op;
        let axes: Vec<usize> = match op {
            Op::ReduceSum(op) => op.axes.to_vec(),
            Op::ReduceMean(op) => op.axes.to_vec(),
            Op::ReduceMax(op) => op.axes.to_vec(),
            Op::ReduceMin(op) => op.axes.to_vec(),
            Op::Argmax(op) => vec![op.axis],
            _ => continue,
        };
        let shape = body.shape(body.graph.operands(id)[0]);
        let trailing =
            axes.iter().rev().zip((0..shape.rank()).rev()).all(|(axis, last)| *axis == last);
        match &found {
            _ if !trailing || axes.is_empty() => {
                return Err(body.malformed(format!(
                    "`{}` over axes {axes:?} of {shape} is not along rows",
                    op.name()
                )));
            }
            Some((domain, reduced)) if domain != shape || *reduced != axes.len() => {
                return Err(body.malformed("the reductions have different rows"));
            }
            _ => found = Some((shape.clone(), axes.len())),
        }
    }
    if let Some(found) = found {
        return Ok(found);
    }
    let outputs = body.graph.outputs();
    let Some(first) = outputs.first() else {
        return Err(body.malformed("a kernel without results"));
    };
    let shape = body.shape(first.value);
    if outputs.iter().any(|o| body.shape(o.value) != shape) {
        return Err(body.malformed("the results have different shapes"));
    }
    // A scalar is a domain of one place.
    Ok((if shape.rank() == 0 { Shape::from([1]) } else { shape.clone() }, 0))
}
