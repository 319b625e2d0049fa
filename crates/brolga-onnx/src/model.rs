//! Models of ONNX files.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brolga_ir::text::is_name;
use brolga_ir::{Graph, Mistake, Shape, Tensor, Tracer, Type};

use crate::element::ElementType;
use crate::error::{MissingOp, OnnxError, quoted};
use crate::file::{self, Folder};
use crate::import::{Import, Scope, node_name, version};
use crate::network::NetworkLayer;
use crate::ops;
use crate::proto::{
    DimensionValue, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto, TypeValue, ValueInfoProto,
};
use crate::tensor;
use crate::value::{Declare, Operand, Value};

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
    pub(crate) bindings: Bindings,
    pub(crate) layers: Vec<NetworkLayer>,
}

/// Domain, name and overload of a function.
type FunctionKey = (String, String, String);

/// An input or an output of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The type of its elements; `None` if it is no tensor.
    pub element: Option<ElementType>,
    /// Its extents; `None` if not even their number is known.
    pub dims: Option<Vec<Dim>>,
}

/// What a value of a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A tensor.
    Tensor,
    /// A sequence of values.
    Sequence,
    /// A value that may be missing.
    Optional,
    /// A map or a sparse tensor, which are not read.
    Other,
}

/// An extent of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// A number.
    Fixed(usize),
    /// A number to be bound, by its name in the file; where it has none, by the input and the axis,
    /// such as `x[0]`.
    Open(String),
}

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

/// What is open in a model, and the caller decides: extents by name, shapes, and values of inputs.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Bindings {
    dims: BTreeMap<String, usize>,
    shapes: BTreeMap<String, Shape>,
    pub(crate) values: BTreeMap<String, Known>,
}

/// A value that is known when a model is loaded.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    /// A tensor.
    Tensor(ElementType, Tensor),
    /// A sequence.
    Sequence(ElementType, Vec<Known>),
    /// A value that may be missing.
    Optional(Option<Box<Known>>),
}

impl Bindings {
    /// Nothing is bound.
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds the extent of this name.
    pub fn dim(mut self, name: impl Into<String>, extent: usize) -> Self {
        self.dims.insert(name.into(), extent);
        self
    }

    /// Binds the shape of an input.
    pub fn shape(mut self, input: impl Into<String>, shape: impl Into<Shape>) -> Self {
        self.shapes.insert(input.into(), shape.into());
        self
    }

    /// Binds the value of an input, which then is a constant, and no input of the graph.
    pub fn value(mut self, input: impl Into<String>, value: Known) -> Self {
        self.values.insert(input.into(), value);
        self
    }
}

impl Known {
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Tensor(element, tensor) => Value::known(*element, tensor.clone()),
            Self::Sequence(element, values) => {
                Value::Sequence(*element, values.iter().map(Self::value).collect())
            }
            Self::Optional(value) => {
                Value::Optional(value.as_ref().map(|value| Box::new(value.value())))
            }
        }
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
    let file = path.as_ref().to_owned();
    let proto: ModelProto = file::read(&file)?;
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
        bindings: Bindings::new(),
        layers: vec![],
    };
    model.check_ops()?;
    model.read_weights()?;
    model.inputs = model.declared_inputs()?;
    let outputs = model.graph.output.iter().map(declared);
    model.outputs = outputs.collect::<Result<_, _>>().map_err(|mistake| model.error(mistake))?;
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
            for graph in node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()) {
                self.collect_missing(&graph.node, opsets, missing);
            }
        }
    }

    /// Decodes the tensors of the file, which gives back their bytes.
    fn read_weights(&mut self) -> Result<(), OnnxError> {
        if let Some(sparse) = self.graph.sparse_initializer.first() {
            let tensor = sparse.values.as_ref().map(|v| v.name.clone()).unwrap_or_default();
            let mistake = Mistake::new("it is sparse")
                .help("sparse tensors are not read; export the model with dense ones");
            return Err(OnnxError::Tensor { file: self.file.clone(), tensor, mistake });
        }
        let mut names = HashSet::new();
        for proto in std::mem::take(&mut self.graph.initializer) {
            let (element, tensor) = self.decode(&proto)?;
            if !names.insert(proto.name.clone()) {
                let mistake = Mistake::new("it is in the file twice")
                    .help("the file is damaged; names of tensors are unique");
                return Err(OnnxError::Tensor {
                    file: self.file.clone(),
                    tensor: proto.name,
                    mistake,
                });
            }
            let tensor = Arc::new(tensor);
            self.weights.push(Weight { name: proto.name, element, tensor });
        }
        Ok(())
    }

    fn declared_inputs(&self) -> Result<Vec<Port>, OnnxError> {
        let weights: HashSet<&str> =
            self.weights.iter().map(|weight| weight.name.as_str()).collect();
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

    /// Fails if something is bound that the model does not have.
    pub(crate) fn check_bindings(&self, bindings: &Bindings) -> Result<(), OnnxError> {
        let inputs: BTreeSet<String> = self.inputs.iter().map(|input| input.name.clone()).collect();
        let open = |dim: &Dim| match dim {
            Dim::Open(name) => Some(name.clone()),
            Dim::Fixed(_) => None,
        };
        let dims = self.inputs.iter().flat_map(|input| input.dims.iter().flatten());
        let dims: BTreeSet<String> = dims.filter_map(open).collect();
        let bound = bindings.values.keys().chain(bindings.shapes.keys());
        let wrong = bound.map(|name| ("input", name, &inputs));
        let wrong = wrong.chain(bindings.dims.keys().map(|name| ("open extent", name, &dims)));
        for (what, name, known) in wrong {
            if !known.contains(name) {
                let known: Vec<String> = known.iter().cloned().collect();
                let help = match known.as_slice() {
                    [] => "it has none".to_owned(),
                    known => format!("it has {}", quoted(known)),
                };
                let mistake = Mistake::new(format!("the model has no {what} `{name}`")).help(help);
                return Err(OnnxError::Bindings { file: self.file.clone(), mistake });
            }
        }
        Ok(())
    }

    /// The type of an input with what is bound.
    pub(crate) fn input_type(
        &self,
        input: &Port,
        bindings: &Bindings,
    ) -> Result<(ElementType, Type), OnnxError> {
        let failed = |mistake: Mistake| OnnxError::Bindings { file: self.file.clone(), mistake };
        let named = |Mistake { message, help }| {
            failed(Mistake { message: format!("input `{}`: {message}", input.name), help })
        };
        let Some(element) = input.element else {
            let message = format!("the input `{}` is no tensor", input.name);
            let help = "its value must be bound when the graph is made: Bindings::value";
            return Err(failed(Mistake::new(message).help(help)));
        };
        let dtype = tensor::storage(element).map_err(named)?;
        let shape = match (bindings.shapes.get(&input.name), &input.dims) {
            (Some(shape), _) => shape.clone(),
            (None, Some(dims)) => self.bound(input, dims, bindings)?,
            (None, None) => {
                let message = format!("the shape of the input `{}` is open", input.name);
                let help = format!("bind it: Bindings::new().shape({:?}, ..)", input.name);
                return Err(failed(Mistake::new(message).help(help)));
            }
        };
        let ty = Type { dtype, shape };
        ty.check().map_err(|message| named(message.into()))?;
        Ok((element, ty))
    }

    fn bound(&self, input: &Port, dims: &[Dim], bindings: &Bindings) -> Result<Shape, OnnxError> {
        let extent = |dim: &Dim| match dim {
            Dim::Fixed(extent) => Ok(*extent),
            Dim::Open(name) => bindings.dims.get(name).copied().ok_or(name.clone()),
        };
        let (extents, open): (Vec<_>, Vec<_>) = dims.iter().map(extent).partition(Result::is_ok);
        let open: Vec<String> = open.into_iter().filter_map(Result::err).collect();
        if let Some(first) = open.first() {
            let message = format!("input `{}`: extents are open: {}", input.name, quoted(&open));
            let help = format!("bind each: Bindings::new().dim({first:?}, 1)");
            let mistake = Mistake::new(message).help(help);
            return Err(OnnxError::Bindings { file: self.file.clone(), mistake });
        }
        Ok(extents.into_iter().flatten().collect())
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

/// Names of inputs as the text form has them, each once.
#[derive(Debug, Default)]
pub(crate) struct Words(HashMap<String, usize>);

impl Words {
    /// A word for this name: other characters become underscores, and a number tells words that
    /// would be the same apart.
    pub(crate) fn word(&mut self, name: &str) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
        let mut word: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
        word = word.replace("//", "/_");
        if !is_name(&word) {
            word.insert(0, '_');
        }
        // Where a word stands already, numbers are tried from the last one on.
        let mut unique = word.clone();
        while self.0.contains_key(&unique) {
            let number = self.0.entry(word.clone()).or_insert(1);
            *number += 1;
            unique = format!("{word}_{number}");
        }
        self.0.insert(unique.clone(), 1);
        unique
    }
}

fn declared(info: &ValueInfoProto) -> Result<Port, Mistake> {
    let name = info.name.clone();
    let value = info.r#type.as_ref().and_then(|ty| ty.value.as_ref());
    let kind = match value {
        Some(TypeValue::Tensor(_)) | None => Kind::Tensor,
        Some(TypeValue::Sequence(_)) => Kind::Sequence,
        Some(TypeValue::Optional(_)) => Kind::Optional,
        Some(TypeValue::Map(_) | TypeValue::Sparse(_)) => Kind::Other,
    };
    let Some(TypeValue::Tensor(ty)) = value else {
        return Ok(Port { name, kind, element: None, dims: None });
    };
    let named = |Mistake { message, help }| Mistake {
        message: format!("`{}`: {message}", info.name),
        help,
    };
    let element = match ty.elem_type {
        0 => None,
        code => Some(tensor::element(code.into()).map_err(named)?),
    };
    let dim = |(axis, dim): (usize, &crate::proto::Dimension)| match &dim.value {
        Some(DimensionValue::Value(extent)) => usize::try_from(*extent).map(Dim::Fixed).or_else(
            // Some exporters write -1 for an extent that is open.
            |_| Ok(Dim::Open(format!("{}[{axis}]", info.name))),
        ),
        Some(DimensionValue::Param(name)) if !name.is_empty() => Ok(Dim::Open(name.clone())),
        _ => Ok(Dim::Open(format!("{}[{axis}]", info.name))),
    };
    let dims = ty
        .shape
        .as_ref()
        .map(|shape| shape.dim.iter().enumerate().map(dim).collect::<Result<Vec<_>, Mistake>>());
    Ok(Port { name, kind, element, dims: dims.transpose()? })
}
