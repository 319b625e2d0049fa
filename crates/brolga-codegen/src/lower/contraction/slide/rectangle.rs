//! Rectangles of a sliding window's result, whose pixels have the same taps, and their tiles.

use std::array;

use super::{Scope, Slice, Slide, Weights, strides};
use crate::error::Result;
use crate::generators::{Contraction, KLoop};
use crate::lower::contraction::lattice::{Segment, Tiles, column_tiles, even_tiles};
use crate::lower::contraction::tile::{ContractionTile, k_loop};
use crate::lower::epilogue::Offsets;
use crate::nest::{Affine, NestBuilder};

/// Positions of the result along one axis that have the same taps.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) segment: Segment,
    /// The position in the image that the first tap of the first one reads.
    source: Affine,
    /// The first position, and the distance to the next.
    first: Affine,
    step: usize,
}

/// The runs of the segments of each class, or, with a band, of that band, whose segments count from
/// its own start.
pub(super) fn runs(
    classes: &[Vec<Segment>],
    band: Option<(&Affine, usize)>,
    is_scratch: bool,
) -> Vec<Run> {
    let step = classes.len();
    let run = |class: usize, segment: &Segment| {
        let mut source = Affine::number(segment.source);
        let mut first = Affine::number((class + step * segment.start) as i64);
        if let Some((j, width)) = band {
            source = source.add(j, width as i64 * segment.source_step);
            // Scratch memory holds one band.
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
    /// Depth, the shorter of the other sides, and the longer one, along which tiles extend.
    sides: [Side; 3],
    /// The address that the first pixel reads first, and the offset of its first channel in the
    /// result.
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

impl Rectangle<'_> {
    /// Writes the loops over all tiles of `rows` pixels; `tile` is given the steps of a tile's
    /// first pixel along each side.
    fn each_tile(
        &self,
        nest: &mut NestBuilder,
        rows: &Tiles,
        tile: impl Fn(&mut NestBuilder, [&Affine; 3]),
    ) {
        let [deep, beside, _] = self.sides;
        nest.repeat(deep.count, |nest, d| {
            nest.repeat(beside.count, |nest, b| {
                nest.repeat(rows.count, |nest, i| tile(nest, [&d, &b, &rows.start(&i)]));
            });
        });
    }
}

/// The addresses of a tile at the first pixel of a rectangle.
struct Start {
    source: Affine,
    weights: Affine,
    offsets: Offsets,
}

impl Start {
    /// Calls the tile whose first pixel is these steps along the sides.
    fn call(
        &self,
        nest: &mut NestBuilder,
        scope: &Scope<'_>,
        tile: &ContractionTile,
        steps: impl Iterator<Item = (Side, Affine)>,
    ) {
        let (mut source, mut element) = (self.source.clone(), self.offsets.element.clone());
        for (side, step) in steps {
            source = source.add(&step, side.source);
            element = element.add(&step, side.result);
        }
        let offsets = Offsets { element, column: self.offsets.column.clone() };
        tile.call(nest, scope.epilogue, source, self.weights.clone(), &offsets);
    }
}

impl Slide {
    /// Writes the loops of all rectangles of some runs of each axis.
    pub(super) fn rectangles(
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
                source: segment.source_step * image[axis],
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
                segment.source_tap * image[axis],
                segment.tap_step as i64 * weights.tap[axis],
            ),
            None => k_loop(self.group_channels(), 4, weights.channel),
        })
    }

    /// Writes the loops over the tiles of a rectangle.
    fn tiles(
        &self,
        scope: &Scope<'_>,
        nest: &mut NestBuilder,
        slice: &Slice,
        rectangle: &Rectangle<'_>,
    ) -> Result<()> {
        let along = rectangle.sides[2];
        let shape = scope.target.contraction_shape(along.count, slice.lanes);
        for columns in column_tiles(slice.lanes, shape.lanes) {
            let loops = self.k_loops(rectangle, self.weights(columns.size));
            for rows in even_tiles(along.count, shape.rows) {
                let contraction = Contraction {
                    by_column: self.by_channel,
                    ..Contraction::strided(rows.size, along.source, columns.size, &loops)
                };
                let step = along.result as usize;
                let tile = ContractionTile::new(scope.body, scope.epilogue, &contraction, step)?;
                nest.repeat(columns.count, |nest, t| {
                    let start = self.start(slice, rectangle, columns.size, &columns.start(&t));
                    rectangle.each_tile(nest, &rows, |nest, steps| {
                        let steps = rectangle.sides.into_iter().zip(steps.map(Affine::clone));
                        start.call(nest, scope, &tile, steps);
                    });
                });
            }
        }
        Ok(())
    }

    /// The start of a tile of `lanes` channels from `channel` of the slice on.
    fn start(
        &self,
        slice: &Slice,
        rectangle: &Rectangle<'_>,
        lanes: usize,
        channel: &Affine,
    ) -> Start {
        let weights = self.weights(lanes);
        let taps = (0..3).map(|a| rectangle.runs[a].segment.tap as i64 * weights.tap[a]);
        let in_group = slice.first.clone().add(channel, 1);
        let of_channel = if self.by_channel { 4 } else { 0 };
        Start {
            source: rectangle.source.clone().add(&in_group, of_channel),
            weights: weights
                .start
                .clone()
                .plus(taps.sum())
                .add(&slice.group, weights.group)
                .add(&in_group, weights.result),
            offsets: Offsets {
                element: rectangle.element.clone().add(channel, 1),
                column: in_group.add(&slice.group, self.group_filters() as i64),
            },
        }
    }

    /// The weights that a tile of `lanes` lanes reads.
    fn weights(&self, lanes: usize) -> &Weights {
        match &self.panels {
            Some(panels) if self.panel_width == lanes => panels,
            _ => &self.weights,
        }
    }
}
