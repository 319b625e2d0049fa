//! The tiles of weights over the pixels of an image, which read images and cotangent as they lie.

use std::ops::Range;
use std::sync::Arc;

use brolga_ir::lanes::Lanes;
use brolga_ir::ops::ConvDims;

use super::Filter;
use super::accumulate::{Part, Sums};
use crate::error::Result;
use crate::generators::{Contraction, KLoop, Start};
use crate::lower::contraction::lattice::{Tiles, column_tiles, even_tiles};
use crate::lower::contraction::tile::k_loop;
use crate::lower::contraction::weight_rows::{Offsets, Row, reach, row_groups, runs};
use crate::lower::window::pair;
use crate::nest::{Affine, NestBuilder};
use crate::tile::{Builder, TileProgram};

/// Bytes that stay in a second-level cache beside everything else.
const CACHED: usize = 256 << 10;

/// Output pixels: `lines` lines from `line` on, and a range of columns.
struct Area {
    line: Affine,
    lines: usize,
    columns: Range<usize>,
}

/// The rows of weights of a group that meet the same output pixels.
struct Rows<'a> {
    group: usize,
    rows: &'a [Row],
}

/// Bytes from one line, and from one pixel, to the next.
struct Steps {
    line: i64,
    pixel: i64,
}

impl Filter<'_> {
    /// All tiles of an image, whose pixels start at `x` and whose cotangent starts at `dy`.
    pub(super) fn tiles(
        &self,
        nest: &mut NestBuilder,
        part: &Part,
        [x, dy]: [&Affine; 2],
        sums: Sums,
    ) -> Result<()> {
        let dims = &self.dims;
        for group in 0..dims.groups {
            let column = part.column.clone().plus((group * dims.group_filters()) as i64);
            let part = Part { column, ..part.clone() };
            for rows in &row_groups(dims) {
                let [lines, columns] = reach(dims, rows);
                if lines.is_empty() || columns.is_empty() {
                    continue;
                }
                let rows = Rows { group, rows };
                for blocks in line_blocks(dims, lines.len()) {
                    let mut result = Ok(());
                    nest.repeat(blocks.count, |nest, i| {
                        let line = blocks.start(&i).plus(lines.start as i64);
                        let area = Area { line, lines: blocks.size, columns: columns.clone() };
                        result = self.area(nest, &part, &rows, &area, [x, dy], sums);
                    });
                    result?;
                }
            }
        }
        Ok(())
    }

    /// All tiles of some rows over an area of the output.
    fn area(
        &self,
        nest: &mut NestBuilder,
        part: &Part,
        rows: &Rows<'_>,
        area: &Area,
        [x, dy]: [&Affine; 2],
        kind: Sums,
    ) -> Result<()> {
        let [x_step, dy_step] = [self.x_steps(), self.dy_steps()];
        let loops = [
            k_loop(area.lines, x_step.line, dy_step.line),
            k_loop(area.columns.len(), x_step.pixel, dy_step.pixel),
        ];
        let x = x.clone().add(&area.line, x_step.line);
        let dy = dy
            .clone()
            .add(&area.line, dy_step.line)
            .plus(area.columns.start as i64 * dy_step.pixel)
            .add(&part.column, 4);
        let sums = part.weights.clone().add(&part.column, 4);
        let offsets: Vec<Offsets> =
            rows.rows.iter().map(|&row| self.offsets(rows.group, row, area)).collect();
        let filters = self.filters();
        let shape = self.target.contraction_shape(offsets.len(), filters);
        for (column, slices, lanes) in column_tiles(filters, shape.lanes) {
            let (first, slice) = (4 * column as i64, 4 * lanes as i64);
            for tiles in even_tiles(offsets.len(), shape.rows) {
                let rows = &offsets[tiles.first..][..tiles.count * tiles.size];
                for run in runs(rows, tiles.size) {
                    let tile = tile(&run.rows, lanes, &loops, kind)?;
                    nest.repeat(slices, |nest, j| {
                        nest.repeat(run.count, |nest, i| {
                            let a = x.clone().plus(run.start.factor).add(&i, run.step.factor);
                            let b = dy.clone().plus(first).add(&j, slice);
                            let sums = sums.clone().plus(run.start.sum + first);
                            let sums = sums.add(&i, run.step.sum).add(&j, slice);
                            nest.call(&tile, [a, b, sums]);
                        });
                    });
                }
            }
        }
        Ok(())
    }

    /// Bytes of the image from what one output pixel reads to what the next reads.
    fn x_steps(&self) -> Steps {
        let [down, across] = pair(&self.dims.window.strides).map(|stride| stride as i64);
        let pixel = 4 * self.dims.channels as i64;
        Steps { line: down * pixel * self.dims.input[1] as i64, pixel: across * pixel }
    }

    /// Bytes of the cotangent from one output pixel to the next.
    fn dy_steps(&self) -> Steps {
        let pixel = 4 * self.dims.filters as i64;
        Steps { line: pixel * self.dims.output[1] as i64, pixel }
    }

    /// The offsets of a row's factors in the image, apart from the area's line, and of its sums.
    fn offsets(&self, group: usize, row: Row, area: &Area) -> Offsets {
        let dims = &self.dims;
        let pixel = 4 * dims.channels as i64;
        let channels = dims.group_channels();
        let tap = |axis: usize| {
            (row.tap[axis] * dims.window.dilation[axis]) as i64
                - dims.window.padding[axis][0] as i64
        };
        let sum = (row.tap[0] * dims.kernel[1] + row.tap[1]) * channels + row.channel;
        Offsets {
            factor: tap(0) * pixel * dims.input[1] as i64
                + tap(1) * pixel
                + area.columns.start as i64 * self.x_steps().pixel
                + 4 * (group * channels + row.channel) as i64,
            sum: 4 * (sum * dims.filters) as i64,
        }
    }
}

/// Cuts lines into blocks whose pixels stay in the second-level cache while all tiles pass over
/// them.
pub(super) fn line_blocks(dims: &ConvDims, lines: usize) -> Vec<Tiles> {
    let line =
        dims.window.strides[0] * dims.input[1] * dims.channels + dims.output[1] * dims.filters;
    even_tiles(lines, (CACHED / (4 * line).max(1)).max(1))
}

/// Chains of some rows, whose sums end in memory.
pub(super) fn tile(
    rows: &[Offsets],
    lanes: usize,
    loops: &[KLoop],
    kind: Sums,
) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("grad_filter_{}x{lanes}", rows.len()));
    let (x, dy, to) = (b.pointer("a"), b.pointer("b"), b.pointer("sums"));
    let sums: Vec<i64> = rows.iter().map(|row| row.sum).collect();
    let contraction = Contraction {
        rows: rows.iter().map(|row| row.factor).collect(),
        lanes,
        loops: loops.into(),
        ahead: 0,
    };
    let start = match kind {
        Sums::Continue => Start::Memory(to, &sums),
        Sums::Store | Sums::Add => Start::Zero,
    };
    for acc in contraction.emit(&mut b, x, dy, start) {
        let address = to.at(sums[acc.row] + 4 * acc.column as i64);
        let mut value = acc.value;
        if kind == Sums::Add {
            let before = b.load_f32(address, acc.extent);
            value = b.add(before, value);
        }
        b.store_f32(address, acc.extent, value);
    }
    Ok(Arc::new(b.finish()?))
}
