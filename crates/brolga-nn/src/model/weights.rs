//! Weights and training states in safetensors files.
//!
//! A file is written beside its target, made durable and renamed: a crash leaves the old file or
//! the new one.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;

use brolga_ir::{DType, Data, Tensor, Type};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::session::{Session, mismatch};
use crate::error::NnError;
use crate::files::{check_regular, replace};

impl Session {
    /// Writes the weights as safetensors, under names such as `conv2d/kernel`.
    ///
    /// # Errors
    /// If the file cannot be written; then the old one is still there.
    pub fn save_weights(&mut self, path: impl AsRef<Path>) -> Result<(), NnError> {
        let weights: Vec<_> = self.built.learned().map(|weight| weight.path()).collect();
        let state = self.state_mut()?;
        let tensors = weights.into_iter().map(|name| Ok((name.clone(), state.get(&name)?)));
        write(path.as_ref(), tensors.collect::<Result<_, NnError>>()?)
    }

    /// Reads weights that [`Session::save_weights`] wrote. Nothing is changed unless all of them
    /// fit.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or holds other weights than the model has.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<(), NnError> {
        let path = path.as_ref();
        let tensors = read(path)?;
        let what = path.display().to_string();
        for weight in self.built.learned() {
            let given = match tensors.get(&weight.path()) {
                Some(tensor) if tensor.ty() == weight.ty => continue,
                Some(tensor) => tensor.ty().to_string(),
                None => format!("nothing of the name `{}`", weight.path()),
            };
            return Err(mismatch(&what, weight, given));
        }
        let known: HashSet<String> = self.built.learned().map(|weight| weight.path()).collect();
        if let Some(foreign) = tensors.keys().find(|name| !known.contains(*name)) {
            let message =
                format!("the file has a weight `{foreign}`, the model has none of this name");
            return Err(NnError::Weights { what, message });
        }
        self.changed = true;
        let state = self.state_mut()?;
        Ok(tensors.iter().try_for_each(|(name, tensor)| state.set(name, tensor))?)
    }

    /// Writes everything the model keeps between steps: weights, optimizer slots, counters, the
    /// learning rate. A training that goes on from it gives the same bits as one that was not
    /// interrupted.
    ///
    /// # Errors
    /// If the file cannot be written; then the old one is still there.
    pub fn save_state(&mut self, path: impl AsRef<Path>) -> Result<(), NnError> {
        let averages = self.uses_averages();
        self.use_averages(false)?;
        let state = self.state_mut()?;
        let tensors =
            state.layout().iter().map(|(name, _)| Ok((name.to_owned(), state.get(name)?)));
        let tensors = tensors.collect::<Result<_, NnError>>()?;
        self.use_averages(averages)?;
        write(path.as_ref(), tensors)
    }

    /// Reads what [`Session::save_state`] wrote. Nothing is changed unless all of it fits.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or belongs to another model or optimizer.
    pub fn load_state(&mut self, path: impl AsRef<Path>) -> Result<(), NnError> {
        let path = path.as_ref();
        let tensors = read(path)?;
        self.changed = true;
        let state = self.state_mut()?;
        let error =
            |message: String| NnError::Weights { what: path.display().to_string(), message };
        for (name, ty) in state.layout().iter() {
            match tensors.get(name) {
                Some(tensor) if tensor.ty() == *ty => {}
                Some(tensor) => {
                    return Err(error(format!(
                        "the state `{name}` is {ty}, {} was given",
                        tensor.ty()
                    )));
                }
                None => return Err(error(format!("the file has no state `{name}`: {ty}"))),
            }
        }
        let layout = state.layout().clone();
        if let Some(name) = tensors.keys().find(|name| layout.ty(name).is_none()) {
            return Err(error(format!(
                "the file has a state `{name}`, the model has none of this name"
            )));
        }
        Ok(tensors.iter().try_for_each(|(name, tensor)| state.set(name, tensor))?)
    }
}

fn write(path: &Path, tensors: Vec<(String, Tensor)>) -> Result<(), NnError> {
    let failed = |source: io::Error| NnError::Io { path: path.to_owned(), source };
    // The elements as bytes, and the file.
    let needed: usize = tensors.iter().map(|(_, tensor)| 2 * tensor.ty().bytes()).sum();
    brolga_memory::check(needed).map_err(|error| failed(error.into()))?;
    let bytes: Vec<(String, Type, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, tensor)| (name, tensor.ty(), to_bytes(tensor.data())))
        .collect();
    let views = bytes.iter().map(|(name, ty, bytes)| {
        let dtype = if ty.dtype == DType::F32 { Dtype::F32 } else { Dtype::I32 };
        let view = TensorView::new(dtype, ty.shape.to_vec(), bytes);
        view.map(|view| (name.as_str(), view)).map_err(io::Error::other)
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let file = safetensors::serialize(views, None).map_err(io::Error::other).map_err(failed)?;
    replace(path, &file)
}

fn to_bytes(data: &Data) -> Vec<u8> {
    match data {
        Data::F32(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I32(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        _ => vec![],
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, Tensor>, NnError> {
    let error = |message: String| NnError::File {
        path: path.to_owned(),
        message,
        help: "it must be a file that save_weights or save_state has written",
    };
    check_regular(path)?;
    let failed = |source: io::Error| NnError::Io { path: path.to_owned(), source };
    let bytes = brolga_memory::read(path).map_err(failed)?;
    // The tensors are as large as the file at most.
    brolga_memory::check(bytes.len()).map_err(|error| failed(error.into()))?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|e| error(format!("this is no complete safetensors file ({e})")))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        let words = view.data().chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]);
        let data = match view.dtype() {
            Dtype::F32 => Data::F32(words.map(f32::from_le_bytes).collect()),
            Dtype::I32 => Data::I32(words.map(i32::from_le_bytes).collect()),
            other => {
                return Err(error(format!("the tensor `{name}` has elements of type {other:?}")));
            }
        };
        let tensor = Tensor::new(view.shape(), data).ok_or_else(|| {
            error(format!("the tensor `{name}` has not as many elements as its shape"))
        })?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}
