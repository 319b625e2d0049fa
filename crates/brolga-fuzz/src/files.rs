//! Damaged files of models and weights as cases.

use std::path::PathBuf;
use std::time::Duration;

use brolga_files::{Array, Format, Load, Tensors, describe, save_tensors};
use brolga_ir::draw::Rng;

use crate::coverage::Coverage;
use crate::failure::Failure;
use crate::mutate::mutated;
use crate::target::Target;

/// Damaged files for the readers of `brolga-files`.
#[derive(Debug)]
pub struct Files {
    seed: u64,
    /// Files by the endings of their names.
    seeds: Vec<(&'static str, Vec<Vec<u8>>)>,
}

/// A file by Keras that the tests read.
macro_rules! of_keras {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/files/keras/", $name)).to_vec()
    };
}

const WORDS: [&str; 20] = [
    "class_name",
    "Functional",
    "Sequential",
    "InputLayer",
    "Lambda",
    "__lambda__",
    "batch_shape",
    "inbound_nodes",
    "\"layers\": []",
    "null",
    "layer_names",
    "weight_names",
    "model_weights",
    "data_offsets",
    "BF16",
    "TREE",
    "SNOD",
    "HEAP",
    "GCOL",
    "PK\u{1}\u{2}",
];

impl Files {
    /// Cases of a seed.
    pub fn new(seed: u64) -> Self {
        let seeds = vec![
            (".h5", vec![of_keras!("mlp.h5"), of_keras!("old_sequential.h5")]),
            (
                ".weights.h5",
                vec![of_keras!("mlp.weights.h5"), of_keras!("old_sequential_weights.h5")],
            ),
            (".keras", vec![of_keras!("mlp.keras"), of_keras!("old_sequential.keras")]),
            (".npz", vec![of_keras!("mlp.npz"), of_keras!("outputs.npz")]),
            (".safetensors", vec![safetensors(1), safetensors(3)]),
        ];
        Self { seed, seeds }
    }

    fn bytes(&self, case: u64) -> (&'static str, Vec<u8>) {
        let mut rng = Rng::new(self.seed, case);
        let (ending, seeds) = &self.seeds[rng.below(self.seeds.len())];
        (ending, mutated(&mut rng, seeds, &WORDS))
    }
}

/// A file with so many tensors.
fn safetensors(count: usize) -> Vec<u8> {
    let arrays: Vec<(String, Array)> = (0..count)
        .map(|number| {
            (format!("layer_{number}/kernel"), Array::of_f32(&[number, 3], &vec![0.5; number * 3]))
        })
        .collect();
    let path = path(".safetensors");
    let written = save_tensors(&path, &arrays).ok().and_then(|()| std::fs::read(&path).ok());
    written.unwrap_or_default()
}

/// The file of this thread: readers are tried with all that they do.
fn path(ending: &str) -> PathBuf {
    let thread = format!("{:?}", std::thread::current().id());
    let thread: String = thread.chars().filter(char::is_ascii_digit).collect();
    std::env::temp_dir().join(format!("brolga-fuzz-{}-{thread}{ending}", std::process::id()))
}

impl Target for Files {
    fn try_case(&self, case: u64, _: &mut Coverage) -> Result<(), Failure> {
        let (ending, bytes) = self.bytes(case);
        let path = path(ending);
        std::fs::write(&path, &bytes).map_err(|error| Failure::new("file", error))?;
        let result = read(&path);
        drop(std::fs::remove_file(&path));
        result
    }

    fn shrunk(&self, case: u64, _: &Failure, _: bool) -> String {
        let (ending, bytes) = self.bytes(case);
        format!("{ending}: {}\n", bytes.escape_ascii())
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn memory(&self) -> Option<u64> {
        Some(3 << 30)
    }
}

fn read(path: &PathBuf) -> Result<(), Failure> {
    let spoken = |message: String| match message.is_empty() {
        true => Err(Failure::new("files", "an error without a message")),
        false => Ok(()),
    };
    if let Err(error) = describe(path) {
        spoken(error.to_string())?;
    }
    match Tensors::open(path) {
        Ok(tensors) => {
            for name in tensors.names() {
                if let Err(error) = tensors.read(&name) {
                    spoken(error.to_string())?;
                }
            }
        }
        Err(error) => spoken(error.to_string())?,
    }
    if Format::of(path).is_some_and(Format::has_model)
        && let Err(error) = Load::new().open(path)
    {
        spoken(error.to_string())?;
    }
    Ok(())
}
