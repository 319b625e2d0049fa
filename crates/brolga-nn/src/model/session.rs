//! The state and the compiled programs of a built model.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use brolga_ir::{Graph, Mistake, Role, Type};
use brolga_runtime::{
    Backend, Executable, MemoryReport, MemoryTogether, Options, Planned, Profile, RuntimeError,
    State, StateLayout,
};
use ndarray::{ArrayD, IxDyn};

use super::optimize::slot_path;
use super::record::{Made, make, recorded};
use super::step::{First, Plan, StateSpec};
use crate::arguments::{self, Argument, Range};
use crate::error::NnError;
use crate::initializers::words;
use crate::network::{Built, Weight};
use crate::optimizers::{AVERAGE, LearningRate, state_prefix};
use crate::report::{Compilation, Filling, Size, Verbose, View};
use crate::states::{ITERATIONS, LEARNING_RATE, SEED, STEP};
use crate::warning::{Warning, Warnings};

/// Which of a model's programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One step of training.
    Train,
    /// Loss and metrics of a batch.
    Evaluate,
    /// The model's output.
    Predict,
}

/// A program for one size of batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    pub(crate) batch: usize,
    pub(crate) weighted: bool,
}

/// A program made ready to run.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) executable: Executable,
}

/// A built model's state and programs: what callbacks may look at and change.
#[derive(Debug)]
pub struct Session {
    pub(crate) built: Built,
    specs: Vec<StateSpec>,
    layout: StateLayout,
    pub(super) state: Option<State>,
    seed: u64,
    programs: HashMap<Key, Program>,
    compilations: Vec<Compilation>,
    /// Whether the learning rate follows a schedule.
    scheduled: bool,
    /// The states of the trained weights and of the moving averages that the optimizer keeps of
    /// them.
    pub(super) averages: Vec<(String, String)>,
    /// Whether weights and averages have changed places.
    pub(super) swapped: bool,
    /// Whether weights were set since [`Session::take_changed`].
    pub(super) changed: bool,
    /// How much is shown while first weights are computed.
    view: View,
    warnings: Warnings,
}

impl Session {
    /// The session of a plan. Nothing is allocated before the first program is compiled or a weight
    /// is asked for.
    pub(crate) fn new(plan: &Plan<'_>, seed: u64) -> Result<Self, NnError> {
        let specs = plan.states()?;
        let layout =
            StateLayout::new(specs.iter().map(|spec| (spec.name.clone(), spec.ty.clone())))?;
        let built = plan.built.clone();
        let (programs, compilations) = (HashMap::new(), vec![]);
        let rate = plan.compiled.map(|compiled| compiled.optimizer.learning_rate());
        let averages = plan.compiled.map_or_else(Vec::new, |compiled| {
            let prefix = state_prefix(&*compiled.optimizer);
            let pair = |weight: &Weight| (weight.path(), slot_path(&prefix, weight, AVERAGE));
            built.weights().map(pair).filter(|(_, slot)| layout.ty(slot).is_some()).collect()
        });
        Ok(Self {
            built,
            specs,
            layout,
            state: None,
            seed,
            programs,
            compilations,
            scheduled: matches!(rate, Some(LearningRate::Schedule(_))),
            averages,
            swapped: false,
            changed: false,
            view: View::Silent,
            warnings: Warnings::new(plan.compiled.is_some_and(|compiled| compiled.warnings)),
        })
    }

    /// Decides how much is shown while first weights are computed: as much as of what they are for.
    pub(crate) fn show(&mut self, verbose: Verbose) {
        self.view = verbose.view(io::stdout().is_terminal());
    }

    /// Takes over the weights of a session of the same model before it was changed, wherever name
    /// and type are the same.
    pub(crate) fn inherit(&mut self, old: Self) -> Result<(), NnError> {
        let Some(old_state) = old.state else { return Ok(()) };
        let kept = |weight: &&Weight| old_state.layout().ty(&weight.path()) == Some(&weight.ty);
        let kept: Vec<String> = self.built.weights().filter(kept).map(Weight::path).collect();
        let state = self.state_mut()?;
        kept.iter().try_for_each(|path| {
            state.slice_mut::<f32>(path)?.copy_from_slice(old_state.slice(path)?);
            Ok(())
        })
    }

    /// Lets everything random that has no value yet follow another seed.
    pub(crate) fn reseed(&mut self, seed: u64) -> Result<(), NnError> {
        self.seed = seed;
        if self.state.is_some() { self.set_seed(seed) } else { Ok(()) }
    }

    /// The compiled program, from the cache or made ready now.
    pub(crate) fn program(
        &mut self,
        plan: &Plan<'_>,
        options: &Options,
        key: Key,
    ) -> Result<&mut Program, NnError> {
        self.prepare(plan, options, [key], 0)?;
        Ok(self.programs.get_mut(&key).expect("the program was inserted above"))
    }

    /// Compiles the programs that are not in the cache. Their memory is allocated when it is known
    /// that all programs of the model, its state and so many copies of the state stay within
    /// the limit.
    pub(crate) fn prepare(
        &mut self,
        plan: &Plan<'_>,
        options: &Options,
        keys: impl IntoIterator<Item = Key>,
        copies: usize,
    ) -> Result<(), NnError> {
        let mut planned: Vec<(Key, Planned, Compilation)> = vec![];
        for key in keys {
            if self.programs.contains_key(&key) || planned.iter().any(|(k, ..)| *k == key) {
                continue;
            }
            let Made { planned: program, name, kernels, time } =
                make(plan, key, &self.layout, options)?;
            let compilation = Compilation { program: name, batch: key.batch, time, kernels };
            planned.push((key, program, compilation));
        }
        let new = planned.iter().map(|(key, program, _)| (*key, program.memory()));
        self.memory_with(new, copies).check(options.memory_limit)?;
        for (key, program, mut compilation) in planned {
            let start = Instant::now();
            let executable = program.link()?;
            compilation.time += start.elapsed();
            self.programs.insert(key, Program { executable });
            self.compilations.push(compilation);
        }
        Ok(())
    }

    /// The record of a program, which is compiled for it and does not run.
    pub(crate) fn record(
        &self,
        plan: &Plan<'_>,
        options: &Options,
        key: Key,
    ) -> Result<brolga_record::Program, NnError> {
        recorded(plan, key, &self.layout, options).map(|(_, program)| program)
    }

    /// The memory of the programs in the cache and of new ones.
    fn memory_with<'m>(
        &'m self,
        new: impl Iterator<Item = (Key, &'m MemoryReport)>,
        copies: usize,
    ) -> MemoryTogether {
        let cached = self.programs.iter().map(|(key, program)| (*key, program.executable.memory()));
        let mut programs: Vec<(Key, &MemoryReport)> = cached.collect();
        programs.sort_by_key(|(key, _)| (key.kind as u8, Reverse(key.batch), key.weighted));
        programs.extend(new);
        let named = |(key, report): (Key, &MemoryReport)| {
            (format!("{} for a batch of {}", report.graph, key.batch), report.clone())
        };
        let programs = programs.into_iter().map(named).collect();
        let (states, layers) = (self.layout.bytes(), self.state_bytes());
        let cached = self.programs.values().map(|program| program.executable.memory().arena);
        let held = self.state.as_ref().map_or(0, |_| states) + cached.sum::<usize>();
        MemoryTogether { programs, states, layers, copies, held }
    }

    /// Which layer has how many bytes of the states, and in which part of the step.
    fn state_bytes(&self) -> Vec<(String, Role, usize)> {
        let mut layers: Vec<(String, Role, usize)> = vec![];
        let mut rows: HashMap<(&str, Role), usize> = HashMap::new();
        for spec in self.specs.iter().filter(|spec| !spec.owner.0.is_empty()) {
            let (layer, role) = &spec.owner;
            let row = *rows.entry((layer, *role)).or_insert_with(|| {
                layers.push((layer.clone(), *role, 0));
                layers.len() - 1
            });
            layers[row].2 += spec.ty.bytes();
        }
        layers
    }

    /// Fails if the machine does not grant the memory of the states.
    pub(crate) fn check_memory(&self) -> Result<(), NnError> {
        Ok(self.memory_with(std::iter::empty(), 0).check(None)?)
    }

    /// A program and the state that it runs on.
    pub(crate) fn ready(
        &mut self,
        plan: &Plan<'_>,
        options: &Options,
        key: Key,
    ) -> Result<(&mut Program, &mut State), NnError> {
        self.program(plan, options, key)?;
        self.state_mut()?;
        let program = self.programs.get_mut(&key).expect("the program was made ready above");
        Ok((program, self.state.as_mut().expect("the state was allocated above")))
    }

    /// Whether the state has values.
    pub(crate) fn has_values(&self) -> bool {
        self.state.is_some()
    }

    /// The state, with first values where it is new.
    pub(crate) fn state_mut(&mut self) -> Result<&mut State, NnError> {
        if self.state.is_none() {
            self.state = Some(self.initial()?);
        }
        Ok(self.state.as_mut().expect("it was set above"))
    }

    fn initial(&self) -> Result<State, NnError> {
        self.check_memory()?;
        let mut state = State::zeros(&self.layout)?;
        let weights: Vec<&Weight> = self.built.weights().collect();
        let bytes = weights.iter().map(|weight| weight.ty.bytes()).sum();
        let filling = Filling::new(self.view, bytes);
        for spec in &self.specs {
            match spec.first {
                First::Weight(number) => weights[number as usize].fill(
                    (self.seed, number),
                    state.slice_mut(&spec.name)?,
                    |elements| filling.done(elements * size_of::<f32>()),
                ),
                First::Value(0.0) => {}
                First::Value(value) => state.fill(&spec.name, value)?,
            }
        }
        let [low, high] = words(self.seed).map(|word| word as i32);
        state.slice_mut::<i32>(SEED)?.copy_from_slice(&[low, high]);
        Ok(state)
    }

    /// Lets random layers and shuffling follow another seed.
    pub(crate) fn set_seed(&mut self, seed: u64) -> Result<(), NnError> {
        let words = words(seed).map(|word| word as i32);
        self.state_mut()?.slice_mut::<i32>(SEED)?.copy_from_slice(&words);
        Ok(())
    }

    /// Seed and step as the state has them: where shuffling takes its numbers from.
    pub(crate) fn random(&mut self) -> Result<([u32; 2], u32), NnError> {
        let state = self.state_mut()?;
        let (seed, step) = (state.slice::<i32>(SEED)?, state.slice::<i32>(STEP)?);
        Ok(([seed[0] as u32, seed[1] as u32], step[0] as u32))
    }

    /// The weights' declarations, in the order of the layers.
    pub fn weights(&self) -> impl Iterator<Item = &Weight> {
        self.built.learned()
    }

    /// The values of all weights, in the order of the layers. States that layers carry from batch to
    /// batch are none.
    ///
    /// # Errors
    /// If an initializer does not exist, or the system has no memory left.
    pub fn get_weights(&mut self) -> Result<Vec<ArrayD<f32>>, NnError> {
        self.state_mut()?;
        let state = self.state.as_ref().expect("it was set above");
        let value = |weight: &Weight| {
            let values = state.slice::<f32>(&weight.path())?.iter().copied();
            Ok(array(&weight.ty, brolga_memory::collected(values).map_err(RuntimeError::from)?))
        };
        self.built.learned().map(value).collect()
    }

    /// Sets the values of all weights, in the order of the layers. Nothing is changed unless all of
    /// them fit.
    ///
    /// # Errors
    /// If there are more or fewer, or one has another shape.
    pub fn set_weights(&mut self, values: &[ArrayD<f32>]) -> Result<(), NnError> {
        let what = "set_weights";
        let (expected, given) = (self.built.learned().count(), values.len());
        if given != expected {
            let message = format!("the model has {expected} weights, {given} were given");
            return Err(NnError::Weights { what: what.to_owned(), message });
        }
        for (weight, value) in self.built.learned().zip(values) {
            if *weight.ty.shape != *value.shape() {
                let given = Type::f32(value.shape()).to_string();
                return Err(mismatch(what, weight, given));
            }
        }
        let paths: Vec<_> = self.built.learned().map(Weight::path).collect();
        self.changed = true;
        let state = self.state_mut()?;
        for (path, value) in paths.iter().zip(values) {
            let target = state.slice_mut::<f32>(path)?;
            target.iter_mut().zip(value).for_each(|(target, &value)| *target = value);
        }
        Ok(())
    }

    /// Lets the states that layers carry from batch to batch be zeros again, those of this layer or
    /// of all.
    ///
    /// # Errors
    /// If the layer carries none.
    pub fn reset_states(&mut self, layer: Option<&str>) -> Result<(), NnError> {
        let carried = self.built.weights().filter(|weight| weight.carried);
        let carried: Vec<(String, String)> =
            carried.map(|weight| (weight.layer.clone(), weight.path())).collect();
        if let Some(name) = layer.filter(|name| carried.iter().all(|(layer, _)| layer != name)) {
            let mut known: Vec<String> = carried.into_iter().map(|(layer, _)| layer).collect();
            known.dedup();
            return Err(NnError::unknown("stateful layer", name, &known));
        }
        if self.state.is_none() {
            return Ok(());
        }
        let state = self.state_mut()?;
        let wanted = carried.iter().filter(|(name, _)| layer.is_none_or(|layer| layer == name));
        for (_, path) in wanted {
            state.slice_mut::<f32>(path)?.fill(0.0);
        }
        Ok(())
    }

    /// Whether weights were set from outside since the last time this was asked.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The bytes of weights and everything else that is kept between steps.
    pub(crate) fn state_size(&self) -> usize {
        self.layout.bytes()
    }

    /// The learning rate; `None` if the model is not compiled.
    pub fn learning_rate(&self) -> Option<f32> {
        if let Some(state) = &self.state {
            return state.slice::<f32>(LEARNING_RATE).ok()?.first().copied();
        }
        let first = self.specs.iter().find(|spec| spec.name == LEARNING_RATE)?.first;
        match first {
            First::Value(value) => Some(value as f32),
            First::Weight(_) => None,
        }
    }

    /// Lets the following steps use another learning rate.
    ///
    /// # Errors
    /// If the model is not compiled, the learning rate follows a schedule, or it is negative or not
    /// finite.
    pub fn set_learning_rate(&mut self, learning_rate: f32) -> Result<(), NnError> {
        if self.scheduled {
            let message = "set_learning_rate: the learning rate follows a schedule";
            let help = "give the optimizer a number as its learning rate";
            return Err(Mistake::new(message).help(help).into());
        }
        let rate = Argument::new("learning_rate", &f64::from(learning_rate), Range::AtLeast(0.0));
        arguments::check("set_learning_rate", &[rate])?;
        self.state_mut()?.slice_mut::<f32>(LEARNING_RATE)?.fill(learning_rate);
        Ok(())
    }

    /// A copy of everything the model keeps between steps.
    ///
    /// # Errors
    /// If the system has no memory left.
    pub fn snapshot(&mut self) -> Result<State, NnError> {
        Ok(self.state_mut()?.try_clone()?)
    }

    /// Goes back to a [snapshot](Session::snapshot).
    ///
    /// # Errors
    /// If it is of another model.
    pub fn restore(&mut self, snapshot: State) -> Result<(), NnError> {
        if *snapshot.layout() != self.layout {
            let message = "a snapshot of another model was given".to_owned();
            return Err(NnError::Weights { what: "restore".to_owned(), message });
        }
        self.changed = true;
        self.state = Some(snapshot);
        Ok(())
    }

    /// The times of the kernels of a program that was compiled with
    /// [`Compile::profile`](super::Compile::profile): the one of the largest batch.
    pub fn profile(&self, kind: Kind) -> Option<Profile> {
        self.largest(kind)?.executable.profile()
    }

    /// The memory of a program that was compiled: the one of the largest batch.
    pub fn memory(&self, kind: Kind) -> Option<&MemoryReport> {
        Some(self.largest(kind)?.executable.memory())
    }

    fn largest(&self, kind: Kind) -> Option<&Program> {
        let programs = self.programs.iter().filter(|(key, _)| key.kind == kind);
        programs.max_by_key(|(key, _)| key.batch).map(|(_, program)| program)
    }

    /// How long compiling took, all programs together.
    pub fn compile_time(&self) -> Duration {
        self.compilations.iter().map(|compilation| compilation.time).sum()
    }

    /// The size of the optimizer's states; `None` before its first step.
    pub(crate) fn optimizer_size(&self) -> Option<Size> {
        let steps = self.state.as_ref()?.slice::<i32>(ITERATIONS).ok()?;
        let of_optimizer = |spec: &&StateSpec| {
            matches!(spec.first, First::Value(_)) && spec.name != SEED && spec.name != STEP
        };
        let sizes = self.specs.iter().filter(of_optimizer).map(|spec| Size::of(&spec.ty));
        (steps.first() > Some(&0)).then(|| sizes.sum())
    }

    /// Gives a warning, unless it was given before.
    pub(crate) fn warn(&mut self, warning: Warning) {
        self.warnings.give(warning);
    }

    /// The warnings so far, of the model as it is compiled.
    pub fn warnings(&self) -> &[Warning] {
        self.warnings.given()
    }

    /// How many steps the optimizer has made.
    pub(crate) fn iterations(&mut self) -> Result<f64, NnError> {
        let iterations = self.state_mut()?.slice::<i32>(ITERATIONS)?;
        Ok(iterations.first().map_or(0.0, |&steps| f64::from(steps)))
    }

    /// The programs that were compiled, in order.
    pub fn compilations(&self) -> &[Compilation] {
        &self.compilations
    }
}

/// Traces the graph of a program.
pub(crate) fn trace(plan: &Plan<'_>, Key { kind, batch, weighted }: Key) -> Result<Graph, NnError> {
    match kind {
        Kind::Train => plan.train_step(batch, weighted),
        Kind::Evaluate => plan.eval_step(batch, weighted),
        Kind::Predict => plan.predict(batch),
    }
}

/// The graph as a backend takes it.
pub(crate) fn prepared(mut graph: Graph, backend: Backend) -> Result<Graph, NnError> {
    if backend == Backend::Native {
        brolga_passes::optimize(&mut graph)?;
    }
    Ok(graph)
}

pub(crate) fn mismatch(what: &str, weight: &Weight, given: String) -> NnError {
    let weight = format!("`{}` of layer `{}` is {}", weight.name, weight.layer, weight.ty);
    NnError::Weight { what: what.to_owned(), weight, given }
}

/// An array of these elements.
pub(crate) fn array(ty: &Type, values: Vec<f32>) -> ArrayD<f32> {
    ArrayD::from_shape_vec(IxDyn(&ty.shape), values)
        .expect("a tensor has as many elements as its shape says")
}
