//! How fast contraction tiles of each shape are, beside what the model expects that chooses among
//! them.

use std::collections::HashMap;
use std::fmt;

use brolga_codegen::VectorIsa;
use brolga_codegen::tile::{TileShape, cover_cycles};
use brolga_runtime::table::write_table;

use super::limit::{ContractionSteps, MultiplyAdds};
use super::median;

/// Multiply-adds that start in a cycle if nothing delays them: converts the limit to cycles.
const PER_CYCLE: f64 = 2.0;

/// Results whose tiles are judged: rows of convolutions, and products of batches with the weights
/// of dense layers.
const RESULTS: [(usize, usize); 18] = [
    (1, 10),
    (1, 512),
    (7, 512),
    (10, 64),
    (11, 64),
    (12, 64),
    (14, 256),
    (24, 32),
    (26, 32),
    (28, 128),
    (32, 128),
    (32, 10),
    (56, 64),
    (112, 64),
    (128, 512),
    (128, 10),
    (512, 512),
    (784, 512),
];

/// A tile whose factors lie in L1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TileTime {
    /// Rows and lanes.
    pub shape: TileShape,
    /// Cycles of a step of k that the model expects.
    pub expected: f64,
    /// Cycles that were measured, the median of all rounds.
    pub measured: f64,
    /// Which part of the limit of multiply-adds that is.
    pub share: f64,
}

/// The tile that the model chooses for a result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// Rows and lanes of the result.
    pub result: TileShape,
    /// The tile that is chosen.
    pub chosen: TileShape,
    /// The tile whose cover of the result is the quickest, by what was measured.
    pub quickest: TileShape,
    /// How much longer the chosen one takes, as a part of the time of the quickest.
    pub lost: f64,
}

/// What was measured of all tiles that fit.
#[derive(Debug, Clone, PartialEq)]
pub struct TileTimes {
    /// The instruction set.
    pub isa: VectorIsa,
    /// All tiles of whole registers that fit.
    pub tiles: Vec<TileTime>,
    /// What the model chooses for some results.
    pub choices: Vec<Choice>,
}

/// Measures every tile of whole registers that fits, on one thread, each in turns with the limit of
/// multiply-adds.
///
/// # Errors
/// If this machine cannot run the instruction set.
pub fn tile_shapes(isa: VectorIsa, rounds: usize) -> Result<TileTimes, brolga_codegen::Error> {
    let target = isa.checked()?.target()?;
    let width = target.register_lanes();
    let limit = MultiplyAdds::new(isa)?;
    let mut tiles = vec![];
    for rows in 1.. {
        let shapes = (1..).map(|registers| TileShape { rows, lanes: registers * width });
        let fitting: Vec<_> = shapes.take_while(|&shape| target.fits(shape)).collect();
        if fitting.is_empty() {
            break;
        }
        for shape in fitting {
            tiles.push((shape, ContractionSteps::new(isa, shape)?, vec![]));
        }
    }
    for _ in 0..rounds.max(1) {
        for (_, tile, cycles) in &mut tiles {
            let hertz = limit.measure(1) / (2.0 * PER_CYCLE * width as f64);
            cycles.push(hertz / tile.measure(1));
        }
    }
    let tiles: Vec<TileTime> = (tiles.into_iter())
        .map(|(shape, _, cycles)| {
            let measured = median(cycles);
            let share = (shape.rows * shape.lanes) as f64 / width as f64 / PER_CYCLE / measured;
            TileTime { shape, expected: target.step_cycles(shape), measured, share }
        })
        .collect();
    let measured: HashMap<TileShape, f64> =
        tiles.iter().map(|tile| (tile.shape, tile.measured)).collect();
    // A part of a register costs as much as all of it.
    let cycles = |shape: TileShape| {
        let whole = TileShape { lanes: shape.lanes.next_multiple_of(width), ..shape };
        measured.get(&whole).copied().unwrap_or(f64::INFINITY)
    };
    let choice = |(rows, lanes)| {
        let result = TileShape { rows, lanes };
        let cost = |tile| cover_cycles(result, tile, cycles);
        let chosen = target.contraction_shape(rows, lanes);
        let possible = tiles
            .iter()
            .map(|tile| tile.shape)
            .filter(|shape| shape.rows <= rows && shape.lanes <= lanes.next_multiple_of(width));
        let quickest = possible
            .map(|shape| TileShape { lanes: shape.lanes.min(lanes), ..shape })
            .min_by(|&a, &b| cost(a).total_cmp(&cost(b)))
            .unwrap_or(chosen);
        Choice { result, chosen, quickest, lost: cost(chosen) / cost(quickest) - 1.0 }
    };
    let choices = RESULTS.map(choice).to_vec();
    Ok(TileTimes { isa, tiles, choices })
}

impl fmt::Display for TileTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |shape: TileShape| format!("{}x{}", shape.rows, shape.lanes);
        writeln!(f, "one step of k with {}, factors in L1:", self.isa)?;
        let rows: Vec<_> = (self.tiles.iter())
            .map(|tile| {
                [
                    size(tile.shape),
                    format!("{:.2}", tile.expected),
                    format!("{:.2}", tile.measured),
                    format!("{:.0}", 100.0 * tile.share),
                ]
            })
            .collect();
        let heading = ["rows x lanes", "cycles expected", "measured", "% of multiply-adds"];
        write_table(f, 1, &heading, &rows)?;
        writeln!(f, "\nwhat the model chooses:")?;
        let rows: Vec<_> = (self.choices.iter())
            .map(|choice| {
                [
                    size(choice.result),
                    size(choice.chosen),
                    size(choice.quickest),
                    format!("{:.1}", 100.0 * choice.lost),
                ]
            })
            .collect();
        let heading = ["result", "chosen", "quickest", "% lost"];
        write_table(f, 3, &heading, &rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tile_that_fits_is_measured_and_every_choice_is_judged() {
        let isa = VectorIsa::widest();
        let times = tile_shapes(isa, 1).expect("this machine has it");
        let target = isa.target().expect("this machine has it");
        assert!(times.tiles.iter().all(|tile| target.fits(tile.shape) && tile.measured > 0.0));
        assert_eq!(times.choices.len(), RESULTS.len());
        assert!(times.choices.iter().all(|choice| choice.lost >= 0.0 && choice.lost.is_finite()));
        assert!(times.to_string().contains("what the model chooses"));
    }
}
