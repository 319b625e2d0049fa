//! Kernels of kind `columns`: a reduction over axes before the last ones, with prologue and
//! epilogue.
//!
//! The domain is `[kept.., reduced.., columns..]`. The first reduced axis is cut into pieces, as
//! the order of arithmetic demands; a unit is one piece of one index of the kept axes, and keeps
//! its partial results in the workspace. A second stage combines the pieces.

use std::sync::Arc;

use brolga_ir::lanes::{Lane, Lanes};
use brolga_ir::op::{self, Family};
use brolga_ir::ops::Max;
use brolga_ir::ops::reduce::pieces;
use brolga_ir::{DType, Elementwise, Shape, Value};

use super::body::{Body, Recorded, broadcast, load};
use super::epilogue::{Cell, Epilogue, Offsets};
use super::{Lowered, Stage};
use crate::error::Result;
use crate::kernel::{Access, Touch};
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{Builder, Extent, F, LANES, Pointer, TileProgram, Trips, Variable};

/// Columns that one unit of the second stage combines.
const BLOCK: usize = 1024;

/// Columns whose chains one tile keeps in registers.
const GROUP: usize = 4 * LANES;

/// The element types that are reduced.
const TYPES: &[DType] = &[DType::F32, DType::BF16, DType::F16];

/// The combination of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Combine {
    Sum,
    Max,
    /// The maximum of the negated values.
    Min,
}

impl Combine {
    fn identity(self) -> f64 {
        match self {
            Self::Sum => 0.0,
            Self::Max | Self::Min => f64::NEG_INFINITY,
        }
    }

    fn combine(self, b: &mut Builder, acc: F, x: F) -> F {
        match self {
            Self::Sum => b.add(acc, x),
            Self::Max | Self::Min => match Max.emit(b, &[Lane::F(acc), Lane::F(x)]) {
                Lane::F(result) => result,
                _ => acc,
            },
        }
    }
}

struct Columns<'a> {
    body: &'a Body<'a>,
    root: Value,
    operand: Value,
    combine: Combine,
    /// The number of elements of a mean.
    mean: Option<usize>,
    /// Extents of the kept axes before, the reduced ones, and the product of those after.
    kept: Vec<usize>,
    reduced: Vec<usize>,
    columns: usize,
    leaves: Vec<Leaf>,
}

/// A tile with its arguments.
type Call = (Arc<TileProgram>, Vec<Affine>);

/// The chains of a vector of columns, from the group's column `first` on.
struct Chain {
    first: usize,
    extent: Extent,
    acc: Variable<F>,
}

/// An operand of the prologue.
struct Leaf {
    value: Value,
    slot: usize,
    /// Strides in elements along the kept and reduced axes.
    strides: Vec<usize>,
    /// Whether it has an element for each column, and not one for all.
    along: bool,
}

pub(super) fn lower(body: &Body<'_>) -> Result<Lowered> {
    Columns::new(body)?.lower()
}

impl<'a> Columns<'a> {
    fn new(body: &'a Body<'a>) -> Result<Self> {
        let mut found = None;
        for &id in &body.order {
            let Family::Reduction { combine, axes, .. } = body.graph.node(id).op.family() else {
                continue;
            };
            let (combine, is_mean) = match combine {
                op::Combine::Sum => (Combine::Sum, false),
                op::Combine::Mean => (Combine::Sum, true),
                op::Combine::Max => (Combine::Max, false),
                op::Combine::Min => (Combine::Min, false),
                op::Combine::Argmax => return Err(body.refused("indices of maxima are no columns")),
            };
            if found.replace((Value::from(id), combine, axes, is_mean)).is_some() {
                return Err(body.refused("a columns kernel holds exactly one reduction"));
            }
        }
        let Some((root, combine, axes, is_mean)) = found else {
            return Err(body.refused("a columns kernel holds exactly one reduction"));
        };
        let operand = body.graph.operands(root.node)[0];
        let domain = body.shape(operand);
        let adjacent = axes.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let (Some(&first), true) = (axes.first(), adjacent) else {
            return Err(body.refused(format!("axes {axes:?} of {domain} are not adjacent")));
        };
        body.expect_types(root, TYPES)?;
        let split = first + axes.len();
        if split == domain.rank() {
            return Err(
                body.refused(format!("a reduction over the last axis of {domain} is along rows"))
            );
        }
        let reduced = domain[first..split].to_vec();
        let mut columns = Self {
            body,
            root,
            operand,
            combine,
            mean: is_mean.then(|| reduced.iter().product()),
            kept: domain[..first].to_vec(),
            reduced,
            columns: domain[split..].iter().product(),
            leaves: Vec::new(),
        };
        columns.find_leaves(domain, split)?;
        Ok(columns)
    }

    fn find_leaves(&mut self, domain: &Shape, split: usize) -> Result<()> {
        let body = self.body;
        let mut stack = vec![self.operand];
        let mut seen: Vec<Value> = Vec::new();
        while let Some(value) = stack.pop() {
            if seen.contains(&value) || body.splat(value).is_some() {
                continue;
            }
            seen.push(value);
            let Some(slot) = body.input_slot(value) else {
                stack.extend(body.graph.operands(value.node));
                continue;
            };
            let own = body.shape(value);
            if !own.broadcasts_to(domain) {
                return Err(body
                    .refused(format!("an operand of shape {own} does not broadcast to {domain}")));
            }
            let strides = own.broadcast_strides(domain);
            let mut step = 1;
            let (mut contiguous, mut constant) = (true, true);
            for axis in (split..domain.rank()).rev() {
                if domain[axis] > 1 {
                    contiguous &= strides[axis] == step;
                    constant &= strides[axis] == 0;
                }
                step *= domain[axis];
            }
            if !contiguous && !constant {
                return Err(body.refused(format!(
                    "an operand of shape {own} repeats within the columns of {domain}"
                )));
            }
            let strides = strides[..split].to_vec();
            self.leaves.push(Leaf { value, slot, strides, along: !constant });
        }
        self.leaves.sort_by_key(|leaf| leaf.slot);
        Ok(())
    }

    fn lower(&self) -> Result<Lowered> {
        Ok(Lowered {
            stages: vec![self.reduce()?, self.combine()?],
            workspace: self.part_bytes() as usize * self.kept() * self.pieces(),
            scratch: 0,
            in_place: Vec::new(),
        })
    }

    /// The number of indices of the kept axes.
    fn kept(&self) -> usize {
        self.kept.iter().product()
    }

    fn pieces(&self) -> usize {
        pieces(self.reduced[0])
    }

    /// Bytes of the partial results of a piece.
    fn part_bytes(&self) -> i64 {
        4 * self.columns as i64
    }

    /// The first stage, which computes the partial results of all pieces.
    fn reduce(&self) -> Result<Stage> {
        let body = self.body;
        let mut nest = NestBuilder::new("reduce_pieces");
        if self.columns > 0 && self.kept() > 0 {
            self.piece(&mut nest)?;
        }
        let whole = |slot| Touch { slot, access: Access::Whole };
        Ok(Stage {
            code: nest.finish().into(),
            units: self.kept() * self.pieces(),
            reads: self.leaves.iter().map(|leaf| whole(leaf.slot)).collect(),
            writes: vec![Touch { slot: body.workspace(), access: Access::Units }],
            flops: body.shape(self.operand).elements() as u64,
        })
    }

    /// The partial results of a piece, for one index of the kept axes.
    fn piece(&self, nest: &mut NestBuilder) -> Result<()> {
        let (kept, piece) = nest.split(&Nest::UNIT.into(), self.pieces());
        let partial = Affine::slot(self.body.workspace()).term(Nest::UNIT, self.part_bytes());
        let start = |nest: &mut NestBuilder, piece: Affine| {
            nest.divide(Affine::number(0).add(&piece, self.reduced[0] as i64), self.pieces())
        };
        let from = start(nest, piece.clone());
        let to = start(nest, piece.plus(1));
        nest.call(&self.identity()?, [partial.clone()]);
        // The indices of the kept axes, from their flat index.
        let mut indices = vec![Affine::number(0); self.kept.len()];
        let mut rest = kept;
        for axis in (0..self.kept.len()).rev() {
            let (outer, index) = nest.split(&rest, self.kept[axis]);
            indices[axis] = index;
            rest = outer;
        }
        if let [extent] = self.reduced[..] {
            // All pieces have so many rows, some of them one more.
            let rows = extent / self.pieces();
            let at = |row: Affine| indices.iter().cloned().chain([row]).collect::<Vec<_>>();
            self.rows(nest, &at(from.clone()), &partial, rows)?;
            let mut result = Ok(());
            nest.range(from.plus(rows as i64), to, |nest, row| {
                result = self.rows(nest, &at(row.into()), &partial, 1);
            });
            return result;
        }
        let mut result = Ok(());
        nest.range(from, to, |nest, first| {
            let mut indices = indices.clone();
            indices.push(first.into());
            result = self.middle(nest, &mut indices, &partial);
        });
        result
    }

    /// The second stage, which combines the pieces and computes the epilogue.
    fn combine(&self) -> Result<Stage> {
        let body = self.body;
        let outputs: Vec<_> = body.results().map(|(v, slot)| (v, Affine::slot(slot))).collect();
        let epilogue = Epilogue::new(body, &[self.root], &outputs, false)?;
        let mut nest = NestBuilder::new("combine_pieces");
        let blocks = self.columns.div_ceil(BLOCK);
        if self.columns > 0 && self.kept() > 0 {
            let (kept, block) = nest.split(&Nest::UNIT.into(), blocks);
            let (full, rest) = (self.columns / BLOCK, self.columns % BLOCK);
            let calls = |columns: usize| self.block(&epilogue, &kept, &block, columns);
            let whole = if full > 0 { calls(BLOCK)? } else { Vec::new() };
            let tail = calls(rest)?;
            let call = |nest: &mut NestBuilder, calls: &[Call]| {
                calls.iter().for_each(|(tile, args)| nest.call(tile, args.clone()));
            };
            if full == 0 || rest == 0 {
                call(&mut nest, &whole);
                call(&mut nest, &tail);
            } else {
                nest.when(block.clone(), 0..full, |nest| call(nest, &whole), |_| {});
                nest.when(block, full..full + 1, |nest| call(nest, &tail), |_| {});
            }
        }
        let (mut reads, writes) = body.touches(|_| false);
        reads.retain(|touch| epilogue.reads(touch.slot));
        reads.push(Touch { slot: body.workspace(), access: Access::Whole });
        Ok(Stage {
            code: nest.finish().into(),
            units: self.kept() * blocks,
            reads,
            writes,
            flops: (self.kept() * self.pieces() * self.columns) as u64,
        })
    }

    /// The tiles, with their arguments, that combine the pieces of a block of columns.
    fn block(
        &self,
        epilogue: &Epilogue,
        kept: &Affine,
        block: &Affine,
        columns: usize,
    ) -> Result<Vec<Call>> {
        let column = Affine::number(0).add(block, BLOCK as i64);
        let element = column.clone().add(kept, self.columns as i64);
        let from = Affine::slot(self.body.workspace())
            .add(kept, self.part_bytes() * self.pieces() as i64)
            .add(&column, 4);
        let vector = |first: usize| {
            let tile = self.combination(epilogue, (columns - first).min(LANES))?;
            let at = |start: &Affine| start.clone().plus(first as i64);
            let offsets = Offsets { element: at(&element), column: at(&column) };
            let from = from.clone().plus(4 * first as i64);
            Ok((tile, [from].into_iter().chain(epilogue.args(&offsets)).collect()))
        };
        (0..columns).step_by(LANES).map(vector).collect()
    }

    /// Loops over the reduced axes but the first and the last; the last is inside the tile.
    fn middle(
        &self,
        nest: &mut NestBuilder,
        indices: &mut Vec<Affine>,
        partial: &Affine,
    ) -> Result<()> {
        let [.., extent] = self.reduced[..] else { return Ok(()) };
        let inside = self.kept.len() + self.reduced.len() - 1;
        if indices.len() == inside {
            indices.push(Affine::number(0));
            let result = self.rows(nest, indices, partial, extent);
            indices.pop();
            return result;
        }
        let mut result = Ok(());
        nest.repeat(self.reduced[indices.len() - self.kept.len()], |nest, i| {
            indices.push(i);
            result = self.middle(nest, indices, partial);
            indices.pop();
        });
        result
    }

    /// Goes on with the chains of all columns for so many rows: along the last reduced axis from
    /// these indices on.
    fn rows(
        &self,
        nest: &mut NestBuilder,
        indices: &[Affine],
        partial: &Affine,
        rows: usize,
    ) -> Result<()> {
        let (full, rest) = (self.columns / GROUP, self.columns % GROUP);
        for (count, columns, first) in [(full, GROUP, 0), (1, rest, full * GROUP)] {
            if count == 0 || columns == 0 || rows == 0 {
                continue;
            }
            let tile = self.accumulate(columns, rows)?;
            nest.repeat(count, |nest, i| {
                let column = Affine::number(first as i64).add(&i, GROUP as i64);
                let mut args: Vec<Affine> = Vec::new();
                for leaf in &self.leaves {
                    let size = self.body.ty(leaf.value).dtype.size() as i64;
                    let mut start = Affine::slot(leaf.slot);
                    for (index, &stride) in indices.iter().zip(&leaf.strides) {
                        start = start.add(index, stride as i64 * size);
                    }
                    args.push(if leaf.along { start.add(&column, size) } else { start });
                }
                args.push(partial.clone().add(&column, 4));
                nest.call(&tile, args);
            });
        }
        Ok(())
    }

    /// The tile that initialises the partial results of all columns.
    fn identity(&self) -> Result<Arc<TileProgram>> {
        let mut b = Builder::new(format!("identity_{}", self.columns));
        let to = b.pointer("to");
        let identity = b.float(self.combine.identity());
        b.repeat(Trips::Const((self.columns / LANES) as u32), |b| {
            b.store_f32(to.at(0), Extent::Full, identity);
            b.step(to, 4 * LANES as i64, Trips::Const(1));
        });
        if !self.columns.is_multiple_of(LANES) {
            b.store_f32(to.at(0), Extent::first(self.columns % LANES), identity);
        }
        Ok(Arc::new(b.finish()?))
    }

    /// The tile that continues the chains of so many columns, at most a group, for so many rows.
    fn accumulate(&self, columns: usize, rows: usize) -> Result<Arc<TileProgram>> {
        let body = self.body;
        let mut b = Builder::new(format!("{}_columns", body.name()));
        let pointers: Vec<Pointer> =
            (0..self.leaves.len()).map(|i| b.pointer(format!("in{i}"))).collect();
        let to = b.pointer("partial");
        let chains: Vec<Chain> = (0..columns)
            .step_by(LANES)
            .map(|first| {
                let extent = Extent::first((columns - first).min(LANES));
                let initial = b.load_f32(to.at(4 * first as i64), extent);
                Chain { first, extent, acc: b.variable(initial) }
            })
            .collect();
        let last = self.kept.len() + self.reduced.len() - 1;
        let mut result = Ok(());
        b.repeat(Trips::Const(rows as u32), |b| {
            result = chains.iter().try_for_each(|chain| self.step(b, chain, &pointers));
            for (leaf, &pointer) in self.leaves.iter().zip(&pointers) {
                let size = body.ty(leaf.value).dtype.size();
                b.step(pointer, (leaf.strides[last] * size) as i64, Trips::Const(1));
            }
        });
        result?;
        for Chain { first, extent, acc } in chains {
            let acc = b.get(acc);
            b.store_f32(to.at(4 * first as i64), extent, acc);
        }
        Ok(Arc::new(b.finish()?))
    }

    /// Adds one element to each chain of a vector of columns.
    fn step(&self, b: &mut Builder, chain: &Chain, pointers: &[Pointer]) -> Result<()> {
        let body = self.body;
        let &Chain { first, extent, acc } = chain;
        let mut leaf = |b: &mut Builder, value: Value| {
            let index = self.leaves.iter().position(|leaf| leaf.value == value)?;
            let dtype = body.ty(value).dtype;
            Some(if self.leaves[index].along {
                load(b, dtype, pointers[index].at((first * dtype.size()) as i64), extent)
            } else {
                broadcast(b, dtype, pointers[index].at(0))
            })
        };
        let Lane::F(x) = body.record(b, &mut Recorded::default(), self.operand, &mut leaf)? else {
            return Err(body.refused("the operand of a reduction is no float"));
        };
        let x = if self.combine == Combine::Min { b.neg(x) } else { x };
        let so_far = b.get(acc);
        let next = self.combine.combine(b, so_far, x);
        b.set(acc, next);
        Ok(())
    }

    /// The tile that combines the pieces of a vector of columns and computes the epilogue.
    fn combination(&self, epilogue: &Epilogue, lanes: usize) -> Result<Arc<TileProgram>> {
        let pieces = self.pieces();
        let mut b = Builder::new(format!("combine_{pieces}"));
        let from = b.pointer("from");
        let pointers = epilogue.pointers(&mut b);
        let extent = Extent::first(lanes);
        let mut acc = b.load_f32(from.at(0), extent);
        for piece in 1..pieces {
            let x = b.load_f32(from.at((4 * piece * self.columns) as i64), extent);
            acc = self.combine.combine(&mut b, acc, x);
        }
        if self.combine == Combine::Min {
            acc = b.neg(acc);
        }
        if let Some(count) = self.mean {
            let count = b.float(count as f64);
            acc = b.div(acc, count);
        }
        let cell = Cell { row: 0, column: 0, extent, lanes: vec![Lane::F(acc)] };
        epilogue.emit(self.body, &mut b, &pointers, &[cell], 0)?;
        Ok(Arc::new(b.finish()?))
    }
}
