//! Scalar loops beside what rustc makes of the same loops, one thread, in turns.
//!
//!     cargo bench --bench scalar_loops -- [--rounds 15]
//!
//! Each case is a graph of one op and a Rust function of the same loops in the same order of
//! arithmetic, both on the same numbers; their results are compared before they are timed.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use brolga::codegen::compile;
use brolga::ir::ops::window::Window;
use brolga::ir::{DType, Data, Tensor, Tracer, Type, Var};
use brolga::passes::optimize;
use brolga::runtime::{Executable, Options, State, StateLayout, VectorIsa};
use clap::Parser;

/// Scalar loops beside rustc's.
#[derive(Parser)]
struct Args {
    /// Rounds of each case.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// An op, its inputs, and its loops in Rust.
struct Case {
    name: &'static str,
    inputs: Vec<Tensor>,
    op: fn(&[Var]) -> Var,
    loops: fn(&[Tensor]) -> Tensor,
}

macro_rules! slices {
    ($tensors:expr, $kind:ident: $($name:ident),+) => {
        let [$($name),+] = $tensors else { unreachable!("as many inputs as the case has") };
        $(let Data::$kind($name) = $name.data() else { unreachable!("of the case's type") };)+
    };
}

fn numbers(dtype: DType, shape: &[usize]) -> Tensor {
    let count = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|i: usize| ((i * 7919) % 1000) as f64 / 8.0).collect();
    Tensor::new(shape.to_vec(), Data::from_f64(dtype, &values)).expect("as many as the shape")
}

fn tensor(shape: &[usize], data: Data) -> Tensor {
    Tensor::new(shape.to_vec(), data).expect("as many as the shape")
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "add f64[1000000]",
            inputs: vec![numbers(DType::F64, &[1_000_000]); 2],
            op: |x| &x[0] + &x[1],
            loops: |x| {
                slices!(x, F64: a, b);
                tensor(&[a.len()], Data::F64(a.iter().zip(b).map(|(a, b)| a + b).collect()))
            },
        },
        Case {
            name: "mul i64[2000] (in the cache)",
            inputs: vec![numbers(DType::I64, &[2000]); 2],
            op: |x| &x[0] * &x[1],
            loops: |x| {
                slices!(x, I64: a, b);
                let products = a.iter().zip(b).map(|(a, b)| a.wrapping_mul(*b));
                tensor(&[a.len()], Data::I64(products.collect()))
            },
        },
        Case {
            name: "matmul f64[128,128]",
            inputs: vec![numbers(DType::F64, &[128, 128]); 2],
            op: |x| x[0].matmul(&x[1]),
            loops: |x| {
                slices!(x, F64: a, b);
                let mut c = vec![0.0; 128 * 128];
                for (place, c) in c.iter_mut().enumerate() {
                    let (row, column) = (place / 128, place % 128);
                    for k in 0..128 {
                        *c = a[row * 128 + k].mul_add(b[k * 128 + column], *c);
                    }
                }
                tensor(&[128, 128], Data::F64(c))
            },
        },
        Case {
            name: "matmul i32[128,128]",
            inputs: vec![numbers(DType::I32, &[128, 128]); 2],
            op: |x| x[0].matmul(&x[1]),
            loops: |x| {
                slices!(x, I32: a, b);
                let mut c = vec![0_i32; 128 * 128];
                for (place, c) in c.iter_mut().enumerate() {
                    let (row, column) = (place / 128, place % 128);
                    for k in 0..128 {
                        let product = a[row * 128 + k].wrapping_mul(b[k * 128 + column]);
                        *c = c.wrapping_add(product);
                    }
                }
                tensor(&[128, 128], Data::I32(c))
            },
        },
        Case {
            name: "reduce_sum i64[1000,1000] of rows",
            inputs: vec![numbers(DType::I64, &[1000, 1000])],
            op: |x| x[0].reduce_sum(&[1], false),
            loops: |x| {
                slices!(x, I64: a);
                let sum = |row: &[i64]| {
                    let mut lanes = [0_i64; 16];
                    for (place, x) in row.iter().enumerate() {
                        lanes[place % 16] = lanes[place % 16].wrapping_add(*x);
                    }
                    lanes.into_iter().fold(0, i64::wrapping_add)
                };
                tensor(&[1000], Data::I64(a.chunks(1000).map(sum).collect()))
            },
        },
        Case {
            name: "reduce_max f64[1000,1000] of columns",
            inputs: vec![numbers(DType::F64, &[1000, 1000])],
            op: |x| x[0].reduce_max(&[0], false),
            loops: |x| {
                slices!(x, F64: a);
                let column =
                    |column: usize| {
                        let column = a[column..].iter().step_by(1000);
                        column.fold(f64::NEG_INFINITY, |max, &x| {
                            if max.is_nan() || max > x { max } else { x }
                        })
                    };
                tensor(&[1000], Data::F64((0..1000).map(column).collect()))
            },
        },
        Case {
            name: "conv f64 3x3, 16 to 16 channels of 28x28",
            inputs: vec![
                numbers(DType::F64, &[1, 28, 28, 16]),
                numbers(DType::F64, &[3, 3, 16, 16]),
            ],
            op: |x| x[0].conv(&x[1], Window::plain(2), 1),
            loops: |x| {
                slices!(x, F64: image, filter);
                let mut y = vec![0.0; 26 * 26 * 16];
                for (place, y) in y.iter_mut().enumerate() {
                    let (pixel, f) = (place / 16, place % 16);
                    let (i, j) = (pixel / 26, pixel % 26);
                    for u in 0..3 {
                        for v in 0..3 {
                            for c in 0..16 {
                                let x = image[((i + u) * 28 + j + v) * 16 + c];
                                *y = x.mul_add(filter[((u * 3 + v) * 16 + c) * 16 + f], *y);
                            }
                        }
                    }
                }
                tensor(&[1, 26, 26, 16], Data::F64(y))
            },
        },
        Case {
            name: "cast i64[1000000] to f32",
            inputs: vec![numbers(DType::I64, &[1_000_000])],
            op: |x| x[0].cast(DType::F32),
            loops: |x| {
                slices!(x, I64: a);
                tensor(&[a.len()], Data::F32(a.iter().map(|&x| x as f32).collect()))
            },
        },
        Case {
            name: "transpose f64[1000,1000]",
            inputs: vec![numbers(DType::F64, &[1000, 1000])],
            op: |x| x[0].transpose(&[1, 0]),
            loops: |x| {
                slices!(x, F64: a);
                let element = |place: usize| a[place % 1000 * 1000 + place / 1000];
                tensor(&[1000, 1000], Data::F64((0..1_000_000).map(element).collect()))
            },
        },
    ]
}

/// The median of a program's times and of the Rust loops', and whether their results agree.
fn measure(case: &Case, rounds: usize) -> Result<[Duration; 2], Box<dyn Error>> {
    let tracer = Tracer::new("case");
    let names = (0..).map(|n| format!("x{n}"));
    let inputs: Vec<(String, &Tensor)> = names.zip(&case.inputs).collect();
    let vars: Vec<Var> = inputs
        .iter()
        .map(|(name, x)| tracer.input(name, Type::new(x.dtype(), x.shape().clone())))
        .collect();
    tracer.output(&(case.op)(&vars));
    drop(vars);
    let mut graph = tracer.finish()?;
    optimize(&mut graph)?;
    let options = Options { threads: 1, isa: Some(VectorIsa::Scalar), ..Options::default() };
    let layout = StateLayout::of_graphs([&graph])?;
    let mut program = Executable::new(&graph, &layout, &options, compile)?;
    let mut state = State::zeros(&layout)?;
    for (name, x) in &inputs {
        program.set_input(&**name, x)?;
    }
    program.run(&mut state)?;
    if program.output_tensor(0)? != (case.loops)(&case.inputs) {
        return Err(format!("{}: the loops give other numbers", case.name).into());
    }
    let mut times = [vec![], vec![]];
    for _ in 0..rounds {
        let start = Instant::now();
        program.run(&mut state)?;
        times[0].push(start.elapsed());
        let start = Instant::now();
        black_box((case.loops)(black_box(&case.inputs)));
        times[1].push(start.elapsed());
    }
    Ok(times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    }))
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    println!("{:<45} {:>10} {:>10} {:>6}", "", "ours", "rustc", "ratio");
    for case in cases() {
        let [ours, theirs] = measure(&case, args.rounds.max(1))?;
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
        println!("{:<45} {ours:>10.1?} {theirs:>10.1?} {ratio:>6.2}", case.name);
    }
    Ok(())
}
