//! The gradient of a convolution by its filter, and by the bias beside it.
//!
//! A unit is a piece of the batch. For each of its images every tile of weights goes on with its chains over the output pixels: the
//! partial sums stay in the workspace between images and in registers over an image. A second stage adds the pieces in ascending order.

use std::ops::Range;
use std::sync::Arc;

use brolga_ir::lanes::Lanes;
use brolga_ir::ops::reduce::pieces;
use brolga_ir::ops::{Conv2dGradFilter, ConvDims};
use brolga_ir::{Op, Value};

use super::conv::flops;
use super::cotangent::{Cotangent, zeros};
use super::lattice::{column_tiles, even_split};
use super::tile::k_loop;
use crate::error::Result;
use crate::generators::{Contraction, KLoop, Start};
use crate::kernel::{Access, Touch};
use crate::lower::{Body, Lowered, Stage};
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{Builder, Extent, LANES, TileProgram, TileTarget, Trips};

/// Floats that one unit of the second stage adds up.
const BLOCK: usize = 1024;

/// A row of weights: a tap and a channel of the group.
#[derive(Clone, Copy)]
struct Row {
    tap: [usize; 2],
    channel: usize,
}

pub(super) fn lower(
    body: &Body<'_>,
    root: Value,
    op: &Conv2dGradFilter,
    target: &dyn TileTarget,
) -> Result<Lowered> {
    let operands = body.graph.operands(root.node);
    let dims = op
        .dims(body.shape(operands[0]), body.shape(operands[1]))
        .map_err(|mistake| body.malformed(mistake.to_string()))?;
    let x = body
        .input_slot(operands[0])
        .ok_or_else(|| body.malformed("the images of a convolution are computed inside"))?;
    let cotangent = Cotangent::new(body, operands[1], &dims)?;
    let mut filter_slot = None;
    let mut bias_slot = None;
    for (value, slot) in body.results() {
        match body.op(value) {
            _ if value == root => filter_slot = Some(slot),
            Op::ReduceSum(sum)
                if sum.axes.as_slice() == [0, 1, 2]
                    && body.graph.operands(value.node)[0] == operands[1] =>
            {
                bias_slot = Some(slot);
            }
            op => {
                return Err(
                    body.malformed(format!("`{}` is behind a filter's gradient", op.name()))
                );
            }
        }
    }

    let weights = dims.kernel[0] * dims.kernel[1] * dims.group_channels() * dims.filters;
    let part = weights + if bias_slot.is_some() { dims.filters } else { 0 };
    let part_bytes = 4 * part as i64;
    let count = pieces(dims.batch);

    let mut nest = NestBuilder::new("conv2d_grad_filter");
    let piece = Affine::from(Nest::UNIT);
    let partial = Affine::slot(body.workspace()).add(&piece, part_bytes);
    if part > 0 {
        nest.call(&zeros(part)?, [partial.clone()]);
    }
    let border = |nest: &mut NestBuilder, piece: Affine| {
        nest.divide(Affine::number(0).add(&piece, dims.batch as i64), count)
    };
    let from = border(&mut nest, piece.clone());
    let to = border(&mut nest, piece.plus(1));
    let mut result = Ok(());
    nest.range(from, to, |nest, image| {
        result = one_image(body, nest, target, &dims, &cotangent, x, &partial, image.into())
            .and_then(|cotangent| match bias_slot {
                Some(_) => bias(nest, &dims, &cotangent, &partial.clone().plus(4 * weights as i64)),
                None => Ok(()),
            });
    });
    result?;
    let (mut reads, _) = body.touches(|_| false);
    for touch in &mut reads {
        // A piece is an equal part of the batch only if the pieces are equal.
        if dims.batch.is_multiple_of(count) && body.shape_of_slot(touch.slot).elements() > 1 {
            touch.access = Access::Units;
        }
    }
    let accumulate = Stage {
        nest: nest.finish(),
        units: count,
        reads,
        writes: vec![Touch { slot: body.workspace(), access: Access::Units }],
        flops: flops(&dims),
    };

    let mut stages = vec![accumulate];
    for (slot, offset, elements) in
        [(filter_slot, 0, weights), (bias_slot, 4 * weights as i64, dims.filters)]
    {
        let Some(slot) = slot else { continue };
        let (nest, units) = combine(body, offset, elements, part_bytes, count, slot)?;
        stages.push(Stage {
            nest,
            units,
            reads: vec![Touch { slot: body.workspace(), access: Access::Whole }],
            writes: vec![Touch { slot, access: Access::Whole }],
            flops: (elements * count) as u64,
        });
    }
    Ok(Lowered {
        stages,
        workspace: part_bytes as usize * count,
        scratch: cotangent.scratch(),
        in_place: Vec::new(),
    })
}

/// Goes on with all chains for one image; tells where its cotangent is.
#[expect(clippy::too_many_arguments, reason = "the parts of one loop nest")]
fn one_image(
    body: &Body<'_>,
    nest: &mut NestBuilder,
    target: &dyn TileTarget,
    dims: &ConvDims,
    cotangent: &Cotangent,
    x: usize,
    partial: &Affine,
    image: Affine,
) -> Result<Affine> {
    let dy = cotangent.prepare(body, nest, &image)?;
    let pixel = 4 * dims.channels as i64;
    let line = pixel * dims.input[1] as i64;
    let dy_pixel = 4 * dims.filters as i64;
    let dy_line = dy_pixel * dims.output[1] as i64;
    let row_bytes = 4 * dims.filters as i64;
    let x = Affine::slot(x).add(&image, line * dims.input[0] as i64);
    let channels = dims.group_channels();
    for group in 0..dims.groups {
        let filters = dims.group_filters();
        for rows in row_groups(dims) {
            // All taps of a group of rows meet the same output rows and columns.
            let Some(&first) = rows.first() else { continue };
            let (lines, columns) = (outputs(dims, 0, first.tap[0]), outputs(dims, 1, first.tap[1]));
            if lines.is_empty() || columns.is_empty() {
                continue;
            }
            let place = |row: Row| -> i64 {
                let at = |axis: usize, start: usize| {
                    (start * dims.window.strides[axis] + row.tap[axis] * dims.window.dilation[axis])
                        as i64
                        - dims.window.padding[axis][0] as i64
                };
                at(0, lines.start) * line
                    + at(1, columns.start) * pixel
                    + 4 * (group * channels + row.channel) as i64
            };
            let weight = |row: Row| -> i64 {
                ((row.tap[0] * dims.kernel[1] + row.tap[1]) * channels + row.channel) as i64
                    * row_bytes
            };
            let loops = [
                k_loop(lines.len(), dims.window.strides[0] as i64 * line, dy_line),
                k_loop(columns.len(), dims.window.strides[1] as i64 * pixel, dy_pixel),
            ];
            let b = dy
                .clone()
                .plus(lines.start as i64 * dy_line + columns.start as i64 * dy_pixel)
                .plus(4 * (group * filters) as i64);
            let shape = target.contraction_shape(rows.len(), filters);
            for (column, slices, lanes) in column_tiles(filters, shape.lanes) {
                let at = 4 * (group * filters + column) as i64;
                let slice = 4 * lanes as i64;
                let mut done = 0;
                for (tiles, size) in even_split(rows.len(), shape.rows) {
                    let chunk = &rows[done..done + tiles * size];
                    // Tiles whose rows lie alike, one constant step apart, are one loop.
                    for run in runs(chunk, size, &place, &weight) {
                        let start = chunk[run.start * size];
                        let offsets = |of: &dyn Fn(Row) -> i64| -> Vec<i32> {
                            (0..size)
                                .map(|r| (of(chunk[run.start * size + r]) - of(start)) as i32)
                                .collect()
                        };
                        let tile = tile(&offsets(&place), &offsets(&weight), lanes, &loops)?;
                        let (place_step, weight_step) = if run.len() > 1 {
                            let next = chunk[(run.start + 1) * size];
                            (place(next) - place(start), weight(next) - weight(start))
                        } else {
                            (0, 0)
                        };
                        nest.repeat(slices, |nest, j| {
                            nest.repeat(run.len(), |nest, i| {
                                let a = x.clone().plus(place(start)).add(&i, place_step);
                                let w = b.clone().plus(4 * column as i64).add(&j, slice);
                                let sums = partial.clone().plus(weight(start) + at);
                                let sums = sums.add(&i, weight_step).add(&j, slice);
                                nest.call(&tile, [a, w, sums]);
                            });
                        });
                    }
                    done += tiles * size;
                }
            }
        }
    }
    Ok(dy)
}

/// The outputs of an axis that read a place inside the image by this tap.
fn outputs(dims: &ConvDims, axis: usize, tap: usize) -> Range<usize> {
    let inside = |&output: &usize| dims.window.place(axis, output, tap, dims.input[axis]).is_some();
    let start = (0..dims.output[axis]).find(inside).unwrap_or(0);
    let count = (start..dims.output[axis]).take_while(inside).count();
    start..start + count
}

/// The rows of weights of a group, in groups that meet the same outputs.
fn row_groups(dims: &ConvDims) -> Vec<Vec<Row>> {
    let mut groups: Vec<([Range<usize>; 2], Vec<Row>)> = Vec::new();
    for u in 0..dims.kernel[0] {
        for v in 0..dims.kernel[1] {
            let key = [outputs(dims, 0, u), outputs(dims, 1, v)];
            let rows = (0..dims.group_channels()).map(|channel| Row { tap: [u, v], channel });
            match groups.iter_mut().find(|(other, _)| *other == key) {
                Some((_, group)) => group.extend(rows),
                None => groups.push((key, rows.collect())),
            }
        }
    }
    groups.into_iter().map(|(_, rows)| rows).collect()
}

/// Runs of tiles of `size` rows that lie alike and a constant step apart.
fn runs(
    rows: &[Row],
    size: usize,
    place: &dyn Fn(Row) -> i64,
    weight: &dyn Fn(Row) -> i64,
) -> Vec<Range<usize>> {
    let tiles = rows.len() / size;
    let shape = |tile: usize| -> Vec<(i64, i64)> {
        let first = rows[tile * size];
        (0..size)
            .map(|r| rows[tile * size + r])
            .map(|row| (place(row) - place(first), weight(row) - weight(first)))
            .collect()
    };
    let start = |tile: usize| (place(rows[tile * size]), weight(rows[tile * size]));
    let step = |tile: usize| {
        let (now, before) = (start(tile), start(tile - 1));
        (now.0 - before.0, now.1 - before.1)
    };
    let mut runs: Vec<Range<usize>> = Vec::new();
    for tile in 0..tiles {
        match runs.last_mut() {
            Some(run)
                if shape(run.start) == shape(tile)
                    && (run.len() == 1 || step(run.start + 1) == step(tile)) =>
            {
                run.end = tile + 1;
            }
            _ => runs.push(tile..tile + 1),
        }
    }
    runs
}

/// Chains that go on from memory and end there: rows at these offsets of `a`, and of the weights.
fn tile(a: &[i32], weights: &[i32], lanes: usize, loops: &[KLoop]) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("grad_filter_{}x{lanes}", a.len()));
    let (x, dy, sums) = (b.pointer("a"), b.pointer("b"), b.pointer("sums"));
    let contraction = Contraction { rows: a.into(), lanes, loops: loops.into() };
    let accumulators = contraction.emit(&mut b, x, dy, Start::Memory(sums, weights));
    for acc in accumulators {
        let offset = weights[acc.row] + 4 * acc.column as i32;
        b.store_f32(sums.at(offset), acc.extent, acc.value);
    }
    Ok(Arc::new(b.finish()?))
}

/// Adds all pixels of one image's cotangent to the partial sums of the bias.
fn bias(nest: &mut NestBuilder, dims: &ConvDims, cotangent: &Affine, sums: &Affine) -> Result<()> {
    let pixels = dims.output[0] * dims.output[1];
    for place in (0..dims.filters).step_by(LANES) {
        let lanes = (dims.filters - place).min(LANES);
        let extent = Extent::first(lanes);
        let mut b = Builder::new(format!("sum_rows_{pixels}x{lanes}"));
        let (from, to) = (b.pointer("from"), b.pointer("to"));
        let initial = b.load_f32(to.at(0), extent);
        let sum = b.variable(initial);
        b.repeat(Trips::Const(pixels as u32), |b| {
            let (acc, value) = (b.get(sum), b.load_f32(from.at(0), extent));
            let next = b.add(acc, value);
            b.set(sum, next);
            b.step(from, 4 * dims.filters as i64, Trips::Const(1));
        });
        let sum = b.get(sum);
        b.store_f32(to.at(0), extent, sum);
        let offset = 4 * place as i64;
        nest.call(
            &Arc::new(b.finish()?),
            [cotangent.clone().plus(offset), sums.clone().plus(offset)],
        );
    }
    Ok(())
}

/// Adds the pieces of `elements` sums, starting from the first.
fn combine(
    body: &Body<'_>,
    offset: i64,
    elements: usize,
    part_bytes: i64,
    pieces: usize,
    slot: usize,
) -> Result<(Nest, usize)> {
    let mut nest = NestBuilder::new("add_pieces");
    let units = elements.div_ceil(BLOCK);
    let tile = |count: usize| -> Result<Arc<TileProgram>> {
        let mut b = Builder::new(format!("add_{pieces}_pieces_{count}"));
        let (from, to) = (b.pointer("from"), b.pointer("to"));
        let vector = |b: &mut Builder, extent: Extent| {
            let mut sum = b.load_f32(from.at(0), extent);
            for piece in 1..pieces {
                let value = b.load_f32(from.at((piece as i64 * part_bytes) as i32), extent);
                sum = b.add(sum, value);
            }
            b.store_f32(to.at(0), extent, sum);
        };
        b.repeat(Trips::Const((count / LANES) as u32), |b| {
            vector(b, Extent::Full);
            b.step(from, 4 * LANES as i64, Trips::Const(1));
            b.step(to, 4 * LANES as i64, Trips::Const(1));
        });
        if !count.is_multiple_of(LANES) {
            vector(&mut b, Extent::first(count % LANES));
        }
        Ok(Arc::new(b.finish()?))
    };
    let unit = Affine::from(Nest::UNIT);
    let from = Affine::slot(body.workspace()).plus(offset).add(&unit, 4 * BLOCK as i64);
    let to = Affine::slot(slot).add(&unit, 4 * BLOCK as i64);
    let (full, rest) = (elements / BLOCK, elements % BLOCK);
    let whole = if full > 0 { Some(tile(BLOCK)?) } else { None };
    let tail = if rest > 0 { Some(tile(rest)?) } else { None };
    nest.when(
        unit,
        0..full,
        |nest| whole.iter().for_each(|tile| nest.call(tile, [from.clone(), to.clone()])),
        |nest| tail.iter().for_each(|tile| nest.call(tile, [from.clone(), to.clone()])),
    );
    Ok((nest.finish(), units))
}
