//! The interface between training and a network, however its layers are wired.

use std::fmt;
use std::sync::Arc;

use brolga_ir::{DType, Location, Mistake, Origin, Role, TraceError, Tracer, Type, Var};
use brolga_runtime::for_each_chunk;
use serde_json::Value;

use crate::constraints::Constraint;
use crate::error::NnError;
use crate::head::Head;
use crate::initializers::{Initializer, Random};
use crate::keywords::{Given, Keywords, check_keywords};
use crate::layers::{Layer, WeightSpec};
use crate::outline::{Outline, Part};
use crate::registry::{Choice, Family, check_arguments};
use crate::regularizers::Regularizer;
use crate::trace::{Call, Context, Weights};

/// The layers of a model and how they are wired.
pub trait Network: fmt::Debug + Send + Sync {
    /// The model's name.
    fn name(&self) -> &str;

    /// The class name, such as `Sequential`.
    fn class_name(&self) -> &'static str {
        "Model"
    }

    /// The names and class names of the layers, whether the model is built or not.
    fn layer_names(&self) -> Vec<(String, &'static str)>;

    /// Lets training change the weights of all layers or not, from the next `compile` on.
    fn set_trainable(&self, trainable: bool);

    /// The layers and what connects them: by default, one after the other.
    fn outline(&self) -> Outline {
        Outline::chain(self.layer_names().into_iter().map(|(name, class)| Part::new(name, class)))
    }

    /// The model as Keras serializes it: `{"class_name": .., "config": ..}`.
    ///
    /// # Errors
    /// If the wiring has no such form, or an argument of a layer cannot be written as JSON.
    fn config(&self) -> Result<Value, NnError> {
        let message = "this kind of model cannot be written as JSON".to_owned();
        Err(NnError::Config { class: self.name().to_owned(), message })
    }

    /// The ports and layers of the model, for samples of the types that it declares or, where it
    /// declares none, of types `inputs`.
    ///
    /// # Errors
    /// If a layer does not fit its inputs; [`NnError::NotBuilt`] if there are no types at all.
    fn build(&self, inputs: Option<&[Type]>) -> Result<Built, NnError>;

    /// Adds what the model computes to the graph: a value for each of [`Built::outputs`]. `weights`
    /// are those of [`Built::layers`], `inputs` are batches of [`Built::inputs`].
    ///
    /// # Errors
    /// The first mistake of a layer.
    fn forward(
        &self,
        context: &mut Context,
        weights: &mut [Weights],
        inputs: &[Var],
    ) -> Result<Vec<Var>, NnError>;
}

/// A network of any kind: that of a model from a file.
impl Network for Box<dyn Network> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn class_name(&self) -> &'static str {
        (**self).class_name()
    }

    fn layer_names(&self) -> Vec<(String, &'static str)> {
        (**self).layer_names()
    }

    fn set_trainable(&self, trainable: bool) {
        (**self).set_trainable(trainable);
    }

    fn outline(&self) -> Outline {
        (**self).outline()
    }

    fn config(&self) -> Result<Value, NnError> {
        (**self).config()
    }

    fn build(&self, inputs: Option<&[Type]>) -> Result<Built, NnError> {
        (**self).build(inputs)
    }

    fn forward(
        &self,
        context: &mut Context,
        weights: &mut [Weights],
        inputs: &[Var],
    ) -> Result<Vec<Var>, NnError> {
        (**self).forward(context, weights, inputs)
    }
}

/// A network whose types are known. All types are those of one sample: the batch is not counted.
#[derive(Debug, Clone)]
pub struct Built {
    /// The inputs.
    pub inputs: Vec<Port>,
    /// The layers in order. A layer that is called several times is one of them.
    pub layers: Vec<BuiltLayer>,
    /// The outputs.
    pub outputs: Vec<Port>,
}

/// An input or an output of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    /// The name: that of the layer which takes or gives it.
    pub name: String,
    /// The type of a sample.
    pub ty: Type,
    /// What made it, of an output.
    pub head: Head,
}

/// A layer with its weights.
#[derive(Debug, Clone)]
pub struct BuiltLayer {
    /// The path.
    pub name: String,
    /// The class name.
    pub class_name: &'static str,
    /// The types of its inputs for a sample, where it was called first.
    pub inputs: Vec<Type>,
    /// The types of its outputs for a sample, where it was called first.
    pub outputs: Vec<Type>,
    /// The weights, as the layer declares them.
    pub weights: Vec<Weight>,
    /// Whether it drops the mask of an input.
    pub drops_mask: bool,
}

/// The batch with which types are found out: one that no layer takes for an axis of extent 1.
const SAMPLES: usize = 2;

/// A weight of a model.
#[derive(Debug, Clone)]
pub struct Weight {
    /// The layer's path.
    pub layer: String,
    /// The name within the layer.
    pub name: String,
    /// Element type and shape.
    pub ty: Type,
    /// Its first values.
    pub initializer: Arc<dyn Initializer>,
    /// Whether training changes it.
    pub trainable: bool,
    /// The regularizer, whose term is added to the loss while the weight is trained.
    pub regularizer: Option<Arc<dyn Regularizer>>,
    /// The constraint, applied after each update by the optimizer.
    pub constraint: Option<Arc<dyn Constraint>>,
    /// Whether it is a state of the samples of a batch, which goes on in the next batch.
    pub carried: bool,
    /// Where in the user's source the layer was added.
    pub location: Option<Location>,
}

/// How many elements of a weight a thread fills at a time.
const CHUNK: usize = 1 << 20;

impl Weight {
    /// The weight that a layer declares.
    fn new(
        spec: &WeightSpec,
        path: &str,
        layer: &dyn Layer,
        origin: &Origin,
    ) -> Result<Self, Mistake> {
        if spec.ty.dtype != DType::F32 {
            let message = format!("the weight `{}` is {}", spec.name, spec.ty);
            return Err(Mistake::new(message).help("weights are f32"));
        }
        let initializer = spec.initializer.resolve().map_err(NnError::into_mistake)?;
        let regularizer = resolved(&spec.regularizer)?;
        let constraint = resolved(&spec.constraint)?;
        let shape = &spec.ty.shape;
        initializer
            .check(shape)
            .and_then(|()| regularizer.as_ref().map_or(Ok(()), |r| r.check(shape)))
            .and_then(|()| constraint.as_ref().map_or(Ok(()), |c| c.check(shape)))
            .map_err(|Mistake { message, help }| {
                let message = format!("the weight `{}`: {message}", spec.name);
                Mistake { message, help }
            })?;
        Ok(Self {
            layer: path.to_owned(),
            name: spec.name.clone(),
            ty: spec.ty.clone(),
            initializer,
            trainable: spec.trainable && layer.base().trainable.get(),
            regularizer,
            constraint,
            carried: spec.carried,
            location: origin.location.clone(),
        })
    }

    /// The name of the model's state that holds it, such as `conv2d/kernel`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.layer, self.name)
    }

    /// Writes the first values of the weight with this number under this seed, with all threads
    /// that the process may use; tells `filled` how many elements are done.
    pub(crate) fn fill(
        &self,
        (seed, number): (u64, u32),
        values: &mut [f32],
        filled: impl Fn(usize) + Sync,
    ) {
        let random = Random::new(seed, number);
        let chunk = if self.initializer.divisible() { CHUNK } else { values.len() };
        for_each_chunk(values, chunk, |start, part| {
            self.initializer.fill(&self.ty.shape, random, start, part);
            filled(part.len());
        });
    }

    /// Where nodes that are about the weight come from.
    pub fn origin(&self, role: Role) -> Origin {
        Origin { location: self.location.clone(), ..Origin::layer(&self.layer, role) }
    }
}

impl Port {
    /// An input of this name, and a batch of it in the trace that finds out the types.
    ///
    /// # Errors
    /// If the type is not one of a tensor.
    pub fn input(tracer: &Tracer, name: &str, ty: Type) -> Result<(Self, Var), NnError> {
        Self::input_of(tracer, name, ty, None)
    }

    /// As [`Port::input`], of batches of this size if it is declared.
    pub(crate) fn input_of(
        tracer: &Tracer,
        name: &str,
        ty: Type,
        batch_size: Option<usize>,
    ) -> Result<(Self, Var), NnError> {
        let batch = tracer.input(name, batched(&ty, batch_size.unwrap_or(SAMPLES)));
        known_so_far(tracer)?;
        Ok((Self { name: name.to_owned(), ty, head: Head::Other }, batch))
    }

    /// An output of this name.
    pub fn output(context: &Context, name: &str, value: &Var) -> Self {
        Self { name: name.to_owned(), ty: sample(value.ty()), head: Head::of(context, value) }
    }

    /// The name of a program's input for one of these ports: the role alone (`x`, `y`,
    /// `sample_weight`) if there is no other port, else followed by the port's name, such as
    /// `x/left`.
    pub fn program_input(&self, role: &str, ports: &[Self]) -> String {
        if ports.len() == 1 { role.to_owned() } else { format!("{role}/{}", self.name) }
    }
}

impl BuiltLayer {
    /// Builds a layer for these inputs, declares its weights and calls it. `origin` has the layer's
    /// path, inside of that of the layer being traced, and where in the user's source it was added.
    ///
    /// # Errors
    /// If the layer's arguments are wrong or do not fit the inputs; as [`call`].
    pub fn new<'g>(
        context: &mut Context,
        layer: &dyn Layer,
        origin: &Origin,
        given: impl Into<Given<'g>>,
    ) -> Result<(Self, Weights, Vec<Var>), NnError> {
        let given = given.into();
        let at = context.tracer().inside(origin.clone());
        let error = |mistake| NnError::from(TraceError { mistake, origin: at.clone() });
        if origin.layer.is_none() {
            return Err(error(Mistake::new("the network gives the layer no path")));
        }
        let name = at.layer.as_deref().unwrap_or_default().to_owned();
        check_arguments(layer).map_err(error)?;
        let types: Vec<Type> = given.inputs.iter().map(|input| input.ty().clone()).collect();
        let specs = layer.build(&types).map_err(error)?;
        if context.batch_size.is_none() && specs.iter().any(|spec| spec.carried) {
            let message =
                format!("{} keeps states between batches of an unknown size", layer.class_name());
            let help = "let the input declare the size: Input::new([..]).batch_size(32)";
            return Err(error(Mistake::new(message).help(help)));
        }
        let weights = specs.iter().map(|spec| Weight::new(spec, &name, layer, &at));
        let weights = weights.collect::<Result<_, _>>().map_err(error)?;
        let (class_name, samples) = (layer.class_name(), types.iter().map(sample).collect());
        let (outputs, drops_mask) = (vec![], false);
        let mut built = Self { name, class_name, inputs: samples, outputs, weights, drops_mask };
        let mut weights = built.declare(context.tracer());
        known_so_far(context.tracer())?;
        let outputs = call(context, layer, origin, &mut weights, given)?;
        built.drops_mask = context.drops_mask(&built.name);
        built.outputs = outputs.iter().map(|output| sample(output.ty())).collect();
        Ok((built, weights, outputs))
    }

    /// The number of the weights' elements.
    pub fn params(&self) -> usize {
        let learned = self.weights.iter().filter(|weight| !weight.carried);
        learned.map(|weight| weight.ty.shape.elements()).sum()
    }

    /// Lets the layer be one of a nested model of this name.
    pub(crate) fn move_inside(&mut self, model: &str) {
        self.name = format!("{model}/{}", self.name);
        self.weights.iter_mut().for_each(|weight| weight.layer.clone_from(&self.name));
    }

    /// Declares the weights as states of a graph.
    pub(crate) fn declare(&self, tracer: &Tracer) -> Weights {
        Weights::new(self.weights.iter().map(|weight| {
            let _scope = tracer.origin_scope(weight.origin(Role::Forward));
            let state = tracer.state(&weight.path(), weight.ty.clone());
            (weight.name.clone(), state, weight.trainable)
        }))
    }
}

impl Built {
    /// The weights of all layers, in their order.
    pub fn weights(&self) -> impl Iterator<Item = &Weight> + Clone {
        self.layers.iter().flat_map(|layer| &layer.weights)
    }

    /// The weights without the states that layers carry from batch to batch: what a model has
    /// learned.
    pub fn learned(&self) -> impl Iterator<Item = &Weight> + Clone {
        self.weights().filter(|weight| !weight.carried)
    }

    /// Declares the inputs of a batch and the weights of all layers.
    pub(crate) fn declare(&self, tracer: &Tracer, batch: usize) -> (Vec<Var>, Vec<Weights>) {
        let input = |port: &Port| {
            tracer.input(&port.program_input("x", &self.inputs), batched(&port.ty, batch))
        };
        let inputs = self.inputs.iter().map(input).collect();
        (inputs, self.layers.iter().map(|layer| layer.declare(tracer)).collect())
    }

    /// The output of a model that has one.
    pub(crate) fn output(&self) -> Result<&Port, NnError> {
        only("output", &self.outputs)
    }
}

/// Calls a built layer on inputs, or on [`Given`] inputs and arguments. `origin` is as in
/// [`BuiltLayer::new`].
///
/// # Errors
/// If the layer makes a mistake, does not take an argument, or what it gives does not keep the
/// batch.
pub fn call<'g>(
    context: &mut Context,
    layer: &dyn Layer,
    origin: &Origin,
    weights: &mut Weights,
    given: impl Into<Given<'g>>,
) -> Result<Vec<Var>, NnError> {
    let Given { inputs, keywords } = given.into();
    let tracer = context.tracer().clone();
    let origin = tracer.inside(origin.clone());
    let _scope = tracer.origin_scope(origin.clone());
    let error = |mistake| NnError::from(TraceError { mistake, origin: origin.clone() });
    let none = Keywords::default();
    let keywords = keywords.unwrap_or(&none);
    check_keywords(layer.class_name(), layer.keywords(), keywords).map_err(error)?;
    let (inputs, training) = context.enter_call(inputs, keywords).map_err(error)?;
    let mut call = Call::new(context, weights).with(keywords.clone());
    let outputs = layer.call(&mut call, &inputs);
    let handled = std::mem::take(&mut call.handled);
    context.set_training(training);
    if let Some(regularizer) = &layer.base().activity_regularizer {
        match regularizer.resolve() {
            Ok(regularizer) => context.regularize(&*regularizer, &outputs),
            Err(error) => drop(tracer.fail(error.into_mistake())),
        }
    }
    known_so_far(&tracer)?;
    let batch = inputs.first().and_then(|input| input.shape().first());
    if let Some(wrong) = outputs.iter().find(|output| output.shape().first() != batch) {
        let of =
            batch.map_or("without a batch".to_owned(), |n| format!("of a batch of {n} samples"));
        let mistake = Mistake::new(format!("{of} the layer makes {}", wrong.ty()))
            .help("layers must keep the first axis, which counts the samples");
        return Err(error(mistake));
    }
    let named = (layer, origin.layer.as_deref().unwrap_or_default());
    context.hand_on_masks(named, &handled, &inputs, outputs).map_err(error)
}

/// The object of an argument that may be left out.
fn resolved<T: Family + ?Sized>(choice: &Option<Choice<T>>) -> Result<Option<Arc<T>>, Mistake> {
    choice.as_ref().map(Choice::resolve).transpose().map_err(NnError::into_mistake)
}

fn only<'p>(what: &str, ports: &'p [Port]) -> Result<&'p Port, NnError> {
    if let [port] = ports {
        return Ok(port);
    }
    let names: Vec<_> = ports.iter().map(|port| format!("`{}`", port.name)).collect();
    let message = format!("the model has {} {what}s: {}", ports.len(), names.join(", "));
    let help = "take all of them: predict_all";
    Err(Mistake::new(message).help(help).into())
}

/// The type of one sample of a batch.
pub(crate) fn sample(batch: &Type) -> Type {
    Type::new(batch.dtype, batch.shape.iter().skip(1).copied().collect::<Vec<_>>())
}

/// Fails if a mistake was made: types of what is computed from it mean nothing.
fn known_so_far(tracer: &Tracer) -> Result<(), NnError> {
    tracer.error().map_or(Ok(()), |error| Err(error.into()))
}

/// The type of so many samples.
pub(crate) fn batched(sample: &Type, batch: usize) -> Type {
    let shape = std::iter::once(batch).chain(sample.shape.iter().copied());
    Type::new(sample.dtype, shape.collect::<Vec<_>>())
}
