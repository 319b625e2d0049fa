//! Kernels of kind `rows`: elementwise chains with reductions along the last axes, whose results
//! may broadcast back.
//!
//! The domain is cut into rows of `columns` elements: the reduced axes or, without reductions, the
//! last axes along which all operands are contiguous or constant. One tile computes a row. It
//! passes over the row once for each level of reductions, recomputing elementwise values, and a
//! last time for the results. Values with one element for each row stay in registers.

mod tile;

use std::sync::Arc;

use brolga_ir::op::{Combine, Family};
use brolga_ir::{DType, Op, Shape, Value};
use rustc_hash::FxHashMap;

use self::tile::Row;
use super::body::{Body, Recorded};
use super::{Lowered, Stage};
use crate::error::Result;
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{Builder, Pointer, TileProgram};

/// The element types that are reduced.
const TYPES: &[DType] = &[DType::F32, DType::BF16, DType::F16];

/// The elements of a unit if units are not rows.
const BLOCK: usize = 2048;

/// Elements of a row with which going from row to row takes longer than the row.
const NARROW: usize = 64;

/// Elements from which on that matters more than a barrier: blocks are not the lanes of rows.
const MANY: usize = 4 * BLOCK;

pub(super) fn lower(body: &Body<'_>) -> Result<Lowered> {
    Rows::new(body)?.lower()
}

/// The part of the domain that a value of the body has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Space {
    /// An element for each of the domain.
    Full,
    /// An element for each row.
    Row,
}

struct Rows<'a> {
    body: &'a Body<'a>,
    domain: Shape,
    /// The extents of the axes before a row.
    outer: Vec<usize>,
    /// The number of elements of a row.
    columns: usize,
    /// The number of the domain's last axes that make a row.
    row_axes: usize,
    spaces: FxHashMap<Value, Space>,
    /// The reductions with their levels: those of level n depend only on reductions of lower
    /// levels.
    reductions: Vec<(Value, Combine, usize)>,
    leaves: Vec<Leaf>,
}

/// An operand with its strides in the domain.
struct Leaf {
    value: Value,
    slot: usize,
    /// Elements from one index to the next, for each of its axes; 0 where it repeats.
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
            spaces: FxHashMap::default(),
            reductions: Vec::new(),
            leaves: Vec::new(),
            domain,
        };
        rows.classify()?;
        rows.find_leaves()?;
        if reduced == 0 {
            // Without reductions, a row has as many axes as collapse in all operands; the first
            // axis stays outside, so that workers can divide it.
            let rank = rows.domain.rank();
            let mut axes = 1.min(rank);
            while axes + 1 < rank && rows.collapses(rank - axes) {
                axes += 1;
            }
            if axes + 1 == rank && rows.is_one(axes) && rows.collapses(1) {
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

    /// Whether all of the domain is better one row, if its rows of so many axes follow each other.
    fn is_one(&self, axes: usize) -> bool {
        let elements = self.domain.elements();
        let columns: usize = self.domain[self.domain.rank() - axes..].iter().product();
        self.domain[0] == 1 || columns < NARROW && elements >= MANY
    }

    /// Whether in every operand the axis before `axis` continues it.
    fn collapses(&self, axis: usize) -> bool {
        self.leaves.iter().all(|leaf| {
            let (outer, inner) = (leaf.strides[axis - 1], leaf.strides[axis]);
            outer == inner * self.domain[axis] || self.domain[axis - 1..=axis].contains(&1)
        }) && self.body.order.iter().all(|&id| {
            // These depend on the index along the last axis.
            self.body.graph.node(id).op.family() != Family::Indices
        })
    }

    fn classify(&mut self) -> Result<()> {
        let body = self.body;
        let mut levels: FxHashMap<Value, usize> = FxHashMap::default();
        for &id in &body.order {
            let value = Value::from(id);
            let operands = body.graph.operands(id);
            let op = body.op(value);
            let level = operands.iter().filter_map(|v| levels.get(v)).max().copied().unwrap_or(0);
            let shape = body.shape(value);
            let space = match op.family() {
                Family::Reduction { combine, .. } => {
                    body.expect_types(value, TYPES)?;
                    self.reductions.push((value, combine, level));
                    levels.insert(value, level + 1);
                    self.spaces.insert(value, Space::Row);
                    continue;
                }
                Family::Source => continue,
                Family::Indices => Space::Full,
                // The domain's shape, or one value for each row in any shape.
                _ if *shape == self.domain => Space::Full,
                _ if operands.iter().any(|v| self.spaces.get(v) == Some(&Space::Full)) => {
                    return Err(body.refused(format!(
                        "`{}` of shape {shape} is neither the domain {} nor one value for each row",
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

    /// Finds the strides of every operand in the domain. An operand of ops on values with one
    /// element for each row may have their shape.
    fn find_leaves(&mut self) -> Result<()> {
        let body = self.body;
        for (slot, &id) in body.graph.inputs().iter().enumerate() {
            let value = Value::from(id);
            let shape = body.shape(value);
            let rank = self.domain.rank();
            let aligned = self.align(value, shape);
            let Some(aligned) = aligned else {
                return Err(body.refused(format!(
                    "an operand of shape {shape} does not broadcast to the domain {}",
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
                // An operand of a value that keeps the reduced axes is aligned as for the domain.
                matches!(self.body.op(user), Op::OneHot(_))
                    || (self.spaces.get(&user) == Some(&Space::Row)
                        && self.body.shape(user).rank() <= split
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

    /// Checks that every operand is contiguous along a row, or constant.
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
                    .refused("an operand repeats within a row that is reduced as a whole"));
            }
        }
        Ok(())
    }

    /// Whether an operand is contiguous along the row, and not one value for each row. Along an
    /// empty row, that is an operand without elements.
    fn is_along(&self, leaf: &Leaf, split: usize) -> bool {
        (split..self.domain.rank()).any(|axis| self.domain[axis] != 1 && leaf.strides[axis] != 0)
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
            let indices =
                vec![if self.outer.is_empty() { Affine::number(0) } else { Nest::UNIT.into() }];
            self.loops(&mut nest, split, &tile, &indices);
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
        let stage = Stage { code: nest.finish().into(), units, reads, writes, flops };
        let in_place = if self.reductions.is_empty() { self.in_place() } else { Vec::new() };
        Ok(Lowered { stages: vec![stage], workspace: 0, scratch: 0, in_place })
    }

    /// Whether all elements along a row run the same code.
    fn row_uniform(&self) -> bool {
        self.body.order.iter().all(|&id| self.body.graph.node(id).op.family() != Family::Indices)
    }

    /// Pairs of results and operands that may share memory: the operand is read at the same index,
    /// and before.
    fn in_place(&self) -> Vec<(usize, usize)> {
        let body = self.body;
        let mut pairs = Vec::new();
        for (value, slot) in body.results() {
            for leaf in &self.leaves {
                let whole = body.shape(value).elements() == self.domain.elements();
                if body.ty(leaf.value) == body.ty(value) && whole {
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
        indices: &[Affine],
    ) {
        if indices.len() >= split {
            let args = self.row_args(split, indices);
            nest.call(tile, args);
            return;
        }
        let extent = self.outer[indices.len()];
        nest.repeat(extent, |nest, i| {
            let indices: Vec<Affine> = indices.iter().cloned().chain([i]).collect();
            self.loops(nest, split, tile, &indices);
        });
    }

    fn row_args(&self, split: usize, indices: &[Affine]) -> Vec<Affine> {
        let body = self.body;
        let mut args = Vec::new();
        for leaf in &self.leaves {
            let size = body.ty(leaf.value).dtype.size();
            let mut start = Affine::slot(leaf.slot);
            for (index, &stride) in indices.iter().zip(&leaf.strides[..split]) {
                start = start.add(index, (stride * size) as i64);
            }
            args.push(start);
        }
        let rows = Shape::from(&self.outer[..]).strides();
        for (value, slot) in body.results() {
            let size = body.ty(value).dtype.size();
            let elements = if self.space(value) == Space::Full { self.columns } else { 1 };
            let mut start = Affine::slot(slot);
            for (index, &rows) in indices.iter().zip(&rows[..split]) {
                start = start.add(index, (rows * elements * size) as i64);
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

    /// The tile for a row of `columns` elements.
    fn tile(&self, columns: usize) -> Result<Arc<TileProgram>> {
        let body = self.body;
        let mut b = Builder::new(body.name());
        let inputs: Vec<Pointer> =
            (0..self.leaves.len()).map(|i| b.pointer(format!("in{i}"))).collect();
        let outputs: Vec<Pointer> =
            (0..body.results().count()).map(|i| b.pointer(format!("out{i}"))).collect();
        let mut row = Row { rows: self, inputs, outputs, known: Recorded::default(), columns };
        let levels = self.reductions.iter().map(|(_, _, level)| level + 1).max().unwrap_or(0);
        for level in 0..levels {
            row.reduce(&mut b, level)?;
        }
        row.finish(&mut b)?;
        Ok(Arc::new(b.finish()?))
    }
}

fn is_reduction(op: &Op) -> bool {
    matches!(op.family(), Family::Reduction { .. })
}

/// The domain of a body, and the number of its last axes that are reduced.
fn domain(body: &Body<'_>) -> Result<(Shape, usize)> {
    let mut found: Option<(Shape, usize)> = None;
    for &id in &body.order {
        let op = &body.graph.node(id).op;
        let Family::Reduction { axes, .. } = op.family() else { continue };
        let shape = body.shape(body.graph.operands(id)[0]);
        let trailing =
            axes.iter().rev().zip((0..shape.rank()).rev()).all(|(axis, last)| *axis == last);
        match &found {
            _ if !trailing || axes.is_empty() => {
                return Err(body.refused(format!(
                    "`{}` over axes {axes:?} of {shape} is not along rows",
                    op.name()
                )));
            }
            Some((domain, reduced)) if domain != shape || *reduced != axes.len() => {
                return Err(body.refused("the reductions have different rows"));
            }
            _ => found = Some((shape.clone(), axes.len())),
        }
    }
    if let Some(found) = found {
        return Ok(found);
    }
    let outputs = body.graph.outputs();
    let Some(first) = outputs.first() else {
        return Err(body.refused("a kernel without results"));
    };
    let shape = body.shape(first.value);
    let single = outputs.iter().all(|o| body.shape(o.value).elements() == 1);
    if single {
        // The shape of one element, of the highest rank of an operand.
        let ranks = body.graph.inputs().iter().map(|&id| body.shape(id.into()).rank());
        let rank = ranks.chain([shape.rank(), 1]).max().unwrap_or(1);
        return Ok((Shape::new(std::iter::repeat_n(1, rank)), 0));
    }
    if outputs.iter().any(|o| body.shape(o.value) != shape) {
        return Err(body.refused("the results have different shapes"));
    }
    Ok((shape.clone(), 0))
}
