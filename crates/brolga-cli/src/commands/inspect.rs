//! `brolga inspect`: what is in a file of a model or of weights.

use std::fmt::Write;

use brolga_files::{Description, Format, describe};
use brolga_memory::bytes;
use brolga_onnx::{Dim, OnnxModel, Port, load};
use clap::Args;
use serde_json::{Value, json};

use crate::Report;
use crate::error::CliError;
use crate::subject::is_onnx;

/// Show what is in a file of a model or of weights
///
/// Of an ONNX model: producer, opset, inputs, outputs, ops and tensors; extents that the file leaves
/// open have their names, which --dim of other commands binds. Of a model of Keras: layers, what it was
/// compiled with, and arrays. Of weights: the arrays. Weights are not read.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  brolga inspect model.onnx")]
pub(crate) struct Inspect {
    /// The path of a file that ends in .onnx, .keras, .h5, .weights.h5, .weights.json, .safetensors,
    /// .safetensors.index.json, .npz or .npy
    file: String,
}

impl Inspect {
    pub(crate) fn run(&self) -> Result<Report, CliError> {
        if Format::of(&self.file).is_none() {
            let message = format!("`{}` is no model file", self.file);
            let help = "files that end in .onnx, .keras, .h5, .safetensors, .npz, .npy are read";
            return Err(CliError::argument(message, help));
        }
        if !is_onnx(&self.file) {
            let found = describe(&self.file)?;
            return Ok(Report { text: described(&found), json: found.to_json(), holds: true });
        }
        let model = load(&self.file)?;
        Ok(Report { text: text(&model), json: document(&model), holds: true })
    }
}

fn described(found: &Description) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "format    {:?}", found.format);
    if let Some(producer) = &found.producer {
        let _ = writeln!(text, "producer  {producer}");
    }
    if let Some((optimizer, loss)) = &found.compiled {
        let _ = writeln!(text, "compiled  {optimizer}, {loss}");
    }
    if !found.layers.is_empty() {
        let _ = writeln!(text, "layers    {}", found.layers.len());
    }
    let width = found.layers.iter().map(|layer| layer.name.len()).max().unwrap_or(0);
    for layer in &found.layers {
        let input = layer.input.as_ref().map(|input| format!("   {input}")).unwrap_or_default();
        let _ = writeln!(text, "  {:width$}  {}{input}", layer.name, layer.class);
    }
    let _ = writeln!(text, "tensors   {}, {}", found.tensors.len(), bytes(found.bytes()));
    for (name, info) in &found.tensors {
        let separator = if name.is_empty() { "" } else { ": " };
        let _ = writeln!(text, "  {name}{separator}{info}");
    }
    text
}

/// A port's element type and extents: `float[N,3]`.
fn port_type(port: &Port) -> String {
    let dim = |dim: &Dim| match dim {
        Dim::Fixed(extent) => extent.to_string(),
        Dim::Open(name) => name.clone(),
    };
    let element = port.element.map_or("?", |element| element.name());
    match &port.dims {
        Some(dims) => {
            format!("{element}[{}]", dims.iter().map(dim).collect::<Vec<_>>().join(","))
        }
        None => format!("{element}[..]"),
    }
}

/// The bytes of all tensors.
fn size(model: &OnnxModel) -> usize {
    model.weights().iter().map(|weight| weight.tensor.ty().bytes()).sum()
}

fn text(model: &OnnxModel) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "producer  {}", model.producer());
    let _ = writeln!(text, "opset     {}", model.opset());
    for (what, ports) in [("input", model.inputs()), ("output", model.outputs())] {
        for port in ports {
            let _ = writeln!(text, "{what:8}  {}: {}", port.name, port_type(port));
        }
    }
    let ops = model.op_counts().into_iter();
    let ops: Vec<String> = ops.map(|(op, count)| format!("{op} {count}")).collect();
    let _ = writeln!(text, "ops       {}", ops.join(", "));
    let tensors = model.weights().len();
    let _ = writeln!(text, "tensors   {tensors}, {}", bytes(size(model)));
    for weight in model.weights() {
        let (element, shape) = (weight.element, weight.tensor.shape());
        let state = if weight.is_state() { "" } else { "   constant" };
        let _ = writeln!(text, "  {}: {element}{shape}{state}", weight.name);
    }
    text
}

fn document(model: &OnnxModel) -> Value {
    let ports = |ports: &[Port]| -> Vec<Value> {
        ports.iter().map(|port| json!({ "name": port.name, "type": port_type(port) })).collect()
    };
    let weights = model.weights().iter().map(|weight| {
        json!({
            "name": weight.name,
            "element": weight.element.name(),
            "shape": weight.tensor.shape(),
            "state": weight.is_state(),
        })
    });
    json!({
        "producer": model.producer(),
        "opset": model.opset(),
        "inputs": ports(model.inputs()),
        "outputs": ports(model.outputs()),
        "ops": model.op_counts(),
        "tensors": weights.collect::<Vec<_>>(),
        "bytes": size(model),
    })
}
