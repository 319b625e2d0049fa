//! The convolution and its input gradient.
//!
//! Both are the same loops, see [`slide`](super::slide). The convolution slides over its input with
//! the weights as they are; the input gradient slides over the cotangent with the weights of each
//! tap transposed. Weights in wide rows are packed into panels first. With kernels of one pixel
//! both are matrix products.

use brolga_ir::Value;
use brolga_ir::ops::{Conv, ConvDims, ConvGradInput, Matmul, MatmulDims};

use super::cotangent::Cotangent;
use super::lattice::{Segment, lattice};
use super::matmul::{self, Factors};
use super::pack::{self, Panels};
use super::slide::{Bands, Scope, Slide, Weights, strides};
use super::tile::Chains;
use super::volume;
use crate::error::Result;
use crate::kernel::{Access, Touch};
use crate::lower::epilogue::Epilogue;
use crate::lower::window::{PoolTile, triple};
use crate::lower::{Body, Lowered, Stage};
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{LANES, TileTarget};

/// The number of images from which on a unit is an image, if the image fits the second-level cache;
/// otherwise a unit is a band of its rows.
const IMAGE_UNITS: usize = 8;
const IMAGE_BYTES: usize = 512 << 10;
/// The number of narrow panels from which on a unit may be a panel of weights.
const MANY_PANELS: usize = 8;
/// The bytes of a row of weights, and the number of rows, from which on the columns of a tile are
/// in too few sets of the cache.
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
    let dims = volume(body, op.dims(body.shape(operands[0]), body.shape(operands[1])))?;
    let pool = PoolTile::after_convolution(body, &dims)?;
    let slot = |value| {
        body.factor_slot(value)
            .ok_or_else(|| body.refused("an operand of a convolution is computed inside"))
    };
    let (x, w) = (slot(operands[0])?, slot(operands[1])?);
    if pool.is_none() && is_product(&dims) {
        let op = Matmul { transpose_a: false, transpose_b: false };
        return matmul::product(body, root, pixels(op, &dims, [x, w]), target);
    }
    let outputs: Vec<(Value, Affine)> = match &pool {
        Some(pool) => vec![(pool.operand(), Affine::scratch())],
        None => body.results().map(|(v, slot)| (v, Affine::slot(slot))).collect(),
    };
    let epilogue = Epilogue::new(body, &[root], &outputs, pool.is_some())?;
    if epilogue.is_scratch() && epilogue.has_full_leaf() {
        return Err(body.refused("an operand of the result's shape is read before the pooling"));
    }
    let kernel = Kernel { name: "conv", body, target, epilogue: &epilogue, dims: &dims };
    let mut slide = over_inputs(&dims, pool.as_ref(), w);
    let mut stages = Vec::new();
    let mut workspace = 0;
    let lanes = target.contraction_shape(dims.output[2], slide.group_filters()).lanes;
    if let Some(panels) = wide_panels(&dims, lanes, pool.is_some()) {
        let images = Images { slot: x, bytes: image_bytes(&dims) };
        if let (Some(panels), None) = (panels.as_units(&dims, images.bytes), &pool) {
            return kernel.by_panel(slide, &panels, w, &images);
        }
        let start = Affine::slot(body.workspace());
        stages.push(packing(body, &panels, w, &start)?);
        slide.panel_width = panels.width;
        slide.panels = Some(Weights::of_panels(&panels, start, triple(&dims.kernel)));
        workspace = panels.bytes();
    }
    stages.push(kernel.over_images(&slide, pool.as_ref(), [x, w], workspace > 0)?);
    // A band of scratch memory, as wide as the widest slice.
    let scratch = pool
        .as_ref()
        .map_or(0, |pool| 4 * pool.window()[0] * dims.output[2] * lanes.next_multiple_of(LANES));
    Ok(Lowered { stages, workspace, scratch, in_place: Vec::new() })
}

/// The filter that slides over the images of a convolution, its weights as they are.
fn over_inputs(dims: &ConvDims, pool: Option<&PoolTile>, w: usize) -> Slide {
    let [lines, window] = pool.map_or([1, 1], PoolTile::window);
    let segments = std::array::from_fn(|axis| {
        lattice(dims.output[axis], [1, lines, 1][axis], |output| {
            dims.window.taps(axis, output, dims.kernel[axis], dims.input[axis]).collect()
        })
    });
    let [depth, rows, columns] = triple(&dims.output);
    let row = 4 * (dims.group_channels() * dims.filters) as i64;
    let by_channel = is_depthwise(dims);
    Slide {
        groups: if by_channel { 1 } else { dims.groups },
        by_channel,
        image: triple(&dims.input),
        channels: dims.channels,
        result: triple(&dims.output),
        filters: dims.filters,
        bands: Bands::new([depth, rows / lines, columns / window * window], window),
        segments,
        weights: Weights {
            start: Affine::slot(w),
            tap: strides(triple(&dims.kernel), row),
            channel: 4 * dims.filters as i64,
            group: 4 * dims.group_filters() as i64,
            result: 4,
        },
        panels: None,
        panel_width: 0,
    }
}

/// The panels of a convolution's weights, if its rows of weights are so wide that panels pay.
fn wide_panels(dims: &ConvDims, width: usize, is_pooled: bool) -> Option<Panels> {
    let panels = Panels {
        taps: dims.kernel.iter().product(),
        groups: dims.groups,
        results: dims.group_filters(),
        contracted: dims.group_channels(),
        width,
        transposed: false,
    };
    let wide = 4 * dims.filters >= WIDE_ROW
        && panels.taps * panels.contracted >= MANY_ROWS
        && panels.width < panels.results
        && panels.results.is_multiple_of(panels.width)
        && (!is_pooled || panels.width.is_multiple_of(LANES));
    wide.then_some(panels)
}

/// Bytes of an image.
fn image_bytes(dims: &ConvDims) -> i64 {
    4 * (dims.input.iter().product::<usize>() * dims.channels) as i64
}

/// The images that the filter slides over: their slot, and the bytes of one.
struct Images {
    slot: usize,
    bytes: i64,
}

/// A convolution or its input gradient, with the data that its stages share.
struct Kernel<'a> {
    name: &'static str,
    body: &'a Body<'a>,
    target: &'a dyn TileTarget,
    epilogue: &'a Epilogue,
    dims: &'a ConvDims,
}

impl Kernel<'_> {
    /// Units that each pack a panel of weights and use it for all images.
    fn by_panel(
        &self,
        mut slide: Slide,
        panels: &Panels,
        w: usize,
        images: &Images,
    ) -> Result<Lowered> {
        let Self { body, target, epilogue, dims, .. } = *self;
        slide.panel_width = panels.width;
        slide.panels = Some(Weights::of_panels(panels, Affine::scratch(), triple(&dims.kernel)));
        let mut nest = NestBuilder::new(self.name);
        slide.by_panel(
            &mut nest,
            (body, target, epilogue),
            (panels, &Affine::slot(w)),
            (&Affine::slot(images.slot), images.bytes, dims.batch),
        )?;
        let (reads, writes) = body.touches(|_| false);
        let units = panels.results / panels.width;
        let code = nest.finish().into();
        let stages = vec![Stage { code, units, reads, writes, flops: dims.flops() }];
        Ok(Lowered { stages, workspace: 0, scratch: panels.panel_bytes(), in_place: Vec::new() })
    }

    /// Units that each compute an image of a convolution's result, or a band of one.
    fn over_images(
        &self,
        slide: &Slide,
        pool: Option<&PoolTile>,
        [x, w]: [usize; 2],
        reads_workspace: bool,
    ) -> Result<Stage> {
        let Self { body, target, epilogue, dims, .. } = *self;
        let bytes = image_bytes(dims);
        let by_image = dims.batch >= IMAGE_UNITS && bytes <= IMAGE_BYTES as i64;
        let mut nest = NestBuilder::new(self.name);
        let (number, band) = units(&mut nest, by_image, slide.bands.count());
        let image = Affine::slot(x).add(&number, bytes);
        let scope = Scope { body, target, epilogue, number: &number, image: &image };
        slide.nest(&scope, &mut nest, pool, band.as_ref())?;
        let full: Vec<usize> = epilogue.full_slots().collect();
        let parted = by_image || slide.bands_are_equal(pool.is_some());
        let (mut reads, writes) = body.touches(|slot| {
            let beside = slot >= body.operands() || full.contains(&slot);
            (parted && beside) || (by_image && slot == x && x != w)
        });
        if reads_workspace {
            reads.push(Touch { slot: body.workspace(), access: Access::Whole });
        }
        let units = if by_image { dims.batch } else { dims.batch * slide.bands.count() };
        Ok(Stage { code: nest.finish().into(), units, reads, writes, flops: dims.flops() })
    }
}

/// The index of a unit's image and, if units are bands of images, that of its band.
fn units(nest: &mut NestBuilder, by_image: bool, bands: usize) -> (Affine, Option<Affine>) {
    if by_image {
        return (Nest::UNIT.into(), None);
    }
    let (number, band) = nest.split(&Nest::UNIT.into(), bands.max(1));
    (number, Some(band))
}

impl Panels {
    /// Narrow panels, of which each unit packs one and uses it for all images from the second-level
    /// cache, if there are enough of them, and fewer bytes of images than of weights.
    fn as_units(&self, dims: &ConvDims, image_bytes: i64) -> Option<Self> {
        let width = LANES.min(self.width);
        let fewer = dims.batch as i64 * image_bytes < self.bytes() as i64;
        let many = self.results.is_multiple_of(width) && self.results / width >= MANY_PANELS;
        (self.groups == 1 && fewer && many).then_some(Self { width, ..*self })
    }
}

/// The stage that packs all panels.
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
    let dims = volume(body, op.dims(body.shape(operands[0]), body.shape(operands[1])))?;
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
    let outputs: Vec<_> = body.results().map(|(v, slot)| (v, Affine::slot(slot))).collect();
    let epilogue = Epilogue::new(body, &[root], &outputs, false)?;
    let kernel = Kernel { name: "conv_grad_input", body, target, epilogue: &epilogue, dims: &dims };
    let mut slide = over_cotangents(body, &dims);
    // A cotangent with a prologue is computed once for each image.
    let bytes = 4 * (dims.output.iter().product::<usize>() * dims.filters) as i64;
    let many = dims.batch >= IMAGE_UNITS && bytes <= IMAGE_BYTES as i64;
    let by_image = many || cotangent.scratch() > 0;
    let widths = slide.widths(target, !by_image);
    let taps: usize = dims.kernel.iter().product();
    let mut workspace = 4 * taps * dims.group_channels() * dims.filters;
    let mut stages = Vec::new();
    if let Some(panels) = transposed_panels(&dims, &widths) {
        slide.panel_width = panels.width;
        let by_panel = panels
            .as_units(&dims, bytes)
            .filter(|panels| slide.tiles_are_panels(target, panels.width));
        if let (Some(panels), Some(slot)) = (by_panel, body.factor_slot(operands[0])) {
            return kernel.by_panel(slide, &panels, w, &Images { slot, bytes });
        }
        let start = Affine::slot(body.workspace()).plus(workspace as i64);
        stages.push(packing(body, &panels, w, &start)?);
        slide.panels = Some(Weights::of_panels(&panels, start, triple(&dims.kernel)));
        workspace *= 2;
    }
    if slide.panels.is_none() || widths.len() > 1 {
        stages.push(transposing(body, &dims, w)?);
    }
    stages.push(kernel.over_cotangents(&slide, &cotangent, w, by_image)?);
    Ok(Lowered { stages, workspace, scratch: cotangent.scratch(), in_place: Vec::new() })
}

/// The filter that slides over the cotangents of a convolution, its weights packed: for each tap a
/// row of the group's input channels for every output channel.
fn over_cotangents(body: &Body<'_>, dims: &ConvDims) -> Slide {
    let segments: [Vec<Vec<Segment>>; 3] = std::array::from_fn(|axis| {
        let step = dims.window.strides[axis].min(dims.input[axis]).max(1);
        lattice(dims.input[axis], step, |input| {
            dims.window.readers(axis, input, dims.kernel[axis], dims.output[axis]).collect()
        })
    });
    let classes = |axis: usize| dims.input[axis].div_ceil(segments[axis].len().max(1));
    let bands = Bands::new(std::array::from_fn(classes), 1);
    let (channels, filters) = (dims.group_channels(), dims.group_filters());
    let row = 4 * (channels * dims.filters) as i64;
    let by_channel = is_depthwise(dims);
    Slide {
        groups: if by_channel { 1 } else { dims.groups },
        by_channel,
        image: triple(&dims.output),
        channels: dims.filters,
        result: triple(&dims.input),
        filters: dims.channels,
        bands,
        segments,
        weights: Weights {
            start: Affine::slot(body.workspace()),
            tap: strides(triple(&dims.kernel), row),
            channel: 4 * channels as i64,
            group: 4 * (channels * filters) as i64,
            result: 4,
        },
        panels: None,
        panel_width: 0,
    }
}

/// The panels of an input gradient's weights. The narrowest tiles do most of the work, so that
/// panels make their weights contiguous.
fn transposed_panels(dims: &ConvDims, widths: &[usize]) -> Option<Panels> {
    let channels = dims.group_channels();
    let &width = widths.first()?;
    ((1..channels).contains(&width) && channels.is_multiple_of(width)).then(|| Panels {
        taps: dims.kernel.iter().product(),
        groups: dims.groups,
        results: channels,
        contracted: dims.group_filters(),
        width,
        transposed: true,
    })
}

/// The stage that packs the weights for tiles that read no panels.
fn transposing(body: &Body<'_>, dims: &ConvDims, w: usize) -> Result<Stage> {
    let (from, packed) = (Affine::slot(w), Affine::slot(body.workspace()));
    let taps = dims.kernel.iter().product();
    let (nest, units) = pack::transpose(&from, &packed, taps, dims.group_channels(), dims.filters)?;
    Ok(Stage {
        code: nest.into(),
        units,
        reads: vec![Touch { slot: w, access: Access::Whole }],
        writes: vec![Touch { slot: body.workspace(), access: Access::Whole }],
        flops: 0,
    })
}

impl Kernel<'_> {
    /// Units that each compute an image of an input gradient, or a band of one.
    fn over_cotangents(
        &self,
        slide: &Slide,
        cotangent: &Cotangent,
        w: usize,
        by_image: bool,
    ) -> Result<Stage> {
        let Self { body, target, epilogue, dims, .. } = *self;
        let mut nest = NestBuilder::new(self.name);
        let (number, band) = units(&mut nest, by_image, slide.bands.count());
        let image = cotangent.prepare(body, &mut nest, &number)?;
        let scope = Scope { body, target, epilogue, number: &number, image: &image };
        slide.nest(&scope, &mut nest, None, band.as_ref())?;
        let beside: Vec<usize> = epilogue.full_slots().collect();
        let cotangents: Vec<usize> = cotangent.full_slots(body).collect();
        let is_whole = |slot: usize| slot == w || (cotangents.contains(&slot) && !by_image);
        let is_read = |slot: usize| beside.contains(&slot) || cotangents.contains(&slot);
        let parted = by_image || slide.bands_are_equal(false);
        let (mut reads, writes) = body.touches(|slot| {
            parted && (slot >= body.operands() || (is_read(slot) && !is_whole(slot)))
        });
        reads.retain(|touch| touch.slot != w || is_read(w));
        reads.push(Touch { slot: body.workspace(), access: Access::Whole });
        let units = if by_image { dims.batch } else { dims.batch * slide.bands.count() };
        Ok(Stage { code: nest.finish().into(), units, reads, writes, flops: dims.flops() })
    }
}

/// Whether a convolution has a filter for each channel.
pub(super) fn is_depthwise(dims: &ConvDims) -> bool {
    dims.groups > 1 && dims.group_channels() == 1 && dims.group_filters() == 1
}

/// Whether a convolution is the product of its pixels and its weights.
pub(super) fn is_product(dims: &ConvDims) -> bool {
    let one = |values: &[usize]| values.iter().all(|&value| value == 1);
    dims.groups == 1
        && one(&dims.kernel)
        && one(&dims.window.strides)
        && dims.window.padding.iter().all(|padding| *padding == [0, 0])
}

/// The product of all pixels with the weights, or with the weights transposed.
fn pixels(op: Matmul, dims: &ConvDims, slots: [usize; 2]) -> Factors {
    let [n, k] = match op.transpose_b {
        false => [dims.filters, dims.channels],
        true => [dims.channels, dims.filters],
    };
    let m = dims.batch * dims.output.iter().product::<usize>();
    Factors { op, dims: MatmulDims { batch: 1, m, n, k }, chains: Chains::one(k), slots }
}
