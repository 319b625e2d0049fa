//! Which contraction tile suits the registers.

use super::Isa;
use crate::tile::target::TileShape;

/// Multiply-adds that start in a cycle.
const PER_CYCLE: f64 = 2.0;
/// Loads that start in a cycle.
const LOADS: f64 = 2.0;
/// Cycles from one multiply-add to the next on the same accumulator.
const LATENCY: f64 = 4.0;
/// Cycles of a tile's step beyond what its multiply-adds and loads need.
const OVERHEAD: f64 = 0.25;

/// The tile of the least cost over the whole result. A step of k takes as long as its multiply-adds, its loads or the latency of a chain,
/// whichever is longest.
pub(super) fn contraction_shape(isa: Isa, rows: usize, lanes: usize) -> TileShape {
    let (rows, lanes) = (rows.max(1), lanes.max(1));
    let columns = lanes.div_ceil(isa.width());
    let mut best = (f64::INFINITY, TileShape { rows: 1, lanes: lanes.min(isa.width()) });
    for height in 1..=rows.min(isa.registers()) {
        for width in 1..=columns.min(isa.registers()) {
            if !fits(isa, height, width) {
                continue;
            }
            let splits = rows.div_ceil(height);
            let cost =
                [(columns / width, width), (usize::from(columns % width > 0), columns % width)]
                    .map(|(count, width)| count as f64 * rows_cost(rows, splits, width))
                    .iter()
                    .sum();
            if cost < best.0 {
                let lanes = lanes.min(width * isa.width());
                best = (cost, TileShape { rows: height, lanes });
            }
        }
    }
    best.1
}

/// Whether a tile fits the registers.
pub(super) fn shape_fits(isa: Isa, shape: TileShape) -> bool {
    fits(isa, shape.rows, shape.lanes.div_ceil(isa.width()))
}

/// Accumulators, the held factors and one that comes.
fn fits(isa: Isa, rows: usize, columns: usize) -> bool {
    let embedded = isa == Isa::Avx512 && columns == 1 || rows == 1;
    rows * columns + rows.min(columns) + usize::from(!embedded) <= isa.registers()
}

/// A column of tiles over all rows, split evenly.
fn rows_cost(rows: usize, splits: usize, columns: usize) -> f64 {
    if columns == 0 {
        return 0.0;
    }
    let (small, larger) = (rows / splits, rows % splits);
    (splits - larger) as f64 * step(small, columns) + larger as f64 * step(small + 1, columns)
}

fn step(rows: usize, columns: usize) -> f64 {
    let multiply_adds = (rows * columns) as f64 / PER_CYCLE;
    let loads = (rows + columns) as f64 / LOADS;
    multiply_adds.max(loads).max(LATENCY) + OVERHEAD
}
