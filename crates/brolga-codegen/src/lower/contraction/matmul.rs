//! Matrix products.
//!
//! Units are blocks of rows of the result or, if there are few rows, blocks of columns, so that
//! each worker reads its own part of the second factor. A factor is packed into panels if tiles
//! would walk through it in large steps, or along its rows: a panel holds the elements that a tile
//! reads, one k after the other. A unit packs the panels of its part of one factor; the panels of
//! the other factor, which all units read, are packed once, by a stage before.

use std::sync::Arc;

use brolga_ir::Value;
use brolga_ir::ops::{Matmul, MatmulDims};

use super::lattice::{Tiles, column_tiles, even_tiles};
use super::pack;
use super::tile::{Chains, ContractionTile};
use crate::error::Result;
use crate::kernel::{Access, Touch};
use crate::lower::epilogue::{Epilogue, Offsets};
use crate::lower::{Body, Lowered, Stage};
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{LANES, TileProgram, TileShape, TileTarget};

/// The number of units that suffices for all workers.
const MANY_UNITS: usize = 16;
/// The number of tiles in a column of a block of rows.
const BLOCK: usize = 8;
/// The most rows of a block in a loop.
const LOOP_ROWS: usize = 8;
/// The bytes of a row, and the number of rows, from which on the elements that a tile reads are in
/// too many pages and too few sets of the cache.
const WIDE_ROW: usize = 256;
const MANY_ROWS: usize = 64;

/// The bytes of a first factor from which on it comes from memory, or from a distant part of a
/// shared cache.
const STREAMED: usize = 8 << 20;

/// The form in which a factor is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The operand itself.
    Direct,
    /// Panels that a unit packs in its scratch memory: all of its rows of the first factor, or one
    /// panel of the second at a time.
    Unit,
    /// Panels in the workspace, packed by a stage before.
    Shared,
}

/// A product to be lowered.
pub(super) struct Factors {
    pub(super) op: Matmul,
    pub(super) dims: MatmulDims,
    /// The chains over k.
    pub(super) chains: Chains,
    /// The slots of the factors.
    pub(super) slots: [usize; 2],
}

/// A part of a result: rows and columns from the first ones on.
struct Block<'a> {
    matrix: &'a Affine,
    first_row: &'a Affine,
    rows: usize,
    first_column: &'a Affine,
    columns: usize,
}

struct Product<'a> {
    body: &'a Body<'a>,
    op: Matmul,
    epilogue: Epilogue,
    dims: MatmulDims,
    chains: Chains,
    a: usize,
    b: usize,
    shape: TileShape,
    first: Source,
    second: Source,
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
        body.factor_slot(value)
            .ok_or_else(|| body.refused("a factor of a product is computed inside"))
    };
    let slots = [slot(operands[0])?, slot(operands[1])?];
    product(body, root, Factors { op: *op, dims, chains: Chains::one(dims.k), slots }, target)
}

/// The product of the operands in two slots, with the epilogue of `root`, whose elements have the
/// order of a product with these extents.
pub(super) fn product(
    body: &Body<'_>,
    root: Value,
    Factors { op, dims, chains, slots: [a, b] }: Factors,
    target: &dyn TileTarget,
) -> Result<Lowered> {
    let outputs: Vec<_> = body.results().map(|(v, slot)| (v, Affine::slot(slot))).collect();
    let shape = target.contraction_shape(dims.m, dims.n);
    let by_rows = body.in_loop || by_rows(&dims, shape);
    let [unit, shared] =
        if by_rows { [Source::Unit, Source::Shared] } else { [Source::Shared, Source::Unit] };
    // A row is spread if its tile reads only a part of it, and is not its only tile.
    let spread = |row: usize, is_read_again: bool| {
        4 * row >= WIDE_ROW && dims.k >= MANY_ROWS && is_read_again
    };
    let first = match op.transpose_a && spread(dims.m, dims.n > shape.lanes) {
        true => unit,
        false => Source::Direct,
    };
    // The panels of a factor that does not change are packed before the loop.
    let wide = dims.n > shape.lanes && spread(dims.n, body.in_loop || dims.m > shape.rows);
    let second = match op.transpose_b || wide {
        true => shared,
        false => Source::Direct,
    };
    let epilogue = Epilogue::new(body, &[root], &outputs, false)?;
    let product = Product { body, op, epilogue, dims, chains, a, b, shape, first, second };
    if by_rows { product.rows() } else { product.columns() }
}

/// Whether units are blocks of rows. A block of rows reads the whole second factor, a block of
/// columns the whole first one. If there are enough units of both, the choice that reads less is
/// taken.
fn by_rows(dims: &MatmulDims, shape: TileShape) -> bool {
    let &MatmulDims { batch, m, n, .. } = dims;
    let rows = m.div_ceil(BLOCK * shape.rows);
    let columns = n.div_ceil(shape.lanes.next_multiple_of(LANES));
    let less = rows * n <= columns * m;
    batch >= 8 || if rows >= MANY_UNITS { less } else { rows > columns }
}

impl Product<'_> {
    /// Whether the rows of the first factor come from memory, and each unit reads its own without
    /// panels.
    fn is_streamed(&self) -> bool {
        let MatmulDims { batch, m, k, .. } = self.dims;
        self.first == Source::Direct
            && !self.op.transpose_a
            && 4 * batch * m * k >= STREAMED
            && 4 * k >= WIDE_ROW
    }

    /// Bytes from one element of a factor to the next one along the result, and to the next k: of
    /// the first factor, of the second.
    fn steps(&self) -> [[i64; 2]; 2] {
        let MatmulDims { m, n, k, .. } = self.dims;
        let steps = |transposed: bool, extent: usize| match transposed {
            true => [4 * k as i64, 4],
            false => [4, 4 * extent as i64],
        };
        [steps(!self.op.transpose_a, m), steps(self.op.transpose_b, n)]
    }

    /// The program that packs one panel of a factor: for each k the elements for `width` rows or
    /// columns of the result.
    fn packer(&self, [along, next_k]: [i64; 2], width: usize) -> Result<Arc<TileProgram>> {
        let k = self.dims.k;
        if along == 4 {
            pack::rows(k, width, next_k)
        } else {
            pack::transposed(width, k, along, 4 * width as i64)
        }
    }

    /// The address of the elements of a factor for a row or a column of the result in the operand.
    fn source(&self, factor: usize, matrix: &Affine, index: &Affine) -> Affine {
        let MatmulDims { m, n, k, .. } = self.dims;
        let (slot, extent) = [(self.a, m), (self.b, n)][factor];
        let [along, _] = self.steps()[factor];
        Affine::slot(slot).add(matrix, 4 * (k * extent) as i64).add(index, along)
    }

    /// Their address in the panels of the workspace, where each row or column takes k floats.
    fn shared(&self, factor: usize, matrix: &Affine, index: &Affine) -> Affine {
        let MatmulDims { m, n, k, .. } = self.dims;
        let extent = [m, n][factor];
        Affine::slot(self.body.workspace())
            .add(matrix, 4 * (k * extent) as i64)
            .add(index, 4 * k as i64)
    }

    /// The address of the first factor of the tile at a row of a block.
    fn first_factor(&self, block: &Block<'_>, row: &Affine) -> Affine {
        match self.first {
            Source::Direct => self.source(0, block.matrix, &block.first_row.clone().add(row, 1)),
            Source::Unit => self.scratch(block.rows)[0].clone().add(row, 4 * self.dims.k as i64),
            Source::Shared => self.shared(0, block.matrix, &block.first_row.clone().add(row, 1)),
        }
    }

    /// All tiles of a block.
    fn block(&self, nest: &mut NestBuilder, block: &Block<'_>) -> Result<()> {
        let row_tiles = even_tiles(block.rows, self.shape.rows);
        if self.first == Source::Unit {
            for rows in &row_tiles {
                let packer = self.packer(self.steps()[0], rows.size)?;
                nest.repeat(rows.count, |nest, i| {
                    let row = rows.start(&i);
                    let index = block.first_row.clone().add(&row, 1);
                    let source = self.source(0, block.matrix, &index);
                    nest.call(&packer, [source, self.first_factor(block, &row)]);
                });
            }
        }
        for tiles in column_tiles(block.columns, self.shape.lanes) {
            let lanes = tiles.size;
            let packer = match self.second {
                Source::Unit => Some(self.packer(self.steps()[1], lanes)?),
                Source::Direct | Source::Shared => None,
            };
            let programs: Vec<ContractionTile> = row_tiles
                .iter()
                .map(|rows| self.tile(block, rows.size, lanes))
                .collect::<Result<_>>()?;
            nest.repeat(tiles.count, |nest, j| {
                let column = block.first_column.clone().add(&tiles.start(&j), 1);
                let b = match self.second {
                    Source::Direct => self.source(1, block.matrix, &column),
                    Source::Unit => self.scratch(block.rows)[1].clone(),
                    Source::Shared => self.shared(1, block.matrix, &column),
                };
                if let Some(packer) = &packer {
                    nest.call(packer, [self.source(1, block.matrix, &column), b.clone()]);
                }
                for (rows, tile) in row_tiles.iter().zip(&programs) {
                    self.column(nest, block, rows, tile, &b, &column);
                }
            });
        }
        Ok(())
    }

    /// The program of a tile of `rows` rows.
    fn tile(&self, block: &Block<'_>, rows: usize, lanes: usize) -> Result<ContractionTile> {
        let [a_steps, b_steps] = self.steps();
        let [row_step, a_step] = match self.first {
            Source::Direct => a_steps,
            Source::Unit | Source::Shared => [4, 4 * rows as i64],
        };
        let b_step = if self.second == Source::Direct { b_steps[1] } else { 4 * lanes as i64 };
        let offsets: Vec<i64> = (0..rows).map(|r| r as i64 * row_step).collect();
        ContractionTile::of_chains(
            self.body,
            &self.epilogue,
            (&offsets, lanes, self.dims.n),
            (&self.chains, [a_step, b_step]),
            &self.scratch(block.rows)[2],
            // The rows of the next tile, whose first lines the hardware does not prefetch.
            if self.is_streamed() { rows as i64 * row_step } else { 0 },
        )
    }

    /// A column of equal tiles.
    fn column(
        &self,
        nest: &mut NestBuilder,
        block: &Block<'_>,
        rows: &Tiles,
        tile: &ContractionTile,
        b: &Affine,
        column: &Affine,
    ) {
        let MatmulDims { m, n, .. } = self.dims;
        nest.repeat(rows.count, |nest, i| {
            let row = rows.start(&i);
            let a = self.first_factor(block, &row);
            let row = block.first_row.clone().add(&row, 1);
            let element = column.clone().add(block.matrix, (m * n) as i64).add(&row, n as i64);
            let offsets = Offsets { element, column: column.clone() };
            tile.call(nest, &self.epilogue, a, b.clone(), &offsets);
        });
    }

    /// The scratch memory of a unit of `rows` rows: its panels of the first factor, its panel of
    /// the second, and the sums of a tile.
    fn scratch(&self, rows: usize) -> [Affine; 3] {
        let [first, second, _] = self.scratch_floats(rows);
        [0, first, first + second].map(|floats| Affine::scratch().plus(4 * floats as i64))
    }

    /// The number of floats of each, in whole cache lines.
    fn scratch_floats(&self, rows: usize) -> [usize; 3] {
        let floats = |source: Source, extent: usize| {
            if source == Source::Unit { (self.dims.k * extent).next_multiple_of(LANES) } else { 0 }
        };
        let TileShape { rows: height, lanes } = self.shape;
        [floats(self.first, rows), floats(self.second, lanes), self.chains.scratch(height, lanes)]
    }

    /// Units that are blocks of rows. Their height is a divisor of m near [`BLOCK`] tiles if there
    /// is one, so that units are equal parts of the result.
    fn rows(&self) -> Result<Lowered> {
        let MatmulDims { batch, m, n, .. } = self.dims;
        // The units of a loop are those of all its kernels: a few rows, but a tile of them.
        let limit = if self.body.in_loop { LOOP_ROWS } else { BLOCK * self.shape.rows };
        let limit = limit.min(m.max(1));
        // If there are few units, their number should be a multiple of that of the workers.
        let is_even = |rows: usize| {
            self.body.in_loop || m / rows >= 2 * MANY_UNITS || (m / rows).is_multiple_of(4)
        };
        let divisor = (1..=limit)
            .filter(|&rows| m.is_multiple_of(rows))
            .max_by_key(|&rows| (is_even(rows) && rows * 4 >= limit, rows))
            .unwrap_or(1);
        let rows = if divisor * 4 < limit { limit } else { divisor };
        let (full, rest) = (m / rows, m % rows);
        let mut nest = NestBuilder::new(self.name());
        let (matrix, index) = nest.split(&Nest::UNIT.into(), m.div_ceil(rows).max(1));
        let (zero, first) = (Affine::number(0), Affine::number(0).add(&index, rows as i64));
        let block = |rows: usize| Block {
            matrix: &matrix,
            first_row: &first,
            rows,
            first_column: &zero,
            columns: n,
        };
        if rest == 0 {
            self.block(&mut nest, &block(rows))?;
        } else {
            let [mut inside, mut outside] = [Ok(()), Ok(())];
            nest.when(
                index,
                0..full,
                |nest| inside = self.block(nest, &block(rows)),
                |nest| outside = self.block(nest, &block(rest)),
            );
            inside.and(outside)?;
        }
        self.finish(nest.finish(), batch * m.div_ceil(rows), rows, rest == 0)
    }

    /// Units that are blocks of columns of whole cache lines.
    fn columns(&self) -> Result<Lowered> {
        let MatmulDims { batch, m, n, .. } = self.dims;
        let width = self.shape.lanes.next_multiple_of(LANES);
        let (full, rest) = (n / width, n % width);
        let mut nest = NestBuilder::new(self.name());
        let (matrix, index) = nest.split(&Nest::UNIT.into(), n.div_ceil(width).max(1));
        let (zero, first) = (Affine::number(0), Affine::number(0).add(&index, width as i64));
        let block = |columns: usize| Block {
            matrix: &matrix,
            first_row: &zero,
            rows: m,
            first_column: &first,
            columns,
        };
        let [mut inside, mut outside] = [Ok(()), Ok(())];
        if full > 0 {
            nest.when(
                index.clone(),
                0..full,
                |nest| inside = self.block(nest, &block(width)),
                |_| {},
            );
        }
        if rest > 0 {
            nest.when(
                index,
                full..full + 1,
                |nest| outside = self.block(nest, &block(rest)),
                |_| {},
            );
        }
        inside.and(outside)?;
        self.finish(nest.finish(), batch * n.div_ceil(width), m, false)
    }

    fn name(&self) -> String {
        let MatmulDims { m, n, k, .. } = self.dims;
        format!("matmul_{m}x{k}x{n}")
    }

    /// `rows`: the rows of a unit; `parted`: units are equal parts of the result's rows.
    fn finish(&self, nest: Nest, units: usize, rows: usize, parted: bool) -> Result<Lowered> {
        let MatmulDims { batch, m, n, k } = self.dims;
        let body = self.body;
        let full: Vec<usize> = self.epilogue.full_slots().collect();
        let rows_parted = parted && !self.op.transpose_a;
        let (mut reads, writes) = body.touches(|slot| {
            parted
                && (slot >= body.operands()
                    || full.contains(&slot)
                    || (slot == self.a && rows_parted && slot != self.b))
        });
        let mut stages = Vec::new();
        let mut workspace = 0;
        for (factor, source, extent) in [(0, self.first, m), (1, self.second, n)] {
            if source == Source::Shared {
                stages.push(self.packing(factor)?);
                workspace = 4 * batch * k * extent;
                let slot = [self.a, self.b][factor];
                let elsewhere = self.b == self.a || self.epilogue.reads(slot);
                reads.retain(|touch| touch.slot != slot || elsewhere);
                reads.push(Touch { slot: body.workspace(), access: Access::Whole });
            }
        }
        let flops = 2 * (batch * m * n * k) as u64;
        stages.push(Stage { code: nest.into(), units, reads, writes, flops });
        Ok(Lowered {
            stages,
            workspace,
            scratch: 4 * self.scratch_floats(rows).iter().sum::<usize>(),
            in_place: self.epilogue.in_place(body, &[self.a, self.b]),
        })
    }

    /// The stage that packs a factor into panels; a unit is a panel.
    fn packing(&self, factor: usize) -> Result<Stage> {
        let MatmulDims { batch, m, n, .. } = self.dims;
        let tiles = match factor {
            0 => even_tiles(m, self.shape.rows),
            _ => column_tiles(n, self.shape.lanes),
        };
        let mut nest = NestBuilder::new("pack");
        let panels: usize = tiles.iter().map(|tiles| tiles.count).sum();
        let (matrix, index) = nest.split(&Nest::UNIT.into(), panels.max(1));
        let mut first = 0;
        for tiles in tiles {
            let packer = self.packer(self.steps()[factor], tiles.size)?;
            nest.when(
                index.clone(),
                first..first + tiles.count,
                |nest| {
                    let index = tiles.start(&index.clone().plus(-(first as i64)));
                    let source = self.source(factor, &matrix, &index);
                    nest.call(&packer, [source, self.shared(factor, &matrix, &index)]);
                },
                |_| {},
            );
            first += tiles.count;
        }
        Ok(Stage {
            code: nest.finish().into(),
            units: batch * panels,
            reads: vec![Touch { slot: [self.a, self.b][factor], access: Access::Whole }],
            writes: vec![Touch { slot: self.body.workspace(), access: Access::Whole }],
            flops: 0,
        })
    }
}
