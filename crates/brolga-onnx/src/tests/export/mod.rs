//! Models of ours written as ONNX: what is read again computes the same bits.

mod cases;
mod forms;
mod golden;

use std::path::Path;

use brolga_ir::{Data, Graph, Op, Tensor, interpret};
use brolga_nn::model::{Kind, Model, Network};
use prost::Message;

use crate::element::ElementType;
use crate::proto::{GraphProto, ModelProto, TensorProto};
use crate::{Bindings, Export, ExportError, load, save, tensor};

/// A model in a file, and the folder that it is in.
struct Saved {
    folder: tempfile::TempDir,
}

impl Saved {
    fn of<N: Network>(model: &mut Model<N>, export: &Export) -> Result<Self, ExportError> {
        let folder = tempfile::tempdir().expect("a folder");
        save(model, folder.path().join("model.onnx"), export)?;
        Ok(Self { folder })
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).expect("it was written")
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("model.onnx")
    }

    fn proto(&self) -> ModelProto {
        ModelProto::decode(self.bytes().as_slice()).expect("a model")
    }

    /// How often each op stands in the graphs, in the order of their names: `Add 2, Conv`.
    fn ops(&self) -> String {
        fn count(graph: &GraphProto, counts: &mut std::collections::BTreeMap<String, usize>) {
            for node in graph.node.iter().filter(|node| node.op_type != "Constant") {
                *counts.entry(node.op_type.clone()).or_default() += 1;
                for attribute in &node.attribute {
                    attribute.g.iter().for_each(|inner| count(inner, counts));
                }
            }
        }
        let mut counts = std::collections::BTreeMap::new();
        count(self.proto().graph.as_ref().expect("a graph"), &mut counts);
        let each = counts.into_iter().map(|(op, count)| match count {
            1 => op,
            count => format!("{op} {count}"),
        });
        each.collect::<Vec<_>>().join(", ")
    }
}

/// What a graph gives for these inputs and the values of its states.
fn results(graph: &Graph, inputs: &[Tensor], state: impl Fn(&str) -> Tensor) -> Vec<Tensor> {
    let mut data = inputs.iter();
    let given: Vec<Tensor> = graph
        .inputs()
        .iter()
        .map(|&id| {
            let parameter = graph.parameter(id).expect("an input");
            match parameter.kind {
                brolga_ir::ops::ParameterKind::State => state(&parameter.name),
                brolga_ir::ops::ParameterKind::Data => data.next().expect("an input").clone(),
            }
        })
        .collect();
    interpret(graph, &given).expect("inputs of the types that the graph has")
}

/// What a model predicts, by the interpreter.
fn predicted<N: Network>(model: &mut Model<N>, inputs: &[Tensor]) -> Vec<Tensor> {
    let batch = inputs[0].shape()[0];
    let graph = model.trace(Kind::Predict, batch).expect("the model is built");
    let values = model.get_weights().expect("the model is built");
    let session = model.session().expect("the model is built");
    let paths: Vec<String> = session.weights().map(|weight| weight.path()).collect();
    results(&graph, inputs, |name| {
        let place = paths.iter().position(|path| path == name).expect("a weight");
        let value = &values[place];
        Tensor::f32(value.shape().to_vec(), value.iter().copied().collect()).expect("a weight")
    })
}

/// What is read from a file gives for these inputs.
fn read_again(path: &Path, inputs: &[Tensor]) -> Result<Vec<Tensor>, crate::OnnxError> {
    let model = load(path)?;
    let mut bindings = Bindings::new();
    let is_open = |input: &crate::Port| {
        input.dims.iter().flatten().any(|dim| *dim == crate::Dim::Open("N".to_owned()))
    };
    if model.inputs().iter().any(is_open) {
        bindings = bindings.dim("N", inputs[0].shape()[0]);
    }
    let imported = model.graph(&bindings)?;
    let states = &imported.states;
    let state = |name: &str| {
        let found = states.iter().find(|(own, _)| own == name).expect("a state");
        (*found.1).clone()
    };
    // Inputs that nothing needs are no inputs of the graph.
    let names: Vec<&str> = model.inputs().iter().map(|input| input.name.as_str()).collect();
    let data = imported.graph.inputs().iter().filter_map(|&id| imported.graph.parameter(id));
    let data: Vec<&str> = data
        .filter(|parameter| parameter.kind == brolga_ir::ops::ParameterKind::Data)
        .map(|parameter| parameter.name.as_str())
        .collect();
    let given = names.iter().zip(inputs).filter(|(name, _)| data.contains(name));
    let given: Vec<Tensor> = given.map(|(_, input)| input.clone()).collect();
    Ok(results(&imported.graph, &given, state))
}

/// The first samples of a tensor.
fn first(tensor: &Tensor, count: usize) -> Tensor {
    let shape = tensor.shape();
    let size: usize = shape[1..].iter().product();
    let offsets: Vec<usize> = (0..count * size).collect();
    let shape: Vec<usize> = [count].into_iter().chain(shape[1..].iter().copied()).collect();
    Tensor::new(shape, tensor.data().pick(&offsets)).expect("as many elements")
}

/// The first place at which two results differ in a bit.
fn difference(expected: &[Tensor], given: &[Tensor]) -> Option<String> {
    if expected.len() != given.len() {
        return Some(format!("{} results, not {}", given.len(), expected.len()));
    }
    for (place, (expected, given)) in expected.iter().zip(given).enumerate() {
        if expected.ty() != given.ty() {
            return Some(format!("result {place} is {}, not {}", given.ty(), expected.ty()));
        }
        let bits = |tensor: &Tensor| tensor.data().canonical_bits();
        let (own, other) = (bits(expected), bits(given));
        if let Some(at) = (0..own.len()).find(|&at| own[at] != other[at]) {
            let [own, other] = [expected, given].map(|tensor| tensor.data().to_f64()[at]);
            return Some(format!("result {place}[{at}] is {other:e}, not {own:e}"));
        }
    }
    None
}

/// The first number that is further from the expected one than by some roundings.
fn far(expected: &[Tensor], given: &[Tensor]) -> Option<String> {
    let pairs = expected.iter().zip(given);
    let mut pairs = pairs.flat_map(|(a, b)| a.data().to_f64().into_iter().zip(b.data().to_f64()));
    let wrong = pairs.find(|&(a, b)| {
        // NaN is near nothing.
        let near = (a - b).abs() <= 1e-6 * (1.0 + a.abs());
        !near
    });
    wrong.map(|(own, other)| format!("{other:e} is not {own:e}"))
}

/// Saves a model, reads it again, and compares what both give for these inputs, for all samples and
/// for the first alone. Returns the ops of the file.
fn round_trip<N: Network>(
    model: &mut Model<N>,
    inputs: &[Tensor],
    export: &Export,
    kept: Option<&str>,
) -> Result<String, String> {
    let saved = Saved::of(model, export).map_err(|error| error.to_string())?;
    for count in [inputs[0].shape()[0], 1] {
        let inputs: Vec<Tensor> = inputs.iter().map(|input| first(input, count)).collect();
        let expected = predicted(model, &inputs);
        if let Some(name) = kept.filter(|_| count == inputs[0].shape()[0]) {
            keep(&saved, name, &inputs, &expected);
        }
        let given = read_again(&saved.path(), &inputs).map_err(|error| error.to_string())?;
        // The formula of attention rounds in another order than the op does.
        let attends = model.trace(Kind::Predict, count).map_err(|error| error.to_string())?;
        let attends = attends.ids().any(|id| matches!(attends.node(id).op, Op::Attention(_)));
        let difference = match attends {
            true => far(&expected, &given),
            false => difference(&expected, &given),
        };
        if let Some(difference) = difference {
            return Err(format!("{count} samples: {difference}"));
        }
    }
    Ok(saved.ops())
}

/// Copies a model with inputs and outputs to the folder that `BROLGA_ONNX_EXPORT` names, as the
/// backend tests of ONNX have them: `tests/onnx/check_export.py` runs them.
fn keep(saved: &Saved, name: &str, inputs: &[Tensor], outputs: &[Tensor]) {
    let Some(folder) = std::env::var_os("BROLGA_ONNX_EXPORT") else { return };
    let folder = Path::new(&folder).join(name);
    let data = folder.join("test_data_set_0");
    std::fs::create_dir_all(&data).expect("a folder");
    std::fs::write(folder.join("model.onnx"), saved.bytes()).expect("a file");
    for (kind, tensors) in [("input", inputs), ("output", outputs)] {
        for (at, value) in tensors.iter().enumerate() {
            let element = ElementType::of_dtype(value.dtype());
            let raw = tensor::to_raw(element, value.data()).expect("whole bytes");
            let proto = TensorProto {
                dims: value.shape().iter().map(|&extent| extent as i64).collect(),
                data_type: element.code(),
                raw_data: Some(raw.into()),
                ..TensorProto::default()
            };
            let file = data.join(format!("{kind}_{at}.pb"));
            std::fs::write(file, proto.encode_to_vec()).expect("a file");
        }
    }
}

/// Numbers between −1 and 1 that look random.
fn waves(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let value = |at: usize| ((at as f32 * 12.9898).sin() * 43758.547).fract();
    Tensor::new(shape, Data::F32((0..count).map(value).collect())).expect("as many elements")
}
