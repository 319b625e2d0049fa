//! The convolution and its input gradient.
//!
//! Both are the same loops, see [`slide`](super::slide). The convolution slides over its input with the weights as they are; the input gradient
//! slides over the cotangent with the weights of each tap transposed. Weights in wide rows are brought into panels first. With kernels of one pixel both are
//! matrix products.

use brolga_ir::Value;
use brolga_ir::ops::{Conv, ConvDims, ConvGradInput, Matmul, MatmulDims};

use super::cotangent::Cotangent;
use super::lattice::lattice;
use super::matmul::{self, Factors};
use super::pack::{self, Panels};
use super::planar;
use super::slide::{Scope, Slide, Weights};
use super::tile::Chains;
use crate::error::Result;
use crate::kernel::{Access, Touch};
use crate::lower::epilogue::Epilogue;
use crate::lower::window::{PoolTile, pair};
use crate::lower::{Body, Lowered, Stage};
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{LANES, TileTarget};

/// From this many images on a unit is an image, if that stays in the second-level cache; otherwise a band of its rows.
const IMAGE_UNITS: usize = 8;
const IMAGE_BYTES: usize = 512 << 10;
/// Narrow panels from which on a unit may be a panel of weights.
const MANY_PANELS: usize = 8;
/// Bytes of a row of weights, and rows, from which on the columns of a tile are spread over too few sets of the cache.
const WIDE_ROW: usize = 512;
const MANY_ROWS: usize = 64;

/// `conv`, with epilogue, and with pooling if the outputs are a `max_pool` or its index.
pub(super) fn forward(
    body: &Body<'_>,
    root: Value,
    op: &Conv,
    target: &dyn TileTarget,
) -> Result<Lowered> {
    let operands = body.graph.operands(root.node);
    let dims = planar(body, op.dims(body.shape(operands[0]), body.shape(operands[1])))?;
    let pool = PoolTile::behind(body, &dims)?;
    let slot = |value| {
        body.factor_slot(value)
            .ok_or_else(|| body.refused("an operand of a convolution is computed inside"))
    };
    let (x, w) = (slot(operands[0])?, slot(operands[1])?);
    if pool.is_none() && is_product(&dims) {
        let op = Matmul { transpose_a: false, transpose_b: false };
        return matmul::product(body, root, pixels(op, &dims, [x, w]), target);
    }
    let window = dims.window;
    let classes = pool.as_ref().map_or([1, 1], |pool| [pool.window()[0], 1]);
    let segments = std::array::from_fn(|axis| {
        lattice(dims.output[axis], classes[axis], |output| {
            window.taps(axis, output, dims.kernel[axis], dims.input[axis]).collect()
        })
    });
    let row = 4 * (dims.group_channels() * dims.filters) as i64;
    let mut slide = Slide {
        groups: dims.groups,
        image: pair(&dims.input),
        channels: dims.channels,
        result: pair(&dims.output),
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
            result: 4,
        },
        panels: None,
        panel_width: 0,
    };
    let outputs: Vec<(Value, Affine)> = match &pool {
        Some(pool) => vec![(pool.operand(), Affine::scratch())],
        None => body.results().map(|(v, slot)| (v, Affine::slot(slot))).collect(),
    };
    let epilogue = Epilogue::new(body, &[root], &outputs, pool.is_some())?;
    if epilogue.is_scratch() && epilogue.has_full_leaf() {
        return Err(body.refused("an operand of the result's shape stands in front of the pooling"));
    }
    let shape = target.contraction_shape(dims.output[1], dims.group_filters());
    let panels = Panels {
        taps: dims.kernel[0] * dims.kernel[1],
        groups: dims.groups,
        results: dims.group_filters(),
        contracted: dims.group_channels(),
        width: shape.lanes,
        transposed: false,
    };
    let wide = 4 * dims.filters >= WIDE_ROW
        && panels.taps * panels.contracted >= MANY_ROWS
        && panels.width < panels.results
        && panels.results.is_multiple_of(panels.width)
        && (pool.is_none() || panels.width.is_multiple_of(LANES));
    let image_bytes = 4 * (dims.input[0] * dims.input[1] * dims.channels) as i64;
    let by_image = dims.batch >= IMAGE_UNITS && image_bytes <= IMAGE_BYTES as i64;
    let mut nest = NestBuilder::new("conv");
    let full: Vec<usize> = epilogue.full_slots().collect();
    let mut stages = Vec::new();
    let mut workspace = 0;
    if wide {
        slide.panel_width = panels.width;
        if let (Some(panels), None) = (panels.as_units(&dims, image_bytes), &pool) {
            slide.panel_width = panels.width;
            slide.panels = Some(Weights::of_panels(&panels, Affine::scratch(), pair(&dims.kernel)));
            slide.by_panel(
                &mut nest,
                (body, target, &epilogue),
                (&panels, &Affine::slot(w)),
                (&Affine::slot(x), image_bytes, dims.batch),
            )?;
            let (reads, writes) = body.touches(|_| false);
            let nest = nest.finish();
            let units = panels.results / panels.width;
            let stage = Stage { code: nest.into(), units, reads, writes, flops: dims.flops() };
            let (stages, scratch) = (vec![stage], panels.panel_bytes());
            return Ok(Lowered { stages, workspace, scratch, in_place: Vec::new() });
        }
        let start = Affine::slot(body.workspace());
        stages.push(packing(body, &panels, w, &start)?);
        slide.panels = Some(Weights::of_panels(&panels, start, pair(&dims.kernel)));
        workspace = panels.bytes();
    }
    let bands = slide.bands;
    let (number, band) = if by_image {
        (Nest::UNIT.into(), None)
    } else {
        let (number, band) = nest.split(&Nest::UNIT.into(), bands.max(1));
        (number, Some(band))
    };
    let image = Affine::slot(x).add(&number, image_bytes);
    let scope = Scope { body, target, epilogue: &epilogue, number: &number, image: &image };
    slide.nest(&scope, &mut nest, pool.as_ref(), band.as_ref())?;
    let (mut reads, writes) = body.touches(|slot| {
        slot >= body.operands() || full.contains(&slot) || (by_image && slot == x && x != w)
    });
    if workspace > 0 {
        reads.push(Touch { slot: body.workspace(), access: Access::Whole });
    }
    stages.push(Stage {
        code: nest.finish().into(),
        units: if by_image { dims.batch } else { dims.batch * bands },
        reads,
        writes,
        flops: dims.flops(),
    });
    // A band of scratch memory, as wide as the widest slice.
    let scratch = pool.as_ref().map_or(0, |pool| {
        4 * pool.window()[0] * dims.output[1] * shape.lanes.next_multiple_of(LANES)
    });
    Ok(Lowered { stages, workspace, scratch, in_place: Vec::new() })
}

impl Panels {
    /// Narrow panels of which each unit makes one, to go over all images with it out of the second-level cache: if there are enough of them, and fewer
    /// bytes of images than of weights.
    fn as_units(&self, dims: &ConvDims, image_bytes: i64) -> Option<Self> {
        let width = LANES.min(self.width);
        let fewer = dims.batch as i64 * image_bytes < self.bytes() as i64;
        let many = self.results.is_multiple_of(width) && self.results / width >= MANY_PANELS;
        (self.groups == 1 && fewer && many).then_some(Self { width, ..*self })
    }
}

/// The stage that makes all panels.
fn packing(body: &Body<'_>, panels: &Panels, w: usize, to: &Affine) -> Result<Stage> {
    let (nest, units) = panels.all(&Affine::slot(w), to)?;
    Ok(Stage {
        code: nest.into(),
        units,
        reads: vec![Touch { slot: w, access: Access::Whole }],
        writes: vec![Touch { slot: body.workspace(), access: Access::Whole }],
        flops: 0,
    })
}

/// `conv_grad_input`, with the prologue of its cotangent and an epilogue.
pub(super) fn grad_input(
    body: &Body<'_>,
    root: Value,
    op: &ConvGradInput,
    target: &dyn TileTarget,
) -> Result<Lowered> {
    let operands = body.graph.operands(root.node);
    let dims = planar(body, op.dims(body.shape(operands[0]), body.shape(operands[1])))?;
    let w = body
        .factor_slot(operands[1])
        .ok_or_else(|| body.refused("the weights of a convolution are computed inside"))?;
    if is_product(&dims)
        && let Some(dy) = body.factor_slot(operands[0])
    {
        let op = Matmul { transpose_a: false, transpose_b: true };
        return matmul::product(body, root, pixels(op, &dims, [dy, w]), target);
    }
    let cotangent = Cotangent::new(body, operands[0], &dims)?;
    let window = dims.window;
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
        result: 4,
    };
    let mut slide = Slide {
        groups: dims.groups,
        image: pair(&dims.output),
        channels: dims.filters,
        result: pair(&dims.input),
        filters: dims.channels,
        bands: 0,
        segments,
        weights,
        panels: None,
        panel_width: 0,
    };
    let outputs: Vec<_> = body.results().map(|(v, slot)| (v, Affine::slot(slot))).collect();
    let epilogue = Epilogue::new(body, &[root], &outputs, false)?;
    let mut workspace = 4 * taps * channels * dims.filters;
    let mut stages = Vec::new();
    // The narrowest tiles do most of the work: their weights lie in panels, so that they follow one another in memory.
    // A cotangent that is computed first is computed once an image.
    let bytes = 4 * (dims.output[0] * dims.output[1] * dims.filters) as i64;
    let many = dims.batch >= IMAGE_UNITS && bytes <= IMAGE_BYTES as i64;
    let by_image = many || cotangent.scratch() > 0;
    let widths = slide.widths(target, !by_image);
    if let Some(&width) = widths.first()
        && (1..channels).contains(&width)
        && channels.is_multiple_of(width)
    {
        let panels = Panels {
            taps,
            groups: dims.groups,
            results: channels,
            contracted: filters,
            width,
            transposed: true,
        };
        slide.panel_width = width;
        let by_panel = panels
            .as_units(&dims, bytes)
            .filter(|panels| slide.tiles_are_panels(target, panels.width));
        if let (Some(panels), Some(dy)) = (by_panel, body.factor_slot(operands[0])) {
            slide.panel_width = panels.width;
            slide.panels = Some(Weights::of_panels(&panels, Affine::scratch(), pair(&dims.kernel)));
            let mut nest = NestBuilder::new("conv_grad_input");
            slide.by_panel(
                &mut nest,
                (body, target, &epilogue),
                (&panels, &Affine::slot(w)),
                (&Affine::slot(dy), bytes, dims.batch),
            )?;
            let (reads, writes) = body.touches(|_| false);
            let nest = nest.finish();
            let units = channels / panels.width;
            let stage = Stage { code: nest.into(), units, reads, writes, flops: dims.flops() };
            let (stages, scratch) = (vec![stage], panels.panel_bytes());
            return Ok(Lowered { stages, workspace: 0, scratch, in_place: Vec::new() });
        }
        let start = packed.clone().plus(workspace as i64);
        stages.push(packing(body, &panels, w, &start)?);
        slide.panels = Some(Weights::of_panels(&panels, start, pair(&dims.kernel)));
        workspace *= 2;
    }
    if slide.panels.is_none() || widths.len() > 1 {
        let (from, rows) = (Affine::slot(w), channels);
        let (nest, units) = pack::transpose(&from, &packed, taps, rows, dims.filters)?;
        stages.push(Stage {
            code: nest.into(),
            units,
            reads: vec![Touch { slot: w, access: Access::Whole }],
            writes: vec![Touch { slot: body.workspace(), access: Access::Whole }],
            flops: 0,
        });
    }

    let mut nest = NestBuilder::new("conv_grad_input");
    let classes = slide.segments[0].len().max(1);
    slide.bands = if by_image { 1 } else { dims.input[0].div_ceil(classes) };
    let (number, band) = if by_image {
        (Nest::UNIT.into(), None)
    } else {
        let (number, band) = nest.split(&Nest::UNIT.into(), slide.bands.max(1));
        (number, Some(band))
    };
    let image = cotangent.prepare(body, &mut nest, &number)?;
    let scope = Scope { body, target, epilogue: &epilogue, number: &number, image: &image };
    slide.nest(&scope, &mut nest, None, band.as_ref())?;
    let beside: Vec<usize> = epilogue.full_slots().collect();
    let cotangents: Vec<usize> = cotangent.full_slots(body).collect();
    let is_whole = |slot: usize| slot == w || (cotangents.contains(&slot) && !by_image);
    let is_read = |slot: usize| beside.contains(&slot) || cotangents.contains(&slot);
    // Bands are equal parts of the result if every class has as many rows.
    let parted = by_image || dims.input[0].is_multiple_of(classes);
    let (mut reads, writes) = body
        .touches(|slot| parted && (slot >= body.operands() || (is_read(slot) && !is_whole(slot))));
    reads.retain(|touch| touch.slot != w || is_read(w));
    reads.push(Touch { slot: body.workspace(), access: Access::Whole });
    let units = dims.batch * slide.bands;
    stages.push(Stage { code: nest.finish().into(), units, reads, writes, flops: dims.flops() });
    Ok(Lowered { stages, workspace, scratch: cotangent.scratch(), in_place: Vec::new() })
}

/// Whether a convolution is the product of its pixels and its weights.
pub(super) fn is_product(dims: &ConvDims) -> bool {
    dims.kernel == [1, 1]
        && dims.groups == 1
        && dims.window.strides == [1, 1]
        && dims.window.padding == [[0, 0]; 2]
}

/// The product of all pixels with the weights, or with the weights transposed.
fn pixels(op: Matmul, dims: &ConvDims, slots: [usize; 2]) -> Factors {
    let [n, k] = match op.transpose_b {
        false => [dims.filters, dims.channels],
        true => [dims.channels, dims.filters],
    };
    let m = dims.batch * dims.output[0] * dims.output[1];
    Factors { op, dims: MatmulDims { batch: 1, m, n, k }, chains: Chains::one(k), slots }
}
