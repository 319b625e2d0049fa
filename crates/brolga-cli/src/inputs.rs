//! The values of a graph's inputs.

use std::sync::Arc;

use brolga_data::{ColorMode, ImageOptions, load_image};
use brolga_files::{Tensors, npy};
use brolga_ir::ops::{Constant, Parameter};
use brolga_ir::{DType, Data, Graph, Tensor, Type};
use clap::Args;
use serde_json::json;

use crate::error::CliError;

/// The arguments that give values of inputs.
#[derive(Debug, Default, Args)]
pub(crate) struct Inputs {
    /// The value of an input or state: one number for all elements, a list such as [[1,2],[3,nan]],
    /// a file .npy, or an image; inputs without one are filled with pseudo-random numbers, weights of a
    /// model from a file have those of the file
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = assignment)]
    given: Vec<(String, String)>,
    /// A file .npz or .safetensors, whose arrays are the values of the inputs and states of their
    /// names; --input goes before it
    #[arg(long = "inputs", value_name = "FILE")]
    files: Vec<String>,
    /// The seed of the pseudo-random numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.trim_start_matches('%').to_owned(), value.to_owned()))
}

impl Inputs {
    /// What the values are, for a record.
    pub(crate) fn describe(&self) -> String {
        let given = self.given.iter().map(|(name, _)| name).chain(&self.files);
        let given: Vec<&str> = given.map(String::as_str).collect();
        match given.as_slice() {
            [] => format!("random, seed {}", self.seed),
            given => format!("{}; all others random, seed {}", given.join(", "), self.seed),
        }
    }

    /// Whether this input has a value that is not pseudo-random.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| given == name)
    }

    /// The arrays of all files, the last of a name first. One that is of no input of these graphs
    /// is left out, but not all of them.
    fn arrays(&self, graphs: &[&Graph]) -> Result<Vec<(String, Tensor)>, CliError> {
        let mut arrays = vec![];
        for path in self.files.iter().rev() {
            let help = "give a file .npz or .safetensors with arrays of the inputs' names";
            let fails = |reason: String| CliError::argument(format!("{path}: {reason}"), help);
            if !is_archive(path) {
                return Err(fails("it is no file .npz or .safetensors".to_owned()));
            }
            let file = Tensors::open(path)?;
            let names = file.names();
            let has = |name: &str| graphs.iter().any(|graph| graph.input(name).is_some());
            if !names.is_empty() && !names.iter().any(|name| has(name)) {
                let names = names.join(", ");
                return Err(fails(format!("none of its arrays is an input: {names}")));
            }
            for name in names.into_iter().filter(|name| has(name)) {
                let tensor = file.read(&name)?.to_tensor();
                let tensor =
                    tensor.map_err(|error| fails(format!("its array `{name}`: {error}")))?;
                arrays.push((name, tensor));
            }
        }
        Ok(arrays)
    }

    /// Fails if a value is given for an input that no graph has.
    pub(crate) fn check(&self, graphs: &[Graph]) -> Result<(), CliError> {
        for (name, _) in &self.given {
            if !graphs.iter().any(|graph| graph.input(name).is_some()) {
                let inputs = graphs
                    .iter()
                    .flat_map(|graph| graph.inputs().iter().filter_map(|&id| graph.parameter(id)));
                let known: Vec<String> = inputs.map(|p| format!("{}: {}", p.name, p.ty)).collect();
                let message = format!("there is no input `{name}`");
                return Err(CliError::argument(
                    message,
                    format!("the inputs are {}", known.join(", ")),
                ));
            }
        }
        Ok(())
    }

    /// The values of the graph's inputs, in the order of its signature; `stored` are those of weights
    /// that a file has.
    pub(crate) fn of(
        &self,
        graph: &Graph,
        stored: &[(String, Arc<Tensor>)],
    ) -> Result<Vec<Tensor>, CliError> {
        let arrays = self.arrays(&[graph])?;
        let parameters = graph.inputs().iter().filter_map(|&id| graph.parameter(id));
        parameters.map(|parameter| self.value(parameter, &arrays, stored)).collect()
    }

    fn value(
        &self,
        Parameter { name, ty, .. }: &Parameter,
        arrays: &[(String, Tensor)],
        stored: &[(String, Arc<Tensor>)],
    ) -> Result<Tensor, CliError> {
        // Numbers of 8 bytes become the elements.
        let needed = ty.bytes().saturating_add(ty.shape.elements().saturating_mul(8));
        brolga_memory::check(needed).map_err(|error| {
            CliError::argument(format!("input `{name}`: {ty}: {error}"), "make the graph smaller")
        })?;
        let Some((_, text)) = self.given.iter().rev().find(|(given, _)| given == name) else {
            if let Some((_, array)) = arrays.iter().find(|(known, _)| known == name) {
                return match array.ty() {
                    given if given == *ty => Ok(array.clone()),
                    given => {
                        let message =
                            format!("input `{name}`: expected {ty}, the file has {given}");
                        Err(CliError::argument(message, "give an array of the input's type"))
                    }
                };
            }
            let stored = stored.iter().find(|(known, _)| known == name);
            return Ok(match stored {
                Some((_, tensor)) => (**tensor).clone(),
                None => pseudo_random(ty, name, self.seed),
            });
        };
        let fails = |reason: String| {
            let help = "give one number for all elements, a list nested as the shape is, a file .npy, or an image";
            CliError::argument(format!("input `{name}`: {reason}"), help)
        };
        if IMAGES.iter().any(|ending| text.to_ascii_lowercase().ends_with(ending)) {
            return image(text, ty).map_err(fails);
        }
        if !text.ends_with(".npy") {
            return tensor_of_text(text, ty).map_err(fails);
        }
        let bytes = brolga_memory::read(text)
            .map_err(|error| CliError::Read { path: text.clone(), error })?;
        let tensor = npy::read(&bytes).map_err(|reason| fails(format!("{text}: {reason}")))?;
        match tensor.ty() {
            given if given == *ty => Ok(tensor),
            given => Err(fails(format!("expected {ty}, {text} has {given}"))),
        }
    }
}

/// Whether the ending of a path is that of a file with arrays by name.
fn is_archive(path: &str) -> bool {
    path.ends_with(".npz") || path.ends_with(".safetensors")
}

/// The endings of images.
const IMAGES: [&str; 5] = [".png", ".jpg", ".jpeg", ".bmp", ".gif"];

/// An image as the input of a network: resized to its height and width, of as many channels as it has,
/// which are its last axis or, as of most ONNX models, the one after the batch; values from 0 to 255.
fn image(path: &str, ty: &Type) -> Result<Tensor, String> {
    let mode = |channels| match channels {
        1 => Some(ColorMode::Grayscale),
        3 => Some(ColorMode::Rgb),
        4 => Some(ColorMode::Rgba),
        _ => None,
    };
    let (height, width, mode, channels_first) = match ty.shape[..] {
        [1, height, width, channels] if mode(channels).is_some() => {
            (height, width, mode(channels), false)
        }
        [1, channels, height, width] if mode(channels).is_some() => {
            (height, width, mode(channels), true)
        }
        [1, height, width] => (height, width, Some(ColorMode::Grayscale), false),
        _ => (0, 0, None, false),
    };
    let mode = mode.ok_or_else(|| format!("an image is no {ty}"))?;
    let options = ImageOptions::new().image_size((height, width)).color_mode(mode);
    let image = load_image::<f32>(path, &options).map_err(|error| error.to_string())?;
    let image = if channels_first { image.permuted_axes([2, 0, 1]) } else { image };
    let numbers: Vec<f64> = image.iter().map(|&x| f64::from(x)).collect();
    Tensor::new(ty.shape.clone(), Data::from_f64(ty.dtype, &numbers))
        .ok_or_else(|| format!("an image is no {ty}"))
}

/// The tensor of this type that a text such as `1.5` or `[[1,2],[3,nan]]` means.
///
/// # Errors
/// Why there is none, as a sentence.
pub fn tensor_of_text(text: &str, ty: &Type) -> Result<Tensor, String> {
    let constant = json!({ "type": ty, "value": text });
    let constant = serde_json::from_value::<Constant>(constant);
    constant.map(|constant| constant.tensor()).map_err(|error| error.to_string())
}

/// Pseudo-random numbers of the type, the input's name and the seed: floats are multiples of 2⁻¹⁰
/// in [-1, 1), integers are from 0 to 9.
fn pseudo_random(ty: &Type, name: &str, seed: u64) -> Tensor {
    let mut state = fnv1a(name.bytes()).wrapping_add(seed);
    let number = |_| {
        let bits = split_mix_64(&mut state);
        match ty.dtype {
            DType::Bool => (bits >> 63) as f64,
            DType::I64 | DType::I32 | DType::U8 => (bits % 10) as f64,
            DType::F32 | DType::F64 | DType::BF16 | DType::F16 => {
                (bits >> 53) as f64 / 1024.0 - 1.0
            }
        }
    };
    let numbers: Vec<f64> = (0..ty.shape.elements()).map(number).collect();
    Tensor::new(ty.shape.clone(), Data::from_f64(ty.dtype, &numbers))
        .expect("there are as many numbers as the shape has elements")
}

/// The generator SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) fn split_mix_64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The hash FNV-1a of 64 bits.
pub(crate) fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
