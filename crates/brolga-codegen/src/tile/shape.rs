//! The choice of a contraction tile for a result.
//!
//! A target states which tiles fit its registers, and the time of one step of k of each. Tiles
//! cover the result, rows split evenly, and the cheapest cover is taken.
//! `cargo bench --bench tile_shapes` compares these times with measurements.

use super::target::{TileShape, TileTarget};

/// Multiply-adds that start in a cycle.
const MULTIPLY_ADDS: f64 = 2.0;
/// Loads that start in a cycle: two in theory, 1.85 to 1.95 in tiles of one row and in tiles of one
/// register.
const LOADS: f64 = 1.9;
/// Cycles from one multiply-add to the next on the same accumulator.
const LATENCY: f64 = 4.0;
/// The cycles that the rest of a step adds to the bound of the step.
const OVERHEAD: f64 = 0.125;

/// The cycles of a step of k of a tile of `rows` rows of `registers` registers without spills: the
/// longest of its multiply-adds, its loads and the latency of a chain.
pub(super) fn step_cycles(rows: usize, registers: usize) -> f64 {
    let (rows, registers) = (rows as f64, registers as f64);
    let multiply_adds = rows * registers / MULTIPLY_ADDS;
    let loads = (rows + registers) / LOADS;
    multiply_adds.max(loads).max(LATENCY) + OVERHEAD
}

/// The tile with the cheapest cover of a result.
pub(super) fn cheapest(
    target: &(impl TileTarget + ?Sized),
    rows: usize,
    lanes: usize,
) -> TileShape {
    let (rows, lanes) = (rows.max(1), lanes.max(1));
    let result = TileShape { rows, lanes };
    let width = target.register_lanes();
    let mut best = (f64::INFINITY, TileShape { rows: 1, lanes: lanes.min(width) });
    for rows in 1..=rows {
        let wide = |registers: usize| TileShape { rows, lanes: lanes.min(registers * width) };
        let fitting = (1..=lanes.div_ceil(width)).map(wide).take_while(|&tile| target.fits(tile));
        let mut fits = false;
        for tile in fitting {
            fits = true;
            let cost = cover_cycles(result, tile, |tile| target.step_cycles(tile));
            if cost < best.0 {
                best = (cost, tile);
            }
        }
        if !fits {
            break;
        }
    }
    best.1
}

/// The cycles of one step of k in all tiles that cover a result. Rows are split evenly into the
/// fewest tiles of at most this height; the last column of tiles has the remaining lanes.
pub fn cover_cycles(
    result: TileShape,
    tile: TileShape,
    step_cycles: impl Fn(TileShape) -> f64,
) -> f64 {
    let splits = result.rows.div_ceil(tile.rows.max(1));
    let (small, larger) = (result.rows / splits.max(1), result.rows % splits.max(1));
    let column = |lanes: usize| {
        [(larger, small + 1), (splits - larger, small)]
            .into_iter()
            .filter(|&(count, rows)| count > 0 && rows > 0 && lanes > 0)
            .map(|(count, rows)| count as f64 * step_cycles(TileShape { rows, lanes }))
            .sum::<f64>()
    };
    let lanes = tile.lanes.max(1);
    (result.lanes / lanes) as f64 * column(lanes) + column(result.lanes % lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cover_is_all_its_tiles() {
        let area = |TileShape { rows, lanes }: TileShape| (rows * lanes) as f64;
        for (rows, lanes) in [(1, 1), (7, 24), (11, 10), (26, 32), (128, 513), (0, 3), (3, 0)] {
            for tile in [(1, 8), (6, 16), (4, 24), (14, 8), (200, 1000)] {
                let tile = TileShape { rows: tile.0, lanes: tile.1 };
                let cost = cover_cycles(TileShape { rows, lanes }, tile, area);
                assert_eq!(cost, (rows * lanes) as f64, "{rows}x{lanes} by {tile:?}");
            }
        }
        // 5 + 4 rows, a whole column of tiles and half of one.
        let result = TileShape { rows: 9, lanes: 24 };
        let seen = std::cell::RefCell::new(vec![]);
        cover_cycles(result, TileShape { rows: 6, lanes: 16 }, |tile| {
            seen.borrow_mut().push((tile.rows, tile.lanes));
            1.0
        });
        assert_eq!(seen.into_inner(), [(5, 16), (4, 16), (5, 8), (4, 8)]);
    }

    #[test]
    fn what_bounds_a_step() {
        assert_eq!(step_cycles(6, 2), 6.0 + OVERHEAD, "multiply-adds");
        assert_eq!(step_cycles(1, 4), 4.0 + OVERHEAD, "latency");
        assert_eq!(step_cycles(14, 1), 15.0 / LOADS + OVERHEAD, "loads");
    }
}
