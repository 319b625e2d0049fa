//! Programs made ready, and their time.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use brolga::codegen::compile;
use brolga::data::mnist;
use brolga::ir::ops::ParameterKind;
use brolga::ir::{DType, Graph, Type};
use brolga::nn::Kind;
use brolga::passes;
use brolga::prelude::*;
use brolga::runtime::{Array, Executable, Feed, Options, State, StateLayout};
use serde_json::{Value, json};

use crate::models::{Data, Task, Trainer, task};
use crate::ops::{convolution, product, scan};
use crate::{Result, number, text};

/// How many elements of a result are compared, at even distances.
const SAMPLES: usize = 101;

/// The symbols of a sequence of labels; zeros follow.
const SYMBOLS: u32 = 20;

/// The epsilon of Adam, if none is given: Keras's.
pub(crate) const EPSILON: f64 = 1e-7;

/// A model for the training that all workers run.
pub(crate) fn compiled(name: &str, dropout: bool, epsilon: f64, options: &Options) -> Result<Task> {
    let mut task = task(name, dropout)?;
    let compile = match task.optimizer {
        Trainer::Adam => Compile::new().optimizer(Adam::new(1e-3).epsilon(epsilon)),
        Trainer::Sgd => Compile::new().optimizer(SGD::new(1e-2)),
    };
    task.model.compile(compile.loss(task.loss).threads(options.threads))?;
    Ok(task)
}

/// Writes what all workers start from: the model as Keras's JSON, its loss, first weights, and a
/// batch.
pub(crate) fn write(command: &Value) -> Result<Value> {
    let folder = Path::new(text(command, "folder")?);
    fs::create_dir_all(folder)?;
    let name = text(command, "model")?;
    let Task { mut model, loss, data, gain, optimizer } =
        compiled(name, true, EPSILON, &Options::default())?;
    let mut weights = model.get_weights()?;
    for weight in weights.iter_mut().filter(|weight| weight.ndim() > 1) {
        // Initializers count all channels as inputs of a depthwise kernel.
        let channels = match *weight.shape() {
            [_, _, channels, 1] => channels as f32,
            _ => 1.0,
        };
        *weight *= gain * channels.sqrt();
    }
    model.set_weights(&weights)?;
    model.save_weights(folder.join("weights.safetensors"))?;
    let graph = model.trace(Kind::Train, number(command, "batch")?)?;
    let mut inputs = vec![];
    for (name, ty) in batch_types(&graph) {
        let seed = 1 + inputs.len() as u32;
        fs::write(file(folder, &name, &ty), numbers(data, &name, &ty, seed)?)?;
        inputs.push(json!({ "name": name, "dtype": ty.dtype.name(), "shape": ty.shape.to_vec() }));
    }
    let model: Value = serde_json::from_str(&model.to_json()?)?;
    let optimizer = if optimizer == Trainer::Sgd { "sgd" } else { "adam" };
    let task = json!({ "model": model, "loss": loss, "inputs": inputs, "optimizer": optimizer });
    fs::write(folder.join("task.json"), task.to_string())?;
    Ok(json!({}))
}

/// The data that a step takes: those of the model in its order, then the labels.
fn batch_types(graph: &Graph) -> Vec<(String, Type)> {
    let data = graph.inputs().iter().filter_map(|&id| {
        let parameter =
            graph.parameter(id).filter(|parameter| parameter.kind == ParameterKind::Data)?;
        Some((parameter.name.to_string(), graph.ty(id.into()).clone()))
    });
    data.filter(|(name, _)| !name.starts_with("sample_weight")).collect()
}

/// Where the numbers of an input are: `x.f32`, or `x.column0.i32` of one of several.
fn file(folder: &Path, name: &str, ty: &Type) -> PathBuf {
    folder.join(format!("{}.{}", name.replace('/', "."), ty.dtype.name()))
}

/// The bytes of an input.
fn numbers(data: Data, name: &str, ty: &Type, seed: u32) -> Result<Vec<u8>> {
    let count = ty.shape.elements();
    let floats =
        |values: &mut dyn Iterator<Item = f32>| values.flat_map(f32::to_le_bytes).collect();
    let integers =
        |values: &mut dyn Iterator<Item = i32>| values.flat_map(i32::to_le_bytes).collect();
    Ok(match data {
        Data::Digits | Data::Images => {
            let ((images, labels), _) = mnist::load_data()?;
            let labelled = name == "y" && data == Data::Digits;
            if labelled {
                integers(&mut labels.iter().take(count).map(|&label| i32::from(label)))
            } else {
                floats(&mut images.iter().take(count).map(|&pixel| f32::from(pixel) / 255.0))
            }
        }
        Data::Sequences { last } if name == "y" => {
            let row = ty.shape.last().map_or(1, |&row| row.max(1)) as u32;
            let symbol = |index: u32| match index % row < SYMBOLS {
                true => 1 + ((noise(index, seed) + 0.5) * last as f32) as i32,
                false => 0,
            };
            integers(&mut (0..u32::try_from(count)?).map(symbol))
        }
        Data::Sequences { .. } => {
            floats(&mut (0..u32::try_from(count)?).map(|index| noise(index, seed)))
        }
        Data::Noise { integers: bound, classes } => {
            let below = |index: u32, bound: u32| ((noise(index, seed) + 0.5) * bound as f32) as i32;
            let indices = 0..u32::try_from(count)?;
            let bound = if name == "y" { classes } else { bound };
            match ty.dtype {
                DType::I32 => integers(&mut indices.map(|index| below(index, bound))),
                _ if name == "y" && classes > 0 => {
                    floats(&mut indices.map(|index| below(index, bound) as f32))
                }
                _ => floats(&mut indices.map(|index| noise(index, seed))),
            }
        }
    })
}

/// A number in [-0.5, 0.5) that follows from its place alone; the workers of the peers compute the
/// same.
fn noise(place: u32, seed: u32) -> f32 {
    let mut bits = place.wrapping_add(seed.wrapping_mul(0x9e37_79b9));
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    bits ^= bits >> 16;
    (bits >> 8) as f32 / (1 << 24) as f32 - 0.5
}

/// A program made ready, with what it runs on.
pub(crate) struct Case {
    executable: Executable,
    state: State,
    /// A batch that each step is fed with, as by a training loop.
    batch: Vec<(String, Column)>,
    /// The rows of a batch: all of them.
    samples: Vec<usize>,
    /// From the layers or the op to machine code, memory plan and schedule included.
    pub(crate) compile: Duration,
    /// The same until the first step has finished.
    pub(crate) prepare: Duration,
}

/// The numbers of an input.
enum Column {
    F32(Vec<f32>),
    I32(Vec<i32>),
}

impl Column {
    fn read(path: &Path, ty: &Type) -> Result<Self> {
        let bytes = fs::read(path)?;
        let (words, _) = bytes.as_chunks::<4>();
        Ok(match ty.dtype {
            DType::I32 => Self::I32(words.iter().map(|&word| i32::from_le_bytes(word)).collect()),
            _ => Self::F32(words.iter().map(|&word| f32::from_le_bytes(word)).collect()),
        })
    }

    fn array(&self) -> Array<'_> {
        match self {
            Self::F32(values) => Array::F32(values),
            Self::I32(values) => Array::I32(values),
        }
    }
}

impl Case {
    pub(crate) fn new(command: &Value, options: &Options) -> Result<Self> {
        let start = Instant::now();
        let mut case = match text(command, "run")? {
            "train" => Self::of_model(command, Kind::Train, options)?,
            "predict" => Self::of_model(command, Kind::Predict, options)?,
            "conv" => Self::of_op(&convolution(command)?, options)?,
            "matmul" => Self::of_op(&product(command)?, options)?,
            "scan" => Self::of_op(&scan(command)?, options)?,
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
        let Task { mut model, .. } = compiled(text(command, "model")?, dropout, epsilon, options)?;
        model.load_weights(folder.join("weights.safetensors"))?;
        let size = number(command, "batch")?;
        let mut graph = model.trace(kind, size)?;
        let types = batch_types(&graph);
        passes::optimize(&mut graph)?;
        let state = model.session()?.snapshot()?;
        let executable = Executable::new(&graph, state.layout(), options, compile)?;
        let column = |(name, ty): (String, Type)| {
            Column::read(&file(folder, &name, &ty), &ty).map(|column| (name, column))
        };
        let batch = types.into_iter().map(column).collect::<Result<_>>()?;
        let (samples, zero) = ((0..size).collect(), Duration::ZERO);
        Ok(Self { executable, state, batch, samples, compile: zero, prepare: zero })
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
        let (state, zero) = (State::zeros(&layout)?, Duration::ZERO);
        let (batch, samples) = (vec![], vec![]);
        Ok(Self { executable, state, batch, samples, compile: zero, prepare: zero })
    }

    fn step(&mut self) -> Result<()> {
        let Self { executable, state, batch, samples, .. } = self;
        if batch.is_empty() {
            return Ok(executable.run(state)?);
        }
        let mut feeds = Vec::with_capacity(batch.len());
        for (name, column) in batch.iter() {
            let input = name.as_str().into();
            feeds.push(Feed { input, array: column.array(), rows: samples });
        }
        Ok(executable.run_fed(&feeds, state)?)
    }

    /// The first result of each of these steps: losses of a training, a part of what else there is.
    pub(crate) fn values(&mut self, steps: usize) -> Result<Vec<f32>> {
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
    pub(crate) fn time(&mut self, command: &Value) -> Result<Value> {
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
