//! Matrix products.
//!
//! Tiles of the result are worked on in blocks of rows, or, where there are few rows, in blocks of columns, so that each worker reads its own part
//! of the second factor. That factor is brought into panels where tiles would walk through it in large steps, or along its rows: a panel
//! holds the columns of a tile, one row after the other.

use std::sync::Arc;

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
use crate::tile::{LANES, TileProgram, TileShape, TileTarget};

/// Units that suffice for all workers.
const MANY_UNITS: usize = 16;
/// Tiles one below the other in a block of rows.
const BLOCK: usize = 8;
/// Bytes of a row, and rows, from which on the columns of a tile are spread over too many pages and too few sets of the cache.
const WIDE_ROW: usize = 256;
const MANY_ROWS: usize = 64;

/// How the second factor is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Second {
    /// As it lies.
    Direct,
    /// From panels that a unit makes in its scratch memory, one at a time.
    Unit,
    /// From panels in the workspace, made by a stage before.
    Shared,
}

struct Product<'a> {
    body: &'a Body<'a>,
    op: Matmul,
    epilogue: Epilogue,
    dims: MatmulDims,
    a: usize,
    b: usize,
    shape: TileShape,
    second: Second,
}

pub(super) fn lower(
    body: &Body<'_>,
    root: Value,
    op: &Matmul,
    target: &dyn TileTarget,
) -> Result<Lowered> {
    let operands = body.graph.operands(root.node);
    let dims = op.dims(body.shape(operands[0]), body.shape(operands[1]));
    let slot = |value| {
        body.input_slot(value)
            .ok_or_else(|| body.malformed("a factor of a product is computed inside"))
    };
    product(body, root, *op, dims, [slot(operands[0])?, slot(operands[1])?], target)
}

/// The product of the operands in two slots, with what follows `root`, whose elements lie as those of a product with these extents.
pub(super) fn product(
    body: &Body<'_>,
    root: Value,
    op: Matmul,
    dims: MatmulDims,
    [a, b]: [usize; 2],
    target: &dyn TileTarget,
) -> Result<Lowered> {
    let outputs: Vec<_> = body.results().map(|(v, slot)| (v, Affine::slot(slot))).collect();
    let shape = target.contraction_shape(dims.m, dims.n);
    let by_rows = by_rows(&dims, shape);
    let used_again = dims.m > shape.rows;
    let strides_hurt = 4 * dims.n >= WIDE_ROW && dims.k >= MANY_ROWS && dims.n > shape.lanes;
    let second = match (op.transpose_b || (used_again && strides_hurt), by_rows) {
        (false, _) => Second::Direct,
        (true, false) => Second::Unit,
        (true, true) => Second::Shared,
    };
    let product = Product {
        body,
        op,
        epilogue: Epilogue::new(body, &[root], &outputs, false)?,
        dims,
        a,
        b,
        shape,
        second,
    };
    if by_rows { product.rows() } else { product.columns() }
}

/// Whether units are blocks of rows. A block of rows reads the whole second factor, a block of columns the whole first one: the less is
/// read, the better, if there are enough units.
fn by_rows(dims: &MatmulDims, shape: TileShape) -> bool {
    let &MatmulDims { batch, m, n, .. } = dims;
    let rows = m.div_ceil(BLOCK * shape.rows);
    let columns = n.div_ceil(shape.lanes.next_multiple_of(LANES));
    let less = rows * n <= columns * m;
    batch >= 8 || if rows >= MANY_UNITS { less } else { rows > columns }
}

impl Product<'_> {
    /// The program that makes one panel: for each k the `lanes` columns of a tile.
    fn packer(&self, lanes: usize) -> Result<Arc<TileProgram>> {
        let MatmulDims { n, k, .. } = self.dims;
        if self.op.transpose_b {
            pack::transposed(lanes, k, 4 * k as i64, 4 * lanes as i64)
        } else {
            pack::rows(k, lanes, 4 * n as i64)
        }
    }

    /// Where the columns of a tile start in the second factor, as it lies.
    fn source(&self, matrix: &Affine, column: &Affine) -> Affine {
        let MatmulDims { n, k, .. } = self.dims;
        let step = if self.op.transpose_b { 4 * k as i64 } else { 4 };
        Affine::slot(self.b).add(matrix, 4 * (k * n) as i64).add(column, step)
    }

    /// Where a tile finds its columns.
    fn found(&self, matrix: &Affine, column: &Affine) -> Affine {
        let MatmulDims { n, k, .. } = self.dims;
        match self.second {
            Second::Direct => self.source(matrix, column),
            Second::Unit => Affine::scratch(),
            // Panels lie one behind the other: each column in front takes k floats.
            Second::Shared => Affine::slot(self.body.workspace())
                .add(matrix, 4 * (k * n) as i64)
                .add(column, 4 * k as i64),
        }
    }

    /// All tiles of a block of rows and a block of columns.
    fn block(
        &self,
        nest: &mut NestBuilder,
        matrix: &Affine,
        (first_row, rows): (&Affine, usize),
        (first_column, columns): (&Affine, usize),
    ) -> Result<()> {
        let MatmulDims { m, n, k, .. } = self.dims;
        let (a_row, a_k) = if self.op.transpose_a { (4, 4 * m as i64) } else { (4 * k as i64, 4) };
        for (start, tiles, lanes) in column_tiles(columns, self.shape.lanes) {
            let width = if self.second == Second::Direct { n } else { lanes };
            let loops = [k_loop(k, a_k, 4 * width as i64)];
            let packer = if self.second == Second::Unit { Some(self.packer(lanes)?) } else { None };
            let mut parts = Vec::new();
            for (count, size) in even_split(rows, self.shape.rows) {
                let offsets: Vec<i32> = (0..size).map(|r| (r as i64 * a_row) as i32).collect();
                let tile =
                    ContractionTile::new(self.body, &self.epilogue, &offsets, lanes, &loops, n)?;
                parts.push((count, size, tile));
            }
            nest.repeat(tiles, |nest, j| {
                let column = first_column.clone().plus(start as i64).add(&j, lanes as i64);
                if let Some(packer) = &packer {
                    nest.call(packer, [self.source(matrix, &column), Affine::scratch()]);
                }
                let mut done = 0;
                for (count, size, tile) in &parts {
                    nest.repeat(*count, |nest, i| {
                        let row = first_row.clone().plus(done as i64).add(&i, *size as i64);
                        let a = Affine::slot(self.a).add(matrix, 4 * (m * k) as i64);
                        let element =
                            column.clone().add(matrix, (m * n) as i64).add(&row, n as i64);
                        let place = Place { element, column: column.clone() };
                        let b = self.found(matrix, &column);
                        tile.call(nest, &self.epilogue, a.add(&row, a_row), b, &place);
                    });
                    done += count * size;
                }
            });
        }
        Ok(())
    }

    /// Units are blocks of rows: if possible a divisor of m near so many tiles, so that they are equal parts of the result.
    fn rows(&self) -> Result<Lowered> {
        let MatmulDims { batch, m, n, .. } = self.dims;
        let limit = (BLOCK * self.shape.rows).min(m.max(1));
        // Few units should be a multiple of the number of workers.
        let is_even = |rows: usize| m / rows >= 2 * MANY_UNITS || (m / rows).is_multiple_of(4);
        let divisor = (1..=limit)
            .filter(|&rows| m.is_multiple_of(rows))
            .max_by_key(|&rows| (is_even(rows) && rows * 4 >= limit, rows))
            .unwrap_or(1);
        let rows = if divisor * 4 < limit { limit } else { divisor };
        let (full, rest) = (m / rows, m % rows);
        let mut nest = NestBuilder::new(self.name());
        let (matrix, index) = nest.split(&Nest::UNIT.into(), m.div_ceil(rows).max(1));
        let (zero, first) = (Affine::number(0), Affine::number(0).add(&index, rows as i64));
        if rest == 0 {
            self.block(&mut nest, &matrix, (&first, rows), (&zero, n))?;
        } else {
            let [mut inside, mut outside] = [Ok(()), Ok(())];
            nest.when(
                index,
                0..full,
                |nest| inside = self.block(nest, &matrix, (&first, rows), (&zero, n)),
                |nest| outside = self.block(nest, &matrix, (&first, rest), (&zero, n)),
            );
            inside.and(outside)?;
        }
        self.finish(nest.finish(), batch * m.div_ceil(rows), rest == 0)
    }

    /// Units are blocks of columns, whole cache lines wide.
    fn columns(&self) -> Result<Lowered> {
        let MatmulDims { batch, m, n, .. } = self.dims;
        let width = self.shape.lanes.next_multiple_of(LANES);
        let (full, rest) = (n / width, n % width);
        let mut nest = NestBuilder::new(self.name());
        let (matrix, index) = nest.split(&Nest::UNIT.into(), n.div_ceil(width).max(1));
        let (zero, first) = (Affine::number(0), Affine::number(0).add(&index, width as i64));
        let [mut inside, mut outside] = [Ok(()), Ok(())];
        if full > 0 {
            nest.when(
                index.clone(),
                0..full,
                |nest| inside = self.block(nest, &matrix, (&zero, m), (&first, width)),
                |_| {},
            );
        }
        if rest > 0 {
            nest.when(
                index,
                full..full + 1,
                |nest| outside = self.block(nest, &matrix, (&zero, m), (&first, rest)),
                |_| {},
            );
        }
        inside.and(outside)?;
        self.finish(nest.finish(), batch * n.div_ceil(width), false)
    }

    fn name(&self) -> String {
        let MatmulDims { m, n, k, .. } = self.dims;
        format!("matmul_{m}x{k}x{n}")
    }

    /// `parted`: units are equal parts of the result's rows.
    fn finish(&self, nest: Nest, units: usize, parted: bool) -> Result<Lowered> {
        let MatmulDims { batch, m, n, k } = self.dims;
        let body = self.body;
        let shared = self.second == Second::Shared;
        let full: Vec<usize> = self.epilogue.full_slots().collect();
        let rows_parted = parted && !self.op.transpose_a;
        let (mut reads, writes) = body.touches(|slot| {
            parted
                && (slot >= body.operands()
                    || full.contains(&slot)
                    || (slot == self.a && rows_parted && slot != self.b))
        });
        let mut stages = Vec::new();
        if shared {
            stages.push(self.packing()?);
            let elsewhere = self.b == self.a || self.epilogue.reads(self.b);
            reads.retain(|touch| touch.slot != self.b || elsewhere);
            reads.push(Touch { slot: body.workspace(), access: Access::Whole });
        }
        let flops = 2 * (batch * m * n * k) as u64;
        stages.push(Stage { nest, units, reads, writes, flops });
        let panel = k * self.shape.lanes;
        Ok(Lowered {
            stages,
            workspace: if shared { 4 * batch * k * n } else { 0 },
            scratch: if self.second == Second::Unit { 4 * panel } else { 0 },
            in_place: Vec::new(),
        })
    }

    /// Brings the second factor into panels; a unit is a panel.
    fn packing(&self) -> Result<Stage> {
        let MatmulDims { batch, n, .. } = self.dims;
        let mut nest = NestBuilder::new("pack");
        let tiles = column_tiles(n, self.shape.lanes);
        let panels: usize = tiles.iter().map(|(_, tiles, _)| tiles).sum();
        let (matrix, index) = nest.split(&Nest::UNIT.into(), panels.max(1));
        let mut first = 0;
        for (start, count, lanes) in tiles {
            let packer = self.packer(lanes)?;
            nest.when(
                index.clone(),
                first..first + count,
                |nest| {
                    let within = index.clone().plus(-(first as i64));
                    let column = Affine::number(start as i64).add(&within, lanes as i64);
                    let args = [self.source(&matrix, &column), self.found(&matrix, &column)];
                    nest.call(&packer, args);
                },
                |_| {},
            );
            first += count;
        }
        let workspace = self.body.workspace();
        Ok(Stage {
            nest: nest.finish(),
            units: batch * panels,
            reads: vec![Touch { slot: self.b, access: Access::Whole }],
            writes: vec![Touch { slot: workspace, access: Access::Whole }],
            flops: 0,
        })
    }
}
