//! Factors brought into panels: what a tile reads lies one vector after the other.

use std::sync::Arc;

use crate::error::Result;
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{Builder, Extent, LANES, TileProgram, Trips};

/// Rows that one trip of a loop copies.
const UNROLL: usize = 4;

/// Rows that one unit transposes.
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

/// Weights in panels: of each tap and group a matrix of `rows` × `columns` floats becomes `rows / width` panels in which the `width` rows of a
/// panel are neighbours.
pub(super) struct Panels {
    pub(super) taps: usize,
    pub(super) groups: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) width: usize,
}

impl Panels {
    /// `to[group][panel][tap][c][i] = from[tap][panel·width + i][group][c]`. Returns the nest and the number of its units.
    pub(super) fn pack(&self, from: &Affine, to: &Affine) -> Result<(Nest, usize)> {
        let Self { taps, groups, rows, columns, width } = *self;
        let panels = rows / width;
        let mut nest = NestBuilder::new("pack_panels");
        let row = 4 * (groups * columns) as i64;
        let tile = transposed(width, columns, row, 4 * width as i64)?;
        let (rest, tap) = nest.split(&Nest::UNIT.into(), taps.max(1));
        let (group, panel) = nest.split(&rest, panels.max(1));
        let source = from
            .clone()
            .add(&tap, row * rows as i64)
            .add(&panel, row * width as i64)
            .add(&group, 4 * columns as i64);
        let size = 4 * (columns * width) as i64;
        let target = to
            .clone()
            .add(&group, size * (taps * panels) as i64)
            .add(&panel, size * taps as i64)
            .add(&tap, size);
        nest.call(&tile, [source, target]);
        Ok((nest.finish(), taps * groups * panels))
    }
}

/// Transposes `count` rows, `row` bytes apart: for each column one run of `count` floats is written, `step` bytes behind the last.
pub(super) fn transposed(
    count: usize,
    columns: usize,
    row: i64,
    step: i64,
) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("transpose_{count}x{columns}"));
    let (from, to) = (b.pointer("from"), b.pointer("to"));
    let one = Extent::First(1);
    b.repeat(Trips::Const(columns as u32), |b| {
        for i in 0..count {
            let value = b.load_f32(from.at((i as i64 * row) as i32), one);
            b.store_f32(to.at(4 * i as i32), one, value);
        }
        b.step(from, 4, Trips::Const(1));
        b.step(to, step, Trips::Const(1));
    });
    Ok(Arc::new(b.finish()?))
}

/// Copies `count` rows of `columns` floats, `row` bytes apart, one behind the other.
pub(super) fn rows(count: usize, columns: usize, row: i64) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("pack_{count}x{columns}"));
    let (from, to) = (b.pointer("from"), b.pointer("to"));
    let copy = |b: &mut Builder, row: i64, target: usize| {
        for column in (0..columns).step_by(LANES) {
            let extent = Extent::first((columns - column).min(LANES));
            let value = b.load_f32(from.at((row + 4 * column as i64) as i32), extent);
            b.store_f32(to.at(4 * (target + column) as i32), extent, value);
        }
    };
    b.repeat(Trips::Const((count / UNROLL) as u32), |b| {
        (0..UNROLL).for_each(|i| copy(b, i as i64 * row, i * columns));
        b.step(from, UNROLL as i64 * row, Trips::Const(1));
        b.step(to, (4 * UNROLL * columns) as i64, Trips::Const(1));
    });
    (0..count % UNROLL).for_each(|i| copy(&mut b, i as i64 * row, i * columns));
    Ok(Arc::new(b.finish()?))
}
