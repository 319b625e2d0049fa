//! The trace of a network, and a layer's view of it.

use brolga_ir::ops::Argmax;
use brolga_ir::{DType, Mistake, Tracer, Type, Value, Var};

use crate::activations::Activation;
pub use crate::activations::Logits;
use crate::config::Axis;
use crate::keywords::Keywords;
use crate::masks::{Handled, Masks};
use crate::normal::standard_normal;
use crate::regularizers::Regularizer;

/// The trace of one network into one graph.
#[derive(Debug)]
pub struct Context {
    tracer: Tracer,
    training: bool,
    random: Option<(Var, Var)>,
    streams: u32,
    probabilities: Vec<(Value, Logits)>,
    pub(crate) masks: Masks,
    losses: Vec<Var>,
    /// The size of all batches, if the model declares it.
    pub(crate) batch_size: Option<usize>,
}

/// The output of a model, as losses and metrics take it.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// The model's output.
    pub output: Var,
    /// The logits that it was computed from, if it consists of probabilities.
    pub logits: Option<Logits>,
    /// Which of its steps count, if it has a mask.
    pub mask: Option<Var>,
}

impl From<Var> for Prediction {
    fn from(output: Var) -> Self {
        Self { output, logits: None, mask: None }
    }
}

impl Context {
    /// A trace in which layers behave as in inference.
    pub fn inference(tracer: &Tracer) -> Self {
        Self {
            tracer: tracer.clone(),
            training: false,
            random: None,
            streams: 0,
            probabilities: vec![],
            masks: Masks::default(),
            losses: vec![],
            batch_size: None,
        }
    }

    /// A trace in which layers behave as in training; random ones take their numbers from `seed:
    /// i32[2]` and `step: i32[]`.
    pub fn training(tracer: &Tracer, seed: &Var, step: &Var) -> Self {
        let random = Some((seed.clone(), step.clone()));
        Self { training: true, random, ..Self::inference(tracer) }
    }

    /// Lets layers that are called from here on behave as in training, or as in inference.
    pub(crate) fn set_training(&mut self, training: bool) {
        self.training = training;
    }

    /// Whether layers behave as in training.
    pub(crate) fn is_training(&self) -> bool {
        self.training
    }

    /// The graph being traced.
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// An output of the network with what is known of it.
    pub fn prediction(&self, output: Var) -> Prediction {
        let (logits, mask) = (self.logits(&output).cloned(), self.mask(&output).cloned());
        Prediction { output, logits, mask }
    }

    /// What a value was computed from, if it consists of probabilities.
    fn logits(&self, x: &Var) -> Option<&Logits> {
        let known = self.probabilities.iter().rev().find(|(value, _)| Some(*value) == x.value());
        known.map(|(_, logits)| logits)
    }

    /// Lets a view of a value be known for what it is.
    pub(crate) fn hand_on_logits(&mut self, x: &Var, view: &Var) {
        let known = view.value().zip(self.logits(x).cloned());
        self.probabilities.extend(known);
    }

    /// Adds one number to the loss.
    #[track_caller]
    pub(crate) fn add_loss(&mut self, value: &Var) {
        if *value.ty() == Type::scalar(DType::F32) {
            self.losses.push(value.clone());
        } else {
            let message = format!("the layer adds {} to the loss, which is f32[]", value.ty());
            let help = "reduce it to one number: x.reduce_mean(&axes, false)";
            self.tracer.fail(Mistake::new(message).help(help));
        }
    }

    /// Adds the regularizer's terms for the outputs of a layer to the loss.
    pub(crate) fn regularize(&mut self, regularizer: &dyn Regularizer, outputs: &[Var]) {
        for output in outputs {
            match regularizer.check(output.shape()) {
                Ok(()) => self.add_loss(&regularizer.penalty(output).cast(DType::F32)),
                Err(mistake) => drop(output.tracer().fail(mistake)),
            }
        }
    }

    /// The terms that layers and regularizers have added to the loss so far, in the order of their
    /// calls.
    pub fn losses(&self) -> &[Var] {
        &self.losses
    }
}

/// The weights of one layer in a trace.
#[derive(Debug, Clone, Default)]
pub struct Weights(Vec<Traced>);

/// A weight: the state before the step, and its value after what layers have done to it so far.
#[derive(Debug, Clone)]
struct Traced {
    name: String,
    trained: bool,
    state: Var,
    value: Var,
}

impl Weights {
    /// Weights of these names, of which the optimizer trains those that say so.
    pub fn new<N: Into<String>>(weights: impl IntoIterator<Item = (N, Var, bool)>) -> Self {
        let traced = |(name, state, trained): (N, Var, bool)| {
            let (name, value) = (name.into(), state.clone());
            Traced { name, trained, state, value }
        };
        Self(weights.into_iter().map(traced).collect())
    }

    /// The weights before the step, in the order of their declarations.
    pub fn states(&self) -> impl Iterator<Item = &Var> {
        self.0.iter().map(|weight| &weight.state)
    }

    /// The values of the weights at this point, in the order of their declarations.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Var> {
        self.0.iter().map(|weight| &weight.value)
    }

    /// Gives a weight, by its number, another value from here on.
    pub(crate) fn assign(&mut self, number: usize, value: &Var) {
        self.0[number].value = value.clone();
    }

    /// The weights that the layer has updated, with their next values.
    pub fn updates(&self) -> impl Iterator<Item = (&Var, &Var)> {
        let updated = |weight: &&Traced| weight.state.value() != weight.value.value();
        self.0.iter().filter(updated).map(|weight| (&weight.state, &weight.value))
    }
}

/// One layer's view of the trace: its weights, and what it may ask for.
#[derive(Debug)]
pub struct Call<'a> {
    pub(crate) context: &'a mut Context,
    weights: &'a mut Weights,
    keywords: Keywords,
    pub(crate) handled: Handled,
    /// What the names of the layer's weights begin with.
    prefix: String,
}

impl<'a> Call<'a> {
    /// The view of a layer with these weights.
    pub fn new(context: &'a mut Context, weights: &'a mut Weights) -> Self {
        Self {
            context,
            weights,
            keywords: Keywords::default(),
            handled: Handled::default(),
            prefix: String::new(),
        }
    }

    /// The same with the arguments that the call has besides its inputs.
    #[must_use]
    pub fn with(self, keywords: Keywords) -> Self {
        Self { keywords, ..self }
    }

    /// The arguments that the call has besides its inputs.
    pub fn keywords(&self) -> &Keywords {
        &self.keywords
    }

    /// Calls a part of the layer, whose weights have the names of this layer's that begin with
    /// `name/`, without what follows. It has no keyword arguments.
    pub fn part<R>(&mut self, name: &str, part: impl FnOnce(&mut Call<'_>) -> R) -> R {
        let prefix = format!("{}{name}/", self.prefix);
        let mut call = Call { prefix, ..Call::new(self.context, self.weights) };
        part(&mut call)
    }

    /// The graph being traced.
    pub fn tracer(&self) -> &Tracer {
        &self.context.tracer
    }

    /// Whether layers behave as in training.
    pub fn training(&self) -> bool {
        self.context.training
    }

    /// The output of a layer of one input and one output.
    ///
    /// A mistake if there are more inputs or fewer.
    #[track_caller]
    pub fn map(&mut self, inputs: &[Var], layer: impl FnOnce(&mut Self, Var) -> Var) -> Vec<Var> {
        match inputs {
            [input] => vec![layer(self, input.clone())],
            _ => {
                let message = format!("the layer takes one input, {} were given", inputs.len());
                vec![self.tracer().fail(Mistake::new(message))]
            }
        }
    }

    /// The layer's weight of this name. One that was [updated](Call::update) before, in this call
    /// or in an earlier one of the same layer, has its new value.
    #[track_caller]
    pub fn weight(&self, name: &str) -> Var {
        let full = format!("{}{name}", self.prefix);
        match self.weights.0.iter().find(|weight| weight.name == full) {
            Some(weight) => weight.value.clone(),
            None => self.tracer().fail(no_weight(&full)),
        }
    }

    /// Gives a weight that is not trained another value, such as a moving mean its next one: in
    /// training it has that value from here on, and the training step leaves it in the model's
    /// state. In inference nothing changes.
    ///
    /// A mistake if there is no such weight, if the optimizer trains it, or if the value has
    /// another type.
    #[track_caller]
    pub fn update(&mut self, name: &str, value: &Var) {
        let training = self.context.training;
        self.assign(name, value, training);
    }

    /// Gives a weight that is not trained another value, in inference as in training: a state that
    /// is [carried](crate::layers::WeightSpec::carried) to the next batch.
    ///
    /// A mistake as that of [`Call::update`].
    #[track_caller]
    pub fn keep(&mut self, name: &str, value: &Var) {
        self.assign(name, value, true);
    }

    #[track_caller]
    fn assign(&mut self, name: &str, value: &Var, now: bool) {
        let full = format!("{}{name}", self.prefix);
        let Some(weight) = self.weights.0.iter_mut().find(|weight| weight.name == full) else {
            self.tracer().fail(no_weight(&full));
            return;
        };
        let (expected, given) = (weight.state.ty(), value.ty());
        if weight.trained {
            let message =
                format!("the layer updates its weight `{name}`, which the optimizer trains");
            let help = "declare it with `WeightSpec::non_trainable`";
            self.tracer().fail(Mistake::new(message).help(help));
        } else if expected != given {
            let message =
                format!("the layer updates its weight `{name}`: {expected} with a value {given}");
            self.tracer().fail(Mistake::new(message).help("both must have the same type"));
        } else if now {
            weight.value = value.clone();
        }
    }

    /// Adds a number, such as a regularizer's, to the loss of training and evaluation. Gradients
    /// flow through it.
    ///
    /// A mistake if it is not `f32[]`.
    #[track_caller]
    pub fn add_loss(&mut self, value: &Var) {
        self.context.add_loss(value);
    }

    /// Applies an activation, and remembers the logits of probabilities.
    #[track_caller]
    pub fn activate(&mut self, activation: &Activation, x: &Var) -> Var {
        let function = match activation.resolve() {
            Ok(function) => function,
            Err(error) => return self.tracer().fail(error.into_mistake()),
        };
        let y = function.apply(x);
        let known = y.value().zip(function.logits(x));
        self.context.probabilities.extend(known);
        y
    }

    /// Random truth values, true with this probability: the same for the same seed, step and
    /// position in the network.
    ///
    /// A mistake outside of training.
    #[track_caller]
    pub fn random_bernoulli(&mut self, ty: Type, probability: f32) -> Var {
        self.random(|seed, step, stream| seed.random_bernoulli(step, ty, probability, stream))
    }

    /// Random numbers from [0, 1), as [`Call::random_bernoulli`]; of another type than `f32` they
    /// are converted.
    ///
    /// A mistake outside of training.
    #[track_caller]
    pub fn random_uniform(&mut self, ty: &Type) -> Var {
        let drawn = Type::f32(ty.shape.clone());
        let numbers = self.random(|seed, step, stream| seed.random_uniform(step, drawn, stream));
        if ty.dtype == DType::F32 { numbers } else { numbers.cast(ty.dtype) }
    }

    /// Random numbers of the normal distribution with mean 0 and standard deviation 1, as
    /// [`Call::random_bernoulli`].
    ///
    /// A mistake outside of training.
    #[track_caller]
    pub fn random_normal(&mut self, ty: &Type) -> Var {
        standard_normal(&self.random_uniform(ty))
    }

    /// What is drawn with the seed, the step and a stream of its own.
    #[track_caller]
    pub(crate) fn random(&mut self, draw: impl FnOnce(&Var, &Var, u32) -> Var) -> Var {
        let random = self.context.random.as_ref().filter(|_| self.context.training);
        let Some((seed, step)) = random else {
            let mistake = Mistake::new("a layer asked for random numbers outside of training");
            return self.context.tracer.fail(mistake);
        };
        let stream = self.context.streams;
        self.context.streams += 1;
        draw(seed, step, stream)
    }
}

fn no_weight(name: &str) -> Mistake {
    Mistake::new(format!("the layer has no weight `{name}`; `build` declares the weights"))
}

/// The index of the greatest element along an axis, which is dropped.
#[track_caller]
pub(crate) fn argmax(x: &Var, axis: Axis) -> Var {
    match axis.of(x.shape()) {
        Ok(axis) => x.unary(Argmax { axis, keepdims: false }),
        Err(mistake) => x.tracer().fail(mistake),
    }
}

/// [`argmax`] along the last axis.
#[track_caller]
pub(crate) fn argmax_last(x: &Var) -> Var {
    argmax(x, Axis::default())
}
