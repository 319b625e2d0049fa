//! Tracing of a model's programs: the training step, the evaluation step, the prediction.

use std::collections::{HashMap, HashSet};

use brolga_ir::{DType, Graph, Mistake, NodeId, Origin, Role, Tracer, Type, Var};

use super::compile::Compiled;
use super::objective::{Measured, Objective};
use super::optimize::{OptimizerNames, States, optimize, optimizer_states};
use crate::error::NnError;
use crate::losses::{self, Loss};
use crate::network::{Built, Network, Weight, batched};
use crate::states::{SEED, STEP};
use crate::trace::{Context, Prediction, Weights};

/// Declares the states that random layers take their numbers from: the seed and the number of the
/// step.
pub(crate) fn random_states(tracer: &Tracer) -> (Var, Var) {
    let seed = tracer.state(SEED, Type::new(DType::I32, [2]));
    let step = tracer.state(STEP, Type::scalar(DType::I32));
    (seed, step)
}

/// A model with what it was compiled with, as the programs are traced from it.
pub(crate) struct Plan<'a> {
    pub(crate) network: &'a dyn Network,
    pub(crate) built: &'a Built,
    pub(crate) compiled: Option<&'a Compiled>,
}

/// A program under construction: its tracer, its inputs, and the weights of the network's layers.
struct Program {
    tracer: Tracer,
    batch: usize,
    inputs: Vec<Var>,
    weights: Vec<Weights>,
}

impl Program {
    /// Lets weights that layers have updated have their next values after the step.
    fn update_weights(&self) {
        let updates = self.weights.iter().flat_map(Weights::updates);
        updates.for_each(|(weight, next)| self.tracer.update(weight, next));
    }
}

impl Plan<'_> {
    /// A program that takes a batch.
    fn program(&self, name: &str, batch: usize) -> Program {
        let tracer = Tracer::new(name);
        let (inputs, weights) = self.built.declare(&tracer, batch);
        Program { tracer, batch, inputs, weights }
    }

    /// How many steps are made between two calls of callbacks.
    pub(crate) fn steps_per_execution(&self) -> usize {
        self.compiled.map_or(1, |compiled| compiled.steps_per_execution)
    }

    /// Adds the network.
    fn forward(&self, program: &mut Program, context: &mut Context) -> Result<Vec<Var>, NnError> {
        let outputs = self.network.forward(context, &mut program.weights, &program.inputs)?;
        let (expected, given) = (self.built.outputs.len(), outputs.len());
        if given == expected {
            return Ok(outputs);
        }
        let message = format!("the model has {expected} outputs, it made {given} tensors");
        Err(Mistake::new(message).into())
    }

    /// `predict(inputs..) -> outputs..`.
    pub(crate) fn predict(&self, batch: usize) -> Result<Graph, NnError> {
        let mut program = self.program("predict", batch);
        let mut context = Context::inference(&program.tracer);
        let outputs = self.forward(&mut program, &mut context)?;
        outputs.iter().for_each(|output| program.tracer.output(output));
        program.update_weights();
        Ok(program.tracer.finish()?)
    }

    /// `eval_step(inputs.., y, [sample_weight]) -> loss, statistics of the metrics..`, with the
    /// layers as in inference.
    pub(crate) fn eval_step(&self, batch: usize, weighted: bool) -> Result<Graph, NnError> {
        let mut program = self.program("eval_step", batch);
        let mut context = Context::inference(&program.tracer);
        self.measure(&mut program, &mut context, weighted)?;
        program.update_weights();
        Ok(program.tracer.finish()?)
    }

    /// As [`Plan::eval_step`], with the layers as in training.
    pub(crate) fn loss(&self, batch: usize, weighted: bool) -> Result<Graph, NnError> {
        let mut program = self.program("loss", batch);
        let (seed, step) = random_states(&program.tracer);
        let mut context = Context::training(&program.tracer, &seed, &step);
        self.measure(&mut program, &mut context, weighted)?;
        Ok(program.tracer.finish()?)
    }

    /// `train_step(inputs.., y, [sample_weight]) -> loss, statistics of the metrics..`, with the
    /// next weights and optimizer states.
    pub(crate) fn train_step(&self, batch: usize, weighted: bool) -> Result<Graph, NnError> {
        let mut program = self.program("train_step", batch);
        let (seed, step) = random_states(&program.tracer);
        let mut context = Context::training(&program.tracer, &seed, &step);
        let loss = self.measure(&mut program, &mut context, weighted)?;
        if let Some(error) = program.tracer.error() {
            return Err(error.into());
        }
        // Before the gradients, which remove what no output needs.
        program.update_weights();
        let Program { tracer, weights, .. } = program;
        let weights: Vec<Var> = weights.iter().flat_map(Weights::states).cloned().collect();
        self.update(&tracer, &weights, &loss)?;
        {
            let _scope = tracer.origin_scope(Origin { role: Role::Update, ..Origin::default() });
            tracer.update(&step, &(&step + 1.0));
        }
        Ok(tracer.finish()?)
    }

    /// Adds the network, the loss and the metrics, which become the program's outputs. Returns the
    /// loss.
    fn measure(
        &self,
        program: &mut Program,
        context: &mut Context,
        weighted: bool,
    ) -> Result<Var, NnError> {
        let objectives = self.objectives("trace")?;
        let outputs = self.forward(program, context)?;
        let ports = &self.built.outputs;
        self.regularize(program, context);
        let (tracer, batch) = (&program.tracer, program.batch);
        let (mut losses, mut beside, mut statistics) = (vec![], vec![], vec![]);
        let mut measured = vec![];
        for objective in &objectives {
            let port = &ports[objective.output];
            let prediction = context.prediction(outputs[objective.output].clone());
            let input =
                |role, ty| tracer.input(&port.program_input(role, ports), batched(&ty, batch));
            let y = input("y", objective.labels().ty(&port.ty)?);
            let weight = weighted.then(|| input("sample_weight", Type::scalar(DType::F32)));
            if let Some(loss) = &objective.loss {
                let scope = objective.loss_name.as_deref().unwrap_or("loss");
                let value = loss_of_batch(tracer, scope, &**loss, (&y, &prediction, &weight));
                beside.extend(objective.loss_name.is_some().then(|| value.clone()));
                let _scope = tracer.enter(scope);
                losses.push(if objective.weight == 1.0 { value } else { value * objective.weight });
            }
            measured.push((objective, y, prediction, weight));
        }
        let total = {
            let _scope = tracer.enter("loss");
            let added = losses.into_iter().chain(context.losses().iter().cloned());
            added.reduce(|sum, loss| sum + loss).unwrap_or_else(|| tracer.scalar(DType::F32, 0.0))
        };
        for (objective, y, prediction, weight) in &measured {
            statistics.extend(self::statistics(&objective.metrics, y, prediction, weight.as_ref()));
        }
        [total.clone()].iter().chain(&beside).chain(&statistics).for_each(|x| tracer.output(x));
        Ok(total)
    }

    /// The losses and metrics of the outputs.
    pub(crate) fn objectives(&self, method: &'static str) -> Result<Vec<Objective>, NnError> {
        let missing = NnError::NotCompiled { method, missing: "loss" };
        self.compiled.ok_or(missing)?.objectives(&self.built.outputs, method)
    }

    /// Adds the terms of the regularizers of the trainable weights to the loss.
    fn regularize(&self, program: &Program, context: &mut Context) {
        let states = program.weights.iter().flat_map(Weights::states);
        penalties(&program.tracer, self.built.weights(), states)
            .iter()
            .for_each(|penalty| context.add_loss(penalty));
    }

    /// The gradients of the trainable weights, and the next values of weights and optimizer states.
    fn update(&self, tracer: &Tracer, weights: &[Var], loss: &Var) -> Result<(), NnError> {
        let compiled = self.compiled.ok_or(NOT_COMPILED)?;
        let optimizer = &*compiled.optimizer;
        let trained = self.built.weights().zip(weights).filter(|(weight, _)| weight.trainable);
        // An output without a loss is not trained, and so nothing that it alone needs. Elsewhere a
        // weight that the loss does not need is a mistake, of which the gradient tells.
        let losses = self.objectives("trace")?.iter().filter(|o| o.loss.is_some()).count();
        let needed = (losses < self.built.outputs.len()).then(|| needed_by(tracer, loss));
        let trained = trained.filter(|(_, var)| {
            needed.as_ref().is_none_or(|needed| var.node().is_some_and(|id| needed.contains(&id)))
        });
        let (specs, weights): (Vec<_>, Vec<Var>) = trained.map(|(w, var)| (w, var.clone())).unzip();
        let scale = optimizer.common().loss_scale_factor;
        let loss = scale.map_or_else(|| loss.clone(), |factor| loss * factor);
        let gradients = brolga_autodiff::gradients(tracer, &loss, &weights)?;
        let mut states = Declared { tracer, states: HashMap::new() };
        let named = |(spec, weight): (&&Weight, &Var)| (spec.path(), weight.clone());
        states.states.extend(specs.iter().zip(&weights).map(named));
        let trained = specs.into_iter().zip(weights).zip(gradients);
        let trained = trained.map(|((spec, weight), gradient)| (spec, weight, gradient)).collect();
        let names = OptimizerNames::of_model(optimizer);
        optimize(tracer, optimizer, &names, &mut states, trained);
        Ok(())
    }

    /// All states of the model with their types and first values: weights, optimizer slots,
    /// counters.
    pub(crate) fn states(&self) -> Result<Vec<StateSpec>, NnError> {
        let weight = |(weight, number): (&Weight, u32)| StateSpec {
            name: weight.path(),
            ty: weight.ty.clone(),
            first: First::Weight(number),
            owner: (weight.layer.clone(), Role::Forward),
        };
        let mut states: Vec<_> = self.built.weights().zip(0..).map(weight).collect();
        if let Some(compiled) = self.compiled {
            let (optimizer, trained) = (&*compiled.optimizer, self.built.weights());
            let trained = trained.filter(|weight| weight.trainable);
            let names = OptimizerNames::of_model(optimizer);
            states.extend(optimizer_states(optimizer, &names, trained)?);
        }
        let zero = First::Value(0.0);
        states.push(StateSpec::of_model(SEED.to_owned(), Type::new(DType::I32, [2]), zero));
        states.push(StateSpec::of_model(STEP.to_owned(), Type::scalar(DType::I32), zero));
        Ok(states)
    }
}

/// The states that the program of a training step has: each is declared when it is asked for, and
/// assigned once.
struct Declared<'a> {
    tracer: &'a Tracer,
    states: HashMap<String, Var>,
}

impl States for Declared<'_> {
    fn state(&mut self, name: &str, ty: &Type) -> Var {
        let state = self.tracer.state(name, ty.clone());
        self.states.insert(name.to_owned(), state.clone());
        state
    }

    fn assign(&mut self, name: &str, next: &Var) {
        if let Some(state) = self.states.get(name) {
            self.tracer.update(state, next);
        }
    }
}

/// A state of a model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StateSpec {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) first: First,
    /// The layer, and the part of the step that it belongs to.
    pub(crate) owner: (String, Role),
}

impl StateSpec {
    /// A state that belongs to no layer.
    pub(crate) fn of_model(name: String, ty: Type, first: First) -> Self {
        Self { name, ty, first, owner: (String::new(), Role::Forward) }
    }
}

/// The first value of a state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum First {
    /// That of the weight with this number among [`Built::weights`].
    Weight(u32),
    /// The same number everywhere.
    Value(f64),
}

/// The terms of the regularizers of the weights that are trained and have these values.
pub(crate) fn penalties<'w, 'v>(
    tracer: &Tracer,
    weights: impl Iterator<Item = &'w Weight>,
    values: impl Iterator<Item = &'v Var>,
) -> Vec<Var> {
    let penalty = |(weight, value): (&Weight, &Var)| {
        let regularizer = weight.regularizer.as_ref().filter(|_| weight.trainable)?;
        let _scope = tracer.origin_scope(weight.origin(Role::Forward));
        Some(regularizer.penalty(value))
    };
    weights.zip(values).filter_map(penalty).collect()
}

/// The nodes that a value is computed from.
fn needed_by(tracer: &Tracer, value: &Var) -> HashSet<NodeId> {
    tracer.with_graph(|graph| {
        let mut needed: HashSet<NodeId> = HashSet::new();
        let mut stack: Vec<NodeId> = value.node().into_iter().collect();
        while let Some(id) = stack.pop() {
            if needed.insert(id) {
                stack.extend(graph.producers(id));
            }
        }
        needed
    })
}

/// The loss of a batch, which is one number.
pub(crate) fn loss_of_batch(
    tracer: &Tracer,
    scope: &str,
    loss: &dyn Loss,
    (y, prediction, sample_weight): (&Var, &Prediction, &Option<Var>),
) -> Var {
    let _scope = tracer.enter(scope);
    let value = losses::compute(loss, y, prediction, sample_weight.as_ref());
    if value.shape().rank() > 0 {
        let message = format!("the loss is {}, not one number", value.ty());
        let help = "let its reduction be sum_over_batch_size, mean_with_sample_weight or sum";
        tracer.fail(Mistake::new(message).help(help));
    }
    value
}

/// The statistics of the metrics of an output.
fn statistics(
    metrics: &[Measured],
    y: &Var,
    prediction: &Prediction,
    sample_weight: Option<&Var>,
) -> Vec<Var> {
    let tracer = y.tracer();
    let mut statistics = vec![];
    for Measured { name, metric, weighted, .. } in metrics {
        let _scope = tracer.enter(&format!("metrics/{name}"));
        let mask = prediction.mask.as_ref().filter(|_| metric.uses_mask());
        let weight = masked_weight(mask, sample_weight.filter(|_| *weighted));
        let parts = metric.statistics(y, prediction, weight.as_ref());
        if parts.len() != metric.parts() {
            let (expected, given) = (metric.parts(), parts.len());
            let message = format!("the metric gives {given} tensors, its `parts` says {expected}");
            tracer.fail(Mistake::new(message));
        }
        statistics.extend(parts.iter().map(as_f32));
    }
    statistics
}

/// How much each step counts, of an output with this mask.
fn masked_weight(mask: Option<&Var>, sample_weight: Option<&Var>) -> Option<Var> {
    match (mask, sample_weight) {
        (Some(mask), Some(weight)) => Some(losses::align(weight, mask) * mask.cast(weight.dtype())),
        (Some(mask), None) => Some(mask.cast(DType::F32)),
        (None, weight) => weight.cloned(),
    }
}

pub(crate) fn as_f32(x: &Var) -> Var {
    if x.dtype() == DType::F32 { x.clone() } else { x.cast(DType::F32) }
}

const NOT_COMPILED: NnError = NnError::NotCompiled { method: "trace", missing: "loss" };
