//! What this machine can do: the measure against which kernels are judged.

use std::sync::Arc;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use brolga_ir::lanes::Lanes;

use crate::error::Result;
use crate::jit::Jit;
use crate::tile::{Builder, Cranelift, Extent, TileProgram, Trips};

/// Logical vectors of independent chains: twelve 128-bit registers, which hides the latency of a multiply-add.
const CHAINS: usize = 3;
/// Multiply-adds of each chain in the body of the loop.
const UNROLL: usize = 4;
/// Passes through the loop's body in a round.
const TRIPS: i64 = 200_000;

/// Measures how many floating-point operations a second `threads` threads together do in 128-bit multiply-adds that never leave their
/// registers; a multiply-add counts as two. The median of `rounds` rounds, each some milliseconds long.
///
/// # Errors
/// If there is no native code for this machine.
pub fn multiply_adds(threads: usize, rounds: usize) -> Result<f64> {
    let mut jit = Jit::new(Arc::new(Cranelift::host()?))?;
    let id = jit.tile(&Arc::new(program()?))?;
    let code = jit.finish()?;
    // SAFETY: the program has these two parameters, and its function lives as long as `code`.
    let run = unsafe {
        std::mem::transmute::<*const u8, unsafe extern "C" fn(i64, *mut f32)>(code.address(id))
    };
    let threads = threads.max(1);
    let flops = (2 * 16 * CHAINS * UNROLL) as f64 * TRIPS as f64 * threads as f64;
    let barrier = Barrier::new(threads);
    let mut rates: Vec<f64> = (0..rounds.max(1))
        .map(|_| {
            let work = || -> Duration {
                let mut out = [0.0_f32; 16 * CHAINS];
                barrier.wait();
                let start = Instant::now();
                // SAFETY: the program stores `CHAINS` vectors.
                unsafe { run(TRIPS, out.as_mut_ptr()) };
                start.elapsed()
            };
            let slowest = std::thread::scope(|scope| {
                let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
                let own = work();
                others.into_iter().filter_map(|t| t.join().ok()).fold(own, Duration::max)
            });
            flops / slowest.as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    Ok(rates[rates.len() / 2])
}

fn program() -> Result<TileProgram> {
    let mut b = Builder::new("multiply_adds");
    let (trips, out) = (b.count("trips"), b.pointer("out"));
    let (factor, term) = (b.float(0.999), b.float(1e-3));
    let chains: Vec<_> = (0..CHAINS)
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
    for (i, &chain) in chains.iter().enumerate() {
        let value = b.get(chain);
        b.store_f32(out.at(64 * i as i32), Extent::Full, value);
    }
    b.finish()
}
