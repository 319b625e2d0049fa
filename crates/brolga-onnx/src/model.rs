//! Models of ONNX files.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brolga_ir::{Graph, Mistake, Tensor, Tracer, Type};

use crate::bindings::{Bindings, Port, declared};
use crate::element::ElementType;
use crate::error::{MissingOp, OnnxError};
use crate::export::NOT_TRAINED;
use crate::file::{self, Folder};
use crate::import::{Import, Scope, node_name, version};
use crate::network::NetworkLayer;
use crate::ops;
use crate::precheck::Kind;
use crate::proto::{
    FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
};
use crate::tensor;
use crate::value::{Declare, Operand, Value};
use crate::words::Words;

/// The oldest and the newest version of ONNX's own ops that are read.
const OPSETS: [i64; 2] = [1, 28];

/// The newest version of the file format that is read.
const IR_VERSION: i64 = 14;

/// A model of an ONNX file: its nodes and weights, checked, and not yet traced.
///
/// ```no_run
/// use brolga_onnx::{Bindings, load};
///
/// let model = load("resnet50.onnx")?;
/// let imported = model.graph(&Bindings::new().dim("N", 1))?;
/// println!("{}", imported.graph);
/// # Ok::<(), brolga_onnx::OnnxError>(())
/// ```
#[derive(Debug)]
pub struct OnnxModel {
    pub(crate) file: PathBuf,
    pub(crate) folder: Folder,
    producer: String,
    opsets: Vec<OperatorSetIdProto>,
    graph: GraphProto,
    functions: BTreeMap<FunctionKey, FunctionProto>,
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    pub(crate) weights: Vec<Weight>,
    /// The weights that training does not change, as the model's metadata says.
    pub(crate) not_trained: HashSet<String>,
    pub(crate) bindings: Bindings,
    pub(crate) layers: Vec<NetworkLayer>,
}

/// Domain, name and overload of a function.
type FunctionKey = (String, String, String);

/// A tensor that the file holds.
#[derive(Debug, Clone)]
pub struct Weight {
    /// The name.
    pub name: String,
    /// The type of its elements.
    pub element: ElementType,
    /// The elements.
    pub tensor: Arc<Tensor>,
}

impl Weight {
    /// Whether it is a state of graphs, which training changes: floats of rank 1 and more. Scalars
    /// and integers are constants.
    pub fn is_state(&self) -> bool {
        self.element.is_native() && self.tensor.dtype().is_float() && self.tensor.shape().rank() > 0
    }
}

/// A model as a graph.
#[derive(Debug)]
pub struct Imported {
    /// The graph: the model's inputs as data, its weights as states.
    pub graph: Graph,
    /// The first values of the graph's states, in the order of its signature.
    pub states: Vec<(String, Arc<Tensor>)>,
    /// The outputs of the graph. Those that are sequences are several.
    pub outputs: Vec<ImportedOutput>,
}

/// An output of an imported graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedOutput {
    /// The name in the model.
    pub name: String,
    /// The type of its elements.
    pub element: ElementType,
}

/// Reads the model in a file: nodes, functions, weights. All weights are in memory then, those in
/// files beside it too.
///
/// # Errors
/// If the file is not read, is no ONNX model, is of a version that is not known, has ops that are not
/// known, or tensors whose elements do not fit their types.
pub fn load(path: impl AsRef<Path>) -> Result<OnnxModel, OnnxError> {
    let file = path.as_ref();
    OnnxModel::from_bytes(file::bytes(file)?, file)
}

/// The model in the bytes of a file.
fn decoded(bytes: Vec<u8>, file: PathBuf) -> Result<OnnxModel, OnnxError> {
    let proto: ModelProto = file::message(&file, bytes, Kind::Model)?;
    let at = |mistake: Mistake| OnnxError::Model { file: file.clone(), mistake };
    if proto.graph.is_none() {
        return Err(at(Mistake::new("the model has no graph")
            .help("the file is empty, truncated, or no ONNX model")));
    }
    check_versions(&proto).map_err(at)?;
    let graph = proto.graph.unwrap_or_default();
    let mut functions = BTreeMap::new();
    for function in proto.functions {
        let key = key(&function.domain, &function.name, &function.overload);
        if let Some(twice) = functions.insert(key, function) {
            let message = format!("the function `{}` is defined twice", twice.name);
            return Err(at(Mistake::new(message).help("each function has one definition")));
        }
    }
    let fixed = proto.metadata_props.iter().filter(|entry| entry.key == NOT_TRAINED);
    let not_trained = fixed.flat_map(|entry| entry.value.lines()).map(str::to_owned).collect();
    let producer = format!("{} {}", proto.producer_name, proto.producer_version);
    let mut model = OnnxModel {
        folder: Folder::of(&file),
        file,
        producer: producer.trim().to_owned(),
        opsets: proto.opset_import,
        graph,
        functions,
        inputs: vec![],
        outputs: vec![],
        weights: vec![],
        not_trained,
        bindings: Bindings::new(),
        layers: vec![],
    };
    model.check_ops()?;
    model.check_weights()?;
    model.inputs = model.declared_inputs()?;
    let outputs = model.graph.output.iter().map(declared);
    model.outputs = outputs.collect::<Result<_, _>>().map_err(|mistake| model.error(mistake))?;
    model.read_weights()?;
    model.layers = NetworkLayer::of(&model);
    Ok(model)
}

fn check_versions(proto: &ModelProto) -> Result<(), Mistake> {
    if proto.ir_version > IR_VERSION {
        let given = proto.ir_version;
        return Err(Mistake::new(format!(
            "the file has IR version {given}, read are those up to {IR_VERSION}"
        ))
        .help("export the model for an older version of ONNX"));
    }
    let [oldest, newest] = OPSETS;
    let own = proto.opset_import.iter().find(|opset| ops::domain(&opset.domain).is_empty());
    match own {
        Some(opset) if !(oldest..=newest).contains(&opset.version) => Err(Mistake::new(format!(
            "the model has opset {}, read are {oldest} to {newest}",
            opset.version
        ))
        .help("`onnx.version_converter` writes it for another opset")),
        None if proto.opset_import.is_empty() => {
            Err(Mistake::new("the model does not say the version of its ops")
                .help("the file is damaged, or no ONNX model"))
        }
        _ => Ok(()),
    }
}

fn key(domain: &str, name: &str, overload: &str) -> FunctionKey {
    (ops::domain(domain).to_owned(), name.to_owned(), overload.to_owned())
}

impl OnnxModel {
    /// Reads a model from the bytes of a file. `file` is its name in messages; files that belong to
    /// it, with the elements of large tensors, are looked for in its folder.
    ///
    /// # Errors
    /// As [`load`].
    pub fn from_bytes(bytes: Vec<u8>, file: impl AsRef<Path>) -> Result<Self, OnnxError> {
        decoded(bytes, file.as_ref().to_owned())
    }

    /// The inputs, without those that the file gives a value.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// The tensors that the file holds, in its order.
    pub fn weights(&self) -> &[Weight] {
        &self.weights
    }

    /// The version of ONNX's own ops.
    pub fn opset(&self) -> i64 {
        version(&self.opsets, "")
    }

    /// The program that wrote the file, and its version.
    pub fn producer(&self) -> &str {
        &self.producer
    }

    /// How many nodes of the main graph have each op.
    pub fn op_counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for node in self.nodes() {
            *counts.entry(node_name(node, &self.opsets).op).or_default() += 1;
        }
        counts
    }

    /// The outputs, as the file declares them. Exporters may leave out types and extents.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// The model as a graph: inputs that are not bound to a value are data, floats of the file of
    /// rank 1 and more are states, everything else that the file holds are constants.
    ///
    /// # Errors
    /// If an extent is not bound, a bound one does not fit, a node does not fit its operands, or a
    /// node needs a value that depends on data.
    pub fn graph(&self, bindings: &Bindings) -> Result<Imported, OnnxError> {
        self.check_bindings(bindings)?;
        let tracer = Tracer::new(self.graph_name());
        let mut words = Words::default();
        let mut inputs = Vec::new();
        for input in &self.inputs {
            inputs.push(match bindings.values.get(&input.name) {
                Some(known) => known.value(),
                None => {
                    let (element, ty) = self.input_type(input, bindings)?;
                    Value::traced(element, tracer.input(&words.word(&input.name), ty))
                }
            });
        }
        let (words, declared) = (RefCell::new(words), RefCell::new(Vec::new()));
        let declare = |name: &str, ty: &Type| {
            let word = words.borrow_mut().word(name);
            declared.borrow_mut().push((word.clone(), name.to_owned()));
            tracer.state(&word, ty.clone())
        };
        let mut outputs = Vec::new();
        for (name, value) in self.values(&tracer, inputs, &declare, &Weight::is_state)? {
            for operand in value.tensors() {
                tracer.output(&operand.var(&tracer, &declare));
                outputs.push(ImportedOutput { name: name.clone(), element: operand.element });
            }
        }
        tracer.remove_unneeded([]);
        let graph = tracer.clone().finish().map_err(|error| self.error(error.mistake))?;
        let weights: HashMap<&str, &Weight> =
            self.weights.iter().map(|weight| (weight.name.as_str(), weight)).collect();
        let declared = declared.borrow();
        let states = declared.iter();
        let states = states.filter_map(|(word, name)| {
            weights.get(&**name).map(|weight| (word.clone(), weight.tensor.clone()))
        });
        Ok(Imported { graph, states: states.collect(), outputs })
    }

    /// The outputs for values of the inputs, in the graph of a tracer.
    pub(crate) fn values(
        &self,
        tracer: &Tracer,
        inputs: Vec<Value>,
        declare: &Declare<'_>,
        is_state: &dyn Fn(&Weight) -> bool,
    ) -> Result<Vec<(String, Value)>, OnnxError> {
        let mut scope = Scope::new(&self.opsets);
        for (input, value) in self.inputs.iter().zip(inputs) {
            scope.bind(&input.name, value);
        }
        for weight in &self.weights {
            scope.bind(&weight.name, weight.value(is_state(weight)));
        }
        let import = Import::new(self, tracer.clone(), declare);
        import.nodes(&self.graph.node, &mut scope)?;
        let names = self.outputs.iter().map(|output| output.name.clone());
        names.map(|name| import.result(&name, &scope).map(|value| (name, value))).collect()
    }

    /// A name for the graph: that in the file, if it has one.
    pub(crate) fn graph_name(&self) -> String {
        match self.graph.name.as_str() {
            "" => "model".to_owned(),
            name => name.to_owned(),
        }
    }

    pub(crate) fn error(&self, mistake: Mistake) -> OnnxError {
        OnnxError::Model { file: self.file.clone(), mistake }
    }

    /// The function of the model that a node calls.
    pub(crate) fn function(&self, node: &NodeProto) -> Option<&FunctionProto> {
        if self.functions.is_empty() {
            return None;
        }
        self.functions.get(&key(&node.domain, &node.op_type, &node.overload))
    }

    /// The elements of a tensor in the file.
    pub(crate) fn decode(&self, proto: &TensorProto) -> Result<(ElementType, Tensor), OnnxError> {
        tensor::decode(proto, &self.folder).map_err(|mistake| OnnxError::Tensor {
            file: self.file.clone(),
            tensor: proto.name.clone(),
            mistake,
        })
    }

    /// The inputs that a value is computed from, as far as the nodes of the main graph tell.
    pub(crate) fn inputs_of(&self, name: &str) -> Vec<String> {
        let mut producers: HashMap<&str, &NodeProto> = HashMap::new();
        for node in &self.graph.node {
            producers.extend(node.output.iter().map(|output| (output.as_str(), node)));
        }
        let (mut seen, mut pending) = (HashSet::new(), vec![name]);
        while let Some(name) = pending.pop() {
            if seen.insert(name) {
                let node = producers.get(name);
                pending.extend(node.iter().flat_map(|node| &node.input).map(String::as_str));
            }
        }
        let inputs = self.inputs.iter().map(|input| &input.name);
        inputs.filter(|input| seen.contains(input.as_str())).cloned().collect()
    }

    /// The nodes of the main graph.
    pub(crate) fn nodes(&self) -> &[NodeProto] {
        &self.graph.node
    }

    /// The error for nodes whose ops are not known, with the versions of their domains.
    pub(crate) fn missing<'n>(
        &self,
        nodes: impl IntoIterator<Item = (&'n NodeProto, &'n [OperatorSetIdProto])>,
    ) -> OnnxError {
        let mut ops: BTreeMap<(String, i64), Vec<String>> = BTreeMap::new();
        for (node, opsets) in nodes {
            let name = node_name(node, opsets);
            ops.entry((name.op, name.opset)).or_default().push(name.name);
        }
        let ops = ops.into_iter().map(|((op, opset), nodes)| MissingOp { op, opset, nodes });
        OnnxError::MissingOps { file: self.file.clone(), ops: ops.collect() }
    }

    /// Fails if there are ops that are not known, with all of them.
    fn check_ops(&self) -> Result<(), OnnxError> {
        let mut missing = Vec::new();
        self.collect_missing(&self.graph.node, &self.opsets, &mut missing);
        for function in self.functions.values() {
            self.collect_missing(&function.node, &function.opset_import, &mut missing);
        }
        if missing.is_empty() { Ok(()) } else { Err(self.missing(missing)) }
    }

    fn collect_missing<'n>(
        &'n self,
        nodes: &'n [NodeProto],
        opsets: &'n [OperatorSetIdProto],
        missing: &mut Vec<(&'n NodeProto, &'n [OperatorSetIdProto])>,
    ) {
        for node in nodes {
            let known = ops::lower(&node.domain, &node.op_type).is_some();
            if !known && self.function(node).is_none() {
                missing.push((node, opsets));
            }
            for graph in node.attribute.iter().filter_map(|attribute| attribute.g.as_deref()) {
                self.collect_missing(&graph.node, opsets, missing);
            }
        }
    }

    /// Checks the tensors of the file before the first of them is read.
    fn check_weights(&self) -> Result<(), OnnxError> {
        let wrong = |tensor: &str, mistake: Mistake| OnnxError::Tensor {
            file: self.file.clone(),
            tensor: tensor.to_owned(),
            mistake,
        };
        if let Some(sparse) = self.graph.sparse_initializer.first() {
            let tensor = sparse.values.as_ref().map(|v| v.name.as_str()).unwrap_or_default();
            let mistake = Mistake::new("it is sparse")
                .help("sparse tensors are not read; export the model with dense ones");
            return Err(wrong(tensor, mistake));
        }
        let (mut names, mut places) = (HashSet::new(), Vec::new());
        for proto in &self.graph.initializer {
            let place = tensor::checked(proto, &self.folder);
            let place = place.map_err(|mistake| wrong(&proto.name, mistake))?;
            places.extend(place.map(|(file, range)| (file, range.start, range.end, &proto.name)));
            if !names.insert(proto.name.as_str()) {
                let mistake = Mistake::new("it is in the file twice")
                    .help("the file is damaged; names of tensors are unique");
                return Err(wrong(&proto.name, mistake));
            }
        }
        places.retain(|(_, start, end, _)| start < end);
        places.sort();
        let overlap =
            places.windows(2).find(|pair| pair[0].0 == pair[1].0 && pair[1].1 < pair[0].2);
        if let Some([(.., first), (file, _, _, second)]) = overlap {
            let message = format!("its elements in `{file}` are those of `{first}` too");
            let help = "each tensor has bytes of its own; export the model again";
            return Err(wrong(second, Mistake::new(message).help(help)));
        }
        Ok(())
    }

    /// Decodes the tensors of the file, which gives back their bytes.
    fn read_weights(&mut self) -> Result<(), OnnxError> {
        for proto in std::mem::take(&mut self.graph.initializer) {
            let (element, tensor) = self.decode(&proto)?;
            let tensor = Arc::new(tensor);
            self.weights.push(Weight { name: proto.name, element, tensor });
        }
        Ok(())
    }

    fn declared_inputs(&self) -> Result<Vec<Port>, OnnxError> {
        let weights: HashSet<&str> =
            self.graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        let mut names = HashSet::new();
        let mut inputs = Vec::new();
        for info in &self.graph.input {
            if !names.insert(info.name.as_str()) {
                let message = format!("the input `{}` is declared twice", info.name);
                return Err(self.error(Mistake::new(message).help("names of inputs are unique")));
            }
            if !weights.contains(info.name.as_str()) {
                inputs.push(declared(info).map_err(|mistake| self.error(mistake))?);
            }
        }
        Ok(inputs)
    }
}

impl Weight {
    fn value(&self, is_state: bool) -> Value {
        let operand = if is_state {
            Operand::weight(self.element, &self.name, self.tensor.clone())
        } else {
            Operand::known(self.element, self.tensor.clone())
        };
        Value::Tensor(operand.into())
    }
}
