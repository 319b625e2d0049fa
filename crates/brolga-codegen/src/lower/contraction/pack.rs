//! Weights transposed for a contraction that walks them the other way.

use std::sync::Arc;

use crate::error::Result;
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{Builder, Extent, TileProgram, Trips};

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
            nest.call(&tile(count, rows, columns)?, [source.clone(), target.clone()]);
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

/// Transposes `count` rows: for each column one run of `count` floats is written.
fn tile(count: usize, rows: usize, columns: usize) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("transpose_{count}x{columns}"));
    let (from, to) = (b.pointer("from"), b.pointer("to"));
    let one = Extent::First(1);
    b.repeat(Trips::Const(columns as u32), |b| {
        for row in 0..count {
            let value = b.load_f32(from.at((4 * row * columns) as i32), one);
            b.store_f32(to.at(4 * row as i32), one, value);
        }
        b.step(from, 4, Trips::Const(1));
        b.step(to, 4 * rows as i64, Trips::Const(1));
    });
    Ok(Arc::new(b.finish()?))
}
