//! A window that slides over images, as the convolution and its input gradient do.
//!
//! For each place of the result a chain runs over kernel rows, kernel columns and the channels of the image that is slid over. Which taps meet
//! which places differs, see [`lattice`](super::lattice).

use super::lattice::{Segment, bands, column_tiles, even_split};
use super::pack::Panels;
use super::tile::{ContractionTile, k_loop};
use crate::error::Result;
use crate::lower::Body;
use crate::lower::epilogue::{Epilogue, Place};
use crate::lower::window::PoolTile;
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{LANES, TileTarget};

/// A window sliding over images.
pub(super) struct Slide {
    pub(super) groups: usize,
    /// Extents of the images slid over, and their channels, all groups together.
    pub(super) image: [usize; 2],
    pub(super) channels: usize,
    /// Extents of the result, and its channels, all groups together.
    pub(super) result: [usize; 2],
    pub(super) filters: usize,
    /// For each axis the classes of places and their segments.
    pub(super) segments: [Vec<Vec<Segment>>; 2],
    /// How many bands there are: rows of the result with one row of every class, or rows of the pooled result.
    pub(super) bands: usize,
    pub(super) weights: Weights,
    /// Weights in panels of a tile's width, if there are such.
    pub(super) panels: Option<Weights>,
    /// Result channels of a panel.
    pub(super) panel_width: usize,
}

/// How weights lie in memory: bytes between neighbours.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    pub(super) start: Affine,
    /// Between taps, rows then columns.
    pub(super) tap: [i64; 2],
    /// Between channels of the image.
    pub(super) channel: i64,
    /// Between groups.
    pub(super) group: i64,
    /// Between result channels; in panels between those that begin one.
    pub(super) result: i64,
}

impl Weights {
    /// Of all panels, or, in scratch memory, of the one that a unit works on.
    pub(super) fn of_panels(panels: &Panels, start: Affine, kernel: [usize; 2]) -> Self {
        let tap = 4 * (panels.width * panels.contracted) as i64;
        let result = if start == Affine::scratch() { 0 } else { panels.channel_bytes() };
        Self {
            start,
            tap: [tap * kernel[1] as i64, tap],
            channel: 4 * panels.width as i64,
            group: panels.channel_bytes() * panels.results as i64,
            result,
        }
    }
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
    pub(super) fn nest(
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
            Some(panels) if self.panel_width == lanes => panels,
            _ => &self.weights,
        }
    }

    /// Writes the loops for a panel that is made first, over all images: few images share the work by their channels.
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
            let slice = Slice { group: 0, first: channel.clone(), lanes, width };
            result = self.rectangles(&scope, nest, &slice);
        });
        result
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
                let offsets: Vec<i64> = (0..size).map(|r| r as i64 * along.1).collect();
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
                    let w = w.clone().add(&in_group, weights.result);
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

    /// Whether every tile of a slice of one panel is as wide as the panel.
    pub(super) fn tiles_are_panels(&self, target: &dyn TileTarget, width: usize) -> bool {
        self.segments[0].iter().flatten().all(|row| {
            self.segments[1].iter().flatten().all(|column| {
                target.contraction_shape(row.count.max(column.count), width).lanes == width
            })
        })
    }

    /// The widths of whole tiles that rectangles use, when a slice is all channels of a group. In bands a rectangle has one row.
    pub(super) fn widths(&self, target: &dyn TileTarget, in_bands: bool) -> Vec<usize> {
        let filters = self.group_filters();
        let mut widths = Vec::new();
        for row in self.segments[0].iter().flatten() {
            for column in self.segments[1].iter().flatten() {
                let rows = if in_bands { 1 } else { row.count };
                let shape = target.contraction_shape(rows.max(column.count), filters);
                widths.push(shape.lanes.min(filters));
            }
        }
        widths.sort_unstable();
        widths.dedup();
        widths
    }
}
