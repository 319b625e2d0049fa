//! The gradient of a convolution by its filter, and by the bias beside it.
//!
//! A unit is a piece of the batch, or a block of columns of one. For each of its images every tile of weights goes on with its chains over the output
//! pixels: the partial sums stay in the workspace between images and in registers over an image, or over some lines of a large one. A second stage adds
//! the pieces in ascending order; where there is only one, its sums are the result.
//!
//! For 1×1 filters and few pixels it is a product of images and cotangent, whose chains are the pieces. For many pixels of many images, both are
//! brought into panels, block by block.

use std::ops::Range;
use std::sync::Arc;

use brolga_ir::lanes::{Lane, Lanes};
use brolga_ir::ops::reduce::{piece_range, pieces};
use brolga_ir::ops::{ConvDims, ConvGradFilter, Matmul, MatmulDims};
use brolga_ir::{NodeId, Op, Value};

use super::conv::is_product;
use super::cotangent::{Cotangent, zeros};
use super::lattice::{column_tiles, even_split};
use super::matmul::{self, Factors};
use super::pack;
use super::sum::Sum;
use super::tile::{Chains, k_loop};
use super::weight_rows::{Row, outputs, row_groups, runs};
use super::with_axes;
use crate::error::Result;
use crate::generators::{Contraction, KLoop, Start};
use crate::kernel::{Access, Touch};
use crate::lower::epilogue::{Cell, Epilogue, Place};
use crate::lower::window::pair;
use crate::lower::{Body, Lowered, Stage};
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{Builder, Extent, LANES, TileProgram, TileTarget, Trips};

/// Floats that one unit of the second stage adds up.
const BLOCK: usize = 1024;
/// Units that suffice for all workers.
const UNITS: usize = 16;
/// The most blocks of columns whose units add all pieces.
const ADDED_BLOCKS: usize = 64;
/// Pixels of all images up to which the gradient of a 1×1 filter is a product: what a block of its rows reads stays in the second-level cache.
const MAX_PRODUCT: usize = 2048;
/// Bytes of the panels of images and cotangent: they stay in the second-level cache while all tiles pass over them.
const PANELS: usize = 192 << 10;
/// Panels of whole vectors that are filled side by side, so that images are read in the order in which they lie. Narrow ones are filled one
/// by one: writing to many of them in turn costs more than reading in steps.
const PANELS_AT_ONCE: usize = 32;
/// Bytes that stay in a second-level cache beside everything else.
const CACHED: usize = 256 << 10;

pub(super) fn lower(
    body: &Body<'_>,
    root: Value,
    op: &ConvGradFilter,
    target: &dyn TileTarget,
) -> Result<Lowered> {
    let operands = body.graph.operands(root.node);
    let dims = with_axes(body, op.dims(body.shape(operands[0]), body.shape(operands[1])), 2)?;
    let x = body
        .factor_slot(operands[0])
        .ok_or_else(|| body.refused("the images of a convolution are computed inside"))?;
    // The gradient of the bias.
    let is_sum = |id: &NodeId| {
        let cotangent = body.graph.operands(*id).first() == Some(&operands[1]);
        matches!(body.graph.node(*id).op, Op::ReduceSum(_)) && cotangent
    };
    let bias = body.order.iter().copied().find(is_sum).map(Value::from);
    let pixels = dims.output[0] * dims.output[1];
    let k = dims.batch * pixels;
    if let Some(dy) = body.factor_slot(operands[1])
        && is_product(&dims)
        && bias.is_none()
        && k <= MAX_PRODUCT
    {
        let pieces = pieces(dims.batch);
        let images = (0..pieces).map(|piece| piece_range(dims.batch, pieces, piece).len());
        let factors = Factors {
            op: Matmul { transpose_a: true, transpose_b: false },
            dims: MatmulDims { batch: 1, m: dims.channels, n: dims.filters, k },
            chains: Chains::of(images.map(|images| images * pixels)),
            slots: [x, dy],
        };
        return matmul::product(body, root, factors, target);
    }
    let cotangent = Cotangent::new(body, operands[1], &dims)?;
    let shapes = [Some(root), bias].map(|sum| sum.map(|sum| body.shape(sum)));
    if let Some((value, _)) =
        body.results().find(|(value, _)| !shapes.contains(&Some(body.shape(*value))))
    {
        let shape = body.shape(value);
        return Err(
            body.refused(format!("a result of shape {shape} is behind a filter's gradient"))
        );
    }
    let results = [Some(root), bias].map(|sum| Sum::new(body, sum));
    let [weights, bias] = results;
    let filter = Filter::new(body, target, dims, cotangent, x, [weights?, bias?])?;
    let mut stages = vec![filter.accumulate()?];
    if !filter.is_direct {
        stages.extend(filter.combine()?);
    }
    // Results may not have the memory of what the first stage reads.
    let front = filter.front();
    let chains = filter.results.iter().filter_map(Sum::chain);
    Ok(Lowered {
        stages,
        workspace: if filter.is_direct { 0 } else { filter.part_bytes as usize * filter.parts() },
        scratch: filter.cotangent.scratch().max(4 * filter.panel_floats()),
        in_place: chains.flat_map(|chain| chain.in_place(body, &front)).collect(),
    })
}

/// The parts of a kernel that all of its loops need.
struct Filter<'a> {
    body: &'a Body<'a>,
    target: &'a dyn TileTarget,
    dims: ConvDims,
    cotangent: Cotangent,
    x: usize,
    /// The sums of the weights and of the bias.
    results: [Sum; 2],
    /// Floats of the weights; the sums of the bias lie behind them.
    weights: usize,
    part_bytes: i64,
    pieces: usize,
    /// Into how many blocks of columns a piece is cut, so that few images are work for all workers.
    blocks: usize,
    /// Whether the only piece's sums are the results.
    is_direct: bool,
    /// Whether each chain begins and ends with one call of a tile.
    is_fresh: bool,
    /// Whether a unit adds all pieces of its columns itself.
    adds: bool,
    /// Whether the images and the cotangent of a 1×1 filter are brought into panels, some pixels at a time.
    in_panels: bool,
}

/// What a tile does with its sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sums {
    /// Goes on with the chains in memory.
    Continue,
    /// Begins chains and stores what they give.
    Store,
    /// Begins chains and adds what they give to what is stored.
    Add,
}

impl<'a> Filter<'a> {
    fn new(
        body: &'a Body<'a>,
        target: &'a dyn TileTarget,
        dims: ConvDims,
        cotangent: Cotangent,
        x: usize,
        results: [Sum; 2],
    ) -> Result<Self> {
        let weights = dims.kernel[0] * dims.kernel[1] * dims.group_channels() * dims.filters;
        let part = weights + if results[1].is_used() { dims.filters } else { 0 };
        let is_plain =
            results.iter().all(|sum| sum.chain().is_none()) && results[0].slot().is_some();
        let pieces = pieces(dims.batch);
        let mut filter = Self {
            body,
            target,
            cotangent,
            x,
            results,
            weights,
            part_bytes: 4 * part as i64,
            pieces,
            blocks: 1,
            is_direct: pieces == 1 && is_plain,
            is_fresh: false,
            adds: false,
            in_panels: false,
            dims,
        };
        let is_read = filter.cotangent.scratch() == 0 && filter.results[0].is_used();
        if is_product(&filter.dims) && is_read && pieces >= UNITS / 2 {
            filter.in_panels = true;
            return Ok(filter);
        }
        let groups = row_groups(&filter.dims);
        filter.is_fresh = filter.dims.batch == pieces
            && groups.iter().all(|rows| {
                let [lines, columns] = filter.reach(rows);
                !columns.is_empty() && matches!(filter.line_blocks(lines.len())[..], [(1, _)])
            });
        // With one image a piece, and many columns, pieces are no units: their sums need not be stored apart.
        let columns = filter.column_blocks(&groups, ADDED_BLOCKS);
        if filter.is_fresh && is_read && columns >= UNITS / 2 {
            (filter.adds, filter.is_direct, filter.blocks) = (true, is_plain, columns);
        } else if pieces < UNITS / 2 {
            filter.blocks = filter.column_blocks(&groups, UNITS / pieces);
        }
        Ok(filter)
    }

    /// Into how many blocks of whole tiles, all equal and at most so many, the columns can be cut.
    fn column_blocks(&self, groups: &[Vec<Row>], most: usize) -> usize {
        let filters = self.dims.filters;
        if self.dims.groups > 1 || filters == 0 {
            return 1;
        }
        let fits = |blocks: &usize| {
            filters.is_multiple_of(*blocks)
                && groups.iter().all(|rows| {
                    let lanes = self.target.contraction_shape(rows.len(), filters).lanes;
                    (filters / blocks).is_multiple_of(lanes.next_multiple_of(LANES))
                })
        };
        (1..=most).rev().find(fits).unwrap_or(1)
    }

    /// How many sums of a weight are stored.
    fn parts(&self) -> usize {
        if self.adds { 1 } else { self.pieces }
    }

    /// The slots that the first stage reads.
    fn front(&self) -> Vec<usize> {
        let behind: Vec<usize> =
            self.results.iter().filter_map(Sum::chain).flat_map(Epilogue::slots).collect();
        let is_front = |slot: &usize| {
            *slot == self.x
                || self.cotangent.full_slots(self.body).any(|read| read == *slot)
                || !behind.contains(slot)
        };
        (0..self.body.operands()).filter(is_front).collect()
    }

    /// The results that the first stage writes.
    fn written(&self) -> Vec<Touch> {
        let access = if self.blocks == 1 && !self.adds { Access::Units } else { Access::Whole };
        match self.is_direct {
            false => vec![Touch { slot: self.body.workspace(), access }],
            true => {
                let slots = self.results.iter().filter_map(Sum::slot);
                slots.map(|slot| Touch { slot, access: Access::Whole }).collect()
            }
        }
    }

    /// The operands that the first stage reads.
    fn read(&self) -> Vec<Touch> {
        let slots = self.front().into_iter();
        slots.map(|slot| Touch { slot, access: Access::Whole }).collect()
    }

    /// The filters that a unit works on, of each group.
    fn filters(&self) -> usize {
        self.dims.group_filters() / self.blocks
    }

    /// Where the sums of a piece's weights start, and those of its bias.
    fn sums(&self, piece: &Affine) -> [Affine; 2] {
        match (self.is_direct, self.results[0].slot()) {
            (true, Some(slot)) => {
                [Affine::slot(slot), Affine::slot(self.results[1].slot().unwrap_or(slot))]
            }
            _ => {
                let start = Affine::slot(self.body.workspace()).add(piece, self.part_bytes);
                [start.clone(), start.plus(4 * self.weights as i64)]
            }
        }
    }

    /// Output lines and columns that all taps of a group of rows meet.
    fn reach(&self, rows: &[Row]) -> [Range<usize>; 2] {
        let tap = rows.first().map_or([0, 0], |row| row.tap);
        [outputs(&self.dims, 0, tap[0]), outputs(&self.dims, 1, tap[1])]
    }

    /// Lines are worked on in blocks whose pixels stay in the second-level cache while all tiles pass over them.
    fn line_blocks(&self, lines: usize) -> Vec<(usize, usize)> {
        let dims = &self.dims;
        let line =
            dims.window.strides[0] * dims.input[1] * dims.channels + dims.output[1] * dims.filters;
        even_split(lines, (CACHED / (4 * line).max(1)).max(1))
    }

    fn accumulate(&self) -> Result<Stage> {
        let (body, dims, count) = (self.body, &self.dims, self.pieces);
        let mut nest = NestBuilder::new("conv_grad_filter");
        let (piece, block) = nest.split(&Nest::UNIT.into(), self.blocks);
        let column = Affine::number(0).add(&block, self.filters() as i64);
        let [weights, bias] = self.sums(&piece);
        if self.adds {
            return self.added(nest, &weights, &bias, &column);
        }
        if !self.is_fresh && self.weights > 0 {
            self.clear(&mut nest, &weights, &column)?;
        }
        if self.results[1].is_used() && dims.filters > 0 {
            let width = dims.filters / self.blocks;
            nest.call(&zeros(width)?, [bias.clone().add(&column, 4)]);
        }
        let border = |nest: &mut NestBuilder, piece: Affine| {
            nest.divide(Affine::number(0).add(&piece, dims.batch as i64), count)
        };
        let from = border(&mut nest, piece.clone());
        let to = border(&mut nest, piece.plus(1));
        let mut result = Ok(());
        nest.range(from, to, |nest, image| {
            let kind = if self.is_fresh { Sums::Store } else { Sums::Continue };
            let image = image.into();
            result = self
                .one_image(nest, &weights, &image, &column, kind)
                .and_then(|cotangent| self.bias(nest, &cotangent, &bias, &column, Sums::Continue));
        });
        result?;
        let mut reads = self.read();
        for touch in &mut reads {
            // A piece is an equal part of the batch only if the pieces are equal.
            if self.blocks == 1
                && dims.batch.is_multiple_of(count)
                && body.shape_of_slot(touch.slot).elements() > 1
            {
                touch.access = Access::Units;
            }
        }
        Ok(Stage {
            code: nest.finish().into(),
            units: count * self.blocks,
            reads,
            writes: self.written(),
            flops: dims.flops(),
        })
    }

    /// A stage whose units go over all pieces, each one image: the first is stored, the others are added.
    fn added(
        &self,
        mut nest: NestBuilder,
        weights: &Affine,
        bias: &Affine,
        column: &Affine,
    ) -> Result<Stage> {
        let images = |nest: &mut NestBuilder, image: &Affine, kind: Sums| {
            let dy = self.one_image(nest, weights, image, column, kind)?;
            self.bias(nest, &dy, bias, column, kind)
        };
        images(&mut nest, &Affine::number(0), Sums::Store)?;
        let mut result = Ok(());
        let (from, to) = (Affine::number(1), Affine::number(self.pieces as i64));
        nest.range(from, to, |nest, image| result = images(nest, &image.into(), Sums::Add));
        result?;
        Ok(Stage {
            code: nest.finish().into(),
            units: self.blocks,
            reads: self.read(),
            writes: self.written(),
            flops: self.dims.flops(),
        })
    }

    /// Adds the pieces, and computes what is behind their sums.
    fn combine(&self) -> Result<Vec<Stage>> {
        let extents = [(0, self.weights), (self.weights, self.dims.filters)];
        let mut stages = Vec::new();
        for (sum, (offset, elements)) in self.results.iter().zip(extents) {
            if !sum.is_used() {
                continue;
            }
            let (nest, units) = self.combined(sum, 4 * offset as i64, elements)?;
            let whole = |slot| Touch { slot, access: Access::Whole };
            let beside = sum.chain().into_iter().flat_map(Epilogue::slots);
            let results = match sum {
                Sum::Chain(chain) => chain.results(self.body).map(|(_, slot)| slot).collect(),
                _ => sum.slot().into_iter().collect::<Vec<_>>(),
            };
            stages.push(Stage {
                code: nest.into(),
                units,
                reads: beside.chain([self.body.workspace()]).map(whole).collect(),
                writes: results.into_iter().map(whole).collect(),
                flops: (elements * self.parts()) as u64,
            });
        }
        Ok(stages)
    }

    /// Adds the pieces of so many sums, starting from the first.
    fn combined(&self, sum: &Sum, offset: i64, elements: usize) -> Result<(Nest, usize)> {
        let (body, parts) = (self.body, self.parts());
        let mut nest = NestBuilder::new("add_pieces");
        let tile = |count: usize| -> Result<Arc<TileProgram>> {
            let mut b = Builder::new(format!("add_{parts}_pieces_{count}"));
            let from = b.pointer("from");
            let to = match sum {
                Sum::Chain(chain) => chain.pointers(&mut b),
                _ => vec![b.pointer("to")],
            };
            let vector = |b: &mut Builder, extent: Extent| -> Result<()> {
                let mut value = b.load_f32(from.at(0), extent);
                for piece in 1..parts {
                    let at = from.at(piece as i64 * self.part_bytes);
                    let next = b.load_f32(at, extent);
                    value = b.add(value, next);
                }
                match sum {
                    Sum::Chain(chain) => {
                        let lanes = vec![Lane::F(value)];
                        chain.emit(
                            body,
                            b,
                            &to,
                            &[Cell { row: 0, column: 0, extent, lanes }],
                            0,
                        )?;
                    }
                    _ => b.store_f32(to[0].at(0), extent, value),
                }
                Ok(())
            };
            let mut result = Ok(());
            b.repeat(Trips::Const((count / LANES) as u32), |b| {
                result = vector(b, Extent::Full);
                b.step(from, 4 * LANES as i64, Trips::Const(1));
                match sum {
                    Sum::Chain(chain) => chain.step(b, &to, LANES),
                    _ => b.step(to[0], 4 * LANES as i64, Trips::Const(1)),
                }
            });
            result?;
            if !count.is_multiple_of(LANES) {
                vector(&mut b, Extent::first(count % LANES))?;
            }
            Ok(Arc::new(b.finish()?))
        };
        let unit = Affine::from(Nest::UNIT);
        let from = Affine::slot(body.workspace()).plus(offset).add(&unit, 4 * BLOCK as i64);
        let element = Affine::number(0).add(&unit, BLOCK as i64);
        let mut args = vec![from];
        match sum {
            Sum::Chain(chain) => {
                args.extend(chain.args(&Place { element, column: Affine::number(0) }));
            }
            _ => args.extend(sum.slot().map(|slot| Affine::slot(slot).add(&element, 4))),
        }
        let (full, rest) = (elements / BLOCK, elements % BLOCK);
        let whole = if full > 0 { Some(tile(BLOCK)?) } else { None };
        let tail = if rest > 0 { Some(tile(rest)?) } else { None };
        nest.when(
            unit,
            0..full,
            |nest| whole.iter().for_each(|tile| nest.call(tile, args.clone())),
            |nest| tail.iter().for_each(|tile| nest.call(tile, args.clone())),
        );
        Ok((nest.finish(), elements.div_ceil(BLOCK)))
    }

    /// Sets a unit's sums to zero.
    fn clear(&self, nest: &mut NestBuilder, sums: &Affine, column: &Affine) -> Result<()> {
        if self.blocks == 1 {
            nest.call(&zeros(self.weights)?, [sums.clone()]);
            return Ok(());
        }
        let tile = zeros(self.filters())?;
        nest.repeat(self.weights / self.dims.filters, |nest, row| {
            let row = sums.clone().add(&row, 4 * self.dims.filters as i64).add(column, 4);
            nest.call(&tile, [row]);
        });
        Ok(())
    }

    /// Goes on with all chains for one image; tells where its cotangent is.
    fn one_image(
        &self,
        nest: &mut NestBuilder,
        sums: &Affine,
        image: &Affine,
        first: &Affine,
        kind: Sums,
    ) -> Result<Affine> {
        let dims = &self.dims;
        let dy = self.cotangent.prepare(self.body, nest, image)?;
        let image_bytes = 4 * (dims.channels * dims.input[0] * dims.input[1]) as i64;
        let x = Affine::slot(self.x).add(image, image_bytes);
        if self.in_panels {
            self.panels(nest, [&x, &dy, sums])?;
            return Ok(dy);
        }
        for group in 0..dims.groups {
            let column = first.clone().plus((group * dims.group_filters()) as i64);
            for rows in row_groups(dims) {
                // All taps of a group of rows meet the same output rows and columns.
                let [lines, columns] = self.reach(&rows);
                if lines.is_empty() || columns.is_empty() {
                    continue;
                }
                let mut start = lines.start;
                for (count, size) in self.line_blocks(lines.len()) {
                    let mut result = Ok(());
                    nest.repeat(count, |nest, i| {
                        let line = Affine::number(start as i64).add(&i, size as i64);
                        let columns = columns.clone();
                        let area = Area { group, line, lines: size, columns, kind };
                        result = self.tiles(nest, &area, &rows, [&x, &dy, sums], &column);
                    });
                    result?;
                    start += count * size;
                }
            }
        }
        Ok(dy)
    }

    /// Blocks of an image's pixels that are brought into panels together: how many, and how many pixels each has.
    fn pixel_blocks(&self) -> Vec<(usize, usize)> {
        let dims = &self.dims;
        let pixel = 4 * (dims.channels + dims.filters);
        even_split(dims.output[0] * dims.output[1], (PANELS / pixel.max(1)).max(LANES))
    }

    /// Floats of scratch memory for the panels.
    fn panel_floats(&self) -> usize {
        let blocks = if self.in_panels { self.pixel_blocks() } else { Vec::new() };
        let most = blocks.iter().map(|&(_, pixels)| pixels).max().unwrap_or(0);
        most * (self.dims.channels + self.dims.filters)
    }

    /// Goes on with all chains of a 1×1 filter for one image, through panels.
    fn panels(&self, nest: &mut NestBuilder, [x, dy, sums]: [&Affine; 3]) -> Result<()> {
        let &ConvDims { channels, filters, .. } = &self.dims;
        let shape = self.target.contraction_shape(channels, filters);
        let mut first = 0;
        for (count, pixels) in self.pixel_blocks() {
            let x_panels = Affine::scratch();
            let dy_panels = x_panels.clone().plus(4 * (pixels * channels) as i64);
            let mut row_tiles = Vec::new();
            let mut start = 0;
            for (tiles, rows) in even_split(channels, shape.rows) {
                row_tiles.push((start, tiles, rows));
                start += tiles * rows;
            }
            let column_tiles = column_tiles(filters, shape.lanes);
            let mut result = Ok(());
            nest.repeat(count, |nest, block| {
                let pixel = Affine::number(first as i64).add(&block, pixels as i64);
                let x = x.clone().add(&pixel, 4 * channels as i64);
                let dy = dy.clone().add(&pixel, 4 * filters as i64);
                result = pack(nest, pixels, channels, &row_tiles, [&x, &x_panels])
                    .and_then(|()| pack(nest, pixels, filters, &column_tiles, [&dy, &dy_panels]));
                for &(column, slices, lanes) in &column_tiles {
                    for &(row, tiles, rows) in &row_tiles {
                        let offsets = |step: usize| -> Vec<i64> {
                            (0..rows).map(|row| (4 * row * step) as i64).collect()
                        };
                        let loops = [k_loop(pixels, 4 * rows as i64, 4 * lanes as i64)];
                        let kind = Sums::Continue;
                        let tile = match tile(&offsets(1), &offsets(filters), lanes, &loops, kind) {
                            Ok(tile) => tile,
                            Err(error) => return result = Err(error),
                        };
                        nest.repeat(slices, |nest, j| {
                            nest.repeat(tiles, |nest, i| {
                                let row = Affine::number(row as i64).add(&i, rows as i64);
                                let column = Affine::number(column as i64).add(&j, lanes as i64);
                                let a = x_panels.clone().add(&row, 4 * pixels as i64);
                                let b = dy_panels.clone().add(&column, 4 * pixels as i64);
                                let sums = sums.clone().add(&row, 4 * filters as i64);
                                nest.call(&tile, [a, b, sums.add(&column, 4)]);
                            });
                        });
                    }
                }
            });
            result?;
            first += count * pixels;
        }
        Ok(())
    }

    /// All tiles of a group of rows over some lines of the output.
    fn tiles(
        &self,
        nest: &mut NestBuilder,
        area: &Area,
        rows: &[Row],
        [x, dy, sums]: [&Affine; 3],
        first_column: &Affine,
    ) -> Result<()> {
        let dims = &self.dims;
        let [stride_down, stride_across] = pair(&dims.window.strides).map(|stride| stride as i64);
        let pixel = 4 * dims.channels as i64;
        let line = pixel * dims.input[1] as i64;
        let dy_pixel = 4 * dims.filters as i64;
        let dy_line = dy_pixel * dims.output[1] as i64;
        let channels = dims.group_channels();
        // Where a row's factors are, apart from the line.
        let place = |row: Row| -> i64 {
            let at = |axis: usize| {
                (row.tap[axis] * dims.window.dilation[axis]) as i64
                    - dims.window.padding[axis][0] as i64
            };
            at(0) * line
                + (at(1) + area.columns.start as i64 * stride_across) * pixel
                + 4 * (area.group * channels + row.channel) as i64
        };
        let weight = |row: Row| -> i64 {
            ((row.tap[0] * dims.kernel[1] + row.tap[1]) * channels + row.channel) as i64 * dy_pixel
        };
        let loops = [
            k_loop(area.lines, stride_down * line, dy_line),
            k_loop(area.columns.len(), stride_across * pixel, dy_pixel),
        ];
        let x = x.clone().add(&area.line, stride_down * line);
        let dy = dy
            .clone()
            .add(&area.line, dy_line)
            .plus(area.columns.start as i64 * dy_pixel)
            .add(first_column, 4);
        let sums = sums.clone().add(first_column, 4);
        let filters = self.filters();
        let shape = self.target.contraction_shape(rows.len(), filters);
        for (column, slices, lanes) in column_tiles(filters, shape.lanes) {
            let (at, slice) = (4 * column as i64, 4 * lanes as i64);
            let mut done = 0;
            for (tiles, size) in even_split(rows.len(), shape.rows) {
                let chunk = &rows[done..done + tiles * size];
                // Tiles whose rows lie alike, one constant step apart, are one loop.
                for run in runs(chunk, size, &place, &weight) {
                    let start = chunk[run.start * size];
                    let offsets = |of: &dyn Fn(Row) -> i64| -> Vec<i64> {
                        (0..size).map(|r| of(chunk[run.start * size + r]) - of(start)).collect()
                    };
                    let tile = tile(&offsets(&place), &offsets(&weight), lanes, &loops, area.kind)?;
                    let (place_step, weight_step) = if run.len() > 1 {
                        let next = chunk[(run.start + 1) * size];
                        (place(next) - place(start), weight(next) - weight(start))
                    } else {
                        (0, 0)
                    };
                    nest.repeat(slices, |nest, j| {
                        nest.repeat(run.len(), |nest, i| {
                            let a = x.clone().plus(place(start)).add(&i, place_step);
                            let b = dy.clone().plus(at).add(&j, slice);
                            let sums = sums.clone().plus(weight(start) + at);
                            let sums = sums.add(&i, weight_step).add(&j, slice);
                            nest.call(&tile, [a, b, sums]);
                        });
                    });
                }
                done += tiles * size;
            }
        }
        Ok(())
    }

    /// Adds all pixels of one image's cotangent to the partial sums of the bias.
    fn bias(
        &self,
        nest: &mut NestBuilder,
        cotangent: &Affine,
        sums: &Affine,
        column: &Affine,
        kind: Sums,
    ) -> Result<()> {
        if !self.results[1].is_used() {
            return Ok(());
        }
        let dims = &self.dims;
        let pixels = dims.output[0] * dims.output[1];
        let width = dims.filters / self.blocks;
        for place in (0..width).step_by(LANES) {
            let lanes = (width - place).min(LANES);
            let extent = Extent::first(lanes);
            let mut b = Builder::new(format!("sum_rows_{pixels}x{lanes}"));
            let (from, to) = (b.pointer("from"), b.pointer("to"));
            let initial = match kind {
                Sums::Continue => b.load_f32(to.at(0), extent),
                Sums::Store | Sums::Add => b.float(0.0),
            };
            let sum = b.variable(initial);
            b.repeat(Trips::Const(pixels as u32), |b| {
                let (acc, value) = (b.get(sum), b.load_f32(from.at(0), extent));
                let next = b.add(acc, value);
                b.set(sum, next);
                b.step(from, 4 * dims.filters as i64, Trips::Const(1));
            });
            let mut sum = b.get(sum);
            if kind == Sums::Add {
                let before = b.load_f32(to.at(0), extent);
                sum = b.add(before, sum);
            }
            b.store_f32(to.at(0), extent, sum);
            let at = |start: &Affine| start.clone().plus(4 * place as i64).add(column, 4);
            nest.call(&Arc::new(b.finish()?), [at(cotangent), at(sums)]);
        }
        Ok(())
    }
}

/// Brings some pixels of so many channels into panels, one behind the other: `(first channel, panels, channels of each)`.
fn pack(
    nest: &mut NestBuilder,
    pixels: usize,
    channels: usize,
    panels: &[(usize, usize, usize)],
    [from, to]: [&Affine; 2],
) -> Result<()> {
    for &(first, count, width) in panels {
        let mut first = first;
        let at_once = if width < LANES { 1 } else { PANELS_AT_ONCE };
        for (calls, panels) in even_split(count, at_once) {
            let tile = pack::spread(pixels, panels, width, 4 * channels as i64)?;
            let step = (panels * width) as i64;
            nest.repeat(calls, |nest, i| {
                let channel = Affine::number(first as i64).add(&i, step);
                let to = to.clone().add(&channel, 4 * pixels as i64);
                nest.call(&tile, [from.clone().add(&channel, 4), to]);
            });
            first += calls * panels * width;
        }
    }
    Ok(())
}

/// Output pixels of a group: so many lines from one on, and a range of columns.
struct Area {
    group: usize,
    line: Affine,
    lines: usize,
    columns: Range<usize>,
    kind: Sums,
}

/// Chains whose sums end in memory: rows at these offsets of `a`, and of the weights.
fn tile(
    a: &[i64],
    weights: &[i64],
    lanes: usize,
    loops: &[KLoop],
    kind: Sums,
) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("grad_filter_{}x{lanes}", a.len()));
    let (x, dy, sums) = (b.pointer("a"), b.pointer("b"), b.pointer("sums"));
    let contraction = Contraction { rows: a.into(), lanes, loops: loops.into(), ahead: 0 };
    let start = match kind {
        Sums::Continue => Start::Memory(sums, weights),
        Sums::Store | Sums::Add => Start::Zero,
    };
    let accumulators = contraction.emit(&mut b, x, dy, start);
    for acc in accumulators {
        let offset = weights[acc.row] + 4 * acc.column as i64;
        let mut value = acc.value;
        if kind == Sums::Add {
            let before = b.load_f32(sums.at(offset), acc.extent);
            value = b.add(before, value);
        }
        b.store_f32(sums.at(offset), acc.extent, value);
    }
    Ok(Arc::new(b.finish()?))
}
