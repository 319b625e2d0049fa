//! Matrix products.

use brolga_ir::Value;
use brolga_ir::ops::{Matmul, MatmulDims};

use super::lattice::even_split;
use super::pack;
use super::tile::{ContractionTile, k_loop};
use crate::error::Result;
use crate::kernel::{Access, Touch};
use crate::lower::epilogue::{Epilogue, Place};
use crate::lower::{Body, Lowered, Stage};
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::TileTarget;

/// Rows of the result from which on units are blocks of rows; below, they are column tiles.
const ROW_UNITS: usize = 64;

pub(super) fn lower(
    body: &Body<'_>,
    root: Value,
    op: &Matmul,
    target: &dyn TileTarget,
) -> Result<Lowered> {
    let operands = body.graph.operands(root.node);
    let dims = op.dims(body.shape(operands[0]), body.shape(operands[1]));
    let MatmulDims { batch, m, n, k } = dims;
    let slot = |value| {
        body.input_slot(value).ok_or_else(|| body.malformed("a factor of a product is computed inside"))
    };
    let (a_slot, b_slot) = (slot(operands[0])?, slot(operands[1])?);
    let outputs: Vec<_> = body.results().map(|(v, slot)| (v, Affine::slot(slot))).collect();
    let epilogue = Epilogue::new(body, &[root], &outputs, false)?;

    let mut stages = Vec::new();
    let mut workspace = 0;
    let weights = if op.transpose_b {
        workspace = 4 * batch * k * n;
        let to = Affine::slot(body.workspace());
        let (nest, units) = pack::transpose(&Affine::slot(b_slot), &to, batch, n, k)?;
        stages.push(Stage {
            nest,
            units,
            reads: vec![Touch { slot: b_slot, access: Access::Whole }],
            writes: vec![Touch { slot: body.workspace(), access: Access::Whole }],
            flops: 0,
        });
        to
    } else {
        Affine::slot(b_slot)
    };

    let (a_row, a_k) = if op.transpose_a { (4, 4 * m as i64) } else { (4 * k as i64, 4) };
    let shape = target.contraction_shape(m, n);
    let column_tiles = even_tiles(n, shape.lanes);
    let loops = [k_loop(k, a_k, 4 * n as i64)];
    let tiles = |nest: &mut NestBuilder,
                 matrix: &Affine,
                 first_row: &Affine,
                 rows: usize,
                 column: usize,
                 lanes: usize|
     -> Result<()> {
        let mut done = 0;
        for (count, size) in even_split(rows, shape.rows) {
            let offsets: Vec<i32> = (0..size).map(|r| (r as i64 * a_row) as i32).collect();
            let tile = ContractionTile::new(body, &epilogue, &offsets, lanes, &loops, n)?;
            nest.repeat(count, |nest, i| {
                let row = first_row.clone().plus(done as i64).add(&i, size as i64);
                let a = Affine::slot(a_slot).add(matrix, 4 * (m * k) as i64).add(&row, a_row);
                let b = weights.clone().add(matrix, 4 * (k * n) as i64).plus(4 * column as i64);
                let element = Affine::number(column as i64)
                    .add(matrix, (m * n) as i64)
                    .add(&row, n as i64);
                let place = Place { element, column: Affine::number(column as i64) };
                tile.call(nest, &epilogue, a, b, &place);
            });
            done += count * size;
        }
        Ok(())
    };

    let mut nest = NestBuilder::new(format!("matmul_{m}x{k}x{n}"));
    let mut result = Ok(());
    let (units, parted) = if m >= ROW_UNITS || batch >= 8 {
        // Blocks of rows: a divisor of m near eight tiles, so that units are equal parts of the result.
        let rows = (1..=(8 * shape.rows).min(m.max(1))).rev().find(|r| m % r == 0).unwrap_or(1);
        let rows = if rows * 4 < shape.rows * 8 && m > 0 { (8 * shape.rows).min(m) } else { rows };
        let blocks = m.div_ceil(rows.max(1));
        let (matrix, block) = nest.split(&Nest::UNIT.into(), blocks.max(1));
        let first_row = Affine::number(0).add(&block, rows as i64);
        let rest = m - (m / rows.max(1)) * rows;
        let run = |nest: &mut NestBuilder, rows: usize| -> Result<()> {
            column_tiles.iter().try_for_each(|&(column, lanes)| {
                tiles(nest, &matrix, &first_row, rows, column, lanes)
            })
        };
        if rest == 0 {
            result = run(&mut nest, rows);
        } else {
            let mut tail = Ok(());
            nest.when(
                block.clone(),
                0..m / rows,
                |nest| result = run(nest, rows),
                |nest| tail = run(nest, rest),
            );
            result = result.and(tail);
        }
        (batch * blocks, rest == 0)
    } else {
        // One unit a column tile: each worker reads its own part of the weights.
        let count = column_tiles.len();
        let (matrix, tile) = nest.split(&Nest::UNIT.into(), count.max(1));
        for (index, &(column, lanes)) in column_tiles.iter().enumerate() {
            let mut own = Ok(());
            nest.when(
                tile.clone(),
                index..index + 1,
                |nest| own = tiles(nest, &matrix, &Affine::number(0), m, column, lanes),
                |_| {},
            );
            result = result.and(own);
        }
        (batch * count, false)
    };
    result?;
    let full: Vec<usize> = epilogue.full_slots().collect();
    let rows_parted = parted && !op.transpose_a;
    let (reads, writes) = body.touches(|slot| {
        parted
            && (slot >= body.operands()
                || full.contains(&slot)
                || (slot == a_slot && rows_parted && slot != b_slot))
    });
    let mut reads = reads;
    if op.transpose_b {
        reads.retain(|touch| touch.slot != b_slot || b_slot == a_slot);
        reads.push(Touch { slot: body.workspace(), access: Access::Whole });
    }
    let flops = 2 * (batch * m * n * k) as u64;
    stages.push(Stage { nest: nest.finish(), units, reads, writes, flops });
    Ok(Lowered { stages, workspace, scratch: 0, in_place: Vec::new() })
}

/// Column tiles of at most `limit` lanes: `(first column, lanes)`. All but the last are whole vectors.
pub(super) fn even_tiles(columns: usize, limit: usize) -> Vec<(usize, usize)> {
    (0..columns).step_by(limit.max(1)).map(|c| (c, limit.min(columns - c))).collect()
}
