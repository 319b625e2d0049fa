//! Packing of factors into panels, in which the vectors that a tile reads are contiguous.

use std::sync::Arc;

use crate::error::Result;
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{Builder, Extent, LANES, REACH, TileProgram, Trips};

/// The number of rows that one trip of a loop copies.
const UNROLL: usize = 4;

/// The number of cache lines of a row that a transposition prefetches.
const AHEAD: usize = 2;

/// The number of rows that a copy of parts of rows prefetches.
const ROWS_AHEAD: usize = 16;

/// The number of rows that one unit transposes.
const ROWS: usize = 16;

/// `to[matrix][c][r] = from[matrix][r][c]` for `matrices` matrices of `rows` × `columns` floats.
/// Returns the nest and the number of its units.
pub(super) fn transpose(
    from: &Affine,
    to: &Affine,
    matrices: usize,
    rows: usize,
    columns: usize,
) -> Result<(Nest, usize)> {
    let mut nest = NestBuilder::new("pack");
    let blocks = rows.div_ceil(ROWS);
    let (matrix, block) = nest.split(&Nest::UNIT.into(), blocks.max(1));
    let start = |affine: &Affine, row: i64| {
        affine.clone().add(&matrix, 4 * (rows * columns) as i64).add(&block, row * ROWS as i64)
    };
    let (source, target) = (start(from, 4 * columns as i64), start(to, 4));
    let (full, rest) = (rows / ROWS, rows % ROWS);
    let call = |nest: &mut NestBuilder, count: usize| -> Result<()> {
        if count > 0 {
            let tile = transposed(count, columns, 4 * columns as i64, 4 * rows as i64)?;
            nest.call(&tile, [source.clone(), target.clone()]);
        }
        Ok(())
    };
    let mut results = [Ok(()), Ok(())];
    if rest == 0 {
        results[0] = call(&mut nest, ROWS);
    } else {
        let [inside, outside] = &mut results;
        nest.when(
            block.clone(),
            0..full,
            |nest| *inside = if full > 0 { call(nest, ROWS) } else { Ok(()) },
            |nest| *outside = call(nest, rest),
        );
    }
    for result in results {
        result?;
    }
    Ok((nest.finish(), matrices * blocks))
}

/// Weights of a convolution in panels. A row of a panel has the weights of `width` result channels;
/// a panel has a row for each tap and contracted channel. Panels are contiguous, group by group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panels {
    pub(super) taps: usize,
    pub(super) groups: usize,
    /// Result channels of a group, a multiple of the width.
    pub(super) results: usize,
    /// Contracted channels of a group.
    pub(super) contracted: usize,
    pub(super) width: usize,
    /// Whether weights are `[tap][result][group][contracted]`, or
    /// `[tap][contracted][group][result]`.
    pub(super) transposed: bool,
}

impl Panels {
    /// Bytes of all panels.
    pub(super) fn bytes(&self) -> usize {
        4 * self.groups * self.results * self.taps * self.contracted
    }

    /// Bytes of one panel.
    pub(super) fn panel_bytes(&self) -> usize {
        4 * self.width * self.taps * self.contracted
    }

    /// Bytes from a result channel to the next one, of channels that begin panels.
    pub(super) fn channel_bytes(&self) -> i64 {
        4 * (self.taps * self.contracted) as i64
    }

    fn tile(&self) -> Result<Arc<TileProgram>> {
        let &Self { groups, results, contracted, width, .. } = self;
        if self.transposed {
            transposed(width, contracted, 4 * (groups * contracted) as i64, 4 * width as i64)
        } else {
            rows(contracted, width, 4 * (groups * results) as i64)
        }
    }

    /// The start of the weights of one tap for the panel of a result channel.
    fn source(&self, from: &Affine, tap: &Affine, group: &Affine, channel: &Affine) -> Affine {
        let (groups, results, contracted) =
            (self.groups as i64, self.results as i64, self.contracted as i64);
        let [tap_step, group_step, channel_step] = if self.transposed {
            [results * groups * contracted, contracted, groups * contracted]
        } else {
            [contracted * groups * results, results, 1]
        };
        from.clone()
            .add(tap, 4 * tap_step)
            .add(group, 4 * group_step)
            .add(channel, 4 * channel_step)
    }

    /// Packs the panel of a result channel to `to`.
    pub(super) fn one(
        &self,
        nest: &mut NestBuilder,
        from: &Affine,
        channel: &Affine,
        to: &Affine,
    ) -> Result<()> {
        let tile = self.tile()?;
        let tap_bytes = 4 * (self.width * self.contracted) as i64;
        nest.repeat(self.taps, |nest, tap| {
            let source = self.source(from, &tap, &Affine::number(0), channel);
            nest.call(&tile, [source, to.clone().add(&tap, tap_bytes)]);
        });
        Ok(())
    }

    /// Packs all panels. Returns the nest and the number of its units.
    pub(super) fn all(&self, from: &Affine, to: &Affine) -> Result<(Nest, usize)> {
        let panels = self.results / self.width;
        let mut nest = NestBuilder::new("pack_panels");
        let tile = self.tile()?;
        let (rest, tap) = nest.split(&Nest::UNIT.into(), self.taps.max(1));
        let (group, panel) = nest.split(&rest, panels.max(1));
        let channel = Affine::number(0).add(&panel, self.width as i64);
        let target = to
            .clone()
            .add(&group, (self.panel_bytes() * panels) as i64)
            .add(&panel, self.panel_bytes() as i64)
            .add(&tap, 4 * (self.width * self.contracted) as i64);
        nest.call(&tile, [self.source(from, &tap, &group, &channel), target]);
        Ok((nest.finish(), self.taps * self.groups * panels))
    }
}

/// Transposes `count` rows, `row` bytes apart: for each column one run of `count` floats is
/// written, `step` bytes after the last.
///
/// Rows are read a cache line at a time: those of a wide matrix are in few sets of the cache, which
/// evict the line of the first row before that of the last is loaded. The hardware does not
/// prefetch the next line of a row, which follows after all other rows.
pub(in crate::lower) fn transposed(
    count: usize,
    columns: usize,
    row: i64,
    step: i64,
) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("transpose_{count}x{columns}"));
    let (from, to) = (b.pointer("from"), b.pointer("to"));
    let ahead = 4 * (AHEAD * LANES) as i64;
    // Columns that are farther apart than [`REACH`] need pointer steps.
    let reaches = |bytes: i64| bytes < REACH;
    let width = if reaches(LANES as i64 * step) { LANES } else { 1 };
    let block = |b: &mut Builder, columns: usize| {
        let fours = if columns == LANES && reaches(4 * row) { count / 4 } else { 0 };
        b.repeat(Trips::Const(fours as u32), |b| {
            let addresses = [0, 1, 2, 3].map(|i| from.at(i * row));
            addresses.iter().for_each(|address| b.prefetch(address.plus(ahead)));
            let rows = addresses.map(|address| b.load_f32(address, Extent::Full));
            b.store_transposed(to.at(0), step, rows);
            b.step(from, 4 * row, Trips::Const(1));
            b.step(to, 16, Trips::Const(1));
        });
        b.repeat(Trips::Const((count - 4 * fours) as u32), |b| {
            b.prefetch(from.at(ahead));
            for column in 0..columns {
                let value = b.load_f32(from.at(4 * column as i64), Extent::First(1));
                b.store_f32(to.at(column as i64 * step), Extent::First(1), value);
            }
            b.step(from, row, Trips::Const(1));
            b.step(to, 4, Trips::Const(1));
        });
        b.step(from, 4 * columns as i64 - count as i64 * row, Trips::Const(1));
        b.step(to, columns as i64 * step - 4 * count as i64, Trips::Const(1));
    };
    b.repeat(Trips::Const((columns / width) as u32), |b| block(b, width));
    if !columns.is_multiple_of(width) {
        block(&mut b, columns % width);
    }
    Ok(Arc::new(b.finish()?))
}

/// Copies `count` rows, `row` bytes apart, into `panels` contiguous panels, each with the next
/// `width` floats of every row.
pub(super) fn spread(
    count: usize,
    panels: usize,
    width: usize,
    row: i64,
) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("spread_{count}x{panels}x{width}"));
    let (from, to) = (b.pointer("from"), b.pointer("to"));
    b.repeat(Trips::Const(count as u32), |b| {
        for panel in 0..panels {
            for column in (0..width).step_by(LANES) {
                let extent = Extent::first((width - column).min(LANES));
                let value = b.load_f32(from.at(4 * (panel * width + column) as i64), extent);
                b.store_f32(to.at(4 * (panel * count * width + column) as i64), extent, value);
            }
        }
        b.step(from, row, Trips::Const(1));
        b.step(to, 4 * width as i64, Trips::Const(1));
    });
    Ok(Arc::new(b.finish()?))
}

/// Copies `count` rows of `columns` floats, `row` bytes apart, one after the other.
pub(super) fn rows(count: usize, columns: usize, row: i64) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("pack_{count}x{columns}"));
    let (from, to) = (b.pointer("from"), b.pointer("to"));
    let copy = |b: &mut Builder, row: i64, target: usize| {
        for column in (0..columns).step_by(LANES) {
            let extent = Extent::first((columns - column).min(LANES));
            let value = b.load_f32(from.at(row + 4 * column as i64), extent);
            b.store_f32(to.at(4 * (target + column) as i64), extent, value);
        }
    };
    // The hardware does not prefetch the next row if rows are parts of longer ones.
    let ahead = (0..UNROLL).map(|i| (ROWS_AHEAD + i) as i64 * row);
    let ahead: Vec<i64> =
        ahead.filter(|&offset| row > 4 * columns as i64 && offset < REACH).collect();
    b.repeat(Trips::Const((count / UNROLL) as u32), |b| {
        for &offset in &ahead {
            (0..columns)
                .step_by(LANES)
                .for_each(|column| b.prefetch(from.at(offset + 4 * column as i64)));
        }
        (0..UNROLL).for_each(|i| copy(b, i as i64 * row, i * columns));
        b.step(from, UNROLL as i64 * row, Trips::Const(1));
        b.step(to, (4 * UNROLL * columns) as i64, Trips::Const(1));
    });
    (0..count % UNROLL).for_each(|i| copy(&mut b, i as i64 * row, i * columns));
    Ok(Arc::new(b.finish()?))
}
