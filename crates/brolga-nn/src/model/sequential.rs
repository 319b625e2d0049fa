//! A model in which each layer takes what the one before gives.

use std::collections::{HashMap, HashSet};
use std::panic;
use std::sync::Arc;

use brolga_ir::text::is_name;
use brolga_ir::{Location, Mistake, Origin, Role, TraceError, Tracer, Type, Var};
use serde_json::{Value, json};

use super::Model;
use super::config::{layer_config, model_config};
use super::step::random_states;
use crate::error::NnError;
use crate::layers::Layer;
use crate::network::{Built, BuiltLayer, Network, Port, call};
use crate::outline::{Outline, Part};
use crate::registry::{Registry, snake_case};
use crate::trace::{Context, Weights};

/// A model in which each layer takes what the one before gives.
pub type Sequential = Model<Stack>;

/// Layers one after the other.
#[derive(Debug, Default)]
pub struct Stack {
    name: String,
    layers: Vec<Entry>,
    /// How many layers have each name.
    names: HashMap<String, usize>,
    /// The number of the next layer of each class that has layers.
    numbers: HashMap<String, usize>,
}

#[derive(Debug)]
struct Entry {
    layer: Arc<dyn Layer>,
    name: String,
    location: Option<Location>,
}

impl Entry {
    fn origin(&self) -> Origin {
        Origin { location: self.location.clone(), ..Origin::layer(&self.name, Role::Forward) }
    }

    /// A mistake of this layer.
    fn error(&self, mistake: Mistake) -> NnError {
        TraceError { mistake, origin: self.origin() }.into()
    }
}

impl Sequential {
    /// A model without layers.
    pub fn new() -> Self {
        Self::of(Stack { name: "sequential".to_owned(), ..Stack::default() })
    }

    /// Appends a layer. Weights that the model already has keep their values.
    #[track_caller]
    pub fn add(&mut self, layer: impl Layer + 'static) -> &mut Self {
        let caller = panic::Location::caller();
        let location = Location { file: caller.file().into(), line: caller.line() };
        self.push(Arc::new(layer), Some(location))
    }

    fn push(&mut self, layer: Arc<dyn Layer>, location: Option<Location>) -> &mut Self {
        let network = self.network_mut();
        let name = network.choose_name(&*layer);
        *network.names.entry(name.clone()).or_default() += 1;
        network.layers.push(Entry { layer, name, location });
        self
    }

    /// The model that Keras serialized as
    /// `{"class_name": "Sequential", "config": {"name": .., "layers": [..]}}`.
    ///
    /// # Errors
    /// If it is another class, or a layer is not known or has unknown arguments.
    pub fn from_config(value: &Value) -> Result<Self, NnError> {
        Self::from_config_with(value, &Registry::default())
    }

    /// As [`Sequential::from_config`], with classes of the user's own.
    ///
    /// # Errors
    /// As [`Sequential::from_config`].
    pub fn from_config_with(value: &Value, registry: &Registry) -> Result<Self, NnError> {
        let config = model_config(value, &["Sequential"])?;
        let layers = config.get("layers").and_then(Value::as_array);
        let layers = layers.ok_or_else(|| NnError::Config {
            class: "Sequential".to_owned(),
            message: "`config` needs a list `layers`".to_owned(),
        })?;
        let mut model = Self::new();
        if let Some(name) = config.get("name").and_then(Value::as_str) {
            model.network_mut().name = name.to_owned();
        }
        for layer in layers {
            model.push(registry.object::<dyn Layer>(layer)?, None);
        }
        if config.get("trainable") == Some(&Value::Bool(false)) {
            model.set_trainable(false);
        }
        Ok(model)
    }

    /// The layers in order.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = &dyn Layer> {
        self.network().layers.iter().map(|entry| &*entry.layer)
    }

    /// The layer of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn get_layer(&self, name: &str) -> Result<&dyn Layer, NnError> {
        let layers = &self.network().layers;
        match layers.iter().find(|entry| entry.name == name) {
            Some(entry) => Ok(&*entry.layer),
            None => {
                let known: Vec<String> = layers.iter().map(|entry| entry.name.clone()).collect();
                Err(NnError::unknown("layer", name, &known))
            }
        }
    }
}

impl Default for Sequential {
    fn default() -> Self {
        Self::new()
    }
}

impl Stack {
    /// The layer's own name, or Keras's: the class, then the class with a number.
    fn choose_name(&mut self, layer: &dyn Layer) -> String {
        if let Some(name) = &layer.base().name {
            return name.clone();
        }
        let class = if layer.input_type().is_some() {
            "input_layer".to_owned()
        } else {
            snake_case(layer.class_name())
        };
        let mut name = class.clone();
        // No number is free again, since layers stay.
        let number = self.numbers.entry(class).or_default();
        let class_length = name.len();
        while self.names.contains_key(&name) {
            *number += 1;
            name.truncate(class_length);
            name.push_str(&format!("_{number}"));
        }
        name
    }

    /// The first layer, and the type of the samples that it takes.
    fn first(&self, inputs: Option<&[Type]>) -> Result<(&Entry, Type), NnError> {
        let Some(first) = self.layers.first() else {
            return Err(NnError::Argument(
                Mistake::new("the model has no layers").help("add some: model.add(Dense::new(10))"),
            ));
        };
        match (first.layer.input_type(), inputs) {
            (Some(declared), _) => Ok((first, declared)),
            (None, Some([given])) => Ok((first, given.clone())),
            (None, Some(given)) => {
                let message = format!("the model takes one input, {} were given", given.len());
                Err(first.error(Mistake::new(message)))
            }
            (None, None) => Err(NnError::NotBuilt {
                method: "build",
                help: "let the first layer be `Input::new([..])`, or train the model first",
            }),
        }
    }

    fn check_names(&self) -> Result<(), NnError> {
        let mut names = HashSet::new();
        for entry in &self.layers {
            let mistake = if !names.insert(&entry.name) {
                Mistake::new("another layer has this name already")
                    .help("give one of them another name")
            } else if !is_name(&entry.name) || entry.name.contains('/') {
                Mistake::new("this is not a name for a layer").help(
                    "names consist of letters, digits and _ . - and do not start with a digit",
                )
            } else {
                continue;
            };
            return Err(entry.error(mistake));
        }
        Ok(())
    }
}

impl Network for Stack {
    fn name(&self) -> &str {
        &self.name
    }

    fn class_name(&self) -> &'static str {
        "Sequential"
    }

    fn layer_names(&self) -> Vec<(String, &'static str)> {
        self.layers.iter().map(|entry| (entry.name.clone(), entry.layer.class_name())).collect()
    }

    fn set_trainable(&self, trainable: bool) {
        self.layers.iter().for_each(|entry| entry.layer.set_trainable(trainable));
    }

    fn outline(&self) -> Outline {
        let part = |entry: &Entry| {
            let part = Part::new(entry.name.clone(), entry.layer.class_name());
            part.with_activation_of(&*entry.layer)
        };
        Outline::chain(self.layers.iter().map(part))
    }

    fn config(&self) -> Result<Value, NnError> {
        let layer = |entry: &Entry| layer_config(&*entry.layer, &entry.name);
        let layers: Vec<Value> = self.layers.iter().map(layer).collect::<Result<_, _>>()?;
        let config = json!({ "name": self.name, "trainable": true, "layers": layers });
        Ok(json!({
            "module": "keras",
            "class_name": "Sequential",
            "config": config,
            "registered_name": null,
        }))
    }

    fn build(&self, inputs: Option<&[Type]>) -> Result<Built, NnError> {
        self.check_names()?;
        let (first, sample) = self.first(inputs)?;
        let tracer = Tracer::new(&*self.name);
        let (seed, step) = random_states(&tracer);
        let mut context = Context::training(&tracer, &seed, &step);
        let (input, mut x) = {
            let _scope = tracer.origin_scope(tracer.inside(first.origin()));
            context.batch_size = first.layer.batch_size();
            Port::input_of(&tracer, &first.name, sample, context.batch_size)?
        };
        let mut layers = vec![];
        let mut last = first;
        for entry in &self.layers {
            let (layer, _, outputs) =
                BuiltLayer::new(&mut context, &*entry.layer, &entry.origin(), &[x])?;
            x = single(outputs).map_err(|mistake| entry.error(mistake))?;
            layers.push(layer);
            last = entry;
        }
        let output = Port::output(&context, &last.name, &x);
        Ok(Built { inputs: vec![input], layers, outputs: vec![output] })
    }

    fn forward(
        &self,
        context: &mut Context,
        weights: &mut [Weights],
        inputs: &[Var],
    ) -> Result<Vec<Var>, NnError> {
        let mut layers = self.layers.iter().zip(weights);
        layers.try_fold(inputs.to_vec(), |values, (entry, weights)| {
            call(context, &*entry.layer, &entry.origin(), weights, &values)
        })
    }
}

/// The values that the next layer takes.
fn single(outputs: Vec<Var>) -> Result<Var, Mistake> {
    <[Var; 1]>::try_from(outputs).map(|[output]| output).map_err(|outputs| {
        let message = format!("the layer makes {} tensors", outputs.len());
        Mistake::new(message).help("a layer of a Sequential takes one and makes one")
    })
}
