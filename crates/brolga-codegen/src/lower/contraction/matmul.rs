//! Matrix products.

use brolga_ir::Value;
use brolga_ir::ops::{Matmul, MatmulDims};

use super::lattice::{column_tiles, even_split};
use super::pack;
use super::tile::{ContractionTile, k_loop};
use crate::error::Result;
use crate::kernel::{Access, Touch};
use crate::lower::epilogue::{Epilogue, Place};
use crate::lower::{Body, Lowered, Stage};
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{LANES, TileTarget};

/// Rows of the result from which on units are blocks of rows; below, they are blocks of columns.
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
        body.input_slot(value)
            .ok_or_else(|| body.malformed("a factor of a product is computed inside"))
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
    let loops = [k_loop(k, a_k, 4 * n as i64)];
    // All tiles of a block of rows and a block of columns.
    let block = |nest: &mut NestBuilder,
                 matrix: &Affine,
                 (first_row, rows): (&Affine, usize),
                 (first_column, columns): (&Affine, usize)|
     -> Result<()> {
        for (start, tiles, lanes) in column_tiles(columns, shape.lanes) {
            let mut done = 0;
            for (count, size) in even_split(rows, shape.rows) {
                let offsets: Vec<i32> = (0..size).map(|r| (r as i64 * a_row) as i32).collect();
                let tile = ContractionTile::new(body, &epilogue, &offsets, lanes, &loops, n)?;
                nest.repeat(tiles, |nest, j| {
                    let column = first_column.clone().plus(start as i64).add(&j, lanes as i64);
                    nest.repeat(count, |nest, i| {
                        let row = first_row.clone().plus(done as i64).add(&i, size as i64);
                        let a =
                            Affine::slot(a_slot).add(matrix, 4 * (m * k) as i64).add(&row, a_row);
                        let b = weights.clone().add(matrix, 4 * (k * n) as i64).add(&column, 4);
                        let element =
                            column.clone().add(matrix, (m * n) as i64).add(&row, n as i64);
                        tile.call(
                            nest,
                            &epilogue,
                            a,
                            b,
                            &Place { element, column: column.clone() },
                        );
                    });
                });
                done += count * size;
            }
        }
        Ok(())
    };

    let mut nest = NestBuilder::new(format!("matmul_{m}x{k}x{n}"));
    let mut result = Ok(());
    let zero = Affine::number(0);
    let (units, parted) = if m >= ROW_UNITS || batch >= 8 {
        // Blocks of rows: a divisor of m near eight tiles, so that units are equal parts of the result.
        let limit = (8 * shape.rows).min(m.max(1));
        let divisor = (1..=limit).rev().find(|r| m % r == 0).unwrap_or(1);
        let rows = if divisor * 4 < limit { limit } else { divisor };
        let (full, rest) = (m / rows, m % rows);
        let (matrix, index) = nest.split(&Nest::UNIT.into(), m.div_ceil(rows).max(1));
        let first = Affine::number(0).add(&index, rows as i64);
        if rest == 0 {
            result = block(&mut nest, &matrix, (&first, rows), (&zero, n));
        } else {
            let mut tail = Ok(());
            nest.when(
                index,
                0..full,
                |nest| result = block(nest, &matrix, (&first, rows), (&zero, n)),
                |nest| tail = block(nest, &matrix, (&first, rest), (&zero, n)),
            );
            result = result.and(tail);
        }
        (batch * m.div_ceil(rows), rest == 0)
    } else {
        // Blocks of columns, whole cache lines wide: each worker reads its own part of the weights.
        let (full, rest) = (n / LANES, n % LANES);
        let (matrix, index) = nest.split(&Nest::UNIT.into(), n.div_ceil(LANES).max(1));
        let first = Affine::number(0).add(&index, LANES as i64);
        let mut tail = Ok(());
        if full > 0 {
            nest.when(
                index.clone(),
                0..full,
                |nest| result = block(nest, &matrix, (&zero, m), (&first, LANES)),
                |_| {},
            );
        }
        if rest > 0 {
            nest.when(
                index,
                full..full + 1,
                |nest| tail = block(nest, &matrix, (&zero, m), (&first, rest)),
                |_| {},
            );
        }
        result = result.and(tail);
        (batch * n.div_ceil(LANES), false)
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
