//! Models whose layers form a graph without cycles.
//!
//! [`Symbolic`] tensors stand for what layers give. A [`Functional`] model is the part of that
//! graph between some inputs and some outputs.

mod arguments;
mod config;
mod operation;
mod order;
mod symbolic;

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;

use brolga_ir::text::is_name;
use brolga_ir::{Location, Mistake, Origin, Role, TraceError, Tracer, Type, Var};

use super::Model;
use super::step::random_states;
use crate::error::NnError;
use crate::keywords::{Given, Keywords};
use crate::layers::Layer;
use crate::network::{Built, BuiltLayer, Network, Port, call};
use crate::outline::{Outline, Part, Source};
use crate::registry::snake_case;
use crate::trace::{Context, Weights};
pub use arguments::{CallArguments, IntoArguments};
pub use symbolic::{Apply, IntoSymbolic, Shared, Symbolic};
use symbolic::{Node, Unit};

/// A model whose layers form a graph without cycles, of one or several inputs and outputs.
///
/// ```
/// use brolga_nn::prelude::*;
///
/// let image = Input::new([28, 28, 1]).tensor();
/// let x = Conv2D::new(8, (3, 3)).activation("relu").on(&image);
/// let x = Flatten::new().on(&x);
/// let digit = Dense::new(10).activation("softmax").name("digit").on(&x);
/// let even = Dense::new(1).activation("sigmoid").name("even").on(&x);
/// let mut model = Model::new(&image, [&digit, &even])?;
/// model.compile(
///     Compile::new()
///         .output_loss("digit", "sparse_categorical_crossentropy")
///         .output_loss("even", "binary_crossentropy")
///         .loss_weights([("even", 0.5)]),
/// )?;
/// # Ok::<(), NnError>(())
/// ```
///
/// Keras: <https://keras.io/api/models/model/>.
pub type Functional = Model<Wiring>;

/// Layers and the calls that connect them.
#[derive(Debug)]
pub struct Wiring {
    name: String,
    inputs: Vec<Symbolic>,
    outputs: Vec<Symbolic>,
    /// The layers in Keras's order: those that are farther from the outputs first.
    units: Vec<Named>,
    /// The calls in the order in which they were written.
    calls: Vec<Wire>,
}

/// A trace in which all layers were built.
struct Traced {
    context: Context,
    inputs: Vec<Port>,
    layers: Vec<BuiltLayer>,
    /// The results of each call.
    values: Vec<Vec<Var>>,
}

/// The built layers of a layer or a nested model, and their weights in a trace.
type OfUnit = (Vec<BuiltLayer>, Vec<Weights>);

/// A layer or a nested model.
#[derive(Debug)]
struct Named {
    unit: Shared,
    name: String,
    /// Where it was called first.
    location: Option<Location>,
}

/// A call of a layer.
#[derive(Debug)]
struct Wire {
    node: Arc<Node>,
    /// The number of the layer.
    unit: usize,
    /// The values that it takes: the number of the call that gives each, and which of its results.
    inputs: Vec<(usize, usize)>,
    keywords: Keywords<(usize, usize)>,
}

impl Wire {
    /// The values that it takes: the inputs, and those among the other arguments.
    fn tensors(&self) -> impl Iterator<Item = &(usize, usize)> {
        self.inputs.iter().chain(self.keywords.tensors())
    }
}

impl Functional {
    /// The model that computes these outputs of these inputs, which are of [`Input::tensor`].
    ///
    /// # Errors
    /// If an output depends on an input that is not given, an input is given twice or is none, or
    /// two layers have one name.
    ///
    /// [`Input::tensor`]: crate::layers::Input::tensor
    pub fn new(inputs: impl IntoSymbolic, outputs: impl IntoSymbolic) -> Result<Self, NnError> {
        Ok(Self::of(Wiring::new("functional", inputs.into_symbolic(), outputs.into_symbolic())?))
    }

    /// Gives the model a name; `functional` by default.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.network_mut().name = name.into();
        self
    }

    /// The layers in Keras's order, each once; nested models are left out.
    pub fn layers(&self) -> impl Iterator<Item = (&str, &dyn Layer)> {
        self.network().units.iter().filter_map(|named| match &*named.unit.0 {
            Unit::Layer(layer) => Some((&*named.name, &**layer)),
            Unit::Network(_) => None,
        })
    }

    /// The layer of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn get_layer(&self, name: &str) -> Result<&dyn Layer, NnError> {
        match self.layers().find(|(known, _)| *known == name) {
            Some((_, layer)) => Ok(layer),
            None => {
                let known: Vec<String> = self.layers().map(|(name, _)| name.to_owned()).collect();
                Err(NnError::unknown("layer", name, &known))
            }
        }
    }

    /// The first result of the first call of the layer of this name, from which another model can
    /// go on. The models share the layers' arguments, not the values of their weights.
    ///
    /// # Errors
    /// If there is no such layer.
    pub fn layer_output(&self, name: &str) -> Result<Symbolic, NnError> {
        let network = self.network();
        let Some(unit) = network.units.iter().position(|named| named.name == name) else {
            let known: Vec<String> = network.units.iter().map(|unit| unit.name.clone()).collect();
            return Err(NnError::unknown("layer", name, &known));
        };
        let wire = network.calls.iter().find(|wire| wire.unit == unit);
        Ok(Symbolic::of(&wire.expect("every layer is called").node, 0))
    }

    /// The inputs.
    pub fn inputs(&self) -> &[Symbolic] {
        &self.network().inputs
    }

    /// The outputs.
    pub fn outputs(&self) -> &[Symbolic] {
        &self.network().outputs
    }
}

impl Wiring {
    fn new(name: &str, inputs: Vec<Symbolic>, outputs: Vec<Symbolic>) -> Result<Self, NnError> {
        check_ends(&inputs, &outputs)?;
        let ordered = order::keras(&inputs, &outputs);
        check_connected(&ordered.nodes, &inputs)?;
        let mut nodes = ordered.nodes;
        nodes.sort_by_key(|node| node.number);
        let numbers: HashMap<*const Node, usize> =
            nodes.iter().enumerate().map(|(number, node)| (Arc::as_ptr(node), number)).collect();
        let units = named(&nodes, ordered.units)?;
        let of_unit: HashMap<*const Unit, usize> = units
            .iter()
            .enumerate()
            .map(|(number, named)| (named.unit.pointer(), number))
            .collect();
        let wire = |node: Arc<Node>| {
            let value = |x: &Symbolic| (numbers[&Arc::as_ptr(&x.node)], x.port);
            let inputs = node.inputs.iter().map(value).collect();
            let keywords = node.keywords.map(|x| Ok::<_, Infallible>(value(x)));
            let keywords = keywords.unwrap_or_default();
            Wire { unit: of_unit[&node.unit.pointer()], inputs, keywords, node }
        };
        let calls = nodes.into_iter().map(wire).collect();
        Ok(Self { name: name.to_owned(), inputs, outputs, units, calls })
    }

    /// Which call of its layer each call is.
    fn call_numbers(&self) -> Vec<usize> {
        let mut counts = vec![0; self.units.len()];
        let number = |wire: &Wire| {
            counts[wire.unit] += 1;
            counts[wire.unit] - 1
        };
        self.calls.iter().map(number).collect()
    }

    /// The number of the call that gives a tensor.
    fn call_of(&self, tensor: &Symbolic) -> usize {
        let found = self.calls.iter().position(|wire| Arc::ptr_eq(&wire.node, &tensor.node));
        found.expect("the model consists of the calls that its outputs need")
    }

    /// The name of the layer that gives a tensor.
    fn layer_of(&self, tensor: &Symbolic) -> &str {
        &self.units[self.calls[self.call_of(tensor)].unit].name
    }

    /// Which of the built layers belong to each unit: a nested model has several.
    fn ranges(&self) -> Vec<Range<usize>> {
        let mut end = 0;
        let range = |named: &Named| {
            let start = end;
            end += named.unit.layer_count();
            start..end
        };
        self.units.iter().map(range).collect()
    }

    /// Goes through the calls in order, and gives the results of each. `run` makes those of a call
    /// of what it is given.
    fn run(
        &self,
        inputs: &[Var],
        mut run: impl FnMut(&Wire, Given<'_>) -> Result<Vec<Var>, NnError>,
    ) -> Result<Vec<Vec<Var>>, NnError> {
        let given: HashMap<usize, &Var> =
            self.inputs.iter().map(|input| self.call_of(input)).zip(inputs).collect();
        let mut values: Vec<Vec<Var>> = Vec::with_capacity(self.calls.len());
        for (number, wire) in self.calls.iter().enumerate() {
            let value = |&(call, port): &(usize, usize)| self.value(&values, call, port);
            let inputs: Vec<Var> = match given.get(&number) {
                Some(&input) => vec![input.clone()],
                None => wire.inputs.iter().map(value).collect::<Result<_, _>>()?,
            };
            let keywords = wire.keywords.map(value)?;
            values.push(run(wire, Given::new(&inputs, &keywords))?);
        }
        Ok(values)
    }

    /// The model's outputs among the results of all calls.
    fn ends(&self, values: &[Vec<Var>]) -> Result<Vec<Var>, NnError> {
        let output = |tensor: &Symbolic| self.value(values, self.call_of(tensor), tensor.port);
        self.outputs.iter().map(output).collect()
    }

    /// The size of all batches, if an input declares it.
    fn batch_size(&self) -> Result<Option<usize>, NnError> {
        let mut known: Option<usize> = None;
        for input in &self.inputs {
            let size = input.node.unit.batch_size();
            if let (Some(one), Some(other)) = (known, size)
                && one != other
            {
                let named = &self.units[self.calls[self.call_of(input)].unit];
                let message =
                    format!("the input declares batches of {other}, another one of {one}");
                let help = "all inputs of a model have batches of one size";
                return Err(named.error(Mistake::new(message).help(help)));
            }
            known = known.or(size);
        }
        Ok(known)
    }

    /// Builds each layer at its first call.
    fn traced(&self) -> Result<Traced, NnError> {
        let tracer = Tracer::new(&*self.name);
        let (seed, step) = random_states(&tracer);
        let mut context = Context::training(&tracer, &seed, &step);
        context.batch_size = self.batch_size()?;
        let mut inputs = vec![];
        let mut batches = vec![];
        for input in &self.inputs {
            let named = &self.units[self.calls[self.call_of(input)].unit];
            let _scope = tracer.origin_scope(named.origin());
            let declared = input.node.unit.input_type().ok_or_else(|| {
                named
                    .error(Mistake::new("an input of a model declares its shape: Input::new([..])"))
            })?;
            let (port, batch) = Port::input_of(&tracer, &named.name, declared, context.batch_size)?;
            inputs.push(port);
            batches.push(batch);
        }
        let mut built: Vec<Option<OfUnit>> = self.units.iter().map(|_| None).collect();
        let values = self.run(&batches, |wire, given| {
            let named = &self.units[wire.unit];
            if let Some((_, weights)) = &mut built[wire.unit] {
                return named.call(&mut context, weights, given);
            }
            let (of_unit, outputs) = named.build(&mut context, given)?;
            built[wire.unit] = Some(of_unit);
            Ok(outputs)
        })?;
        let layers = built.into_iter().flatten().flat_map(|(layers, _)| layers);
        let layers = layers.map(|mut layer| {
            layer.drops_mask = context.drops_mask(&layer.name);
            layer
        });
        let layers = layers.collect();
        Ok(Traced { context, inputs, layers, values })
    }

    /// A result of a call.
    fn value(&self, values: &[Vec<Var>], call: usize, port: usize) -> Result<Var, NnError> {
        values[call].get(port).cloned().ok_or_else(|| {
            let (named, count) = (&self.units[self.calls[call].unit], values[call].len());
            let message = format!("the layer gives {count} tensors, one more is used");
            named.error(Mistake::new(message))
        })
    }
}

impl Named {
    fn origin(&self) -> Origin {
        Origin { location: self.location.clone(), ..Origin::layer(&self.name, Role::Forward) }
    }

    fn error(&self, mistake: Mistake) -> NnError {
        TraceError { mistake, origin: self.origin() }.into()
    }

    /// The layer or model, before it is connected.
    fn part(&self) -> Part {
        let name = self.name.clone();
        match &*self.unit.0 {
            Unit::Layer(layer) if layer.input_type().is_some() => Part::new(name, "InputLayer"),
            Unit::Layer(layer) => Part::new(name, layer.class_name()).with_activation_of(&**layer),
            Unit::Network(nested) => {
                let layers = self.unit.layer_count();
                let inside = Some(nested.network.outline());
                Part { layers, inside, ..Part::new(name, nested.network.class_name()) }
            }
        }
    }

    /// The built layers of this one, their weights, and what it gives for these inputs.
    fn build(
        &self,
        context: &mut Context,
        given: Given<'_>,
    ) -> Result<(OfUnit, Vec<Var>), NnError> {
        match &*self.unit.0 {
            Unit::Layer(layer) => {
                let (built, weights, outputs) =
                    BuiltLayer::new(context, &**layer, &self.origin(), given)?;
                Ok(((vec![built], vec![weights]), outputs))
            }
            Unit::Network(nested) => {
                let types: Vec<Type> =
                    given.inputs.iter().map(|x| crate::network::sample(x.ty())).collect();
                let mut layers = nested.build(&types)?.layers;
                layers.iter_mut().for_each(|layer| layer.move_inside(&self.name));
                let tracer = context.tracer().clone();
                let mut weights: Vec<_> = layers.iter().map(|l| l.declare(&tracer)).collect();
                let outputs = self.call(context, &mut weights, given)?;
                Ok(((layers, weights), outputs))
            }
        }
    }

    /// What it gives for these inputs.
    fn call(
        &self,
        context: &mut Context,
        weights: &mut [Weights],
        given: Given<'_>,
    ) -> Result<Vec<Var>, NnError> {
        match &*self.unit.0 {
            Unit::Layer(layer) => call(context, &**layer, &self.origin(), &mut weights[0], given),
            Unit::Network(nested) => {
                let tracer = context.tracer().clone();
                let origin = tracer.inside(self.origin());
                let error = |mistake| TraceError { mistake, origin: origin.clone() };
                let (inputs, training) = context.given_to_model(given).map_err(error)?;
                let _scope = tracer.enter(&self.name);
                let outputs = nested.network.forward(context, weights, &inputs);
                context.set_training(training);
                outputs
            }
        }
    }
}

impl Network for Wiring {
    fn name(&self) -> &str {
        &self.name
    }

    fn class_name(&self) -> &'static str {
        "Functional"
    }

    fn layer_names(&self) -> Vec<(String, &'static str)> {
        let names = |named: &Named| match &*named.unit.0 {
            Unit::Layer(layer) => vec![(named.name.clone(), layer.class_name())],
            Unit::Network(nested) => {
                let inside = |(name, class)| (format!("{}/{name}", named.name), class);
                nested.network.layer_names().into_iter().map(inside).collect()
            }
        };
        self.units.iter().flat_map(names).collect()
    }

    fn set_trainable(&self, trainable: bool) {
        for Named { unit, .. } in &self.units {
            match &*unit.0 {
                Unit::Layer(layer) => layer.set_trainable(trainable),
                Unit::Network(nested) => nested.network.set_trainable(trainable),
            }
        }
    }

    fn outline(&self) -> Outline {
        let numbers = self.call_numbers();
        let source = |call: usize, result: usize| {
            let part = self.calls[call].unit;
            Source { part, call: numbers[call], result }
        };
        let tensor = |tensor: &Symbolic| source(self.call_of(tensor), tensor.port);
        let mut parts: Vec<Part> = self.units.iter().map(Named::part).collect();
        for wire in &self.calls {
            let inputs = wire.tensors().map(|&(call, result)| source(call, result));
            parts[wire.unit].calls.push(inputs.collect());
        }
        let inputs = self.inputs.iter().map(|input| tensor(input).part).collect();
        let outputs = self.outputs.iter().map(tensor).collect();
        Outline { parts, inputs, outputs }
    }

    fn config(&self) -> Result<serde_json::Value, NnError> {
        self.to_config()
    }

    fn build(&self, _: Option<&[Type]>) -> Result<Built, NnError> {
        let Traced { context, inputs, layers, values } = self.traced()?;
        let mut names = HashSet::new();
        let port = |(tensor, value): (&Symbolic, &Var)| {
            // A layer that gives several outputs names the first.
            let layer = self.layer_of(tensor);
            let mut name = layer.to_owned();
            let mut number = 0;
            while !names.insert(name.clone()) {
                number += 1;
                name = format!("{layer}_{number}");
            }
            Port::output(&context, &name, value)
        };
        let outputs = self.outputs.iter().zip(&self.ends(&values)?).map(port).collect();
        Ok(Built { inputs, layers, outputs })
    }

    fn forward(
        &self,
        context: &mut Context,
        weights: &mut [Weights],
        inputs: &[Var],
    ) -> Result<Vec<Var>, NnError> {
        let ranges = self.ranges();
        let values = self.run(inputs, |wire, given| {
            let own = &mut weights[ranges[wire.unit].clone()];
            self.units[wire.unit].call(context, own, given)
        })?;
        self.ends(&values)
    }
}

/// Fails if there are no inputs or outputs, an input is none, or one is given twice.
fn check_ends(inputs: &[Symbolic], outputs: &[Symbolic]) -> Result<(), NnError> {
    let help = "Model::new takes tensors of Input::new([..]).tensor() and what layers make of them";
    let error = |message: String| Err(Mistake::new(message).help(help).into());
    if inputs.is_empty() || outputs.is_empty() {
        return error("a model has an input and an output at least".to_owned());
    }
    let mut seen = HashSet::new();
    for input in inputs {
        if input.node.unit.input_type().is_none() || !input.node.inputs.is_empty() {
            return error(format!("an input of the model is what a layer gives: {input}"));
        }
        if !seen.insert(Arc::as_ptr(&input.node)) {
            return error(format!("an input of the model is given twice: {input}"));
        }
    }
    Ok(())
}

/// Fails if a call takes an input that is not one of the model's.
fn check_connected(nodes: &[Arc<Node>], inputs: &[Symbolic]) -> Result<(), NnError> {
    let is_given = |node: &Arc<Node>| inputs.iter().any(|input| Arc::ptr_eq(&input.node, node));
    let Some(missing) = nodes.iter().find(|node| node.inputs.is_empty() && !is_given(node)) else {
        return Ok(());
    };
    let tensor = Symbolic::of(missing, 0);
    let message = format!("the outputs depend on {tensor}, which is not among the model's inputs");
    let help = "give it to Model::new too, or let the outputs depend on the inputs alone";
    Err(Mistake::new(message).help(help).into())
}

/// The layers with their names: their own, or Keras's, the class with a number. Numbers follow the
/// order of the calls.
fn named(nodes: &[Arc<Node>], units: Vec<Shared>) -> Result<Vec<Named>, NnError> {
    let first = |unit: &Shared| nodes.iter().position(|node| node.unit.is(unit)).unwrap_or(0);
    let mut by_call: Vec<(usize, usize)> =
        units.iter().enumerate().map(|(number, unit)| (first(unit), number)).collect();
    by_call.sort_unstable();
    let own: HashSet<String> = units.iter().filter_map(Shared::own_name).collect();
    let mut names: Vec<String> = vec![String::new(); units.len()];
    let mut counts: HashMap<String, usize> = HashMap::new();
    for (_, number) in &by_call {
        let unit = &units[*number];
        names[*number] = unit.own_name().unwrap_or_else(|| {
            let class = unit.class();
            loop {
                let count = counts.entry(class.clone()).or_default();
                let name = if *count == 0 { class.clone() } else { format!("{class}_{count}") };
                *count += 1;
                if !own.contains(&name) {
                    return name;
                }
            }
        });
    }
    let mut seen = HashSet::new();
    let mut result = vec![];
    for (unit, name) in units.into_iter().zip(names) {
        let location = nodes[first(&unit)].location.clone();
        let named = Named { unit, name, location };
        let mistake = if !seen.insert(named.name.clone()) {
            Mistake::new("another layer has this name already")
                .help("give one of them another name")
        } else if !is_name(&named.name) || named.name.contains('/') {
            Mistake::new("this is not a name for a layer")
                .help("names consist of letters, digits and _ . - and do not start with a digit")
        } else {
            result.push(named);
            continue;
        };
        return Err(named.error(mistake));
    }
    Ok(result)
}

impl Shared {
    /// Keras's name for the first layer of the class.
    fn class(&self) -> String {
        match &*self.0 {
            Unit::Layer(layer) if layer.input_type().is_some() => "input_layer".to_owned(),
            Unit::Layer(layer) => snake_case(layer.class_name()),
            Unit::Network(nested) => nested.network.name().to_owned(),
        }
    }

    fn own_name(&self) -> Option<String> {
        match &*self.0 {
            Unit::Layer(layer) => layer.base().name.clone(),
            Unit::Network(_) => None,
        }
    }

    fn layer_count(&self) -> usize {
        match &*self.0 {
            Unit::Layer(_) => 1,
            Unit::Network(nested) => nested.network.layer_names().len(),
        }
    }
}
