//! A window that slides over images, as the convolution and its input gradient do.
//!
//! For each pixel of the result a chain runs over the taps of each axis, the outermost first, and
//! the channels of the image that is slid over. [`lattice`](super::lattice) tells which taps each
//! pixel has. Images with fewer than three spatial axes have leading axes of extent 1.

mod rectangle;

use std::array;
use std::cmp::Ordering;
use std::mem;

use self::rectangle::{Run, runs};
use super::lattice::{Part, Segment, column_tiles, parts};
use super::pack::Panels;
use crate::error::Result;
use crate::lower::Body;
use crate::lower::epilogue::Epilogue;
use crate::lower::window::{PoolTile, PooledBand};
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{LANES, TileTarget};

/// A window sliding over images. Values for each axis stand for depth, rows and columns.
pub(super) struct Slide {
    pub(super) groups: usize,
    /// Whether each channel of the result is computed of the same channel of the image (depthwise);
    /// all are in one group then.
    pub(super) by_channel: bool,
    /// Spatial extents of the images that the window slides over, and their channels in all groups.
    pub(super) image: [usize; 3],
    pub(super) channels: usize,
    /// Spatial extents of the result, and its channels in all groups.
    pub(super) result: [usize; 3],
    pub(super) filters: usize,
    /// For each axis the classes of positions and their segments.
    pub(super) segments: [Vec<Vec<Segment>>; 3],
    pub(super) bands: Bands,
    pub(super) weights: Weights,
    /// The weights in panels of a tile's width, if they are packed.
    pub(super) panels: Option<Weights>,
    /// Result channels of a panel.
    pub(super) panel_width: usize,
}

/// A division of a result along one axis into bands, each of which may be a unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bands {
    axis: usize,
    /// The number of positions of each class in a band; the last band may have fewer.
    width: usize,
    /// The number of positions of each class in all bands.
    extent: usize,
}

/// The number of columns of each class from which on a result of one row is cut into bands, and the
/// most bands.
const BAND_COLUMNS: usize = 32;
const MOST_BANDS: usize = 16;

impl Bands {
    /// Bands along the first axis with more than one position: one position each, or, along
    /// columns, more, a multiple of `window`. `extents` are the numbers of positions of each class.
    pub(super) fn new(extents: [usize; 3], window: usize) -> Self {
        match extents {
            [1, 1, extent] => {
                let width = extent.div_ceil(MOST_BANDS).max(BAND_COLUMNS);
                Self { axis: 2, width: width.next_multiple_of(window), extent }
            }
            [1, extent, _] => Self { axis: 1, width: 1, extent },
            [extent, ..] => Self { axis: 0, width: 1, extent },
        }
    }

    pub(super) fn count(&self) -> usize {
        self.extent.div_ceil(self.width)
    }
}

/// The layout of weights in memory: the bytes between adjacent ones.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    pub(super) start: Affine,
    /// Between taps of each axis.
    pub(super) tap: [i64; 3],
    /// Between channels of the image.
    pub(super) channel: i64,
    /// Between groups.
    pub(super) group: i64,
    /// Between result channels; in panels between those that begin one.
    pub(super) result: i64,
}

impl Weights {
    /// The layout of all panels, or of a unit's panel in scratch memory.
    pub(super) fn of_panels(panels: &Panels, start: Affine, kernel: [usize; 3]) -> Self {
        let result = if start == Affine::scratch() { 0 } else { panels.channel_bytes() };
        Self {
            start,
            tap: strides(kernel, 4 * (panels.width * panels.contracted) as i64),
            channel: 4 * panels.width as i64,
            group: panels.channel_bytes() * panels.results as i64,
            result,
        }
    }
}

/// The stride of each axis of a row-major array of elements of this size.
pub(in crate::lower) fn strides([_, rows, columns]: [usize; 3], size: i64) -> [i64; 3] {
    let row = size * columns as i64;
    [row * rows as i64, row, size]
}

/// The parts of a kernel that its loops share.
pub(super) struct Scope<'a> {
    pub(super) body: &'a Body<'a>,
    pub(super) target: &'a dyn TileTarget,
    pub(super) epilogue: &'a Epilogue,
    /// The index of the image, and its address.
    pub(super) number: &'a Affine,
    pub(super) image: &'a Affine,
}

/// Channels of the result that tiles compute together.
struct Slice {
    group: Affine,
    /// The first channel, within the group.
    first: Affine,
    lanes: usize,
    /// The distance of pixels in scratch memory.
    width: usize,
}

impl Slide {
    fn group_channels(&self) -> usize {
        if self.by_channel { 1 } else { self.channels / self.groups }
    }

    pub(super) fn group_filters(&self) -> usize {
        self.filters / self.groups
    }

    /// Writes the loops for one image, or for one band of it.
    pub(super) fn nest(
        &self,
        scope: &Scope<'_>,
        nest: &mut NestBuilder,
        pool: Option<&PoolTile>,
        band: Option<&Affine>,
    ) -> Result<()> {
        let filters = self.group_filters();
        let shape = scope.target.contraction_shape(self.result[2], filters);
        // Pooling works on whole vectors.
        let width = if pool.is_some() { shape.lanes.next_multiple_of(LANES) } else { filters };
        let mut result = Ok(());
        nest.repeat(self.groups, |nest, group| {
            for slices in column_tiles(filters, width) {
                nest.repeat(slices.count, |nest, i| {
                    let (first, lanes) = (slices.start(&i), slices.size);
                    let slice = Slice { group: group.clone(), first, lanes, width };
                    let written = match (pool, band) {
                        (None, None) => self.rectangles(scope, nest, &slice, &self.runs()),
                        _ => self.banded(scope, nest, &slice, pool, band),
                    };
                    result = mem::replace(&mut result, Ok(())).and(written);
                });
            }
        });
        result
    }

    /// Whether bands are equal, contiguous parts of the result, or of the pooled result.
    pub(super) fn bands_are_equal(&self, is_pooled: bool) -> bool {
        let Bands { axis, width, extent } = self.bands;
        let classes = &self.segments[axis];
        let positions: usize = classes.iter().flatten().map(|segment| segment.count).sum();
        let is_one_part = is_pooled || self.result[..axis].iter().all(|&extent| extent == 1);
        // Pooling omits positions at the end that fill no window.
        is_one_part && extent.is_multiple_of(width) && extent * classes.len().max(1) <= positions
    }

    /// The first position of each class; pooling may omit others.
    fn first(&self, axis: usize) -> Part {
        let mut parts = parts(&self.segments[axis], 1, 1);
        parts.pop().map(|(_, classes)| classes).unwrap_or_default()
    }

    /// The runs of each axis of a whole image.
    fn runs(&self) -> [Vec<Run>; 3] {
        array::from_fn(|axis| runs(&self.segments[axis], None, false))
    }

    /// Writes the loops band by band, each followed by its pooling.
    fn banded(
        &self,
        scope: &Scope<'_>,
        nest: &mut NestBuilder,
        slice: &Slice,
        pool: Option<&PoolTile>,
        band: Option<&Affine>,
    ) -> Result<()> {
        let Bands { axis, width, extent } = self.bands;
        for (range, classes) in parts(&self.segments[axis], extent, width) {
            let run = |nest: &mut NestBuilder, j: &Affine| -> Result<()> {
                let axes = array::from_fn(|a| match a.cmp(&axis) {
                    Ordering::Less => runs(&self.first(a), None, false),
                    Ordering::Equal => {
                        runs(&classes, Some((j, width)), scope.epilogue.is_scratch())
                    }
                    Ordering::Greater => runs(&self.segments[a], None, false),
                });
                self.rectangles(scope, nest, slice, &axes)?;
                let Some(pool) = pool else { return Ok(()) };
                let channel = slice.first.clone().add(&slice.group, self.group_filters() as i64);
                let columns: usize = axes[2].iter().map(|run| run.segment.count).sum();
                let pooled = if axis == 2 {
                    PooledBand::columns(pool, j, width, columns)
                } else {
                    PooledBand::row(pool, j)
                };
                pool.call(nest, (scope.number, &pooled), &channel, slice.lanes, slice.width)
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

    /// Writes the loops of a unit that packs a panel and uses it for all images: with few images,
    /// channels divide the work.
    pub(super) fn by_panel(
        &self,
        nest: &mut NestBuilder,
        (body, target, epilogue): (&Body<'_>, &dyn TileTarget, &Epilogue),
        (panels, weights): (&Panels, &Affine),
        (images, bytes, batch): (&Affine, i64, usize),
    ) -> Result<()> {
        let channel = Affine::number(0).add(&Nest::UNIT.into(), panels.width as i64);
        panels.one(nest, weights, &channel, &Affine::scratch())?;
        let mut result = Ok(());
        nest.repeat(batch, |nest, number| {
            let image = images.clone().add(&number, bytes);
            let scope = Scope { body, target, epilogue, number: &number, image: &image };
            let (lanes, width) = (panels.width, self.filters);
            let (group, first) = (Affine::number(0), channel.clone());
            let slice = Slice { group, first, lanes, width };
            result = self.rectangles(&scope, nest, &slice, &self.runs());
        });
        result
    }

    /// The length of the longer side of every rectangle, of whole images or of bands.
    fn lengths(&self, in_bands: bool) -> impl Iterator<Item = usize> {
        let mut axes = self.segments.clone().map(|classes| vec![classes]);
        if in_bands {
            let Bands { axis, width, extent } = self.bands;
            let parts = parts(&self.segments[axis], extent, width);
            axes[axis] = parts.into_iter().map(|(_, classes)| classes).collect();
            (0..axis).for_each(|earlier| axes[earlier] = vec![self.first(earlier)]);
        }
        let counts = axes.map(|parts| {
            parts.into_iter().flatten().flatten().map(|segment| segment.count).collect::<Vec<_>>()
        });
        let [_, rows, columns] = counts;
        rows.into_iter()
            .flat_map(move |row| columns.clone().into_iter().map(move |column| row.max(column)))
    }

    /// Whether every tile of a slice of one panel is as wide as the panel.
    pub(super) fn tiles_are_panels(&self, target: &dyn TileTarget, width: usize) -> bool {
        self.lengths(false).all(|length| target.contraction_shape(length, width).lanes == width)
    }

    /// The widths of whole tiles that rectangles use, when a slice is all channels of a group.
    pub(super) fn widths(&self, target: &dyn TileTarget, in_bands: bool) -> Vec<usize> {
        let filters = self.group_filters();
        let width = |length| target.contraction_shape(length, filters).lanes.min(filters);
        let mut widths: Vec<usize> = self.lengths(in_bands).map(width).collect();
        widths.sort_unstable();
        widths.dedup();
        widths
    }
}
