//! Products of blocks in scratch memory.

use std::sync::Arc;

use brolga_ir::lanes::Lanes;
use smallvec::SmallVec;

use crate::error::Result;
use crate::generators::{Contraction, KLoop, Start};
use crate::lower::contraction::lattice::{column_tiles, even_tiles};
use crate::lower::contraction::pack;
use crate::nest::{Affine, NestBuilder};
use crate::tile::{Builder, TileProgram, TileTarget, Trips};

/// `c[row][column] = Σₖ a[row][k] · b[k][column]`, or continued from what `c` holds.
pub(super) struct Product {
    /// Rows, columns, and the contracted extent.
    pub(super) extents: [usize; 3],
    /// The first factor, and the bytes from one row and from one k to the next.
    pub(super) a: (Affine, [i64; 2]),
    /// The second factor, and the bytes from one k to the next; columns are contiguous.
    pub(super) b: (Affine, i64),
    /// The result, and the bytes from one row to the next.
    pub(super) c: (Affine, i64),
    /// Whether the chains continue from what the result holds.
    pub(super) continues: bool,
    /// A factor of the result.
    pub(super) scale: Option<f32>,
}

/// Writes a product, tile by tile.
pub(super) fn product(
    nest: &mut NestBuilder,
    target: &dyn TileTarget,
    product: &Product,
) -> Result<()> {
    let [rows, columns, _] = product.extents;
    let shape = target.contraction_shape(rows, columns);
    for column_tile in column_tiles(columns, shape.lanes) {
        for row_tile in even_tiles(rows, shape.rows) {
            let program = product.tile(row_tile.size, column_tile.size)?;
            nest.repeat(column_tile.count, |nest, j| {
                let column = column_tile.start(&j);
                nest.repeat(row_tile.count, |nest, i| {
                    let row = row_tile.start(&i);
                    let a = product.a.0.clone().add(&row, product.a.1[0]);
                    let b = product.b.0.clone().add(&column, 4);
                    let c = product.c.0.clone().add(&row, product.c.1).add(&column, 4);
                    nest.call(&program, [a, b, c]);
                });
            });
        }
    }
    Ok(())
}

impl Product {
    fn tile(&self, rows: usize, lanes: usize) -> Result<Arc<TileProgram>> {
        let mut b = Builder::new(format!("attend_{rows}x{lanes}"));
        let [first, second, to] = ["a", "b", "c"].map(|name| b.pointer(name));
        let (row_step, a_step) = (self.a.1[0], self.a.1[1]);
        let trips = Trips::Const(self.extents[2] as u32);
        let k = KLoop { trips, a_step, b_step: self.b.1 };
        let contraction = Contraction {
            rows: (0..rows as i64).map(|row| row * row_step).collect(),
            lanes,
            loops: SmallVec::from_slice(&[k]),
            ahead: 0,
            by_column: false,
        };
        let offsets: Vec<i64> = (0..rows as i64).map(|row| row * self.c.1).collect();
        let start = if self.continues { Start::Memory(to, &offsets) } else { Start::Zero };
        for acc in contraction.emit(&mut b, first, second, start) {
            let value = match self.scale {
                None => acc.value,
                Some(scale) => {
                    let scale = b.float(scale.into());
                    b.mul(acc.value, scale)
                }
            };
            b.store_f32(to.at(offsets[acc.row] + 4 * acc.column as i64), acc.extent, value);
        }
        Ok(Arc::new(b.finish()?))
    }
}

/// The program that transposes so many rows of `columns` floats into a panel, whose rows are `row`
/// bytes apart.
pub(super) fn panel(count: usize, columns: usize, row: i64) -> Result<Arc<TileProgram>> {
    pack::transposed(count, columns, 4 * columns as i64, row)
}
