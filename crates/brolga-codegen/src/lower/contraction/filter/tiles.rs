//! The tiles of weights over the pixels of an image, which read images and cotangent without
//! panels.

use std::ops::Range;
use std::sync::Arc;
use std::{array, mem};

use brolga_ir::lanes::Lanes;
use brolga_ir::ops::ConvDims;

use super::Filter;
use super::accumulate::{Part, Sums};
use crate::error::Result;
use crate::generators::{Contraction, KLoop, Start};
use crate::lower::contraction::conv::is_depthwise;
use crate::lower::contraction::lattice::{Tiles, column_tiles, even_tiles};
use crate::lower::contraction::slide::strides;
use crate::lower::contraction::tile::k_loop;
use crate::lower::contraction::weight_rows::{Offsets, Row, reach, row_groups, runs};
use crate::lower::window::triple;
use crate::nest::{Affine, NestBuilder};
use crate::tile::{Builder, TileProgram};

/// The bytes that stay in a second-level cache beside all other data.
const CACHED: usize = 256 << 10;

/// Output pixels of a plane: `lines` lines from `line` on, and a range of columns.
struct Area {
    plane: Affine,
    line: Affine,
    lines: usize,
    columns: Range<usize>,
}

/// Bytes from one plane, line and pixel to the next.
type Steps = [i64; 3];

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
        if is_depthwise(dims) {
            // Channels of the image have the stride of filters.
            let x = x.clone().add(&part.column, 4);
            return self.group(nest, part, [&x, dy], sums);
        }
        let mut result = Ok(());
        nest.repeat(dims.groups, |nest, group| {
            let column = part.column.clone().add(&group, dims.group_filters() as i64);
            let part = Part { column, ..part.clone() };
            let x = x.clone().add(&group, 4 * dims.group_channels() as i64);
            result = self.group(nest, &part, [&x, dy], sums);
        });
        result
    }

    /// All tiles of a group of filters.
    fn group(
        &self,
        nest: &mut NestBuilder,
        part: &Part,
        [x, dy]: [&Affine; 2],
        sums: Sums,
    ) -> Result<()> {
        let mut result = Ok(());
        for rows in &row_groups(&self.dims) {
            let [planes, lines, columns] = reach(&self.dims, rows);
            if lines.is_empty() || columns.is_empty() {
                continue;
            }
            nest.repeat(planes.len(), |nest, plane| {
                let plane = plane.plus(planes.start as i64);
                for blocks in line_blocks(&self.dims, lines.len()) {
                    nest.repeat(blocks.count, |nest, i| {
                        let line = blocks.start(&i).plus(lines.start as i64);
                        let (plane, columns) = (plane.clone(), columns.clone());
                        let area = Area { plane, line, lines: blocks.size, columns };
                        let tiles = self.area(nest, part, rows, &area, [x, dy], sums);
                        result = mem::replace(&mut result, Ok(())).and(tiles);
                    });
                }
            });
        }
        result
    }

    /// All tiles of some rows over an area of the output.
    fn area(
        &self,
        nest: &mut NestBuilder,
        part: &Part,
        rows: &[Row],
        area: &Area,
        [x, dy]: [&Affine; 2],
        kind: Sums,
    ) -> Result<()> {
        let [x_step, dy_step] = [self.x_steps(), self.dy_steps()];
        let loops = [
            k_loop(area.lines, x_step[1], dy_step[1]),
            k_loop(area.columns.len(), x_step[2], dy_step[2]),
        ];
        let x = x.clone().add(&area.plane, x_step[0]).add(&area.line, x_step[1]);
        let dy = dy
            .clone()
            .add(&area.plane, dy_step[0])
            .add(&area.line, dy_step[1])
            .plus(area.columns.start as i64 * dy_step[2])
            .add(&part.column, 4);
        let sums = part.weights.clone().add(&part.column, 4);
        let offsets: Vec<Offsets> = rows.iter().map(|&row| self.offsets(row, area)).collect();
        let (filters, by_column) = (self.filters(), is_depthwise(&self.dims));
        let shape = self.target.contraction_shape(offsets.len(), filters);
        for slices in column_tiles(filters, shape.lanes) {
            for tiles in even_tiles(offsets.len(), shape.rows) {
                let rows = &offsets[tiles.first..][..tiles.count * tiles.size];
                for run in runs(rows, tiles.size) {
                    let tile = tile(&run.rows, slices.size, &loops, kind, by_column)?;
                    nest.repeat(slices.count, |nest, j| {
                        let column = slices.start(&j);
                        let x = x.clone().add(&column, if by_column { 4 } else { 0 });
                        nest.repeat(run.count, |nest, i| {
                            let a = x.clone().plus(run.start.factor).add(&i, run.step.factor);
                            let b = dy.clone().add(&column, 4);
                            let sums = sums.clone().plus(run.start.sum);
                            let sums = sums.add(&i, run.step.sum).add(&column, 4);
                            nest.call(&tile, [a, b, sums]);
                        });
                    });
                }
            }
        }
        Ok(())
    }

    /// Bytes of the image between the pixels that adjacent output pixels read.
    fn x_steps(&self) -> Steps {
        let input = strides(triple(&self.dims.input), 4 * self.dims.channels as i64);
        array::from_fn(|axis| self.dims.window.strides[axis] as i64 * input[axis])
    }

    /// Bytes of the cotangent from one output pixel to the next.
    fn dy_steps(&self) -> Steps {
        strides(triple(&self.dims.output), 4 * self.dims.filters as i64)
    }

    /// The offsets of a row's factors in the image, apart from the area's line, and of its sums.
    fn offsets(&self, row: Row, area: &Area) -> Offsets {
        let dims = &self.dims;
        let channels = dims.group_channels();
        let input = strides(triple(&dims.input), 4 * dims.channels as i64);
        let kernel = strides(triple(&dims.kernel), 4 * (channels * dims.filters) as i64);
        let tap = |axis: usize| {
            let first = dims.window.padding[axis][0] as i64;
            ((row.tap[axis] * dims.window.dilation[axis]) as i64 - first) * input[axis]
        };
        let sum = (0..3).map(|axis| row.tap[axis] as i64 * kernel[axis]).sum::<i64>();
        Offsets {
            factor: (0..3).map(tap).sum::<i64>()
                + area.columns.start as i64 * self.x_steps()[2]
                + 4 * row.channel as i64,
            sum: sum + 4 * (row.channel * dims.filters) as i64,
        }
    }
}

/// Cuts lines into blocks whose pixels stay in the second-level cache while all tiles read them.
pub(super) fn line_blocks(dims: &ConvDims, lines: usize) -> Vec<Tiles> {
    let line =
        dims.window.strides[1] * dims.input[2] * dims.channels + dims.output[2] * dims.filters;
    even_tiles(lines, (CACHED / (4 * line).max(1)).max(1))
}

/// Chains of some rows, whose sums end in memory.
pub(super) fn tile(
    rows: &[Offsets],
    lanes: usize,
    loops: &[KLoop],
    kind: Sums,
    by_column: bool,
) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("grad_filter_{}x{lanes}", rows.len()));
    let (x, dy, to) = (b.pointer("a"), b.pointer("b"), b.pointer("sums"));
    let sums: Vec<i64> = rows.iter().map(|row| row.sum).collect();
    let contraction = Contraction {
        rows: rows.iter().map(|row| row.factor).collect(),
        lanes,
        loops: loops.into(),
        ahead: 0,
        by_column,
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
