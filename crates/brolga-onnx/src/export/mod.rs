//! Models of ours as ONNX files.
//!
//! What is written is the graph of `predict`, traced for two sizes of batch: extents that follow the
//! batch are open in the file. Each op of the IR has a form in ONNX ([`forms`]), so that every layer
//! is covered that is traced into such ops, own ones too.

mod batch;
mod emit;
mod error;
mod file;
mod forms;
mod recurrent;
mod writer;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use brolga_ir::{Graph, Mistake, Tensor};
use brolga_nn::model::{Kind, Model, Network};

pub use error::{ExportError, UnknownForm};

use crate::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
};
use batch::{BATCHES, Both, Extent};
use emit::{Emit, Stored};
use writer::{Writer, info, node, proto};

/// The key of a model's metadata under which the weights stand that training does not change.
pub(crate) const NOT_TRAINED: &str = "brolga.not_trained";

/// The versions of ONNX's ops that are written.
const OPSETS: [i64; 2] = [17, 28];

/// The version of the file format: that of the oldest opset. Nothing of a later one is used.
const IR_VERSION: i64 = 8;

/// The most bytes of weights that stand in the model's file if nothing else is said: 1.5 GiB. A
/// message of protocol buffers has at most 2 GiB.
const MOST_INSIDE: usize = 3 << 29;

/// How a model is written.
#[derive(Debug, Clone)]
pub struct Export {
    opset: i64,
    external: Option<bool>,
}

impl Default for Export {
    fn default() -> Self {
        Self { opset: OPSETS[0], external: None }
    }
}

impl Export {
    /// Opset 17, and weights in the model's file unless they are too large.
    pub fn new() -> Self {
        Self::default()
    }

    /// The version of ONNX's ops, 17 to 28.
    #[must_use]
    pub fn opset(self, opset: i64) -> Self {
        Self { opset, ..self }
    }

    /// Whether the weights stand in a file of their own beside the model's. By default they do from
    /// 1.5 GiB on.
    #[must_use]
    pub fn external_data(self, external: bool) -> Self {
        Self { external: Some(external), ..self }
    }
}

/// Writes what a model predicts to an ONNX file.
///
/// The first axis of inputs and outputs is open and called `N`. Inputs and outputs have the names of
/// the model's ports, weights those of [`Weight::path`](brolga_nn::model::Weight::path), such as
/// `dense/kernel`, with the shapes that they have here. LSTM, GRU and RNN are ONNX's ops of these
/// names where their activations are `sigmoid`, `tanh` or `relu` and there is no mask; all other
/// loops are `Scan`. `docs/onnx.md` has the form of each op.
///
/// ```
/// use brolga_nn::prelude::*;
/// use brolga_onnx::{Export, load, save};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.onnx");
/// let mut model = Sequential::new();
/// model.add(Input::new([4]));
/// model.add(Dense::new(3).activation("softmax").name("class"));
/// save(&mut model, &path, &Export::new())?;
///
/// let same = load(&path)?;
/// assert_eq!(same.inputs()[0].to_string(), "input_layer: float[N, 4]");
/// # Ok(())
/// # }
/// ```
///
/// The file is replaced as a whole, the same bytes for the same model.
///
/// # Errors
/// If the model is not built, depends on the batch beyond its first axis, or has ops that ONNX has no
/// form for (all of them are named); if the file cannot be written.
pub fn save<N: Network>(
    model: &mut Model<N>,
    path: impl AsRef<Path>,
    export: &Export,
) -> Result<(), ExportError> {
    let path = path.as_ref();
    let [oldest, newest] = OPSETS;
    if !(oldest..=newest).contains(&export.opset) {
        let given = export.opset;
        return Err(ExportError::Option(
            Mistake::new(format!("opset {given} is asked for, written are {oldest} to {newest}"))
                .help("17, the default, is read by most runtimes"),
        ));
    }
    let graphs = BATCHES.map(|batch| model.trace(Kind::Predict, batch));
    let [first, second] = graphs;
    let mut graphs = [first?, second?];
    for graph in &mut graphs {
        graph.remove_dead();
    }
    let ports = Ports::of(model);
    let weights = Weights::of(model)?;
    let (model, weights) = written(&graphs, &ports, weights, export.opset)?;
    let bytes: usize = weights.iter().map(|weight| weight.ty().bytes()).sum();
    let external = export.external.unwrap_or(bytes > MOST_INSIDE);
    file::write(path, model, weights, external)
}

/// The names of a model and of its ports.
struct Ports {
    model: String,
    inputs: Vec<String>,
    outputs: Vec<String>,
}

impl Ports {
    fn of<N: Network>(model: &Model<N>) -> Self {
        let names =
            |ports: &[brolga_nn::model::Port]| ports.iter().map(|port| port.name.clone()).collect();
        let built = model.built();
        Self {
            model: model.name().to_owned(),
            inputs: built.map(|built| names(&built.inputs)).unwrap_or_default(),
            outputs: built.map(|built| names(&built.outputs)).unwrap_or_default(),
        }
    }
}

/// The weights of a model by their paths.
struct Weights {
    values: HashMap<String, Tensor>,
    not_trained: HashSet<String>,
}

impl Weights {
    fn of<N: Network>(model: &mut Model<N>) -> Result<Self, ExportError> {
        let session = model.session()?;
        let declared: Vec<(String, bool)> =
            session.weights().map(|weight| (weight.path(), weight.trainable)).collect();
        let arrays = session.get_weights()?;
        let mut values = HashMap::new();
        for ((path, _), array) in declared.iter().zip(arrays) {
            let shape = array.shape().to_vec();
            let (elements, _) = array.into_raw_vec_and_offset();
            if let Some(tensor) = Tensor::f32(shape, elements) {
                values.insert(path.clone(), tensor);
            }
        }
        let fixed = declared.into_iter().filter(|(_, trainable)| !trainable);
        Ok(Self { values, not_trained: fixed.map(|(path, _)| path).collect() })
    }
}

/// A weight under its name.
pub(crate) struct Named {
    name: String,
    tensor: Tensor,
}

impl Named {
    fn ty(&self) -> brolga_ir::Type {
        self.tensor.ty()
    }
}

/// The model without its weights, and those that it uses.
fn written(
    graphs: &[Graph; 2],
    ports: &Ports,
    mut weights: Weights,
    opset: i64,
) -> Result<(ModelProto, Vec<Named>), ExportError> {
    let [first, second] = graphs;
    let both = Both::new([first, second])?;
    let mut taken: HashSet<String> = HashSet::new();
    let (mut inputs, mut used, mut values) = (Vec::new(), Vec::new(), HashMap::new());
    let mut batch = None;
    let mut data = ports.inputs.iter();
    for &id in first.inputs() {
        let Some(parameter) = first.parameter(id) else { continue };
        let name = match weights.values.remove(&parameter.name) {
            Some(tensor) => {
                let name = parameter.name.clone();
                used.push(Named { name: name.clone(), tensor });
                name
            }
            None if parameter.kind == brolga_ir::ops::ParameterKind::State => {
                let message = format!("it reads `{}`, which is no weight", parameter.name);
                let help = "what is saved is a function of inputs and weights";
                return Err(ExportError::Batch(Mistake::new(message).help(help)));
            }
            None => {
                let name = data.next().unwrap_or(&parameter.name).clone();
                let ty = both.ty(id.into())?;
                if ty.extents.first() == Some(&Extent::Batch(1)) {
                    batch.get_or_insert_with(|| name.clone());
                }
                inputs.push(info(&name, &ty, true));
                name
            }
        };
        taken.insert(name.clone());
        values.insert(id.into(), Stored::plain(name));
    }
    let names = output_names(&ports.outputs, first.outputs().len(), &mut taken);
    let mut w = Writer::new(opset, taken, batch);
    let mut emit = Emit::new(both, &mut w, values);
    emit.walk()?;
    let mut results = Vec::new();
    for output in first.outputs() {
        results.push((emit.plain(output.value)?, emit.ty(output.value)?));
    }
    let nodes = std::mem::take(&mut emit.nodes);
    if !w.unknown.is_empty() {
        return Err(ExportError::Ops(w.unknown.into_iter().collect()));
    }
    let mut all = w.constants;
    all.append(&mut w.samples);
    all.extend(nodes);
    let outputs = names.iter().zip(&results).map(|(name, (_, ty))| info(name, ty, true));
    let outputs = outputs.collect();
    name_outputs(&mut all, results.into_iter().map(|(result, _)| result), &names);
    let graph = GraphProto {
        name: ports.model.clone(),
        node: needed(all, &names),
        input: inputs,
        output: outputs,
        ..GraphProto::default()
    };
    let fixed: Vec<&str> = used
        .iter()
        .map(|weight| weight.name.as_str())
        .filter(|name| weights.not_trained.contains(*name))
        .collect();
    let metadata = (!fixed.is_empty())
        .then(|| StringStringEntryProto { key: NOT_TRAINED.to_owned(), value: fixed.join("\n") });
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "brolga".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: opset }],
        metadata_props: metadata.into_iter().collect(),
        functions: vec![],
    };
    Ok((model, used))
}

/// A graph as a model, for tests of single ops: nothing follows the batch.
#[cfg(test)]
pub(crate) fn written_graph(
    graph: &Graph,
    inputs: Vec<String>,
    states: Vec<(String, Tensor)>,
) -> Result<ModelProto, ExportError> {
    let outputs = (0..graph.outputs().len()).map(|at| format!("result_{at}")).collect();
    let ports = Ports { model: graph.name().to_owned(), inputs, outputs };
    let weights = Weights { values: states.into_iter().collect(), not_trained: HashSet::new() };
    let (mut model, weights) = written(&[graph.clone(), graph.clone()], &ports, weights, 17)?;
    if let Some(graph) = &mut model.graph {
        graph.initializer = weights.iter().map(inside).collect();
    }
    Ok(model)
}

/// A name for each output: that of its port, with a number where something has it.
fn output_names(ports: &[String], count: usize, taken: &mut HashSet<String>) -> Vec<String> {
    let port = |at: usize| ports.get(at).cloned().unwrap_or_else(|| format!("output_{at}"));
    let mut unique = |name: String| {
        let numbered = (1..).map(|number| format!("{name}_{number}"));
        let mut names = [name.clone()].into_iter().chain(numbered);
        names.find(|name| taken.insert(name.clone())).unwrap_or(name)
    };
    (0..count).map(|at| unique(port(at))).collect()
}

/// Gives results the names of the model's outputs: the node that makes a result makes it under that
/// name. Inputs, weights and results of two names are copied.
fn name_outputs(
    nodes: &mut Vec<NodeProto>,
    results: impl Iterator<Item = String>,
    names: &[String],
) {
    let made: HashSet<String> = nodes.iter().flat_map(|node| &node.output).cloned().collect();
    let mut renamed: HashMap<String, String> = HashMap::new();
    let mut copies = Vec::new();
    for (result, name) in results.zip(names) {
        if made.contains(&result) && !renamed.contains_key(&result) {
            renamed.insert(result, name.clone());
        } else {
            let from = renamed.get(&result).cloned().unwrap_or(result);
            copies.push(node("Identity", vec![from], vec![name.clone()], vec![]));
        }
    }
    nodes.iter_mut().for_each(|node| rename(node, &renamed));
    nodes.extend(copies);
}

fn rename(node: &mut NodeProto, names: &HashMap<String, String>) {
    for name in node.input.iter_mut().chain(&mut node.output) {
        if let Some(other) = names.get(name) {
            name.clone_from(other);
        }
    }
    for graph in node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_deref_mut()) {
        graph.node.iter_mut().for_each(|node| rename(node, names));
    }
}

/// The nodes on which results depend.
fn needed(nodes: Vec<NodeProto>, results: &[String]) -> Vec<NodeProto> {
    let mut wanted: HashSet<String> = results.iter().cloned().collect();
    let mut kept: Vec<NodeProto> = Vec::new();
    for mut node in nodes.into_iter().rev() {
        if !node.output.iter().any(|output| wanted.contains(output)) {
            continue;
        }
        node.attribute.iter_mut().for_each(inner_needed);
        collect_inputs(&node, &mut wanted);
        kept.push(node);
    }
    kept.reverse();
    kept
}

fn inner_needed(attribute: &mut AttributeProto) {
    if let Some(graph) = &mut attribute.g {
        let results: Vec<String> = graph.output.iter().map(|info| info.name.clone()).collect();
        graph.node = needed(std::mem::take(&mut graph.node), &results);
    }
}

fn collect_inputs(node: &NodeProto, wanted: &mut HashSet<String>) {
    wanted.extend(node.input.iter().filter(|name| !name.is_empty()).cloned());
    for graph in node.attribute.iter().filter_map(|attribute| attribute.g.as_deref()) {
        graph.node.iter().for_each(|node| collect_inputs(node, wanted));
        wanted.extend(graph.output.iter().map(|info| info.name.clone()));
    }
}

/// A weight in the model's file.
fn inside(weight: &Named) -> crate::proto::TensorProto {
    proto(&weight.name, &weight.tensor)
}
