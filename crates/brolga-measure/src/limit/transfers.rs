//! How fast the machine's levels of memory are.

use brolga_codegen::native::{Arg, LINE, Lines, NativeTile};
use brolga_codegen::tile::{Builder, Extent, TileProgram, Trips};
use brolga_codegen::{Result, VectorIsa};
use brolga_ir::lanes::Lanes;

use super::{REGISTERS, together, vectors};

/// Logical vectors in the body of a loop: whole rounds of the accumulators of each instruction set.
const UNROLL: usize = REGISTERS;
/// Bytes in the body of a loop.
const BLOCK: usize = UNROLL * LINE;
/// Bytes that are transferred in one go at least: about a tenth of a millisecond in the nearest
/// cache.
const ROUND: usize = 16 << 20;
/// How often that is done. The best counts: whatever else the machine does meanwhile only takes
/// away from a limit.
const TRIES: usize = 3;

/// What happens to memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Traffic {
    /// Every byte is read.
    Read,
    /// Every byte is written.
    Write,
    /// One half is read and written to the other.
    Copy,
}

impl Traffic {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Copy];
}

/// Loops that read, write and copy memory, and the memory of each thread.
pub struct Transfers {
    /// For each kind of traffic the loop, whose arguments are the source, the destination, the
    /// number of blocks and of passes.
    tiles: [NativeTile; 3],
    sets: Vec<Lines>,
}

impl Transfers {
    /// The loops in this instruction set, for so many threads.
    ///
    /// # Errors
    /// If this machine cannot run it, or there is no native code for it.
    pub fn new(isa: VectorIsa, threads: usize) -> Result<Self> {
        let tile = |traffic| NativeTile::new(isa, program(traffic, isa)?);
        let [read, write, copy] = Traffic::ALL.map(tile);
        let sets = (0..threads.max(1)).map(|_| Lines::default()).collect();
        Ok(Self { tiles: [read?, write?, copy?], sets })
    }

    /// How many bytes a second all threads together transfer, each in a set of about so many bytes
    /// of its own: the best of three tries. A byte that is copied counts twice, since it is read
    /// and written.
    pub fn measure(&mut self, traffic: Traffic, bytes: usize) -> f64 {
        let halves = if traffic == Traffic::Copy { 2 } else { 1 };
        let blocks = (bytes / halves / BLOCK).max(1);
        let bytes = blocks * halves * BLOCK;
        let passes = (ROUND / bytes).max(1);
        let tile = &self.tiles[traffic as usize];
        let middle = if traffic == Traffic::Copy { bytes / 2 } else { bytes };
        let transfer = |set: &mut Lines, passes: usize| {
            let (from, to) = set.bytes_mut().split_at_mut(middle);
            run(tile, from, to, blocks, passes);
        };
        let ready = |set: &mut Lines| {
            // The loop that reads stores less than a block after the bytes that it reads.
            set.grow(bytes + BLOCK);
            transfer(set, 1);
        };
        let mut attempt = || together(&mut self.sets, ready, |set| transfer(set, passes));
        let best = (1..TRIES).fold(attempt(), |best, _| best.min(attempt()));
        (self.sets.len() * passes * bytes) as f64 / best.as_secs_f64()
    }
}

/// Transfers so many blocks, so many times. `from`, and `to` of a copy, hold all of them.
fn run(tile: &NativeTile, from: &mut [u8], to: &mut [u8], blocks: usize, passes: usize) {
    let [blocks, passes] = [blocks, passes]
        .map(|count| Arg::Count(count.try_into().expect("a set has fewer than 2³² blocks")));
    let run = tile.run(&mut [Arg::Bytes(from), Arg::Bytes(to), blocks, passes]);
    run.expect("the memory is as long as the blocks");
}

fn program(traffic: Traffic, isa: VectorIsa) -> Result<TileProgram> {
    let mut b = Builder::new(format!("{traffic:?}").to_lowercase());
    let (from, to) = (b.pointer("from"), b.pointer("to"));
    let (blocks, passes) = (b.count("blocks"), b.count("passes"));
    let zero = b.int(0);
    let accumulators: Vec<_> = match traffic {
        Traffic::Read => (0..vectors(isa)).map(|_| b.variable(zero)).collect(),
        Traffic::Write | Traffic::Copy => vec![],
    };
    let moved = if traffic == Traffic::Copy { vec![from, to] } else { vec![from] };
    let offsets = (0..).step_by(LINE).take(UNROLL);
    b.repeat(Trips::Count(passes), |b| {
        b.repeat(Trips::Count(blocks), |b| {
            for (i, offset) in offsets.clone().enumerate() {
                match traffic {
                    Traffic::Read => {
                        let accumulator = accumulators[i % accumulators.len()];
                        let sum = b.get(accumulator);
                        let value = b.load_i32(from.at(offset), Extent::Full);
                        let sum = b.ixor(sum, value);
                        b.set(accumulator, sum);
                    }
                    Traffic::Write => b.store_i32(from.at(offset), Extent::Full, zero),
                    Traffic::Copy => {
                        let value = b.load_i32(from.at(offset), Extent::Full);
                        b.store_i32(to.at(offset), Extent::Full, value);
                    }
                }
            }
            moved.iter().for_each(|&pointer| b.step(pointer, BLOCK as i64, Trips::Const(1)));
        });
        moved.iter().for_each(|&pointer| b.step(pointer, -(BLOCK as i64), Trips::Count(blocks)));
    });
    for (offset, &accumulator) in offsets.zip(&accumulators) {
        let sum = b.get(accumulator);
        b.store_i32(to.at(offset), Extent::Full, sum);
    }
    b.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCKS: usize = 3;

    /// What a transfer of so many passes makes of bytes that count up.
    fn transferred(transfers: &Transfers, traffic: Traffic, passes: usize) -> (Vec<u8>, Vec<u8>) {
        let mut from: Vec<u8> = (0..BLOCKS * BLOCK).map(|i| (i * 7 % 251) as u8).collect();
        let mut to = vec![1_u8; BLOCKS * BLOCK];
        run(&transfers.tiles[traffic as usize], &mut from, &mut to, BLOCKS, passes);
        (from, to)
    }

    #[test]
    fn every_byte_is_transferred() {
        for isa in VectorIsa::supported() {
            let transfers = Transfers::new(isa, 1).expect("this machine has it");
            let (from, to) = transferred(&transfers, Traffic::Copy, 2);
            assert_eq!(to, from, "{isa}");
            let (written, _) = transferred(&transfers, Traffic::Write, 2);
            assert!(written.iter().all(|&byte| byte == 0), "{isa}");
            let (_, sums) = transferred(&transfers, Traffic::Read, 1);
            let bytes = vectors(isa) * LINE;
            let mut expected = vec![0_u8; bytes];
            (0..).zip(&from).for_each(|(i, byte)| expected[i % bytes] ^= byte);
            assert_eq!(sums[..bytes], expected, "{isa}");
            assert!(sums[bytes..].iter().all(|&byte| byte == 1), "{isa}");
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn nothing_else_is_touched() {
        use super::super::tests::assembly;

        for isa in VectorIsa::VECTORS {
            for traffic in Traffic::ALL {
                let text = assembly(isa, program(traffic, isa).expect("a right program"));
                let touches = |line: &&str| line.contains("[rsp") || line.contains("(%rsp)");
                assert_eq!(text.lines().filter(touches).count(), 0, "{isa}, {traffic:?}:\n{text}");
            }
        }
    }
}
