//! What one core can do, and how much of it the contraction tile reaches.
//!
//! The limit is measured by a tile program of independent multiply-adds that never leave their registers. The tiles
//! compute the second convolution of the first model: 3×3×32 → 64 channels on 13×13 pixels, one row of 11 results at a time.
//! All programs run in turns; medians and minima are printed.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use brolga_codegen::generators::{Contraction, KLoop, Start};
use brolga_codegen::jit::{Code, Jit};
use brolga_codegen::tile::{Builder, Cranelift, Extent, TileProgram, TileShape, Trips};
use brolga_ir::lanes::Lanes;

type Peak = unsafe extern "C" fn(i64, *mut f32);
type Tile = unsafe extern "C" fn(*const f32, *const f32, *mut f32);

const ROUNDS: usize = 41;
const PEAK_TRIPS: i64 = 100_000;
const CHAINS: u32 = 3;

/// Three logical vectors, twelve 128-bit chains.
fn peak() -> Result<TileProgram, brolga_codegen::Error> {
    let mut b = Builder::new("peak");
    let (n, out) = (b.count("n"), b.pointer("out"));
    let (factor, term) = (b.float(0.999), b.float(1e-3));
    let acc: Vec<_> = (0..CHAINS)
        .map(|i| {
            let initial = b.float(i.into());
            b.variable(initial)
        })
        .collect();
    b.repeat(Trips::Count(n), |b| {
        for _ in 0..4 {
            for &acc in &acc {
                let value = b.get(acc);
                let value = b.fma(value, factor, term);
                b.set(acc, value);
            }
        }
    });
    for (i, &acc) in (0..).zip(&acc) {
        let value = b.get(acc);
        b.store_f32(out.at(64 * i), Extent::Full, value);
    }
    b.finish()
}

const IN: usize = 32;
const OUT: usize = 64;
const WIDTH: usize = 13;
/// Rows of results, each computed by the tile that suits so many best.
const ROWS: [usize; 9] = [1, 2, 3, 4, 5, 6, 8, 10, 11];

fn conv(rows: usize, lanes: usize) -> Result<TileProgram, brolga_codegen::Error> {
    let mut b = Builder::new(format!("conv_{rows}x{lanes}"));
    let (x, w, y) = (b.pointer("x"), b.pointer("w"), b.pointer("y"));
    let loops = [
        KLoop {
            trips: Trips::Const(3),
            a_step: (4 * WIDTH * IN) as i64,
            b_step: (4 * 3 * IN * OUT) as i64,
        },
        KLoop { trips: Trips::Const((3 * IN) as u32), a_step: 4, b_step: (4 * OUT) as i64 },
    ];
    let tile = Contraction::strided(rows, (4 * IN) as i32, lanes, &loops);
    for acc in tile.emit(&mut b, x, w, Start::Zero) {
        let offset = 4 * (acc.row * OUT + acc.column);
        b.store_f32(y.at(offset as i32), acc.extent, acc.value);
    }
    b.finish()
}

struct Candidate {
    name: String,
    flops: f64,
    run: Box<dyn Fn()>,
    seconds: Vec<f64>,
}

impl Candidate {
    /// GFLOP/s in the round of this rank, the fastest being 0.
    fn rate(&mut self, rank: usize) -> f64 {
        self.seconds.sort_by(f64::total_cmp);
        self.flops / self.seconds[rank] / 1e9
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut jit = Jit::new(Arc::new(Cranelift::host()?))?.with_text();
    let shapes = ROWS.map(|rows| jit.target().contraction_shape(rows, OUT));
    let peak_id = jit.tile(&Arc::new(peak()?))?;
    let ids: Vec<_> = shapes
        .iter()
        .map(|shape| jit.tile(&Arc::new(conv(shape.rows, shape.lanes)?)))
        .collect::<Result<_, _>>()?;
    let start = Instant::now();
    let code: &'static Code = Box::leak(Box::new(jit.finish()?));
    let compile = start.elapsed();

    if std::env::args().any(|arg| arg == "--text") {
        for function in code.functions() {
            if let Some(text) = &function.text {
                println!("{}\n{}", function.name, text.assembly);
            }
        }
    }

    let x: &'static [f32] = vec![0.5; WIDTH * WIDTH * IN].leak();
    let w: &'static [f32] = vec![0.25; 3 * 3 * IN * OUT].leak();
    let y = vec![0f32; WIDTH * OUT * 2].leak().as_mut_ptr();

    // SAFETY: the program of `peak` has these parameters, and stores three vectors.
    let function: Peak = unsafe { std::mem::transmute(code.address(peak_id)) };
    let mut candidates = vec![Candidate {
        name: "limit".to_owned(),
        flops: f64::from(2 * 4 * CHAINS * 16) * PEAK_TRIPS as f64,
        // SAFETY: `y` has room for them.
        run: Box::new(move || unsafe { function(black_box(PEAK_TRIPS), y) }),
        seconds: Vec::new(),
    }];
    for (&TileShape { rows, lanes }, &id) in shapes.iter().zip(&ids) {
        // SAFETY: the programs of `conv` have these parameters.
        let function: Tile = unsafe { std::mem::transmute(code.address(id)) };
        let (blocks, tiles) = (OUT / lanes, 11 / rows);
        let run = move || {
            for row in 0..11 {
                for block in 0..blocks {
                    for tile in 0..tiles {
                        let x = x[(row * WIDTH + tile * rows) * IN..].as_ptr();
                        let w = w[block * lanes..].as_ptr();
                        // SAFETY: the last pixel that the tile reads is in row + 2 ≤ 12 and column 11 − 1 + 2 ≤ 12.
                        unsafe { function(x, w, y) };
                    }
                }
            }
        };
        let results = 11 * tiles * rows * blocks * lanes;
        let flops = (2 * 3 * 3 * IN * results) as f64;
        let name = format!("{rows} x {lanes}");
        candidates.push(Candidate { name, flops, run: Box::new(run), seconds: Vec::new() });
    }

    for _ in 0..ROUNDS {
        for candidate in &mut candidates {
            let start = Instant::now();
            (candidate.run)();
            candidate.seconds.push(start.elapsed().as_secs_f64());
        }
    }
    let [median, best] = [ROUNDS / 2, 0].map(|rank| {
        let rates: Vec<f64> = candidates.iter_mut().map(|candidate| candidate.rate(rank)).collect();
        rates
    });
    println!(
        "compile of {} functions: {compile:.1?}, {} bytes",
        code.functions().len(),
        code.size()
    );
    println!("GFLOP/s of one core at 128 bits: median, best, and their shares of the limit");
    for (i, candidate) in candidates.iter().enumerate() {
        let share = |rates: &[f64]| 100.0 * rates[i] / rates[0];
        let (median_share, best_share) = (share(&median), share(&best));
        println!(
            "{:>7}: {:6.1} {:6.1}  {median_share:3.0} % {best_share:3.0} %",
            candidate.name, median[i], best[i]
        );
    }
    Ok(())
}
