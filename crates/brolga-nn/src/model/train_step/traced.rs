//! A model in the trace of a step.

use brolga_ir::{Mistake, Tracer, Var};

use super::super::step::StateSpec;
use super::models::OfStep;
use super::models::parts::OfModel;
use crate::error::NnError;
use crate::network::{Built, Network, batched};
use crate::trace::{Context, Weights};

/// A model in a trace.
#[derive(Debug)]
pub(super) struct Traced<'a> {
    pub(super) network: &'a dyn Network,
    pub(super) prefix: Option<String>,
    /// With the names that the weights have in the step.
    pub(super) built: Built,
    pub(super) states: Vec<StateSpec>,
    pub(super) context: Context,
    pub(super) weights: Vec<Weights>,
    /// The number of the step, and whether the model was called in training.
    pub(super) step: (Var, bool),
}

impl<'a> Traced<'a> {
    pub(super) fn new(tracer: &Tracer, model: &OfModel<'a>, known: &OfStep) -> Self {
        let mut built = model.built.clone();
        if let Some(prefix) = &known.prefix {
            built.layers.iter_mut().for_each(|layer| layer.move_inside(prefix));
        }
        let weights = built.layers.iter().map(|layer| layer.declare(tracer)).collect();
        let [seed, step] = known.random(tracer);
        let context = Context::training(tracer, &seed, &step);
        let (network, prefix) = (model.network, known.prefix.clone());
        let (states, step) = (known.states().collect(), (step, false));
        Self { network, prefix, built, states, context, weights, step }
    }

    /// What the model gives for these batches.
    pub(super) fn call(&mut self, inputs: &[&Var], training: bool) -> Result<Vec<Var>, NnError> {
        let name = self.network.name();
        let ports = &self.built.inputs;
        if inputs.len() != ports.len() {
            let (expected, given) = (ports.len(), inputs.len());
            let s = if expected == 1 { "" } else { "s" };
            let message = format!(
                "step.call: the model `{name}` takes {expected} input{s}, {given} were given"
            );
            return Err(Mistake::new(message)
                .help("step.call_all(&model, &[&a, &b], training)")
                .into());
        }
        for (port, input) in ports.iter().zip(inputs).filter(|(_, input)| input.value().is_some()) {
            let batch = input.shape().first().copied();
            let expected = batch.map(|batch| batched(&port.ty, batch));
            if expected.as_ref() != Some(input.ty()) {
                let (ty, given) = (&port.ty, input.ty());
                let message = format!(
                    "step.call: the model `{name}` takes batches of samples {ty}, {given} was given"
                );
                let help = "the first axis counts the samples; `cast` makes floats of integers";
                return Err(Mistake::new(message).help(help).into());
            }
        }
        let tracer = self.context.tracer().clone();
        let _scope = self.prefix.as_ref().map(|prefix| tracer.enter(prefix));
        self.context.set_training(training);
        self.step.1 |= training;
        let inputs: Vec<Var> = inputs.iter().map(|&input| input.clone()).collect();
        self.network.forward(&mut self.context, &mut self.weights, &inputs)
    }
}
