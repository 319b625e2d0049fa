//! What the function of a step can ask for while it is traced.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use brolga_ir::{DType, Mistake, Origin, Role, Tracer, Type, Var};

use super::super::optimize::{OptimizerNames, States, optimize, optimizer_states};
use super::super::step::{First, StateSpec, as_f32, loss_of_batch, penalties};
use super::models::OfStep;
use super::models::parts::OfModel;
use super::traced::Traced;
use crate::error::NnError;
use crate::losses::Loss;
use crate::network::Weight;
use crate::optimizers::{self, Optimizer, state_prefix};
use crate::registry::{Choice, IntoArgument};
use crate::trace::{Prediction, Weights};

/// A model in the function of a step.
#[derive(Debug, Clone, Copy)]
pub struct StepModel {
    index: usize,
}

impl StepModel {
    pub(super) fn new(index: usize) -> Self {
        Self { index }
    }
}

/// An optimizer in the function of a step.
#[derive(Debug, Clone, Copy)]
pub struct StepOptimizer {
    index: usize,
}

/// A weight of a model, or a state of one's own, with the value that it has at a point of the step.
#[derive(Debug, Clone)]
pub struct Variable {
    name: String,
    value: Var,
}

impl Variable {
    /// The name of the state, such as `dense/kernel`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Deref for Variable {
    type Target = Var;

    fn deref(&self) -> &Var {
        &self.value
    }
}

impl AsRef<Var> for Variable {
    fn as_ref(&self) -> &Var {
        &self.value
    }
}

/// A [`TrainStep`](super::TrainStep) while it is traced: calls of models, gradients, and updates,
/// which hold from where they are written. Gradients flow to the values that variables have, and
/// not through the updates that these come from, as in Keras.
///
/// Mistakes are kept, and returned by [`TrainStep::run`](super::TrainStep::run); what is computed
/// from them is void.
#[derive(Debug)]
pub struct StepTrace<'a> {
    tracer: Tracer,
    models: Vec<Traced<'a>>,
    states: Vec<Kept>,
    optimizers: Vec<Applied>,
    error: Option<NnError>,
}

/// A state that is no weight.
#[derive(Debug)]
struct Kept {
    name: String,
    first: f64,
    state: Var,
    value: Var,
}

/// An optimizer, and the weights that it was applied to.
#[derive(Debug)]
struct Applied {
    optimizer: Arc<dyn Optimizer>,
    names: OptimizerNames,
    weights: Vec<Weight>,
}

impl<'a> StepTrace<'a> {
    pub(super) fn new(tracer: &Tracer, models: &[OfModel<'a>], known: &[OfStep]) -> Self {
        let models =
            models.iter().zip(known).map(|(model, known)| Traced::new(tracer, model, known));
        let (models, states, optimizers) = (models.collect(), vec![], vec![]);
        Self { tracer: tracer.clone(), models, states, optimizers, error: None }
    }

    /// The graph being traced.
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// Keeps an error, unless there is one already; what it is about is void.
    #[track_caller]
    fn fail(&mut self, error: NnError) -> Var {
        if self.tracer.error().is_some() {
            return self.tracer.fail(Mistake::new("void"));
        }
        let message = error.to_string();
        self.error.get_or_insert(error);
        self.tracer.fail(Mistake::new(message))
    }

    /// The output of a model of one input and one output (Keras's `model(x, training=..)`), with
    /// the weights as they are at this point. In training its moving statistics are updated.
    ///
    /// A mistake if the model has more inputs or outputs, or `x` is no batch of what it takes.
    #[track_caller]
    pub fn call(&mut self, model: &StepModel, x: &Var, training: bool) -> Var {
        let mut outputs = self.call_all(model, &[x], training);
        if outputs.len() == 1 {
            return outputs.swap_remove(0);
        }
        let message = format!("step.call: the model has {} outputs", outputs.len());
        self.fail(Mistake::new(message).help("take all of them: step.call_all").into())
    }

    /// As [`StepTrace::call`], for any number of inputs and outputs.
    #[track_caller]
    pub fn call_all(&mut self, model: &StepModel, inputs: &[&Var], training: bool) -> Vec<Var> {
        let Some(traced) = self.models.get_mut(model.index) else {
            return vec![self.fail(foreign("model"))];
        };
        let outputs = traced.call(inputs, training);
        outputs.unwrap_or_else(|error| vec![self.fail(error)])
    }

    /// The loss of a batch (Keras's `compute_loss`): one number. The logits of a prediction that is
    /// an output of a model are known, as in `fit`.
    #[track_caller]
    pub fn loss<Form>(
        &mut self,
        loss: impl IntoArgument<Choice<dyn Loss>, Form>,
        y_true: &Var,
        y_pred: &Var,
    ) -> Var {
        self.weighted_loss(loss, y_true, y_pred, None)
    }

    /// As [`StepTrace::loss`], with how much each sample counts.
    #[track_caller]
    pub fn weighted_loss<Form>(
        &mut self,
        loss: impl IntoArgument<Choice<dyn Loss>, Form>,
        y_true: &Var,
        y_pred: &Var,
        sample_weight: Option<&Var>,
    ) -> Var {
        match loss.into_argument().resolve() {
            Ok(loss) => {
                let (prediction, weight) = (self.prediction(y_pred), sample_weight.cloned());
                loss_of_batch(&self.tracer, "loss", &*loss, (y_true, &prediction, &weight))
            }
            Err(error) => self.fail(error),
        }
    }

    /// An output of a model with the logits and the mask that are known of it, as losses and metrics
    /// take it.
    pub fn prediction(&self, output: &Var) -> Prediction {
        let mut known =
            self.models.iter().rev().map(|model| model.context.prediction(output.clone()));
        known
            .find(|prediction| prediction.logits.is_some() || prediction.mask.is_some())
            .unwrap_or_else(|| output.clone().into())
    }

    /// The terms that a model adds to its loss (Keras's `model.losses`): those of the layers in its
    /// calls so far, and of the regularizers of weights that are trained.
    pub fn losses(&mut self, model: &StepModel) -> Vec<Var> {
        let Some(model) = self.models.get(model.index) else {
            return vec![self.fail(foreign("model"))];
        };
        let values = model.weights.iter().flat_map(Weights::values);
        let penalties = penalties(&self.tracer, model.built.weights(), values);
        model.context.losses().iter().cloned().chain(penalties).collect()
    }

    /// All weights of a model with the values that they have at this point, in the order of the
    /// layers.
    pub fn weights(&mut self, model: &StepModel) -> Vec<Variable> {
        self.variables(model, |_| true)
    }

    /// The weights of a model that training changes (Keras's `model.trainable_weights`).
    pub fn trainable_weights(&mut self, model: &StepModel) -> Vec<Variable> {
        self.variables(model, |weight| weight.trainable)
    }

    fn variables(&mut self, model: &StepModel, wanted: impl Fn(&Weight) -> bool) -> Vec<Variable> {
        let Some(model) = self.models.get(model.index) else {
            self.fail(foreign("model"));
            return vec![];
        };
        let values = model.weights.iter().flat_map(Weights::values);
        let weights = model.built.weights().zip(values).filter(|(weight, _)| wanted(weight));
        weights
            .map(|(weight, value)| Variable { name: weight.path(), value: value.clone() })
            .collect()
    }

    /// The gradients of one float by these variables (Keras's `tape.gradient(loss, variables)`,
    /// JAX's `grad`): of weights, or of any values that the loss was computed from.
    ///
    /// A mistake if the loss is not one number, or there is no path from a variable to it.
    #[track_caller]
    pub fn gradients<V: AsRef<Var>>(&mut self, loss: &Var, variables: &[V]) -> Vec<Var> {
        let variables: Vec<Var> = variables.iter().map(|v| v.as_ref().clone()).collect();
        match brolga_autodiff::gradients(&self.tracer, loss, &variables) {
            Ok(gradients) => gradients,
            Err(error) => {
                let void = self.fail(error.into());
                vec![void; variables.len()]
            }
        }
    }

    /// An optimizer, by name or as a value. What it keeps for each weight it keeps from run to run.
    /// Its learning rate is the state `adam/learning_rate` of the
    /// [`TrainStep`](super::TrainStep::state); a second one of a class is called `adam_1`.
    pub fn optimizer(&mut self, optimizer: impl Into<Choice<dyn Optimizer>>) -> StepOptimizer {
        let checked = optimizer.into().resolve();
        let checked = checked.and_then(|o| optimizers::check(&*o).map(|()| o));
        let index = self.optimizers.len();
        match checked {
            Ok(optimizer) => {
                let class = state_prefix(&*optimizer);
                let same = self.optimizers.iter().filter(|o| state_prefix(&*o.optimizer) == class);
                let number = same.count();
                let prefix = if number == 0 { class } else { format!("{class}_{number}") };
                let names = OptimizerNames::of_step(prefix);
                self.optimizers.push(Applied { optimizer, names, weights: vec![] });
            }
            Err(error) => drop(self.fail(error)),
        }
        StepOptimizer { index }
    }

    /// The loss times the optimizer's `loss_scale_factor`, if it has one (Keras's
    /// `optimizer.scale_loss`): what the gradients are of that it is given.
    pub fn scale_loss(&mut self, optimizer: &StepOptimizer, loss: &Var) -> Var {
        let Some(applied) = self.optimizers.get(optimizer.index) else {
            return self.fail(foreign("optimizer"));
        };
        let factor = applied.optimizer.common().loss_scale_factor;
        factor.map_or_else(|| loss.clone(), |factor| loss * factor)
    }

    /// Lets an optimizer update weights by these gradients (Keras's
    /// `optimizer.apply_gradients(zip(gradients, weights))`): clipping, weight decay, its rule, the
    /// weights' constraints. Later calls of the model have the new weights.
    ///
    /// A mistake if there are not as many gradients as weights, or a gradient has not the type of
    /// its weight.
    #[track_caller]
    pub fn apply_gradients(
        &mut self,
        optimizer: &StepOptimizer,
        gradients: &[Var],
        weights: &[Variable],
    ) {
        if self.tracer.error().is_some() {
            return;
        }
        let trained = match self.trained(gradients, weights) {
            Ok(trained) => trained,
            Err(mistake) => return drop(self.fail(mistake.into())),
        };
        let Some(applied) = self.optimizers.get_mut(optimizer.index) else {
            return drop(self.fail(foreign("optimizer")));
        };
        for (spec, ..) in &trained {
            if applied.weights.iter().all(|known| known.path() != spec.path()) {
                applied.weights.push(spec.clone());
            }
        }
        let (optimizer, names) = (Arc::clone(&applied.optimizer), applied.names.clone());
        let specs = match optimizer_states(&*optimizer, &names, applied.weights.iter()) {
            Ok(specs) => specs,
            Err(error) => return drop(self.fail(error)),
        };
        let first = specs.into_iter().map(|spec| (spec.name, spec.first)).collect();
        let tracer = self.tracer.clone();
        let mut states = OfOptimizer { step: self, first };
        let trained = trained.iter().map(|(spec, value, d)| (spec, value.clone(), d.clone()));
        optimize(&tracer, &*optimizer, &names, &mut states, trained.collect());
    }

    /// Weights with their values at this point and their gradients.
    fn trained(
        &self,
        gradients: &[Var],
        weights: &[Variable],
    ) -> Result<Vec<(Weight, Var, Var)>, Mistake> {
        let help = "give those of step.gradients(&loss, &weights), in this order";
        if gradients.len() != weights.len() {
            let (expected, given) = (weights.len(), gradients.len());
            let message =
                format!("step.apply_gradients: {expected} weights, but {given} gradients");
            return Err(Mistake::new(message).help(help));
        }
        let trained = |(variable, gradient): (&Variable, &Var)| {
            let name = &variable.name;
            let Some((spec, value)) = self.weight(name) else {
                let message = format!("step.apply_gradients: `{name}` is not a weight of a model");
                let help = "take weights of step.trainable_weights(&model); states of your own are changed by step.assign";
                return Err(Mistake::new(message).help(help));
            };
            if gradient.ty() != value.ty() {
                let (expected, given) = (value.ty(), gradient.ty());
                let message = format!(
                    "step.apply_gradients: the weight `{name}` is {expected}, its gradient {given}"
                );
                return Err(Mistake::new(message).help(help));
            }
            Ok((spec.clone(), value.clone(), gradient.clone()))
        };
        weights.iter().zip(gradients).map(trained).collect()
    }

    /// A state of one's own, `f32` or `i32`, which is `first` everywhere before the first run and
    /// keeps its value from run to run.
    ///
    /// A mistake if the state is there already with another type, or its name is no word.
    #[track_caller]
    pub fn state(&mut self, name: &str, ty: Type, first: f64) -> Variable {
        if !matches!(ty.dtype, DType::F32 | DType::I32) {
            let message = format!("step.state: the state `{name}` is {ty}");
            let value = self.fail(Mistake::new(message).help("states are f32 or i32").into());
            return Variable { name: name.to_owned(), value };
        }
        let mut value = self.keep(name, &ty, first);
        if *value.ty() != ty && self.tracer.error().is_none() {
            let message = format!("step.state: `{name}` is {ty} and, before, {}", value.ty());
            let help = "a state has one type; give another one a name of its own";
            value = self.fail(Mistake::new(message).help(help).into());
        }
        Variable { name: name.to_owned(), value }
    }

    /// The value of a state that is no weight, declared where it is new.
    #[track_caller]
    fn keep(&mut self, name: &str, ty: &Type, first: f64) -> Var {
        if let Some(kept) = self.states.iter().find(|kept| kept.name == name) {
            return kept.value.clone();
        }
        let state = self.tracer.state(name, ty.clone());
        let value = state.clone();
        self.states.push(Kept { name: name.to_owned(), first, state, value: value.clone() });
        value
    }

    /// Gives a weight or a state another value (Keras's `variable.assign`): such as a teacher's
    /// weight a mean of the student's. It has it from here on, and in the model after the run.
    /// Gradients end at it, and do not flow on to what it was computed from.
    ///
    /// A mistake if the value has another type.
    #[track_caller]
    pub fn assign(&mut self, variable: &Variable, value: &Var) {
        if self.tracer.error().is_some() {
            return;
        }
        let (expected, given) = (variable.ty().clone(), value.ty());
        if expected != *given {
            let message =
                format!("step.assign: `{}` is {expected}, the value {given}", variable.name);
            drop(self.fail(Mistake::new(message).help("both must have the same type").into()));
        } else if !self.set(&variable.name, value) {
            drop(self.fail(foreign("variable")));
        }
    }

    /// Whether there is a weight or a state of this name, which now has this value. Gradients end
    /// at it, as at every variable.
    fn set(&mut self, name: &str, value: &Var) -> bool {
        let value = &value.stop_gradient();
        if let Some(kept) = self.states.iter_mut().find(|kept| kept.name == name) {
            kept.value = value.clone();
            return true;
        }
        self.models.iter_mut().any(|model| {
            let layers = model.built.layers.iter().zip(&mut model.weights);
            let mut numbered = layers.flat_map(|(layer, weights)| {
                layer.weights.iter().position(|weight| weight.path() == name).map(|n| (n, weights))
            });
            numbered.next().map(|(number, weights)| weights.assign(number, value)).is_some()
        })
    }

    /// The weight of this name and its value.
    fn weight(&self, name: &str) -> Option<(&Weight, &Var)> {
        self.models.iter().find_map(|model| {
            let values = model.weights.iter().flat_map(Weights::values);
            model.built.weights().zip(values).find(|(weight, _)| weight.path() == name)
        })
    }

    /// Ends the trace: outputs and next states. Returns the states.
    pub(super) fn finish(self, outputs: &[Var]) -> Result<Vec<StateSpec>, NnError> {
        let Self { tracer, models, states, error, .. } = self;
        if let Some(error) = error {
            return Err(error);
        }
        for output in outputs {
            if output.value().is_some() && !tracer.owns(output) {
                let message = "the function of the step returns a value of another graph";
                return Err(Mistake::new(message)
                    .help("it returns what it has computed itself")
                    .into());
            }
            tracer.output(&as_f32(output));
        }
        let mut specs = vec![];
        for Traced { weights, states, step: (step, trained), .. } in models {
            let updates = weights.iter().flat_map(Weights::updates);
            updates.for_each(|(weight, next)| tracer.update(weight, next));
            if trained {
                let _scope =
                    tracer.origin_scope(Origin { role: Role::Update, ..Origin::default() });
                tracer.update(&step, &(&step + 1.0));
            }
            specs.extend(states);
        }
        for Kept { name, first, state, value } in states {
            if state.value() != value.value() {
                tracer.update(&state, &value);
            }
            let first = First::Value(first);
            specs.push(StateSpec::of_model(name, state.ty().clone(), first));
        }
        Ok(specs)
    }
}

/// The states of a step as an optimizer sees them.
struct OfOptimizer<'s, 'a> {
    step: &'s mut StepTrace<'a>,
    first: HashMap<String, First>,
}

impl States for OfOptimizer<'_, '_> {
    fn state(&mut self, name: &str, ty: &Type) -> Var {
        let first = match self.first.get(name) {
            Some(First::Value(first)) => *first,
            _ => 0.0,
        };
        self.step.keep(name, ty, first)
    }

    fn assign(&mut self, name: &str, next: &Var) {
        self.step.set(name, next);
    }
}

fn foreign(what: &str) -> NnError {
    let message = format!("a {what} of another step was given");
    Mistake::new(message).help("take those that the function of this step is given or makes").into()
}
