//! The convolution and its input gradient: a window that slides over an image.
//!
//! Both are the same loops: for each place of the result, a chain over kernel rows, kernel columns and the channels of the image that
//! is slid over. The convolution slides over its input with the weights as they are; the input gradient slides over the cotangent with the
//! weights of each tap transposed. Which taps meet which places differs, see [`lattice`](super::lattice).

use brolga_ir::Value;
use brolga_ir::ops::{Conv2d, Conv2dGradInput, ConvDims, Matmul, MatmulDims};

use super::cotangent::Cotangent;
use super::lattice::{Segment, bands, column_tiles, even_split, lattice};
use super::matmul;
use super::pack;
use super::tile::{ContractionTile, k_loop};
use crate::error::Result;
use crate::kernel::{Access, Touch};
use crate::lower::epilogue::{Epilogue, Place};
use crate::lower::window::PoolTile;
use crate::lower::{Body, Lowered, Stage};
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{LANES, TileTarget};

/// From this many images on a unit is an image; below, a band of its rows.
const IMAGE_UNITS: usize = 8;

/// A window sliding over images.
struct Slide {
    groups: usize,
    /// Extents of the images slid over, and their channels, all groups together.
    image: [usize; 2],
    channels: usize,
    /// Extents of the result, and its channels, all groups together.
    result: [usize; 2],
    filters: usize,
    /// For each axis the classes of places and their segments.
    segments: [Vec<Vec<Segment>>; 2],
    /// How many bands there are: rows of the result with one row of every class, or rows of the pooled result.
    bands: usize,
    weights: Weights,
    /// Weights in panels of a tile's width, if there are such.
    panels: Option<(usize, Weights)>,
}

/// How weights lie in memory: bytes between neighbours.
#[derive(Debug, Clone)]
struct Weights {
    start: Affine,
    /// Between taps, rows then columns.
    tap: [i64; 2],
    /// Between channels of the image.
    channel: i64,
    /// Between groups.
    group: i64,
    /// Between the tiles of a row of result channels; `None` if one follows the other directly.
    tile: Option<i64>,
}

/// The parts of a kernel that all of its loops need.
struct Scope<'a> {
    body: &'a Body<'a>,
    target: &'a dyn TileTarget,
    epilogue: &'a Epilogue,
    /// The number of the image, and where it starts.
    number: &'a Affine,
    image: &'a Affine,
}

/// Channels of the result that are worked on together.
struct Slice {
    group: usize,
    /// The first of them, within the group.
    first: Affine,
    lanes: usize,
    /// The distance of pixels in scratch memory.
    width: usize,
}

/// Rows of the result that have the same taps.
struct Rows<'a> {
    segment: &'a Segment,
    /// The image row that the first tap of the first row reads.
    place: Affine,
    /// The first row, and the distance to the next.
    first: Affine,
    step: usize,
    count: usize,
}

impl Slide {
    fn group_channels(&self) -> usize {
        self.channels / self.groups
    }

    fn group_filters(&self) -> usize {
        self.filters / self.groups
    }

    /// Writes the loops for one image, or for one band of it.
    fn nest(
        &self,
        scope: &Scope<'_>,
        nest: &mut NestBuilder,
        pool: Option<&PoolTile>,
        band: Option<&Affine>,
    ) -> Result<()> {
        let filters = self.group_filters();
        let shape = scope.target.contraction_shape(self.result[1], filters);
        // Pooling works on whole vectors.
        let width = if pool.is_some() { shape.lanes.next_multiple_of(LANES) } else { filters };
        for group in 0..self.groups {
            for (start, slices, lanes) in column_tiles(filters, width) {
                let mut result = Ok(());
                nest.repeat(slices, |nest, i| {
                    let first = i.plus(0);
                    let first = Affine::number(start as i64).add(&first, lanes as i64);
                    let slice = Slice { group, first, lanes, width };
                    result = match (pool, band) {
                        (None, None) => self.rectangles(scope, nest, &slice),
                        _ => self.banded(scope, nest, &slice, pool, band),
                    };
                });
                result?;
            }
        }
        Ok(())
    }

    /// All rows of an image, in rectangles with the same taps.
    fn rectangles(&self, scope: &Scope<'_>, nest: &mut NestBuilder, slice: &Slice) -> Result<()> {
        let classes = self.segments[0].len();
        for (class, segments) in self.segments[0].iter().enumerate() {
            for segment in segments {
                let rows = Rows {
                    segment,
                    place: Affine::number(segment.place),
                    first: Affine::number((class + classes * segment.start) as i64),
                    step: classes,
                    count: segment.count,
                };
                self.columns(scope, nest, slice, &rows)?;
            }
        }
        Ok(())
    }

    /// Band by band: a row of every class, and then its pooling.
    fn banded(
        &self,
        scope: &Scope<'_>,
        nest: &mut NestBuilder,
        slice: &Slice,
        pool: Option<&PoolTile>,
        band: Option<&Affine>,
    ) -> Result<()> {
        for (range, segments) in bands(&self.segments[0], self.bands) {
            let run = |nest: &mut NestBuilder, j: &Affine| -> Result<()> {
                for (class, segment) in segments.iter().enumerate() {
                    let Some(segment) = segment else { continue };
                    let place = segment.place - segment.place_step * segment.start as i64;
                    let first = Affine::number(class as i64);
                    let rows = Rows {
                        segment,
                        place: Affine::number(place).add(j, segment.place_step),
                        first: if scope.epilogue.is_scratch() {
                            first
                        } else {
                            first.add(j, segments.len() as i64)
                        },
                        step: segments.len(),
                        count: 1,
                    };
                    self.columns(scope, nest, slice, &rows)?;
                }
                match pool {
                    Some(pool) => {
                        let column =
                            slice.first.clone().plus((slice.group * self.group_filters()) as i64);
                        pool.call(nest, scope.number, j, &column, slice.lanes, slice.width)
                    }
                    None => Ok(()),
                }
            };
            let mut result = Ok(());
            match band {
                Some(band) => {
                    nest.when(band.clone(), range.clone(), |nest| result = run(nest, band), |_| {});
                }
                None => nest.repeat(range.len(), |nest, i| {
                    result = run(nest, &i.plus(range.start as i64));
                }),
            }
            result?;
        }
        Ok(())
    }

    /// The rectangles of some rows.
    fn columns(
        &self,
        scope: &Scope<'_>,
        nest: &mut NestBuilder,
        slice: &Slice,
        rows: &Rows<'_>,
    ) -> Result<()> {
        for (class, segments) in self.segments[1].iter().enumerate() {
            for column in segments {
                self.rectangle(scope, nest, slice, rows, class, column)?;
            }
        }
        Ok(())
    }

    /// The weights that a tile of so many lanes reads.
    fn weights(&self, lanes: usize) -> &Weights {
        match &self.panels {
            Some((width, panels)) if *width == lanes => panels,
            _ => &self.weights,
        }
    }

    /// Places that have the same taps. A tile lies along the longer side.
    fn rectangle(
        &self,
        scope: &Scope<'_>,
        nest: &mut NestBuilder,
        slice: &Slice,
        rows: &Rows<'_>,
        column_class: usize,
        column: &Segment,
    ) -> Result<()> {
        let column_classes = self.segments[1].len();
        let pixel = 4 * self.channels as i64;
        let line = pixel * self.image[1] as i64;
        let scratch = scope.epilogue.is_scratch();
        let channels = if scratch { slice.width } else { self.filters };
        let result_line = (self.result[1] * channels) as i64;
        // Steps from one place to the next, down and across, in the image's bytes and the result's elements.
        let down = (rows.count, rows.segment.place_step * line, rows.step as i64 * result_line);
        let across = (column.count, column.place_step * pixel, (column_classes * channels) as i64);
        let (along, beside) =
            if rows.count > column.count { (down, across) } else { (across, down) };
        let shape = scope.target.contraction_shape(along.0, slice.lanes);
        for (start, tiles, lanes) in column_tiles(slice.lanes, shape.lanes) {
            let weights = self.weights(lanes);
            let loops = [
                k_loop(
                    rows.segment.taps,
                    rows.segment.place_tap * line,
                    rows.segment.tap_step as i64 * weights.tap[0],
                ),
                k_loop(
                    column.taps,
                    column.place_tap * pixel,
                    column.tap_step as i64 * weights.tap[1],
                ),
                k_loop(self.group_channels(), 4, weights.channel),
            ];
            let a = scope
                .image
                .clone()
                .add(&rows.place, line)
                .plus(column.place * pixel + 4 * (slice.group * self.group_channels()) as i64);
            let w = weights.start.clone().plus(
                rows.segment.tap as i64 * weights.tap[0]
                    + column.tap as i64 * weights.tap[1]
                    + slice.group as i64 * weights.group,
            );
            let first = Affine::number((column_class + column_classes * column.start) as i64);
            let mut element =
                Affine::number(0).add(&rows.first, result_line).add(&first, channels as i64);
            if !scratch {
                element = element
                    .add(scope.number, (self.result[0] * self.result[1] * channels) as i64)
                    .add(&slice.first, 1)
                    .plus((slice.group * self.group_filters()) as i64);
            }
            let mut done = 0;
            for (count, size) in even_split(along.0, shape.rows) {
                let offsets: Vec<i32> = (0..size).map(|r| (r as i64 * along.1) as i32).collect();
                let row_step = along.2 as usize;
                let tile = ContractionTile::new(
                    scope.body,
                    scope.epilogue,
                    &offsets,
                    lanes,
                    &loops,
                    row_step,
                )?;
                nest.repeat(tiles, |nest, t| {
                    // The tile's first channel within the slice.
                    let channel = Affine::number(start as i64).add(&t, lanes as i64);
                    let in_group = slice.first.clone().add(&channel, 1);
                    let w = match weights.tile {
                        // A slice is all channels of the group where there are panels.
                        Some(bytes) => {
                            w.clone().plus((start / lanes) as i64 * bytes).add(&t, bytes)
                        }
                        None => w.clone().add(&in_group, 4),
                    };
                    let column = in_group.plus((slice.group * self.group_filters()) as i64);
                    nest.repeat(beside.0, |nest, b| {
                        nest.repeat(count, |nest, i| {
                            // The number of the tile's first place along its side.
                            let place = Affine::number(done as i64).add(&i, size as i64);
                            let a = a.clone().add(&b, beside.1).add(&place, along.1);
                            let element = element
                                .clone()
                                .add(&channel, 1)
                                .add(&b, beside.2)
                                .add(&place, along.2);
                            let place = Place { element, column: column.clone() };
                            tile.call(nest, scope.epilogue, a, w.clone(), &place);
                        });
                    });
                });
                done += count * size;
            }
        }
        Ok(())
    }

    /// The widths of whole tiles that rectangles use, when a slice is all channels of a group.
    fn widths(&self, target: &dyn TileTarget) -> Vec<usize> {
        let filters = self.group_filters();
        let mut widths = Vec::new();
        for row in self.segments[0].iter().flatten() {
            for column in self.segments[1].iter().flatten() {
                let shape = target.contraction_shape(row.count.max(column.count), filters);
                widths.push(shape.lanes.min(filters));
            }
        }
        widths.sort_unstable();
        widths.dedup();
        widths
    }
}

/// `conv2d`, with epilogue, and with pooling if the outputs are a `max_pool` or its index.
pub(super) fn forward(
    body: &Body<'_>,
    root: Value,
    op: &Conv2d,
    target: &dyn TileTarget,
) -> Result<Lowered> {
    let operands = body.graph.operands(root.node);
    let dims = op
        .dims(body.shape(operands[0]), body.shape(operands[1]))
        .map_err(|mistake| body.malformed(mistake.to_string()))?;
    let pool = PoolTile::behind(body, &dims)?;
    let slot = |value| {
        body.input_slot(value)
            .ok_or_else(|| body.malformed("an operand of a convolution is computed inside"))
    };
    let (x, w) = (slot(operands[0])?, slot(operands[1])?);
    if pool.is_none() && is_product(&dims) {
        let op = Matmul { transpose_a: false, transpose_b: false };
        let extents = pixels(&dims, dims.filters, dims.channels);
        return matmul::product(body, root, op, extents, [x, w], target);
    }
    let window = op.window();
    let classes = pool.as_ref().map_or([1, 1], |pool| [pool.window()[0], 1]);
    let segments = std::array::from_fn(|axis| {
        lattice(dims.output[axis], classes[axis], |output| {
            window.taps(axis, output, dims.kernel[axis], dims.input[axis]).collect()
        })
    });
    let row = 4 * (dims.group_channels() * dims.filters) as i64;
    let slide = Slide {
        groups: dims.groups,
        image: dims.input,
        channels: dims.channels,
        result: dims.output,
        filters: dims.filters,
        bands: match &pool {
            Some(pool) => dims.output[0] / pool.window()[0],
            None => dims.output[0],
        },
        segments,
        weights: Weights {
            start: Affine::slot(w),
            tap: [row * dims.kernel[1] as i64, row],
            channel: 4 * dims.filters as i64,
            group: 4 * dims.group_filters() as i64,
            tile: None,
        },
        panels: None,
    };
    let outputs: Vec<(Value, Affine)> = match &pool {
        Some(pool) => vec![(pool.operand(), Affine::scratch())],
        None => body.results().map(|(v, slot)| (v, Affine::slot(slot))).collect(),
    };
    let epilogue = Epilogue::new(body, &[root], &outputs, pool.is_some())?;
    if epilogue.is_scratch() && epilogue.has_full_leaf() {
        return Err(
            body.malformed("an operand of the result's shape stands in front of the pooling")
        );
    }
    let mut nest = NestBuilder::new("conv2d");
    let image_bytes = 4 * (dims.input[0] * dims.input[1] * dims.channels) as i64;
    let bands = slide.bands;
    let by_image = dims.batch >= IMAGE_UNITS;
    let (number, band) = if by_image {
        (Nest::UNIT.into(), None)
    } else {
        let (number, band) = nest.split(&Nest::UNIT.into(), bands.max(1));
        (number, Some(band))
    };
    let image = Affine::slot(x).add(&number, image_bytes);
    let scope = Scope { body, target, epilogue: &epilogue, number: &number, image: &image };
    slide.nest(&scope, &mut nest, pool.as_ref(), band.as_ref())?;
    let full: Vec<usize> = epilogue.full_slots().collect();
    let (reads, writes) = body.touches(|slot| {
        slot >= body.operands() || full.contains(&slot) || (by_image && slot == x && x != w)
    });
    let stage = Stage {
        nest: nest.finish(),
        units: if by_image { dims.batch } else { dims.batch * bands },
        reads,
        writes,
        flops: flops(&dims),
    };
    // A band of scratch memory, as wide as the widest slice.
    let scratch = pool.as_ref().map_or(0, |pool| {
        let lanes = target.contraction_shape(dims.output[1], dims.group_filters()).lanes;
        4 * pool.window()[0] * dims.output[1] * lanes.next_multiple_of(LANES)
    });
    Ok(Lowered { stages: vec![stage], workspace: 0, scratch, in_place: Vec::new() })
}

/// `conv2d_grad_input`, with the prologue of its cotangent and an epilogue.
pub(super) fn grad_input(
    body: &Body<'_>,
    root: Value,
    op: &Conv2dGradInput,
    target: &dyn TileTarget,
) -> Result<Lowered> {
    let operands = body.graph.operands(root.node);
    let dims = op
        .dims(body.shape(operands[0]), body.shape(operands[1]))
        .map_err(|mistake| body.malformed(mistake.to_string()))?;
    let w = body
        .input_slot(operands[1])
        .ok_or_else(|| body.malformed("the weights of a convolution are computed inside"))?;
    if is_product(&dims)
        && let Some(dy) = body.input_slot(operands[0])
    {
        let op = Matmul { transpose_a: false, transpose_b: true };
        let extents = pixels(&dims, dims.channels, dims.filters);
        return matmul::product(body, root, op, extents, [dy, w], target);
    }
    let cotangent = Cotangent::new(body, operands[0], &dims)?;
    let window = op.window();
    let segments = std::array::from_fn(|axis| {
        lattice(dims.input[axis], window.strides[axis].min(dims.input[axis]).max(1), |place| {
            window.readers(axis, place, dims.kernel[axis], dims.output[axis]).collect()
        })
    });
    // The packed weights: for each tap a row of the group's input channels for every output channel.
    let taps = dims.kernel[0] * dims.kernel[1];
    let (channels, filters) = (dims.group_channels(), dims.group_filters());
    let packed = Affine::slot(body.workspace());
    let row = 4 * (channels * dims.filters) as i64;
    let weights = Weights {
        start: packed.clone(),
        tap: [row * dims.kernel[1] as i64, row],
        channel: 4 * channels as i64,
        group: 4 * (channels * filters) as i64,
        tile: None,
    };
    let mut slide = Slide {
        groups: dims.groups,
        image: dims.output,
        channels: dims.filters,
        result: dims.input,
        filters: dims.channels,
        bands: 0,
        segments,
        weights,
        panels: None,
    };
    let outputs: Vec<_> = body.results().map(|(v, slot)| (v, Affine::slot(slot))).collect();
    let epilogue = Epilogue::new(body, &[root], &outputs, false)?;
    let mut workspace = 4 * taps * channels * dims.filters;
    let pack_stage = |(nest, units)| Stage {
        nest,
        units,
        reads: vec![Touch { slot: w, access: Access::Whole }],
        writes: vec![Touch { slot: body.workspace(), access: Access::Whole }],
        flops: 0,
    };
    let mut stages = Vec::new();
    // The narrowest tiles do most of the work: their weights lie in panels, so that they follow one another in memory.
    let widths = slide.widths(target);
    if let Some(&width) = widths.first()
        && (1..channels).contains(&width)
        && channels.is_multiple_of(width)
    {
        let panel = (width * filters) as i64 * 4;
        let start = packed.clone().plus(workspace as i64);
        let panels =
            pack::Panels { taps, groups: dims.groups, rows: channels, columns: filters, width };
        stages.push(pack_stage(panels.pack(&Affine::slot(w), &start)?));
        let panels = Weights {
            start,
            tap: [panel * dims.kernel[1] as i64, panel],
            channel: 4 * width as i64,
            group: 4 * (taps * channels * filters) as i64,
            tile: Some(panel * taps as i64),
        };
        slide.panels = Some((width, panels));
        workspace *= 2;
    }
    if slide.panels.is_none() || widths.len() > 1 {
        stages.push(pack_stage(pack::transpose(
            &Affine::slot(w),
            &packed,
            taps,
            channels,
            dims.filters,
        )?));
    }

    let mut nest = NestBuilder::new("conv2d_grad_input");
    let number = Affine::from(Nest::UNIT);
    let image = cotangent.prepare(body, &mut nest, &number)?;
    let scope = Scope { body, target, epilogue: &epilogue, number: &number, image: &image };
    slide.nest(&scope, &mut nest, None, None)?;
    let full: Vec<usize> = epilogue.full_slots().chain(cotangent.full_slots()).collect();
    let (mut reads, writes) =
        body.touches(|slot| slot >= body.operands() || (full.contains(&slot) && slot != w));
    reads.retain(|touch| touch.slot != w || full.contains(&w));
    reads.push(Touch { slot: body.workspace(), access: Access::Whole });
    let stage =
        Stage { nest: nest.finish(), units: dims.batch, reads, writes, flops: flops(&dims) };
    stages.push(stage);
    Ok(Lowered { stages, workspace, scratch: cotangent.scratch(), in_place: Vec::new() })
}

/// Whether a convolution is the product of its pixels and its weights.
fn is_product(dims: &ConvDims) -> bool {
    dims.kernel == [1, 1]
        && dims.groups == 1
        && dims.window.strides == [1, 1]
        && dims.window.padding == [[0, 0]; 2]
}

/// The extents of the product of all pixels, of `k` channels each, with weights.
fn pixels(dims: &ConvDims, n: usize, k: usize) -> MatmulDims {
    MatmulDims { batch: 1, m: dims.batch * dims.output[0] * dims.output[1], n, k }
}

/// Two operations for each multiply-add of taps inside the image.
pub(super) fn flops(dims: &ConvDims) -> u64 {
    let taps = |axis: usize| -> usize {
        (0..dims.output[axis])
            .map(|o| dims.window.taps(axis, o, dims.kernel[axis], dims.input[axis]).len())
            .sum()
    };
    2 * (dims.batch * taps(0) * taps(1) * dims.group_channels() * dims.filters) as u64
}
