//! An optimizer in a program: its states, and the next values of all that a step changes.

use brolga_ir::{DType, Origin, Role, Tracer, Type, Var};

use super::step::{First, StateSpec};
use crate::error::NnError;
use crate::network::Weight;
use crate::optimizers::{self, Optimizer, Slot, Trained, state_prefix};
use crate::states::{ITERATIONS, LEARNING_RATE};

/// The names of an optimizer's states.
#[derive(Debug, Clone)]
pub(crate) struct OptimizerNames {
    /// What those of slots begin with.
    pub(crate) prefix: String,
    pub(crate) learning_rate: String,
    pub(crate) iterations: String,
}

impl OptimizerNames {
    /// Those of the optimizer that a model was compiled with.
    pub(crate) fn of_model(optimizer: &dyn Optimizer) -> Self {
        let (learning_rate, iterations) = (LEARNING_RATE.to_owned(), ITERATIONS.to_owned());
        Self { prefix: state_prefix(optimizer), learning_rate, iterations }
    }

    /// Those of one of several optimizers.
    pub(crate) fn of_step(prefix: String) -> Self {
        let [learning_rate, iterations] =
            ["learning_rate", "iterations"].map(|name| format!("{prefix}/{name}"));
        Self { prefix, learning_rate, iterations }
    }

    fn own(&self, state: &str) -> String {
        format!("{}/{state}", self.prefix)
    }
}

/// The name of the state that holds a slot of a weight.
pub(crate) fn slot_path(prefix: &str, weight: &Weight, slot: &str) -> String {
    format!("{prefix}/{}/{slot}", weight.path())
}

/// The states of a program being traced.
pub(crate) trait States {
    /// The value that a state has at this point of the program. It is declared where it is new.
    fn state(&mut self, name: &str, ty: &Type) -> Var;

    /// Gives a state its next value.
    fn assign(&mut self, name: &str, next: &Var);
}

/// Adds an update of the weights, which are given with the gradients by them: the next values of
/// the weights and of all states of the optimizer.
pub(crate) fn optimize(
    tracer: &Tracer,
    optimizer: &dyn Optimizer,
    names: &OptimizerNames,
    states: &mut dyn States,
    trained: Vec<(&Weight, Var, Var)>,
) {
    let _scope = tracer.origin_scope(Origin::layer(&names.prefix, Role::Update));
    let learning_rate = states.state(&names.learning_rate, &Type::scalar(DType::F32));
    let iterations = states.state(&names.iterations, &Type::scalar(DType::I32));
    let own = optimizer.states();
    let values: Vec<Var> =
        own.iter().map(|slot| states.state(&names.own(slot.name), &slot.ty)).collect();
    let (mut specs, mut slots_of, mut all) = (vec![], vec![], vec![]);
    for (spec, weight, gradient) in trained {
        let slots = optimizers::slots(optimizer, &spec.path(), &spec.ty);
        let slot_path = |slot: &Slot| slot_path(&names.prefix, spec, slot.name);
        let _scope = tracer.origin_scope(spec.origin(Role::Update));
        let values = slots.iter().map(|slot| states.state(&slot_path(slot), &slot.ty)).collect();
        let (path, origin) = (spec.path(), spec.origin(Role::Update));
        all.push(Trained { path, origin, weight, gradient, slots: values });
        slots_of.push(slots.iter().map(slot_path).collect::<Vec<_>>());
        specs.push(spec);
    }
    let next = optimizers::apply(optimizer, &learning_rate, &iterations, &values, &all);
    for (slot, next) in own.iter().zip(&next.states) {
        states.assign(&names.own(slot.name), next);
    }
    let updates = specs.iter().zip(&all).zip(slots_of).zip(&next.weights);
    for (((spec, Trained { origin, .. }), slots), next) in updates {
        let _scope = tracer.origin_scope(origin.clone());
        let constrained = spec.constraint.as_ref().map(|c| c.apply(&next.weight));
        states.assign(&spec.path(), constrained.as_ref().unwrap_or(&next.weight));
        slots.iter().zip(&next.slots).for_each(|(slot, next)| states.assign(slot, next));
    }
    let steps = &iterations + 1.0;
    if let Some(next) = optimizer.learning_rate().next(&steps) {
        states.assign(&names.learning_rate, &next);
    }
    states.assign(&names.iterations, &steps);
}

/// The states of an optimizer of these weights: the first slots of all weights, then the second
/// ones, and so on; its own states; the counters.
pub(crate) fn optimizer_states<'w>(
    optimizer: &dyn Optimizer,
    names: &OptimizerNames,
    weights: impl Iterator<Item = &'w Weight>,
) -> Result<Vec<StateSpec>, NnError> {
    let slots = |weight: &Weight| optimizers::slots(optimizer, &weight.path(), &weight.ty);
    let slots: Vec<_> = weights.map(|weight| (weight, slots(weight))).collect();
    let mut states = vec![];
    for index in 0..slots.iter().map(|(_, slots)| slots.len()).max().unwrap_or(0) {
        for (weight, slot) in slots.iter().filter_map(|(w, slots)| Some((w, slots.get(index)?))) {
            slot.check(&weight.path())?;
            states.push(StateSpec {
                name: slot_path(&names.prefix, weight, slot.name),
                ty: slot.ty.clone(),
                first: First::Value(slot.initial),
                owner: (weight.layer.clone(), Role::Update),
            });
        }
    }
    for slot in optimizer.states() {
        slot.check(&names.prefix)?;
        let first = First::Value(slot.initial);
        states.push(StateSpec::of_model(names.own(slot.name), slot.ty, first));
    }
    let rate = First::Value(optimizer.learning_rate().first()?);
    states.push(StateSpec::of_model(names.learning_rate.clone(), Type::scalar(DType::F32), rate));
    let none = First::Value(0.0);
    states.push(StateSpec::of_model(names.iterations.clone(), Type::scalar(DType::I32), none));
    Ok(states)
}
