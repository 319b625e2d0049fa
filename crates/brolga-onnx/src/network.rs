//! Models of ONNX files as networks of the frontend: predicted with, evaluated, trained, frozen, and
//! layers of other models.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use brolga_ir::spelling::nearest;
use brolga_ir::{DType, Mistake, Shape, Tracer, Type, Var};
use brolga_nn::NnError;
use brolga_nn::initializers::{Initializer, Random};
use brolga_nn::layers::Trainable;
use brolga_nn::model::{self, Built, BuiltLayer, Network};
use brolga_nn::registry::{self, Object};
use brolga_nn::trace::{Call, Context, Weights};

use crate::bindings::{Bindings, Dim, Kind, Port};
use crate::error::{OnnxError, quoted};
use crate::model::{OnnxModel, Weight};
use crate::value::Value;
use crate::words::Words;

/// Weights of a file that belong together, by their names: what stands before the last `.` or `/`.
#[derive(Debug)]
pub(crate) struct NetworkLayer {
    name: String,
    trainable: Trainable,
    weights: Vec<NetworkWeight>,
}

#[derive(Debug)]
struct NetworkWeight {
    name: String,
    /// Which of the file's tensors it is.
    index: usize,
    /// Whether it is one that training changes: statistics of normalizations are not.
    trained: bool,
}

/// The first values of a weight: those in the file.
#[derive(Debug)]
struct Stored(Weight);

impl Object for Stored {
    fn class_name(&self) -> &'static str {
        "Stored"
    }

    fn config(&self) -> Result<registry::Value, NnError> {
        let message = "the weights of an ONNX file have no config".to_owned();
        Err(NnError::Config { class: "Stored".to_owned(), message })
    }
}

impl Initializer for Stored {
    fn fill(&self, _: &Shape, _: Random, start: usize, values: &mut [f32]) {
        use brolga_ir::Data;
        match self.0.tensor.data() {
            Data::F32(own) => values.copy_from_slice(&own[start..start + values.len()]),
            Data::F16(own) => own[start..].iter().zip(values).for_each(|(x, y)| *y = x.to_f32()),
            Data::BF16(own) => own[start..].iter().zip(values).for_each(|(x, y)| *y = x.to_f32()),
            // Others are constants.
            _ => values.fill(0.0),
        }
    }
}

impl NetworkLayer {
    /// The layers of a model, in the order of its file.
    pub(crate) fn of(model: &OnnxModel) -> Vec<Self> {
        let normalizations =
            model.nodes().iter().filter(|node| node.op_type == "BatchNormalization");
        let statistics: HashSet<&str> = normalizations
            .flat_map(|node| node.input.iter().skip(3))
            .chain(&model.not_trained)
            .map(String::as_str)
            .collect();
        let mut layers: Vec<Self> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let (mut names, mut own) = (Words::default(), Vec::<Words>::new());
        for (index, weight) in model.weights.iter().enumerate() {
            if !is_trained(weight) {
                continue;
            }
            let (layer, name) = parts(&weight.name);
            let place = *places.entry(layer.to_owned()).or_insert_with(|| {
                let name = names.word(layer);
                layers.push(Self { name, trainable: Trainable::default(), weights: vec![] });
                own.push(Words::default());
                layers.len() - 1
            });
            let name = own[place].word(name);
            let trained = !statistics.contains(weight.name.as_str());
            layers[place].weights.push(NetworkWeight { name, index, trained });
        }
        layers
    }

    fn built(&self, model: &OnnxModel) -> BuiltLayer {
        let weight = |own: &NetworkWeight| {
            let stored = model.weights[own.index].clone();
            model::Weight {
                layer: self.name.clone(),
                name: own.name.clone(),
                ty: Type::f32(stored.tensor.shape().clone()),
                initializer: Arc::new(Stored(stored)),
                trainable: own.trained && self.trainable.get(),
                carried: false,
                regularizer: None,
                constraint: None,
                location: None,
            }
        };
        BuiltLayer {
            name: self.name.clone(),
            class_name: "Onnx",
            inputs: vec![],
            outputs: vec![],
            weights: self.weights.iter().map(weight).collect(),
            drops_mask: false,
        }
    }
}

/// Whether a tensor of a file is a weight of a network. Halves are trained as `f32`, and rounded where
/// they are used; `f64` stays a constant.
fn is_trained(weight: &Weight) -> bool {
    weight.is_state() && weight.tensor.dtype() != DType::F64
}

/// A weight's name as that of its layer and its own.
fn parts(name: &str) -> (&str, &str) {
    match name.rsplit_once(['.', '/']) {
        Some((layer, own)) if !layer.is_empty() && !own.is_empty() => (layer, own),
        _ => (name, "value"),
    }
}

/// Extents, freezing and outputs of a model that becomes a network.
///
/// ```no_run
/// use brolga_nn::model::Model;
/// use brolga_nn::prelude::*;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (images, labels) = (ndarray::Array4::<f32>::zeros((8, 3, 224, 224)), ndarray::Array1::<u8>::zeros(8));
/// let features = brolga_onnx::load("resnet50.onnx")?.with_outputs(["flatten"])?;
/// features.freeze(|layer| !layer.starts_with("layer4"));
/// let image = Input::new([3, 224, 224]).tensor();
/// let features = brolga_nn::model::Model::of(features).into_shared()?.on(&image);
/// let class = Dense::new(5).activation("softmax").on(&features);
/// let mut model = brolga_nn::prelude::Model::new(&image, &class)?;
/// model.compile(Compile::new().optimizer("adam").loss("sparse_categorical_crossentropy"))?;
/// model.fit(&images, &labels, Fit::new())?;
/// # Ok(())
/// # }
/// ```
impl OnnxModel {
    /// Binds extents and values for the network that the model becomes. The first axis of each input
    /// is the batch; all others must be known.
    ///
    /// # Errors
    /// If something is bound that the model does not have.
    pub fn bind(mut self, bindings: Bindings) -> Result<Self, OnnxError> {
        self.check_bindings(&bindings)?;
        self.bindings = bindings;
        Ok(self)
    }

    /// Gives other values of the model than its outputs, by name: a head is cut off so.
    ///
    /// # Errors
    /// If no node gives a value of such a name.
    pub fn with_outputs<'n>(
        mut self,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<Self, OnnxError> {
        let known: Vec<&str> =
            self.nodes().iter().flat_map(|node| &node.output).map(String::as_str).collect();
        let mut outputs = Vec::new();
        for name in names {
            if !known.contains(&name) {
                let help = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "names of values are those of the outputs of nodes".to_owned(),
                };
                let message = format!("no node gives a value `{name}`");
                return Err(self.error(Mistake::new(message).help(help)));
            }
            let (name, kind) = (name.to_owned(), Kind::Tensor);
            outputs.push(Port { name, kind, element: None, dims: None });
        }
        self.outputs = outputs;
        Ok(self)
    }

    /// Takes weights from training, from the next `compile` on: those of layers for which this
    /// holds. A layer is what stands before the last `.` or `/` of its weights' names.
    pub fn freeze(&self, frozen: impl Fn(&str) -> bool) {
        for layer in &self.layers {
            layer.trainable.set(!frozen(&layer.name));
        }
    }

    /// The types of a sample of each input that is not bound to a value.
    fn samples(&self, given: Option<&[Type]>) -> Result<Vec<(&Port, Type)>, NnError> {
        let open =
            self.inputs.iter().filter(|input| !self.bindings.values.contains_key(&input.name));
        let open: Vec<&Port> = open.collect();
        if let Some(types) = given.filter(|types| types.len() == open.len()) {
            return Ok(open.into_iter().zip(types.iter().cloned()).collect());
        }
        open.into_iter().map(|input| Ok((input, self.sample(input)?))).collect()
    }

    fn sample(&self, input: &Port) -> Result<Type, NnError> {
        let mut bindings = self.bindings.clone();
        if let Some(Dim::Open(batch)) = input.dims.iter().flatten().next() {
            bindings = bindings.dim(batch, 1);
        }
        let (_, ty) = self.input_type(input, &bindings).map_err(failed)?;
        match ty.shape.split_first() {
            Some((_, sample)) => Ok(Type::new(ty.dtype, sample)),
            None => {
                let message = format!("the input `{}` is {ty}", input.name);
                let help = "the first axis of an input counts the samples; bind a value to others";
                Err(Mistake::new(message).help(help).into())
            }
        }
    }

    /// The outputs for batches of the inputs that are not bound.
    fn outputs_of(
        &self,
        context: &mut Context,
        weights: &mut [Weights],
        inputs: &[Var],
    ) -> Result<Vec<Var>, NnError> {
        let mut states: HashMap<&str, Var> = HashMap::new();
        for (layer, weights) in self.layers.iter().zip(weights) {
            for weight in &layer.weights {
                let value = Call::new(context, weights).weight(&weight.name);
                states.insert(&self.weights[weight.index].name, value);
            }
        }
        let tracer = context.tracer().clone();
        let declare = |name: &str, ty: &Type| match states.get(name) {
            Some(state) if state.dtype() == ty.dtype => state.clone(),
            Some(state) => state.cast(ty.dtype),
            None => tracer.fail(Mistake::new(format!("the weight `{name}` is not declared"))),
        };
        let mut given = inputs.iter();
        let value = |input: &Port| match self.bindings.values.get(&input.name) {
            Some(known) => Some(known.value()),
            None => {
                let var = given.next()?.clone();
                let element = input.element.unwrap_or(crate::ElementType::of_dtype(var.dtype()));
                Some(Value::traced(element, var))
            }
        };
        let values: Option<Vec<Value>> = self.inputs.iter().map(value).collect();
        let Some(values) = values else {
            let message = format!("{} inputs were given", inputs.len());
            return Err(Mistake::new(message).help("the model takes more").into());
        };
        let outputs = self.values(&tracer, values, &declare, &is_trained).map_err(failed)?;
        let operands = outputs.into_iter().flat_map(|(_, value)| value.tensors());
        let vars: Vec<Var> = operands.map(|operand| operand.var(&tracer, &declare)).collect();
        let batch = inputs.first().and_then(|input| input.shape().first());
        match vars.iter().find(|var| var.shape().first() != batch) {
            None => Ok(vars),
            Some(wrong) => {
                let of = batch.copied().unwrap_or_default();
                let message = format!("for a batch of {of} samples the model gives {}", wrong.ty());
                let help = "the file holds shapes with a fixed batch; export it with an open one";
                Err(failed(self.error(Mistake::new(message).help(help))))
            }
        }
    }
}

/// An error of the model as one of the frontend.
fn failed(error: OnnxError) -> NnError {
    Mistake::new(error.to_string()).into()
}

/// The batch with which types are found out: one that no op takes for an axis of extent 1.
const SAMPLES: usize = 2;

impl Network for OnnxModel {
    fn name(&self) -> &str {
        "onnx"
    }

    fn class_name(&self) -> &'static str {
        "Onnx"
    }

    fn layer_names(&self) -> Vec<(String, &'static str)> {
        self.layers.iter().map(|layer| (layer.name.clone(), "Onnx")).collect()
    }

    fn set_trainable(&self, trainable: bool) {
        self.layers.iter().for_each(|layer| layer.trainable.set(trainable));
    }

    fn build(&self, inputs: Option<&[Type]>) -> Result<Built, NnError> {
        let tracer = Tracer::new("build");
        let mut context = Context::inference(&tracer);
        let mut words = Words::default();
        let (mut ports, mut batches) = (Vec::new(), Vec::new());
        for (input, ty) in self.samples(inputs)? {
            let (port, batch) = model::Port::input(&tracer, &words.word(&input.name), ty)?;
            ports.push(port);
            batches.push(batch);
        }
        debug_assert!(batches.iter().all(|batch| batch.shape().first() == Some(&SAMPLES)));
        let layers: Vec<BuiltLayer> = self.layers.iter().map(|layer| layer.built(self)).collect();
        let declare = |layer: &BuiltLayer| {
            let state = |weight: &model::Weight| {
                let state = tracer.state(&weight.path(), weight.ty.clone());
                (weight.name.clone(), state, weight.trainable)
            };
            Weights::new(layer.weights.iter().map(state))
        };
        let mut weights: Vec<Weights> = layers.iter().map(declare).collect();
        let outputs = self.outputs_of(&mut context, &mut weights, &batches)?;
        let mut names = Words::default();
        let names = self.outputs.iter().map(|output| names.word(&output.name));
        let names: Vec<String> = names.collect();
        if names.len() != outputs.len() {
            let message = format!("the outputs {} are no tensors", quoted(&names));
            return Err(Mistake::new(message).help("outputs of a network are tensors").into());
        }
        let port = |(name, var): (&String, &Var)| model::Port::output(&context, name, var);
        let outputs = names.iter().zip(&outputs).map(port).collect();
        Ok(Built { inputs: ports, layers, outputs })
    }

    fn forward(
        &self,
        context: &mut Context,
        weights: &mut [Weights],
        inputs: &[Var],
    ) -> Result<Vec<Var>, NnError> {
        self.outputs_of(context, weights, inputs)
    }
}
