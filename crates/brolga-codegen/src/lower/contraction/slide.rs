//! A window that slides over images, as the convolution and its input gradient do.
//!
//! For each pixel of the result a chain runs over the taps of each axis, the outermost first, and
//! the channels of the image that is slid over. Which taps meet which pixels differs, see
//! [`lattice`](super::lattice). Images with fewer than three spatial axes have leading axes of
//! extent 1.

use std::array;
use std::cmp::Ordering;
use std::mem;

use super::lattice::{Part, Segment, column_tiles, even_split, parts};
use super::pack::Panels;
use super::tile::{ContractionTile, k_loop};
use crate::error::Result;
use crate::generators::{Contraction, KLoop};
use crate::lower::Body;
use crate::lower::epilogue::{Epilogue, Place};
use crate::lower::window::{PoolTile, PooledBand};
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{LANES, TileTarget};

/// A window sliding over images. Values for each axis stand for depth, rows and columns.
pub(super) struct Slide {
    pub(super) groups: usize,
    /// Whether each channel of the result is of the same channel of the image, and the only group
    /// has all of them.
    pub(super) by_channel: bool,
    /// Extents of the images slid over, and their channels, all groups together.
    pub(super) image: [usize; 3],
    pub(super) channels: usize,
    /// Extents of the result, and its channels, all groups together.
    pub(super) result: [usize; 3],
    pub(super) filters: usize,
    /// For each axis the classes of positions and their segments.
    pub(super) segments: [Vec<Vec<Segment>>; 3],
    pub(super) bands: Bands,
    pub(super) weights: Weights,
    /// Weights in panels of a tile's width, if there are such.
    pub(super) panels: Option<Weights>,
    /// Result channels of a panel.
    pub(super) panel_width: usize,
}

/// How a result is cut along one axis into bands, on each of which a unit may work alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bands {
    axis: usize,
    /// Positions of each class in a band; the last band may have fewer.
    width: usize,
    /// Positions of each class, all bands together.
    extent: usize,
}

/// Columns of each class from which on a result of one row is cut into bands, and the most bands
/// that it is cut into.
const BAND_COLUMNS: usize = 32;
const MOST_BANDS: usize = 16;

impl Bands {
    /// Bands along the first axis with more than one position, so many of each class: one position
    /// each. Columns are cut coarser, into bands of a multiple of `window`.
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

/// How weights lie in memory: bytes between neighbours.
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
    /// Of all panels, or, in scratch memory, of the one that a unit works on.
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

/// The distance of neighbours along each axis of a row-major array of elements of this size.
pub(in crate::lower) fn strides([_, rows, columns]: [usize; 3], size: i64) -> [i64; 3] {
    let row = size * columns as i64;
    [row * rows as i64, row, size]
}

/// The parts of a kernel that all of its loops need.
pub(super) struct Scope<'a> {
    pub(super) body: &'a Body<'a>,
    pub(super) target: &'a dyn TileTarget,
    pub(super) epilogue: &'a Epilogue,
    /// The number of the image, and where it starts.
    pub(super) number: &'a Affine,
    pub(super) image: &'a Affine,
}

/// Channels of the result that are worked on together.
struct Slice {
    group: Affine,
    /// The first of them, within the group.
    first: Affine,
    lanes: usize,
    /// The distance of pixels in scratch memory.
    width: usize,
}

/// Positions of the result along one axis that have the same taps.
#[derive(Debug, Clone)]
struct Run {
    segment: Segment,
    /// The position in the image that the first tap of the first one reads.
    source: Affine,
    /// The first one, and the distance to the next.
    first: Affine,
    step: usize,
}

/// The runs of the segments of each class; of band `j`, whose segments count from its own start, if
/// there is one.
fn runs(classes: &[Vec<Segment>], band: Option<(&Affine, usize)>, is_scratch: bool) -> Vec<Run> {
    let step = classes.len();
    let run = |class: usize, segment: &Segment| {
        let mut source = Affine::number(segment.place);
        let mut first = Affine::number((class + step * segment.start) as i64);
        if let Some((j, width)) = band {
            source = source.add(j, width as i64 * segment.place_step);
            // Scratch memory has one band alone.
            first = if is_scratch { first } else { first.add(j, (step * width) as i64) };
        }
        Run { segment: *segment, source, first, step }
    };
    let classes = classes.iter().enumerate();
    classes.flat_map(|(class, segments)| segments.iter().map(move |s| run(class, s))).collect()
}

/// Pixels of the result with the same taps, for a slice of channels.
struct Rectangle<'a> {
    runs: [&'a Run; 3],
    /// Depth, the shorter of the other sides, and the longer one, along which tiles lie.
    sides: [Side; 3],
    /// What the first pixel reads first, and where its first channel is in the result.
    source: Affine,
    element: Affine,
}

/// Steps from one pixel to the next along a side, in bytes of the image and in elements of the
/// result.
#[derive(Debug, Clone, Copy)]
struct Side {
    count: usize,
    source: i64,
    result: i64,
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
            for (start, slices, lanes) in column_tiles(filters, width) {
                nest.repeat(slices, |nest, i| {
                    let first = Affine::number(start as i64).add(&i, lanes as i64);
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

    /// Whether bands are equal parts of the result, one after the other, or of what it is pooled
    /// to.
    pub(super) fn bands_are_equal(&self, is_pooled: bool) -> bool {
        let Bands { axis, width, extent } = self.bands;
        let classes = &self.segments[axis];
        let positions: usize = classes.iter().flatten().map(|segment| segment.count).sum();
        let is_one_part = is_pooled || self.result[..axis].iter().all(|&extent| extent == 1);
        // Pooling leaves out positions at the end that fill no window.
        is_one_part && extent.is_multiple_of(width) && extent * classes.len().max(1) <= positions
    }

    /// The first position of each class: there are others only where pooling leaves them out.
    fn first(&self, axis: usize) -> Part {
        let mut parts = parts(&self.segments[axis], 1, 1);
        parts.pop().map(|(_, classes)| classes).unwrap_or_default()
    }

    /// The runs of each axis of a whole image.
    fn runs(&self) -> [Vec<Run>; 3] {
        array::from_fn(|axis| runs(&self.segments[axis], None, false))
    }

    /// Band by band, each followed by its pooling.
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

    /// Writes the loops for a panel that is made first, over all images: few images share the work
    /// by their channels.
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

    /// All rectangles of some runs of each axis.
    fn rectangles(
        &self,
        scope: &Scope<'_>,
        nest: &mut NestBuilder,
        slice: &Slice,
        [depths, rows, columns]: &[Vec<Run>; 3],
    ) -> Result<()> {
        for depth in depths {
            for row in rows {
                for column in columns {
                    let rectangle = self.rectangle(scope, slice, [depth, row, column]);
                    self.tiles(scope, nest, slice, &rectangle)?;
                }
            }
        }
        Ok(())
    }

    fn rectangle<'a>(&self, scope: &Scope<'_>, slice: &Slice, runs: [&'a Run; 3]) -> Rectangle<'a> {
        let is_scratch = scope.epilogue.is_scratch();
        let channels = if is_scratch { slice.width } else { self.filters };
        let image = strides(self.image, 4 * self.channels as i64);
        let result = strides(self.result, channels as i64);
        let mut source = scope.image.clone();
        let mut element = Affine::number(0);
        for (axis, run) in runs.iter().enumerate() {
            source = source.add(&run.source, image[axis]);
            element = element.add(&run.first, result[axis]);
        }
        source = source.add(&slice.group, 4 * self.group_channels() as i64);
        if !is_scratch {
            element = element
                .add(scope.number, result[0] * self.result[0] as i64)
                .add(&slice.first, 1)
                .add(&slice.group, self.group_filters() as i64);
        }
        let mut axis = 0..3;
        let mut sides = runs.map(|Run { segment, step, .. }| {
            let axis = axis.next().unwrap_or_default();
            Side {
                count: segment.count,
                source: segment.place_step * image[axis],
                result: *step as i64 * result[axis],
            }
        });
        if sides[1].count > sides[2].count {
            sides.swap(1, 2);
        }
        Rectangle { runs, sides, source, element }
    }

    /// The loops over the taps of a rectangle and over channels.
    fn k_loops(&self, rectangle: &Rectangle<'_>, weights: &Weights) -> [KLoop; 4] {
        let image = strides(self.image, 4 * self.channels as i64);
        array::from_fn(|axis| match rectangle.runs.get(axis) {
            Some(Run { segment, .. }) => k_loop(
                segment.taps,
                segment.place_tap * image[axis],
                segment.tap_step as i64 * weights.tap[axis],
            ),
            None => k_loop(self.group_channels(), 4, weights.channel),
        })
    }

    /// The tiles of a rectangle.
    fn tiles(
        &self,
        scope: &Scope<'_>,
        nest: &mut NestBuilder,
        slice: &Slice,
        rectangle: &Rectangle<'_>,
    ) -> Result<()> {
        let [deep, beside, along] = rectangle.sides;
        let shape = scope.target.contraction_shape(along.count, slice.lanes);
        for (start, tiles, lanes) in column_tiles(slice.lanes, shape.lanes) {
            let weights = self.weights(lanes);
            let loops = self.k_loops(rectangle, weights);
            let first_taps = (0..3).map(|a| rectangle.runs[a].segment.tap as i64 * weights.tap[a]);
            let w = weights
                .start
                .clone()
                .plus(first_taps.sum::<i64>())
                .add(&slice.group, weights.group);
            let mut done = 0;
            for (count, size) in even_split(along.count, shape.rows) {
                let contraction = Contraction {
                    by_column: self.by_channel,
                    ..Contraction::strided(size, along.source, lanes, &loops)
                };
                let (body, epilogue, step) = (scope.body, scope.epilogue, along.result as usize);
                let tile = ContractionTile::new(body, epilogue, &contraction, step)?;
                nest.repeat(tiles, |nest, t| {
                    // The tile's first channel within the slice.
                    let channel = Affine::number(start as i64).add(&t, lanes as i64);
                    let in_group = slice.first.clone().add(&channel, 1);
                    let w = w.clone().add(&in_group, weights.result);
                    let of_channel = if self.by_channel { 4 } else { 0 };
                    let source = rectangle.source.clone().add(&in_group, of_channel);
                    let column = in_group.add(&slice.group, self.group_filters() as i64);
                    let call = |nest: &mut NestBuilder, steps: [&Affine; 3]| {
                        let mut source = source.clone();
                        let mut element = rectangle.element.clone().add(&channel, 1);
                        for (side, step) in rectangle.sides.iter().zip(steps) {
                            source = source.add(step, side.source);
                            element = element.add(step, side.result);
                        }
                        let place = Place { element, column: column.clone() };
                        tile.call(nest, epilogue, source, w.clone(), &place);
                    };
                    nest.repeat(deep.count, |nest, d| {
                        nest.repeat(beside.count, |nest, b| {
                            nest.repeat(count, |nest, i| {
                                let first = Affine::number(done as i64).add(&i, size as i64);
                                call(nest, [&d, &b, &first]);
                            });
                        });
                    });
                });
                done += count * size;
            }
        }
        Ok(())
    }

    /// The weights that a tile of so many lanes reads.
    fn weights(&self, lanes: usize) -> &Weights {
        match &self.panels {
            Some(panels) if self.panel_width == lanes => panels,
            _ => &self.weights,
        }
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
