//! The limits of this machine, with which kernels are compared.
//!
//! Everything is measured by tile programs, compiled as the tiles of kernels are, so that a limit
//! says what an instruction set reaches when nothing delays it: [`MultiplyAdds`] never leave their
//! registers, [`Transfers`] do nothing but read, write or copy a set of memory that fits one of the
//! [`levels`] of the machine's memory. [`ContractionSteps`] have their factors in the nearest of
//! them, so that only the shape of the tile limits them.
//!
//! Figures of a shared machine change from moment to moment. So a limit is measured in turns with
//! what is compared with it.

mod arithmetic;
mod levels;
mod steps;
mod transfers;

use std::sync::Barrier;
use std::time::{Duration, Instant};

use brolga_codegen::VectorIsa;

pub use arithmetic::{MultiplyAdds, multiply_adds};
pub use levels::{Level, levels};
pub use steps::ContractionSteps;
pub use transfers::{Traffic, Transfers};

/// Registers that are computed on independently of one another: more than the eight that two
/// multiply-adds a cycle with four cycles of latency keep busy, and with two constants fewer than
/// the sixteen that the narrower instruction sets have.
const REGISTERS: usize = 12;

/// As many registers as logical vectors.
fn vectors(isa: VectorIsa) -> usize {
    REGISTERS * isa.bits() / 512
}

/// Runs `work` on each of the parts, each on a thread of its own, at the same time: how long the
/// slowest takes. `before` runs on the same threads, outside of that time.
fn together<T: Send>(
    parts: &mut [T],
    before: impl Fn(&mut T) + Sync,
    work: impl Fn(&mut T) + Sync,
) -> Duration {
    let barrier = Barrier::new(parts.len());
    let timed = |part: &mut T| {
        before(part);
        barrier.wait();
        let start = Instant::now();
        work(part);
        start.elapsed()
    };
    let timed = &timed;
    std::thread::scope(|scope| {
        let Some((first, others)) = parts.split_first_mut() else { return Duration::ZERO };
        let others: Vec<_> =
            others.iter_mut().map(|part| scope.spawn(move || timed(part))).collect();
        let own = timed(first);
        others.into_iter().filter_map(|thread| thread.join().ok()).fold(own, Duration::max)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use brolga_codegen::object::ObjectBuilder;
    use brolga_codegen::tile::TileProgram;

    use super::*;

    /// The machine code of a program, which this machine need not be able to run.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn assembly(isa: VectorIsa, program: TileProgram) -> String {
        let target = isa.target().expect("this machine is x86-64");
        let mut builder = ObjectBuilder::new(target).expect("this machine is known").with_text();
        let id = builder.tile(&Arc::new(program));
        let object = builder.finish().expect("a tile compiles");
        object.function(id).code.text.clone().expect("text was asked for").assembly
    }

    #[test]
    fn every_instruction_set_has_twelve_registers_in_flight() {
        assert_eq!(VectorIsa::VECTORS.map(vectors), [3, 6, 12]);
    }

    #[test]
    fn every_part_is_worked_on() {
        let mut parts = [1, 2, 3];
        together(&mut parts, |part| *part *= 10, |part| *part += 1);
        assert_eq!(parts, [11, 21, 31]);
        assert_eq!(together(&mut [(); 0], |()| (), |()| ()), Duration::ZERO);
    }
}
