//! What the workers of the peers in Rust share: the protocol of `benches/compare/README.md`, and
//! the files.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Whatever can go wrong.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How many elements of a long result are compared, at even distances.
const SAMPLES: usize = 101;

/// Something that can be run again and again.
pub trait Case {
    /// Runs once and returns when all is done.
    ///
    /// # Errors
    /// What the peer says.
    fn step(&mut self) -> Result<()>;

    /// The loss of the last step, or what was predicted.
    ///
    /// # Errors
    /// What the peer says.
    fn values(&mut self) -> Result<Vec<f32>>;
}

/// What a case is made of.
#[derive(Debug)]
pub struct Task {
    /// `train` or `predict`.
    pub run: String,
    /// `mnist_cnn` or `mlp`.
    pub model: String,
    /// Images in a step.
    pub batch: usize,
    /// Whether a training drops values.
    pub dropout: bool,
    /// The epsilon of Adam.
    pub epsilon: f64,
    folder: String,
}

impl Task {
    fn new(command: &Value) -> Result<Self> {
        let text = |word: &str| {
            let text = command[word].as_str().map(str::to_owned);
            text.ok_or_else(|| format!("`{word}` must be a text"))
        };
        Ok(Self {
            run: text("run")?,
            model: text("model")?,
            batch: command["batch"].as_u64().ok_or("`batch` must be a number")?.try_into()?,
            dropout: command["dropout"] != false,
            epsilon: command["epsilon"].as_f64().unwrap_or(1e-7),
            folder: text("folder")?,
        })
    }

    /// A file of the case's folder.
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(&self.folder).join(name)
    }

    /// The images, row by row.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn images(&self) -> Result<Vec<f32>> {
        Ok(words(&fs::read(self.path("x.f32"))?).map(f32::from_le_bytes).collect())
    }

    /// The labels.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn labels(&self) -> Result<Vec<i32>> {
        Ok(words(&fs::read(self.path("y.i32"))?).map(i32::from_le_bytes).collect())
    }

    /// The first weights, in Keras's layout.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn weights(&self) -> Result<Weights> {
        let bytes = fs::read(self.path("weights.safetensors"))?;
        let length = bytes.first_chunk().ok_or("the file of weights is empty")?;
        let header = 8 + usize::try_from(u64::from_le_bytes(*length))?;
        let entries: HashMap<String, Value> = serde_json::from_slice(&bytes[8..header])?;
        let mut tensors = HashMap::new();
        for (name, entry) in entries.into_iter().filter(|(name, _)| name != "__metadata__") {
            let shape: Vec<usize> = serde_json::from_value(entry["shape"].clone())?;
            let [begin, end]: [usize; 2] = serde_json::from_value(entry["data_offsets"].clone())?;
            let values = words(&bytes[header + begin..header + end]).map(f32::from_le_bytes);
            tensors.insert(name, (shape, values.collect()));
        }
        Ok(Weights(tensors))
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = [u8; 4]> {
    bytes.chunks_exact(4).map(|word| [word[0], word[1], word[2], word[3]])
}

/// Tensors by name.
#[derive(Debug)]
pub struct Weights(HashMap<String, (Vec<usize>, Vec<f32>)>);

impl Weights {
    /// A tensor as it is in the file: shape, elements.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn get(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        Ok(self.0.get(name).ok_or_else(|| format!("there is no weight `{name}`"))?.clone())
    }

    /// A tensor whose axis `k` is axis `order[k]` of the one in the file.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn transposed(&self, name: &str, order: &[usize]) -> Result<(Vec<usize>, Vec<f32>)> {
        let (shape, values) = self.get(name)?;
        Ok(transposed(&shape, &values, order))
    }

    /// The kernel of the first model's first dense layer, its rows in the order of [channels,
    /// height, width].
    ///
    /// # Errors
    /// If there is none.
    pub fn behind_channels_first(&self) -> Result<(Vec<usize>, Vec<f32>)> {
        let (shape, values) = self.get("dense/kernel")?;
        Ok((shape.clone(), transposed(&[5, 5, 64, shape[1]], &values, &[2, 0, 1, 3]).1))
    }
}

fn transposed(shape: &[usize], values: &[f32], order: &[usize]) -> (Vec<usize>, Vec<f32>) {
    let stride = |axis: usize| -> usize { shape[axis + 1..].iter().product() };
    let mut places = vec![0];
    for &axis in order {
        let step = |place: usize| (0..shape[axis]).map(move |i| place + i * stride(axis));
        places = places.into_iter().flat_map(step).collect();
    }
    let shape = order.iter().map(|&axis| shape[axis]).collect();
    (shape, places.into_iter().map(|place| values[place]).collect())
}

/// The number after `--threads`.
///
/// # Errors
/// If there is none.
pub fn threads() -> Result<usize> {
    let mut arguments = std::env::args().skip_while(|word| word != "--threads").skip(1);
    Ok(arguments.next().ok_or("--threads N must be given")?.parse()?)
}

/// Answers commands until standard input ends. `make` makes cases.
///
/// # Errors
/// If an answer cannot be written.
pub fn serve(
    name: &str,
    version: &str,
    make: impl Fn(&Task) -> Result<Box<dyn Case>>,
) -> Result<()> {
    let mut cases = HashMap::new();
    for line in io::stdin().lock().lines() {
        let answer = serde_json::from_str(&line?)
            .map_err(Into::into)
            .and_then(|command: Value| match command["run"].as_str() {
                Some("hello") => Ok(json!({ "versions": { name: version } })),
                Some("forget") => {
                    cases.clear();
                    Ok(json!({}))
                }
                _ => answer(&command, &make, &mut cases),
            })
            .unwrap_or_else(|error| json!({ "error": error.to_string() }));
        let mut out = io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(
    command: &Value,
    make: &impl Fn(&Task) -> Result<Box<dyn Case>>,
    cases: &mut HashMap<String, Box<dyn Case>>,
) -> Result<Value> {
    let task = Task::new(command)?;
    let steps = command["steps"].as_u64().unwrap_or(1);
    if command["values"] == true {
        let mut case = make(&task)?;
        let mut values = vec![];
        for _ in 0..steps {
            case.step()?;
            let result = case.values()?;
            if result.len() <= 10 * SAMPLES {
                values.extend(result);
            } else {
                let places = (0..SAMPLES).map(|k| k * (result.len() - 1) / (SAMPLES - 1));
                values.extend(places.map(|place| result[place]));
            }
        }
        return Ok(json!({ "values": values }));
    }
    let (key, mut answer) = (format!("{task:?}"), json!({}));
    if !cases.contains_key(&key) {
        let start = Instant::now();
        let mut case = make(&task)?;
        case.step()?;
        answer["prepare"] = start.elapsed().as_secs_f64().into();
        cases.insert(key.clone(), case);
    }
    let case = cases.get_mut(&key).ok_or("the case was made above")?;
    let warm = Duration::from_secs_f64(command["warm"].as_f64().unwrap_or(0.0));
    let start = Instant::now();
    while start.elapsed() < warm {
        case.step()?;
    }
    let seconds = command["seconds"].as_f64();
    let (start, mut done) = (Instant::now(), 0);
    while match seconds {
        Some(seconds) => done == 0 || start.elapsed().as_secs_f64() < seconds,
        None => done < steps,
    } {
        case.step()?;
        done += 1;
    }
    answer["steps"] = done.into();
    answer["seconds"] = start.elapsed().as_secs_f64().into();
    Ok(answer)
}
