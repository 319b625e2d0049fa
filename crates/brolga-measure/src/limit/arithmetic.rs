//! How much arithmetic the machine does.

use brolga_codegen::native::{Arg, LINE, Lines, NativeTile};
use brolga_codegen::tile::{Builder, Extent, LANES, TileProgram, Trips};
use brolga_codegen::{Result, VectorIsa};
use brolga_ir::lanes::Lanes;

use super::{together, vectors};

/// Multiply-adds of each chain in the body of the loop.
const UNROLL: usize = 4;
/// Passes through the loop's body in a round: some milliseconds.
const TRIPS: u32 = 200_000;

/// A loop of multiply-adds that never leave their registers.
pub struct MultiplyAdds {
    isa: VectorIsa,
    tile: NativeTile,
}

impl MultiplyAdds {
    /// The loop in this instruction set.
    ///
    /// # Errors
    /// If this machine cannot run it, or there is no native code for it.
    pub fn new(isa: VectorIsa) -> Result<Self> {
        Ok(Self { isa, tile: NativeTile::new(isa, program(isa)?)? })
    }

    /// The instruction set.
    #[must_use]
    pub fn isa(&self) -> VectorIsa {
        self.isa
    }

    /// How many floating-point operations a second so many threads together do, a multiply-add
    /// counted as two: one round of some milliseconds.
    #[must_use]
    pub fn measure(&self, threads: usize) -> f64 {
        let chains = vectors(self.isa);
        let mut results: Vec<Lines> =
            (0..threads.max(1)).map(|_| Lines::new(chains * LINE)).collect();
        let flops = (2 * LANES * chains * UNROLL * results.len()) as f64 * f64::from(TRIPS);
        let time = together(&mut results, |_| (), |result| self.run(TRIPS, result));
        flops / time.as_secs_f64()
    }

    /// The loop with so many trips; the results are as many vectors as there are chains.
    fn run(&self, trips: u32, results: &mut Lines) {
        let run = self.tile.run(&mut [Arg::Count(trips), Arg::Bytes(results.bytes_mut())]);
        run.expect("there is a line for each chain");
    }
}

/// Measures how many floating-point operations a second `threads` threads together do in
/// multiply-adds of this instruction set that never leave their registers; a multiply-add counts as
/// two. The median of `rounds` rounds, each some milliseconds long.
///
/// # Errors
/// If this machine cannot run the instruction set, or there is no native code for it.
pub fn multiply_adds(isa: VectorIsa, threads: usize, rounds: usize) -> Result<f64> {
    let chains = MultiplyAdds::new(isa)?;
    let mut rates: Vec<f64> = (0..rounds.max(1)).map(|_| chains.measure(threads)).collect();
    rates.sort_by(f64::total_cmp);
    Ok(rates[rates.len() / 2])
}

fn program(isa: VectorIsa) -> Result<TileProgram> {
    let mut b = Builder::new("multiply_adds");
    let (trips, out) = (b.count("trips"), b.pointer("out"));
    let (factor, term) = (b.float(0.999), b.float(1e-3));
    let chains: Vec<_> = (0..vectors(isa))
        .map(|i| {
            let initial = b.float(i as f64);
            b.variable(initial)
        })
        .collect();
    b.repeat(Trips::Count(trips), |b| {
        for _ in 0..UNROLL {
            for &chain in &chains {
                let value = b.get(chain);
                let value = b.fma(value, factor, term);
                b.set(chain, value);
            }
        }
    });
    for (i, &chain) in (0..).zip(&chains) {
        let value = b.get(chain);
        b.store_f32(out.at(64 * i), Extent::Full, value);
    }
    b.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn chains_stay_in_their_registers() {
        use super::super::{REGISTERS, tests::assembly};

        if !std::is_x86_feature_detected!("fma") {
            return;
        }
        // The assembled sets are compiled whether the machine has them or not.
        for isa in VectorIsa::VECTORS {
            let text = assembly(isa, program(isa).expect("a right program"));
            let fmas: Vec<&str> = text.lines().filter(|line| line.contains("vfmadd")).collect();
            assert_eq!(fmas.len(), UNROLL * REGISTERS, "{isa}:\n{text}");
            let memory = |line: &&&str| line.contains('[') || line.contains('(');
            assert_eq!(fmas.iter().filter(memory).count(), 0, "{isa}:\n{text}");
            for stack in ["rsp", "on the stack"] {
                // Cranelift's frame is the stack pointer kept in `rbp`.
                let touches = |line: &&str| line.contains(stack) && !line.contains("%rsp, %rbp");
                let touches = |line: &&str| touches(line) && !line.contains("%rbp, %rsp");
                assert_eq!(text.lines().filter(touches).count(), 0, "{isa}:\n{text}");
            }
        }
    }

    #[test]
    fn every_chain_is_computed_and_stored() {
        for isa in VectorIsa::supported() {
            let chains = MultiplyAdds::new(isa).expect("this machine has it");
            let mut out = Lines::new(vectors(isa) * LINE);
            chains.run(1, &mut out);
            for (i, line) in out.bytes_mut().chunks(LINE).enumerate() {
                let lanes = line.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
                let expected = (0..UNROLL).fold(i as f32, |x, _| x.mul_add(0.999, 1e-3));
                assert!(
                    lanes.into_iter().all(|lane| lane.to_bits() == expected.to_bits()),
                    "{isa}"
                );
            }
        }
    }
}
