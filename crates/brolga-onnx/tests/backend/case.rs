//! One case: a model, its inputs, and what it must give.

use std::path::{Path, PathBuf};

use brolga_ir::{Tensor, interpret};
use brolga_onnx::{
    Bindings, ElementType, Imported, Kind, Known, OnnxError, OnnxModel, Port, load, read_value,
};

use crate::compare::difference;
use crate::native::native;

/// A case's folder.
pub(crate) struct Case {
    pub(crate) name: String,
    path: PathBuf,
}

/// Where the outputs of a case that passed are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// In the graph, by the interpreter and by machine code with the same bits.
    Graph,
    /// While the model is imported, at least partly: some inputs had to be known.
    Import,
}

/// What became of a case.
pub(crate) enum Outcome {
    /// What its gradient is, if it is not near differences.
    Passed(Stage, Option<String>),
    /// Something in it is not read, which the error said.
    LeftOut(String),
    Failed(String),
}

/// Cases that cannot pass, with the reason.
const KNOWN: [(&str, &str); 2] =
    [("test_dft_inverse", ROUNDING), ("test_dft_inverse_opset19", ROUNDING)];

const ROUNDING: &str =
    "zeros that the reference has as its own rounding, which is above the tolerance";

/// Parts of the names of cases whose gradient is not that of differences, each with the reason.
const NO_GRADIENT: [(&str, &str); 3] = [
    (
        "test_attention_",
        "the function's softmax of a query without keys is not a number, and selected away",
    ),
    ("test_l2normalization_axis_0", "a vector of zeros has no direction"),
    ("test_cast", "floats of 4 bits"),
];

/// Why a case stops.
enum Stop {
    LeftOut(String),
    Failed(String),
}

impl Case {
    pub(crate) fn at(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { name, path: path.to_owned() }
    }

    pub(crate) fn run(&self) -> Outcome {
        match self.stage() {
            Ok((stage, gradient)) => {
                let known = |(part, _): &(&str, &str)| self.name.starts_with(part);
                Outcome::Passed(stage, gradient.filter(|_| !NO_GRADIENT.iter().any(known)))
            }
            Err(Stop::LeftOut(reason)) => Outcome::LeftOut(reason),
            Err(Stop::Failed(reason)) => match KNOWN.iter().find(|(name, _)| *name == self.name) {
                Some((_, known)) => Outcome::LeftOut((*known).to_owned()),
                None => Outcome::Failed(reason),
            },
        }
    }

    fn stage(&self) -> Result<(Stage, Option<String>), Stop> {
        let model = load(self.path.join("model.onnx")).map_err(stop)?;
        let (mut stage, mut gradient) = (Stage::Graph, None);
        for set in 0.. {
            let folder = self.path.join(format!("test_data_set_{set}"));
            if !folder.is_dir() {
                break;
            }
            let inputs = values(&folder, "input", model.inputs())?;
            let expected = values(&folder, "output", model.outputs())?;
            let (imported, data) = import(&model, &inputs)?;
            if data.len() < inputs.len() {
                stage = Stage::Import;
            }
            gradient = gradient.or(check(&imported, data, &expected)?);
        }
        Ok((stage, gradient))
    }
}

/// The error of an import: something that is not read, or a fault.
fn stop(error: OnnxError) -> Stop {
    let message = error.to_string();
    let reason = match &error {
        OnnxError::MissingOps { ops, .. } => {
            let names: Vec<&str> = ops.iter().map(|missing| missing.op.as_str()).collect();
            return Stop::LeftOut(format!("op {}", names.join(", ")));
        }
        OnnxError::Unknown { .. } => return Stop::Failed(message),
        _ => message.lines().next().unwrap_or_default().to_owned(),
    };
    for (part, kind) in [
        ("its elements are string", "strings"),
        ("its elements are float8", "floats of 8 bits"),
        ("its elements are float4", "floats of 4 and 6 bits"),
        ("its elements are float6", "floats of 4 and 6 bits"),
        ("its elements are complex", "complex numbers"),
        ("with a generator that ONNX does not define", "random numbers without a definition"),
        ("has no value that is read", "strings"),
        ("numbers below 2^63", "integers above 2^63"),
    ] {
        if message.contains(part) {
            return Stop::LeftOut(kind.to_owned());
        }
    }
    if message.contains("is above the limit of 8") {
        return Stop::LeftOut("more than 8 axes".to_owned());
    }
    Stop::Failed(reason)
}

/// The values in the files of this prefix.
fn values(folder: &Path, prefix: &str, ports: &[Port]) -> Result<Vec<Known>, Stop> {
    let read = |(number, port): (usize, &Port)| {
        if port.kind == Kind::Other {
            return Err(Stop::LeftOut("maps and sparse tensors".to_owned()));
        }
        let path = folder.join(format!("{prefix}_{number}.pb"));
        read_value(path, port.kind).map(|(_, value)| value).map_err(stop)
    };
    ports.iter().enumerate().map(read).collect()
}

/// The graph for inputs of these types, and the tensors that it takes. Inputs whose values an op
/// needs, and those that are no tensors, are bound.
fn import(model: &OnnxModel, inputs: &[Known]) -> Result<(Imported, Vec<Tensor>), Stop> {
    let ports = model.inputs();
    let is_tensor = |known: &Known| matches!(known, Known::Tensor(..));
    let mut bound: Vec<bool> = inputs.iter().map(|input| !is_tensor(input)).collect();
    loop {
        let mut bindings = Bindings::new();
        let mut data = Vec::new();
        for ((port, value), bound) in ports.iter().zip(inputs).zip(&bound) {
            match value {
                Known::Tensor(_, tensor) if !bound => {
                    bindings = bindings.shape(&port.name, tensor.shape().clone());
                    data.push(tensor.clone());
                }
                value => bindings = bindings.value(&port.name, value.clone()),
            }
        }
        match model.graph(&bindings) {
            Ok(imported) => return Ok((imported, data)),
            Err(OnnxError::Unknown { inputs: needed, .. }) if bound.contains(&false) => {
                let before = bound.clone();
                for (port, bound) in ports.iter().zip(&mut bound) {
                    *bound |= needed.contains(&port.name);
                }
                if before == bound {
                    bound.fill(true);
                }
            }
            Err(error) => return Err(stop(error)),
        }
    }
}

/// Compares what a graph gives with what it must give, on the interpreter and natively. The result is
/// how its gradient differs from differences.
fn check(
    imported: &Imported,
    mut data: Vec<Tensor>,
    expected: &[Known],
) -> Result<Option<String>, Stop> {
    let failed = |message: String| Stop::Failed(message);
    data.extend(imported.states.iter().map(|(_, tensor)| (**tensor).clone()));
    let interpreted =
        interpret(&imported.graph, &data).map_err(|error| failed(error.to_string()))?;
    let expected: Vec<(ElementType, &Tensor)> = expected.iter().flat_map(tensors).collect();
    if expected.len() != interpreted.len() {
        let (given, expected) = (interpreted.len(), expected.len());
        return Err(failed(format!("{given} outputs, expected {expected}")));
    }
    let outputs = imported.outputs.iter().zip(&interpreted);
    for ((output, given), (element, expected)) in outputs.zip(expected) {
        if output.element != element {
            let given = output.element;
            return Err(failed(format!("`{}` is {given}, expected {element}", output.name)));
        }
        if let Some(difference) = difference(given, expected) {
            return Err(failed(format!("`{}`: {difference}", output.name)));
        }
    }
    let native = native(&imported.graph, &data).map_err(failed)?;
    if interpreted != native {
        return Err(failed("machine code gives other bits than the interpreter".to_owned()));
    }
    Ok(crate::gradient::difference(imported, &data))
}

/// All tensors of a value.
fn tensors(value: &Known) -> Vec<(ElementType, &Tensor)> {
    match value {
        Known::Tensor(element, tensor) => vec![(*element, tensor)],
        Known::Sequence(_, values) => values.iter().flat_map(tensors).collect(),
        Known::Optional(value) => value.iter().flat_map(|value| tensors(value)).collect(),
    }
}
