//! The tiles of a 1×1 filter's weights over the pixels of an image, which read images and cotangent
//! from panels.

use brolga_ir::ops::ConvDims;

use super::Filter;
use super::accumulate::{Part, Sums};
use super::tiles::tile;
use crate::error::Result;
use crate::lower::contraction::lattice::{Tiles, column_tiles, even_tiles};
use crate::lower::contraction::pack;
use crate::lower::contraction::tile::k_loop;
use crate::lower::contraction::weight_rows::Offsets;
use crate::nest::{Affine, NestBuilder};
use crate::tile::LANES;

/// The most bytes of the panels of images and cotangent, which stay in the second-level cache while
/// all tiles read them.
const PANELS: usize = 192 << 10;
/// The most panels of whole vectors that are filled together, so that images are read in the order
/// of memory. Narrow panels are filled one by one: writing to many of them in turn costs more than
/// strided reads.
const PANELS_AT_ONCE: usize = 32;

impl Filter<'_> {
    /// The number of floats of scratch memory that the panels take.
    pub(super) fn panel_floats(&self) -> usize {
        let most = pixel_blocks(&self.dims).iter().map(|blocks| blocks.size).max().unwrap_or(0);
        most * (self.dims.channels + self.dims.filters)
    }

    /// All tiles of an image, whose pixels start at `x` and whose cotangent starts at `dy`.
    pub(super) fn panels(
        &self,
        nest: &mut NestBuilder,
        part: &Part,
        [x, dy]: [&Affine; 2],
    ) -> Result<()> {
        let &ConvDims { channels, filters, .. } = &self.dims;
        for blocks in pixel_blocks(&self.dims) {
            let mut result = Ok(());
            nest.repeat(blocks.count, |nest, block| {
                let pixel = blocks.start(&block);
                let x = x.clone().add(&pixel, 4 * channels as i64);
                let dy = dy.clone().add(&pixel, 4 * filters as i64);
                result = self.pixels(nest, blocks.size, [&x, &dy], &part.weights);
            });
            result?;
        }
        Ok(())
    }

    /// Packs some pixels into panels, and continues all chains.
    fn pixels(
        &self,
        nest: &mut NestBuilder,
        pixels: usize,
        [x, dy]: [&Affine; 2],
        sums: &Affine,
    ) -> Result<()> {
        let &ConvDims { channels, filters, .. } = &self.dims;
        let shape = self.target.contraction_shape(channels, filters);
        let rows = even_tiles(channels, shape.rows);
        let columns = column_tiles(filters, shape.lanes);
        let x_panels = Affine::scratch();
        let dy_panels = x_panels.clone().plus(4 * (pixels * channels) as i64);
        pack(nest, pixels, channels, &rows, [x, &x_panels])?;
        pack(nest, pixels, filters, &columns, [dy, &dy_panels])?;
        for column in &columns {
            for row in &rows {
                let loops = [k_loop(pixels, 4 * row.size as i64, 4 * column.size as i64)];
                let offsets = |row: usize| Offsets {
                    factor: 4 * row as i64,
                    sum: 4 * (row * filters) as i64,
                };
                let offsets: Vec<Offsets> = (0..row.size).map(offsets).collect();
                let tile = tile(&offsets, column.size, &loops, Sums::Continue, false)?;
                nest.repeat(column.count, |nest, j| {
                    nest.repeat(row.count, |nest, i| {
                        let (row, column) = (row.start(&i), column.start(&j));
                        let a = x_panels.clone().add(&row, 4 * pixels as i64);
                        let b = dy_panels.clone().add(&column, 4 * pixels as i64);
                        let sums = sums.clone().add(&row, 4 * filters as i64).add(&column, 4);
                        nest.call(&tile, [a, b, sums]);
                    });
                });
            }
        }
        Ok(())
    }
}

/// The blocks of an image's pixels that are packed together.
fn pixel_blocks(dims: &ConvDims) -> Vec<Tiles> {
    let pixel = 4 * (dims.channels + dims.filters);
    even_tiles(dims.output.iter().product(), (PANELS / pixel.max(1)).max(LANES))
}

/// Packs some pixels of `channels` channels into panels, one after the other.
fn pack(
    nest: &mut NestBuilder,
    pixels: usize,
    channels: usize,
    panels: &[Tiles],
    [from, to]: [&Affine; 2],
) -> Result<()> {
    for panels in panels {
        let width = panels.size;
        let at_once = if width < LANES { 1 } else { PANELS_AT_ONCE };
        for groups in even_tiles(panels.count, at_once) {
            let tile = pack::spread(pixels, groups.size, width, 4 * channels as i64)?;
            nest.repeat(groups.count, |nest, i| {
                let channel = panels.start(&groups.start(&i));
                let to = to.clone().add(&channel, 4 * pixels as i64);
                nest.call(&tile, [from.clone().add(&channel, 4), to]);
            });
        }
    }
    Ok(())
}
