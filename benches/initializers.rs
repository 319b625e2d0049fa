//! How fast first weights are written, by one core and by all, into memory that is there.
//!
//!     cargo bench --bench initializers -- [--mebibytes 256] [--rounds 5]

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::time::{Duration, Instant};

use brolga::nn::initializers::{GlorotUniform, Initializer, Random, RandomNormal, TruncatedNormal};
use brolga::runtime::for_each_chunk;
use clap::Parser;

/// How fast first weights are written.
#[derive(Parser)]
struct Args {
    /// The size of the weight.
    #[arg(long, default_value_t = 256)]
    mebibytes: usize,
    /// How often each is measured; the fastest counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How many elements a thread writes at a time.
const CHUNK: usize = 1 << 20;

fn main() {
    let Args { mebibytes, rounds, .. } = Args::parse();
    let mut values = vec![1.0_f32; mebibytes << 18];
    let shape = [values.len() / 1024, 1024].into();
    let random = Random::new(0, 0);
    let initializers: [(&str, &dyn Initializer); 3] = [
        ("glorot_uniform", &GlorotUniform::default()),
        ("random_normal", &RandomNormal::default()),
        ("truncated_normal", &TruncatedNormal::default()),
    ];
    println!("GB/s of first weights, {mebibytes} MiB       one core    all cores");
    for (name, initializer) in initializers {
        let fill = |start: usize, part: &mut [f32]| initializer.fill(&shape, random, start, part);
        let one = fastest(rounds, || {
            values
                .chunks_mut(CHUNK)
                .zip((0..).step_by(CHUNK))
                .for_each(|(part, start)| fill(start, part));
        });
        let all = fastest(rounds, || for_each_chunk(&mut values, CHUNK, fill));
        let rate = |time: Duration| (mebibytes << 20) as f64 / time.as_secs_f64() / 1e9;
        println!("{name:<36} {:>9.2}    {:>9.2}", rate(one), rate(all));
    }
}

fn fastest(rounds: usize, mut work: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..rounds.max(1)).map(time).min().unwrap_or_default()
}
