//! The convolution and its input gradient: a window that slides over an image.
//!
//! Both are the same loops: for each place of the result, a chain over kernel rows, kernel columns and the channels of the image that
//! is slid over. The convolution slides over its input with the weights as they are; the input gradient slides over the cotangent with the
//! weights of each tap transposed. Which taps meet which places differs, see [`lattice`](super::lattice).

use std::ops::Range;

use brolga_ir::Value;
use brolga_ir::ops::{Conv2d, Conv2dGradInput, ConvDims};

use super::cotangent::Cotangent;
use super::lattice::{Segment, bands, even_split, lattice};
use super::matmul::even_tiles;
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
    /// Bytes between taps in the weights, rows then columns.
    tap: [i64; 2],
    /// Bytes between channels of the image in the weights, and between groups of result channels.
    channel: i64,
    group: i64,
    /// For each axis the classes of places and their segments.
    segments: [Vec<Vec<Segment>>; 2],
    /// Extents of a pooling window behind the convolution; then rows are taken in classes of its height.
    pool: Option<[usize; 2]>,
}

/// Where a nest finds its images and weights.
struct Sources {
    image: Affine,
    weights: Affine,
}

impl Slide {
    fn group_channels(&self) -> usize {
        self.channels / self.groups
    }

    fn group_filters(&self) -> usize {
        self.filters / self.groups
    }

    /// The number of bands: rows of the result with one row of every class, or rows of the pooled result.
    fn bands(&self) -> usize {
        match self.pool {
            Some([height, _]) => self.result[0] / height,
            None => self.result[0].div_ceil(self.segments[0].len()),
        }
    }

    /// Writes the loops over bands, for one image. `band` is the only one to do, if the unit is a band.
    fn nest(
        &self,
        body: &Body<'_>,
        nest: &mut NestBuilder,
        target: &dyn TileTarget,
        epilogue: &Epilogue,
        pool: Option<&PoolTile>,
        sources: &Sources,
        image: &Affine,
        band: Option<&Affine>,
    ) -> Result<()> {
        let rows = bands(&self.segments[0], self.bands());
        for group in 0..self.groups {
            let filters = self.group_filters();
            let shape = target.contraction_shape(self.result[1], filters);
            // Pooling works on whole vectors, a tile may have less.
            let width = if pool.is_some() { shape.lanes.next_multiple_of(LANES) } else { shape.lanes };
            for (column, lanes) in even_tiles(filters, width) {
                let slice = Slice { group, column: group * filters + column, lanes, width };
                for (range, segments) in &rows {
                    let run = |nest: &mut NestBuilder, j: &Affine| -> Result<()> {
                        self.band(body, nest, target, epilogue, sources, image, &slice, range, segments, j)?;
                        if let Some(pool) = pool {
                            pool.call(nest, image, j, slice.column, lanes, width)?;
                        }
                        Ok(())
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
            }
        }
        Ok(())
    }

    /// One band: a row of every class.
    #[expect(clippy::too_many_arguments, reason = "the loop variables of a loop nest")]
    fn band(
        &self,
        body: &Body<'_>,
        nest: &mut NestBuilder,
        target: &dyn TileTarget,
        epilogue: &Epilogue,
        sources: &Sources,
        image: &Affine,
        slice: &Slice,
        range: &Range<usize>,
        segments: &[Option<Segment>],
        j: &Affine,
    ) -> Result<()> {
        let classes = self.segments[0].len();
        for (class, segment) in segments.iter().enumerate() {
            let Some(row) = segment else { continue };
            // The image row that the first tap of this row reads.
            let first = row.place + row.place_step * (range.start as i64 - row.start as i64);
            let place = Affine::number(first - row.place_step * range.start as i64).add(j, row.place_step);
            let result_row = if epilogue.is_scratch() {
                Affine::number(class as i64)
            } else {
                Affine::number(class as i64).add(j, classes as i64)
            };
            let column_classes = self.segments[1].len();
            for (column_class, column_segments) in self.segments[1].iter().enumerate() {
                for column in column_segments {
                    let line = Line { row, place: &place, result_row: &result_row, column, column_class, column_classes };
                    self.line(body, nest, target, epilogue, sources, image, slice, &line)?;
                }
            }
        }
        Ok(())
    }

    /// The places of one row and one segment of its columns.
    #[expect(clippy::too_many_arguments, reason = "the loop variables of a loop nest")]
    fn line(
        &self,
        body: &Body<'_>,
        nest: &mut NestBuilder,
        target: &dyn TileTarget,
        epilogue: &Epilogue,
        sources: &Sources,
        image: &Affine,
        slice: &Slice,
        line: &Line<'_>,
    ) -> Result<()> {
        let Line { row, place, result_row, column, column_class, column_classes } = *line;
        let pixel = 4 * self.channels as i64;
        let image_row = pixel * self.image[1] as i64;
        let channels = self.group_channels();
        let loops = [
            k_loop(row.taps, row.place_tap * image_row, row.tap_step as i64 * self.tap[0]),
            k_loop(column.taps, column.place_tap * pixel, column.tap_step as i64 * self.tap[1]),
            k_loop(channels, 4, self.channel),
        ];
        let (width, result_channels, first_channel) = if epilogue.is_scratch() {
            (self.result[1], slice.width, 0)
        } else {
            (self.result[1], self.filters, slice.column)
        };
        let row_step = column_classes * result_channels;
        let image_start = if epilogue.is_scratch() {
            Affine::number(0)
        } else {
            Affine::number(0).add(image, (self.result[0] * width * result_channels) as i64)
        };
        let shape = target.contraction_shape(column.count, slice.lanes);
        let in_group = slice.column - slice.group * self.group_filters();
        for (tile_column, lanes) in even_tiles(slice.lanes, shape.lanes) {
            let mut done = 0;
            for (count, size) in even_split(column.count, shape.rows) {
                let offsets: Vec<i32> =
                    (0..size).map(|r| (r as i64 * column.place_step * pixel) as i32).collect();
                let tile = ContractionTile::new(body, epilogue, &offsets, lanes, &loops, row_step)?;
                nest.repeat(count, |nest, i| {
                    // The number of the tile's first place within the segment.
                    let first = Affine::number(done as i64).add(&i, size as i64);
                    let a = sources
                        .image
                        .clone()
                        .add(place, image_row)
                        .plus(column.place * pixel + 4 * (slice.group * channels) as i64)
                        .add(&first, column.place_step * pixel);
                    let w = sources.weights.clone().plus(
                        row.tap as i64 * self.tap[0]
                            + column.tap as i64 * self.tap[1]
                            + slice.group as i64 * self.group
                            + 4 * (in_group + tile_column) as i64,
                    );
                    let result_column = Affine::number(
                        (column_class + column_classes * column.start) as i64,
                    )
                    .add(&first, column_classes as i64);
                    let element = image_start
                        .clone()
                        .add(result_row, (width * result_channels) as i64)
                        .add(&result_column, result_channels as i64)
                        .plus((first_channel + tile_column) as i64);
                    let column = Affine::number((slice.column + tile_column) as i64);
                    tile.call(nest, epilogue, a, w, &Place { element, column });
                });
                done += count * size;
            }
        }
        Ok(())
    }
}

/// Channels of the result that are worked on together.
struct Slice {
    group: usize,
    /// The first, over all groups.
    column: usize,
    lanes: usize,
    /// The distance of pixels in scratch memory.
    width: usize,
}

/// One row of the result and a segment of its columns.
struct Line<'a> {
    row: &'a Segment,
    place: &'a Affine,
    result_row: &'a Affine,
    column: &'a Segment,
    column_class: usize,
    column_classes: usize,
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
        body.input_slot(value).ok_or_else(|| body.malformed("an operand of a convolution is computed inside"))
    };
    let (x, w) = (slot(operands[0])?, slot(operands[1])?);
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
        tap: [row * dims.kernel[1] as i64, row],
        channel: 4 * dims.filters as i64,
        group: 4 * dims.group_filters() as i64,
        segments,
        pool: pool.as_ref().map(PoolTile::window),
    };
    let outputs: Vec<(Value, Affine)> = match &pool {
        Some(pool) => vec![(pool.operand(), Affine::scratch())],
        None => body.results().map(|(v, slot)| (v, Affine::slot(slot))).collect(),
    };
    let epilogue = Epilogue::new(body, &[root], &outputs, pool.is_some())?;
    if epilogue.is_scratch() && epilogue.has_full_leaf() {
        return Err(body.malformed("an operand of the result's shape stands in front of the pooling"));
    }
    let mut nest = NestBuilder::new("conv2d");
    let image_bytes = 4 * (dims.input[0] * dims.input[1] * dims.channels) as i64;
    let bands = slide.bands();
    let by_image = dims.batch >= IMAGE_UNITS;
    let (image, band) = if by_image {
        (Nest::UNIT.into(), None)
    } else {
        let (image, band) = nest.split(&Nest::UNIT.into(), bands.max(1));
        (image, Some(band))
    };
    let sources = Sources { image: Affine::slot(x).add(&image, image_bytes), weights: Affine::slot(w) };
    slide.nest(body, &mut nest, target, &epilogue, pool.as_ref(), &sources, &image, band.as_ref())?;
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
    let cotangent = Cotangent::new(body, operands[0], &dims)?;
    let window = op.window();
    let segments = std::array::from_fn(|axis| {
        lattice(dims.input[axis], window.strides[axis].min(dims.input[axis]).max(1), |place| {
            window.readers(axis, place, dims.kernel[axis], dims.output[axis]).collect()
        })
    });
    // The packed weights: for each tap a row of the group's input channels for every output channel.
    let row = 4 * (dims.group_channels() * dims.filters) as i64;
    let channel = 4 * dims.group_channels() as i64;
    let slide = Slide {
        groups: dims.groups,
        image: dims.output,
        channels: dims.filters,
        result: dims.input,
        filters: dims.channels,
        tap: [row * dims.kernel[1] as i64, row],
        channel,
        group: channel * dims.group_filters() as i64,
        segments,
        pool: None,
    };
    let outputs: Vec<_> = body.results().map(|(v, slot)| (v, Affine::slot(slot))).collect();
    let epilogue = Epilogue::new(body, &[root], &outputs, false)?;
    let packed = Affine::slot(body.workspace());
    let taps = dims.kernel[0] * dims.kernel[1];
    let (pack, pack_units) =
        pack::transpose(&Affine::slot(w), &packed, taps, dims.group_channels(), dims.filters)?;
    let pack = Stage {
        nest: pack,
        units: pack_units,
        reads: vec![Touch { slot: w, access: Access::Whole }],
        writes: vec![Touch { slot: body.workspace(), access: Access::Whole }],
        flops: 0,
    };

    let mut nest = NestBuilder::new("conv2d_grad_input");
    let image = Affine::from(Nest::UNIT);
    let source = cotangent.prepare(body, &mut nest, &image)?;
    let sources = Sources { image: source, weights: packed };
    slide.nest(body, &mut nest, target, &epilogue, None, &sources, &image, None)?;
    let full: Vec<usize> = epilogue.full_slots().chain(cotangent.full_slots()).collect();
    let (mut reads, writes) =
        body.touches(|slot| slot >= body.operands() || (full.contains(&slot) && slot != w));
    reads.retain(|touch| touch.slot != w || full.contains(&w));
    reads.push(Touch { slot: body.workspace(), access: Access::Whole });
    let stage =
        Stage { nest: nest.finish(), units: dims.batch, reads, writes, flops: flops(&dims) };
    Ok(Lowered {
        stages: vec![pack, stage],
        workspace: 4 * taps * dims.group_channels() * dims.filters,
        scratch: cotangent.scratch(),
        in_place: Vec::new(),
    })
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
