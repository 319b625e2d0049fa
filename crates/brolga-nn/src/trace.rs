//! What a layer sees while it is traced.

use brolga_ir::ops::Argmax;
use brolga_ir::{Mistake, Tracer, Type, Value, Var};

use crate::activations::Activation;

/// The trace of one network into one graph.
#[derive(Debug)]
pub struct Context {
    tracer: Tracer,
    training: bool,
    random: Option<(Var, Var)>,
    streams: u32,
    probabilities: Vec<(Value, Logits)>,
}

/// What a probability was computed from. Losses take it, where it is known, instead of the rounded probability.
#[derive(Debug, Clone)]
pub enum Logits {
    /// The probabilities are the softmax of this.
    Softmax(Var),
    /// The probabilities are the sigmoid of this.
    Sigmoid(Var),
}

/// What a model predicts, as losses and metrics take it.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// The model's output.
    pub output: Var,
    /// What it was computed from, if it consists of probabilities.
    pub logits: Option<Logits>,
}

impl From<Var> for Prediction {
    fn from(output: Var) -> Self {
        Self { output, logits: None }
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
        }
    }

    /// A trace in which layers behave as in training; random ones take their numbers from `seed: i32[2]` and `step: i32[]`.
    pub fn training(tracer: &Tracer, seed: &Var, step: &Var) -> Self {
        let random = Some((seed.clone(), step.clone()));
        Self { training: true, random, ..Self::inference(tracer) }
    }

    /// The graph being traced.
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// An output of the network with what is known of it.
    pub fn prediction(&self, output: Var) -> Prediction {
        let known =
            self.probabilities.iter().rev().find(|(value, _)| Some(*value) == output.value());
        Prediction { logits: known.map(|(_, logits)| logits.clone()), output }
    }
}

/// One layer's view of the trace: its weights, and what it may ask for.
#[derive(Debug)]
pub struct Call<'a> {
    context: &'a mut Context,
    weights: Vec<(&'a str, Var)>,
}

impl<'a> Call<'a> {
    /// The view of a layer with these weights.
    pub fn new(context: &'a mut Context, weights: Vec<(&'a str, Var)>) -> Self {
        Self { context, weights }
    }

    /// The graph being traced.
    pub fn tracer(&self) -> &Tracer {
        &self.context.tracer
    }

    /// Whether layers behave as in training.
    pub fn training(&self) -> bool {
        self.context.training
    }

    /// The only input of a layer that takes one.
    #[track_caller]
    pub fn single(&self, inputs: &[Var]) -> Var {
        match inputs {
            [input] => input.clone(),
            _ => {
                let message = format!("the layer takes one input, {} were given", inputs.len());
                self.tracer().fail(Mistake::new(message))
            }
        }
    }

    /// The layer's weight of this name.
    #[track_caller]
    pub fn weight(&self, name: &str) -> Var {
        match self.weights.iter().find(|(known, _)| *known == name) {
            Some((_, weight)) => weight.clone(),
            None => {
                let message =
                    format!("the layer has no weight `{name}`; `build` declares the weights");
                self.tracer().fail(Mistake::new(message))
            }
        }
    }

    /// Applies an activation, and remembers what probabilities are made of.
    #[track_caller]
    pub fn activate(&mut self, activation: &Activation, x: &Var) -> Var {
        let y = activation.apply(x);
        let logits = match activation {
            Activation::Softmax => Logits::Softmax(x.clone()),
            Activation::Sigmoid => Logits::Sigmoid(x.clone()),
            _ => return y,
        };
        self.context.probabilities.extend(y.value().map(|value| (value, logits)));
        y
    }

    /// Random truth values, true with this probability: the same for the same seed, step and place in the network.
    ///
    /// A mistake outside of training.
    #[track_caller]
    pub fn random_bernoulli(&mut self, ty: Type, probability: f32) -> Var {
        let Some((seed, step)) = &self.context.random else {
            let mistake = Mistake::new("a layer asked for random numbers outside of training");
            return self.context.tracer.fail(mistake);
        };
        let stream = self.context.streams;
        self.context.streams += 1;
        seed.random_bernoulli(step, ty, probability, stream)
    }
}

/// The place of the greatest element along the last axis, which stays away.
#[track_caller]
pub(crate) fn argmax_last(x: &Var) -> Var {
    match x.shape().rank().checked_sub(1) {
        Some(axis) => x.unary(Argmax { axis, keepdims: false }),
        None => x.tracer().fail(Mistake::new(format!("{} has no last axis", x.ty()))),
    }
}
