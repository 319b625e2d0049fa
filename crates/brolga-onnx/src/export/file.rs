//! The files of a model: its own, and one with its weights where they are too large.

use std::hash::Hasher;
use std::io::Write;
use std::path::Path;

use brolga_ir::Mistake;
use brolga_nn::files;
use prost::Message;
use siphasher::sip::SipHasher13;

use super::error::ExportError;
use super::{Named, inside};
use crate::element::ElementType;
use crate::proto::{ModelProto, StringStringEntryProto, TensorProto};
use crate::tensor;

/// Where each tensor of a file with weights begins: at a multiple of this many bytes, so that
/// runtimes can map it.
const ALIGNMENT: usize = 4096;

/// `data_location` of a tensor whose elements are in a file of their own.
const EXTERNAL: i32 = 1;

/// Writes a model with its weights, inside or beside it. Each file is replaced as a whole; the name
/// of that with the weights says what is in it, so that a model never finds those of another.
pub(super) fn write(
    path: &Path,
    mut model: ModelProto,
    weights: Vec<Named>,
    external: bool,
) -> Result<(), ExportError> {
    let initializers = match external {
        false => weights.iter().map(inside).collect(),
        true => beside(path, &weights)?,
    };
    drop(weights);
    if let Some(graph) = &mut model.graph {
        graph.initializer = initializers;
    }
    let granted = brolga_memory::check(model.encoded_len());
    granted.map_err(|reason| ExportError::Path {
        path: path.to_owned(),
        mistake: Mistake::new(reason.to_string()),
    })?;
    files::replace(path, &model.encode_to_vec())?;
    Ok(())
}

/// Writes weights to a file beside the model's.
fn beside(path: &Path, weights: &[Named]) -> Result<Vec<TensorProto>, ExportError> {
    let refused = |mistake: Mistake| ExportError::Path { path: path.to_owned(), mistake };
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Err(refused(
            Mistake::new("the name of the file is not UTF-8")
                .help("the model's file holds the name of that with its weights"),
        ));
    };
    let mut digest = SipHasher13::new();
    let (mut tensors, mut offset) = (Vec::new(), 0_usize);
    let mut starts = Vec::new();
    for weight in weights {
        offset = offset.next_multiple_of(ALIGNMENT);
        let length = weight.ty().bytes();
        starts.push(offset);
        digest.write(weight.name.as_bytes());
        digest.write(&bytes(weight));
        tensors.push((offset, length));
        offset += length;
    }
    let name = format!("{name}.{:016x}.data", digest.finish());
    let data = path.with_file_name(&name);
    files::replace_by(&data, |file| {
        let mut at = 0;
        for (weight, &start) in weights.iter().zip(&starts) {
            file.write_all(&vec![0; start - at])?;
            let bytes = bytes(weight);
            file.write_all(&bytes)?;
            at = start + bytes.len();
        }
        Ok(())
    })?;
    let entry = |key: &str, value: String| StringStringEntryProto { key: key.to_owned(), value };
    let proto = |(weight, (offset, length)): (&Named, (usize, usize))| TensorProto {
        name: weight.name.clone(),
        dims: weight.tensor.shape().iter().map(|&extent| extent as i64).collect(),
        data_type: ElementType::of_dtype(weight.tensor.dtype()).code(),
        data_location: EXTERNAL,
        external_data: vec![
            entry("location", name.clone()),
            entry("offset", offset.to_string()),
            entry("length", length.to_string()),
        ],
        ..TensorProto::default()
    };
    Ok(weights.iter().zip(tensors).map(proto).collect())
}

fn bytes(weight: &Named) -> Vec<u8> {
    let element = ElementType::of_dtype(weight.tensor.dtype());
    tensor::to_raw(element, weight.tensor.data()).unwrap_or_default()
}
