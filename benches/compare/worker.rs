//! Brolga's side of `benches/compare/compare.py`: answers each command, a line of JSON on standard input, with a line of JSON.
//!
//! The commands are described in `benches/compare/README.md`. Nothing runs between two commands: the thread that reads is blocked,
//! the helpers of the runtime sleep.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use brolga::codegen::compile;
use brolga::data::mnist;
use brolga::ir::ops::window::Window;
use brolga::ir::{Graph, Tracer, Type};
use brolga::measure;
use brolga::nn::{Kind, builtin};
use brolga::passes;
use brolga::prelude::*;
use brolga::runtime::{Array, Executable, Feed, Options, State, StateLayout};
use clap::Parser;
use serde_json::{Value, json};

/// The pixels of an image.
const PIXELS: usize = 28 * 28;
/// How many elements of a result are compared, at even distances.
const SAMPLES: usize = 101;

/// The epsilon of Adam, if none is given: Keras's.
const EPSILON: f64 = 1e-7;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Brolga's side of the comparison.
#[derive(Parser)]
struct Args {
    /// Worker threads; all cores if not given.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut options = Options::default();
    options.threads = args.threads.unwrap_or(options.threads);
    let mut cases: HashMap<String, Case> = HashMap::new();
    for line in io::stdin().lock().lines() {
        let answer = serde_json::from_str(&line?)
            .map_err(Into::into)
            .and_then(|command| answer(&command, &options, &mut cases))
            .unwrap_or_else(|error| json!({ "error": error.to_string() }));
        let mut out = io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(command: &Value, options: &Options, cases: &mut HashMap<String, Case>) -> Result<Value> {
    match text(command, "run")? {
        "hello" => {
            let version = env!("CARGO_PKG_VERSION");
            let peak = measure::peak_memory();
            Ok(json!({ "versions": { "brolga": version }, "peak_memory": peak }))
        }
        "write" => write(command),
        "limit" => {
            let mut model = builtin::by_name(text(command, "model")?)?;
            let (batch, rounds) = (number(command, "batch")?, number(command, "rounds")?);
            let report = measure::train_step(&mut model, batch, options, rounds)?;
            let limit = report.limit().ok_or("the step has a limit")?;
            let narrow = report.limits.first().unwrap_or(limit);
            Ok(json!({
                "isa": report.isa.name(),
                "limit": limit.flops_per_second,
                "share": limit.share,
                "limit_128": narrow.flops_per_second,
                "share_128": narrow.share,
                "flops": report.flops,
                "compile": report.compile.as_secs_f64(),
            }))
        }
        "forget" => {
            cases.clear();
            Ok(json!({}))
        }
        _ => {
            let key = key(command);
            let new = !cases.contains_key(&key);
            if new {
                cases.insert(key.clone(), Case::new(command, options)?);
            }
            let case = cases.get_mut(&key).ok_or("the case was made above")?;
            if command["values"] == true {
                let values = case.values(number(command, "steps").unwrap_or(1))?;
                cases.remove(&key);
                return Ok(json!({ "values": values }));
            }
            let mut answer = case.time(command)?;
            if new {
                answer["prepare"] = case.prepare.as_secs_f64().into();
                answer["compile"] = case.compile.as_secs_f64().into();
            }
            Ok(answer)
        }
    }
}

/// What tells two cases apart: the command without that which may change from one measurement to the next.
fn key(command: &Value) -> String {
    let mut command = command.clone();
    if let Some(fields) = command.as_object_mut() {
        fields.retain(|word, _| !["steps", "seconds", "warm"].contains(&word.as_str()));
    }
    command.to_string()
}

fn text<'a>(command: &'a Value, word: &str) -> Result<&'a str> {
    command[word].as_str().ok_or_else(|| format!("`{word}` must be a text").into())
}

fn number(command: &Value, word: &str) -> Result<usize> {
    let number = command[word].as_u64().map(usize::try_from);
    number
        .and_then(std::result::Result::ok)
        .ok_or_else(|| format!("`{word}` must be a number").into())
}

/// Writes what all workers start from: first weights, and a batch of training images of MNIST.
fn write(command: &Value) -> Result<Value> {
    let folder = Path::new(text(command, "folder")?);
    fs::create_dir_all(folder)?;
    let mut model = model(text(command, "model")?, true, EPSILON, &Options::default())?;
    model.save_weights(folder.join("weights.safetensors"))?;
    let batch = number(command, "batch")?;
    let ((images, labels), _) = mnist::load_data()?;
    let pixels = images.iter().take(batch * PIXELS).map(|&pixel| f32::from(pixel) / 255.0);
    let labels = labels.iter().take(batch).map(|&label| i32::from(label));
    fs::write(folder.join("x.f32"), pixels.flat_map(f32::to_le_bytes).collect::<Vec<u8>>())?;
    fs::write(folder.join("y.i32"), labels.flat_map(i32::to_le_bytes).collect::<Vec<u8>>())?;
    Ok(json!({}))
}

/// The models of the comparison. No metrics: no peer computes any.
fn model(name: &str, dropout: bool, epsilon: f64, options: &Options) -> Result<Sequential> {
    let mut model = Sequential::new();
    match name {
        "mnist_cnn" => {
            model.add(Input::new([28, 28, 1]));
            model.add(Conv2D::new(32, (3, 3)).activation("relu"));
            model.add(MaxPooling2D::new((2, 2)));
            model.add(Conv2D::new(64, (3, 3)).activation("relu"));
            model.add(MaxPooling2D::new((2, 2)));
            model.add(Flatten::new());
            model.add(Dense::new(128).activation("relu"));
            if dropout {
                model.add(Dropout::new(0.5));
            }
        }
        "mlp" => {
            model.add(Input::new([PIXELS]));
            for _ in 0..2 {
                model.add(Dense::new(512).activation("relu"));
                if dropout {
                    model.add(Dropout::new(0.2));
                }
            }
        }
        other => return Err(format!("there is no model `{other}`").into()),
    }
    model.add(Dense::new(10).activation("softmax"));
    let compile = Compile::new()
        .optimizer(Adam::new(1e-3).epsilon(epsilon))
        .loss("sparse_categorical_crossentropy");
    model.compile(compile.threads(options.threads))?;
    Ok(model)
}

/// A program made ready, with what it runs on.
struct Case {
    executable: Executable,
    state: State,
    /// A batch that each step is fed with, as by a training loop.
    batch: Option<Batch>,
    /// From the layers or the op to machine code, memory plan and schedule included.
    compile: Duration,
    /// The same until the first step has finished.
    prepare: Duration,
}

struct Batch {
    x: Vec<f32>,
    y: Option<Vec<i32>>,
    samples: Vec<usize>,
}

impl Case {
    fn new(command: &Value, options: &Options) -> Result<Self> {
        let start = Instant::now();
        let mut case = match text(command, "run")? {
            "train" => Self::of_model(command, Kind::Train, options)?,
            "predict" => Self::of_model(command, Kind::Predict, options)?,
            "conv" => Self::of_op(&convolution(command)?, options)?,
            "matmul" => Self::of_op(&product(command)?, options)?,
            other => return Err(format!("there is no command `{other}`").into()),
        };
        case.compile = start.elapsed();
        // What is compared begins with the first weights.
        if command["values"] != true {
            case.step()?;
        }
        case.prepare = start.elapsed();
        Ok(case)
    }

    fn of_model(command: &Value, kind: Kind, options: &Options) -> Result<Self> {
        let folder = Path::new(text(command, "folder")?);
        let dropout = command["dropout"] != false;
        let epsilon = command["epsilon"].as_f64().unwrap_or(EPSILON);
        let mut model = model(text(command, "model")?, dropout, epsilon, options)?;
        model.load_weights(folder.join("weights.safetensors"))?;
        let mut graph = model.trace(kind, number(command, "batch")?)?;
        passes::optimize(&mut graph)?;
        let state = model.session()?.snapshot()?;
        let executable = Executable::new(&graph, state.layout(), options, compile)?;
        let x = words(&folder.join("x.f32"))?.map(f32::from_le_bytes).collect();
        let y = match kind {
            Kind::Predict => None,
            _ => Some(words(&folder.join("y.i32"))?.map(i32::from_le_bytes).collect()),
        };
        let zero = Duration::ZERO;
        let batch = Some(Batch { x, y, samples: (0..number(command, "batch")?).collect() });
        Ok(Self { executable, state, batch, compile: zero, prepare: zero })
    }

    fn of_op(graph: &Graph, options: &Options) -> Result<Self> {
        let mut graph = graph.clone();
        passes::optimize(&mut graph)?;
        let layout = StateLayout::of_graphs([&graph])?;
        let mut executable = Executable::new(&graph, &layout, options, compile)?;
        let inputs: Vec<(String, Type)> =
            executable.inputs().map(|(name, ty)| (name.to_owned(), ty.clone())).collect();
        for (seed, (name, ty)) in (1..).zip(&inputs) {
            let values = executable.input_mut::<f32>(name.as_str())?;
            debug_assert_eq!(values.len(), ty.shape.elements());
            (0..).zip(values).for_each(|(place, value)| *value = noise(place, seed));
        }
        let state = State::zeros(&layout)?;
        let zero = Duration::ZERO;
        Ok(Self { executable, state, batch: None, compile: zero, prepare: zero })
    }

    fn step(&mut self) -> Result<()> {
        let Self { executable, state, batch, .. } = self;
        let Some(Batch { x, y, samples }) = batch else { return Ok(executable.run(state)?) };
        let x = Feed { input: "x".into(), array: Array::F32(x), rows: samples };
        match y {
            Some(y) => {
                let y = Feed { input: "y".into(), array: Array::I32(y), rows: samples };
                executable.run_fed(&[x, y], state)?;
            }
            None => executable.run_fed(&[x], state)?,
        }
        Ok(())
    }

    /// The first result of each of these steps: losses of a training, a part of what else there is.
    fn values(&mut self, steps: usize) -> Result<Vec<f32>> {
        let mut values = vec![];
        for _ in 0..steps {
            self.step()?;
            let result = self.executable.output::<f32>(0)?;
            if result.len() <= 10 * SAMPLES {
                values.extend_from_slice(result);
            } else {
                let places = (0..SAMPLES).map(|k| k * (result.len() - 1) / (SAMPLES - 1));
                values.extend(places.map(|place| result[place]));
            }
        }
        Ok(values)
    }

    /// Runs as many steps as are wanted, or for as long, after some that are not counted.
    fn time(&mut self, command: &Value) -> Result<Value> {
        let warm = Duration::from_secs_f64(command["warm"].as_f64().unwrap_or(0.0));
        let start = Instant::now();
        while start.elapsed() < warm {
            self.step()?;
        }
        let seconds = command["seconds"].as_f64();
        let wanted = number(command, "steps").unwrap_or(1);
        let (start, mut steps) = (Instant::now(), 0);
        while match seconds {
            Some(seconds) => steps == 0 || start.elapsed().as_secs_f64() < seconds,
            None => steps < wanted,
        } {
            self.step()?;
            steps += 1;
        }
        Ok(json!({ "steps": steps, "seconds": start.elapsed().as_secs_f64() }))
    }
}

fn words(path: &Path) -> Result<impl Iterator<Item = [u8; 4]>> {
    let bytes = fs::read(path)?;
    let count = bytes.len() / 4;
    Ok((0..count)
        .map(move |i| [bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]]))
}

/// A number in [-0.5, 0.5) that follows from its place alone; the workers of the peers compute the same.
fn noise(place: u32, seed: u32) -> f32 {
    let mut bits = place.wrapping_add(seed.wrapping_mul(0x9e37_79b9));
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    bits ^= bits >> 16;
    (bits >> 8) as f32 / (1 << 24) as f32 - 0.5
}

/// A convolution or one of its gradients. The inputs are `a` and `b`, in the order of the op's operands.
fn convolution(command: &Value) -> Result<Graph> {
    let of = |word| number(command, word);
    let (batch, pixels, channels) = (of("batch")?, of("pixels")?, of("channels")?);
    let (kernel, filters, stride) = (of("kernel")?, of("filters")?, of("stride")?);
    let pad = kernel / 2;
    let out = (pixels + 2 * pad - kernel) / stride + 1;
    let window = Window::new([stride; 2], [[pad; 2]; 2], [1, 1]);
    let x = Type::f32([batch, pixels, pixels, channels]);
    let filter = Type::f32([kernel, kernel, channels, filters]);
    let dy = Type::f32([batch, out, out, filters]);
    let tracer = Tracer::new("conv");
    let input = |name, ty| tracer.input(name, ty);
    let result = match text(command, "pass")? {
        "forward" => input("a", x).conv(&input("b", filter), window, 1),
        "input" => input("a", dy).conv_grad_input(&input("b", filter), [pixels; 2], window, 1),
        "filter" => input("a", x).conv_grad_filter(&input("b", dy), [kernel; 2], window, 1),
        other => return Err(format!("there is no pass `{other}`").into()),
    };
    tracer.output(&result);
    Ok(tracer.finish()?)
}

/// The product of an m×k and a k×n matrix.
fn product(command: &Value) -> Result<Graph> {
    let (m, k, n) = (number(command, "m")?, number(command, "k")?, number(command, "n")?);
    let tracer = Tracer::new("matmul");
    let (a, b) = (tracer.input("a", Type::f32([m, k])), tracer.input("b", Type::f32([k, n])));
    tracer.output(&a.matmul(&b));
    Ok(tracer.finish()?)
}
