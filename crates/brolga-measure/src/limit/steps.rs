//! How quick contraction tiles of each shape are.

use brolga_codegen::generators::{Contraction, KLoop, Start};
use brolga_codegen::native::{Arg, Lines, NativeTile};
use brolga_codegen::tile::{Builder, TileProgram, TileShape, Trips};
use brolga_codegen::{Error, Result, VectorIsa};

use super::together;

/// Values of k, over which a tile goes again and again: few, so that its factors stay in L1.
const DEPTH: usize = 64;
/// Multiply-adds of a tile in a round: a tenth of a millisecond or more.
const ROUND: usize = 1 << 22;

/// A tile of one shape that multiplies and adds the same factors again and again. They lie in L1,
/// so that only the tile's own loads keep it from the limit.
pub struct ContractionSteps {
    shape: TileShape,
    tile: NativeTile,
}

impl ContractionSteps {
    /// The tile in this instruction set; it has at least one row and one lane.
    ///
    /// # Errors
    /// If this machine cannot run the instruction set, or the shape does not fit its registers.
    pub fn new(isa: VectorIsa, shape: TileShape) -> Result<Self> {
        let target = isa.checked()?.target()?;
        let shape = TileShape { rows: shape.rows.max(1), lanes: shape.lanes.max(1) };
        if !target.fits(shape) {
            return Err(Error::Registers {
                program: format!("steps_{}x{}", shape.rows, shape.lanes),
                problem: format!("the tile does not fit the registers of {isa}"),
            });
        }
        Ok(Self { shape, tile: NativeTile::new(isa, program(shape)?)? })
    }

    /// How many steps of k a second each of so many threads does at the same time.
    #[must_use]
    pub fn measure(&self, threads: usize) -> f64 {
        let TileShape { rows, lanes } = self.shape;
        let floats = [rows * DEPTH, lanes * DEPTH, rows * lanes];
        let set = || floats.map(|floats| Lines::new(4 * floats));
        let mut sets: Vec<[Lines; 3]> = (0..threads.max(1)).map(|_| set()).collect();
        let steps = DEPTH * passes(self.shape);
        let run = |set: &mut [Lines; 3]| self.run(set);
        let time = together(&mut sets, run, run);
        steps as f64 / time.as_secs_f64()
    }

    /// A round on both factors and the results.
    fn run(&self, set: &mut [Lines; 3]) {
        let mut args = set.each_mut().map(|lines| Arg::Bytes(lines.bytes_mut()));
        self.tile.run(&mut args).expect("factors and results have the shape of the tile");
    }
}

/// How often a tile of a round goes over all k.
fn passes(TileShape { rows, lanes }: TileShape) -> usize {
    (ROUND / (rows * lanes * DEPTH)).max(2)
}

fn program(shape: TileShape) -> Result<TileProgram> {
    let TileShape { rows, lanes } = shape;
    let mut builder = Builder::new(format!("steps_{rows}x{lanes}"));
    let [a, b, out] = ["a", "b", "out"].map(|name| builder.pointer(name));
    let again = KLoop { trips: Trips::Const(passes(shape) as u32), a_step: 0, b_step: 0 };
    let steps = KLoop { trips: Trips::Const(DEPTH as u32), a_step: 4, b_step: 4 * lanes as i64 };
    let tile = Contraction::strided(rows, 4 * DEPTH as i64, lanes, &[again, steps]);
    for result in tile.emit(&mut builder, a, b, Start::Zero) {
        let offset = 4 * (result.row * lanes + result.column) as i64;
        builder.store_f32(out.at(offset), result.extent, result.value);
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_done() {
        for isa in VectorIsa::supported() {
            let shape = TileShape { rows: 1, lanes: 16 };
            let tile = ContractionSteps::new(isa, shape).expect("it fits");
            let lines = |floats: Vec<f32>| {
                let bytes: Vec<u8> = floats.into_iter().flat_map(f32::to_le_bytes).collect();
                let mut lines = Lines::new(bytes.len());
                lines.bytes_mut().copy_from_slice(&bytes);
                lines
            };
            let b = (0..16 * DEPTH).map(|i| (i % 16) as f32 / 1024.0).collect();
            let mut set = [lines(vec![1.0; DEPTH]), lines(b), lines(vec![0.0; 16])];
            tile.run(&mut set);
            let out =
                set[2].bytes_mut().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
            for (lane, sum) in out.enumerate() {
                let term = lane as f32 / 1024.0;
                let steps = DEPTH * passes(shape);
                let expected = (0..steps).fold(0.0_f32, |sum, _| 1.0_f32.mul_add(term, sum));
                assert_eq!(sum.to_bits(), expected.to_bits(), "{isa}, lane {lane}");
            }
            assert!(tile.measure(2) > 0.0);
        }
    }

    #[test]
    fn a_tile_that_does_not_fit_is_an_error() {
        let new = |rows, lanes| ContractionSteps::new(VectorIsa::V128, TileShape { rows, lanes });
        let error = new(13, 4).err().expect("thirteen accumulators");
        insta::assert_snapshot!(error, @"tile program `steps_13x4`: the tile does not fit the registers of 128");
        assert!(new(usize::MAX, usize::MAX).is_err());
        assert!(new(0, 0).is_ok(), "as one row of one lane");
    }
}
