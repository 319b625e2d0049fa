//! Training.

use std::collections::HashMap;
use std::slice::Chunks;

use brolga_ir::lanes::random_bits_at;
use brolga_runtime::{Executable, Options};

use super::batch::{Given, Samples};
use super::evaluate::{Batches, Pass, in_order};
use super::objective::{self, Objective};
use super::session::{Key, Kind, Session, trace};
use super::step::Plan;
use super::totals::Totals;
use super::watch::{Broken, Watch, non_finite};
use crate::arguments::{self, Argument, Range};
use crate::arrays::{Arrays, IntoArrays};
use crate::callback::{Callback, Course, Training, TrainingPlan};
use crate::error::NnError;
use crate::history::{History, Logs};
use crate::nonfinite::{Cause, During, NonFinite};
use crate::report::{Progress, Verbose};

/// The arguments of [`Model::fit`](super::Model::fit), with Keras's defaults.
#[must_use]
pub struct Fit<'a> {
    pub(crate) epochs: usize,
    pub(crate) initial_epoch: usize,
    pub(crate) batch_size: usize,
    pub(crate) sample_weight: Option<Arrays<'a>>,
    pub(crate) class_weight: HashMap<i64, f64>,
    pub(crate) validation_data: Option<Given<'a>>,
    pub(crate) validation_split: f64,
    pub(crate) validation_freq: usize,
    pub(crate) validation_batch_size: Option<usize>,
    pub(crate) validation_steps: Option<usize>,
    pub(crate) steps_per_epoch: Option<usize>,
    pub(crate) shuffle: bool,
    pub(crate) seed: Option<u64>,
    pub(crate) callbacks: Vec<Box<dyn Callback + 'a>>,
    pub(crate) verbose: Verbose,
}

impl Default for Fit<'_> {
    fn default() -> Self {
        Self {
            epochs: 1,
            initial_epoch: 0,
            batch_size: 32,
            sample_weight: None,
            class_weight: HashMap::new(),
            validation_data: None,
            validation_split: 0.0,
            validation_freq: 1,
            validation_batch_size: None,
            validation_steps: None,
            steps_per_epoch: None,
            shuffle: true,
            seed: None,
            callbacks: vec![],
            verbose: Verbose::Auto,
        }
    }
}

impl<'a> Fit<'a> {
    /// One epoch in batches of 32, shuffled, without validation.
    pub fn new() -> Self {
        Self::default()
    }

    /// After which epoch the training ends; 1 by default.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// The number of the first epoch, for a training that goes on; 0 by default.
    pub fn initial_epoch(mut self, epoch: usize) -> Self {
        self.initial_epoch = epoch;
        self
    }

    /// The number of samples of a step; 32 by default. The last step of an epoch takes what is
    /// left.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// How much the loss of each sample counts; all the same by default. Of a model of several
    /// outputs one array is for all of them; a list has one for each.
    pub fn sample_weight(mut self, sample_weight: impl IntoArrays<'a>) -> Self {
        self.sample_weight = Some(sample_weight.into_arrays());
        self
    }

    /// How much the samples of each class count: pairs of class number and weight, which multiplies
    /// that of the sample; 1 for classes that are not named.
    pub fn class_weight(mut self, weights: impl IntoIterator<Item = (i64, f64)>) -> Self {
        self.class_weight = weights.into_iter().collect();
        self
    }

    /// Samples and labels on which loss and metrics are computed after each epoch.
    pub fn validation_data(mut self, x: impl IntoArrays<'a>, y: impl IntoArrays<'a>) -> Self {
        let (x, y) = (x.into_arrays(), y.into_arrays());
        self.validation_data = Some(Given { x, y, sample_weight: None });
        self
    }

    /// As [`Fit::validation_data`], with the weights of the samples.
    pub fn weighted_validation_data(
        mut self,
        x: impl IntoArrays<'a>,
        y: impl IntoArrays<'a>,
        sample_weight: impl IntoArrays<'a>,
    ) -> Self {
        let sample_weight = Some(sample_weight.into_arrays());
        let (x, y) = (x.into_arrays(), y.into_arrays());
        self.validation_data = Some(Given { x, y, sample_weight });
        self
    }

    /// The share of the data, taken from its end before shuffling, that is kept for validation.
    pub fn validation_split(mut self, share: f64) -> Self {
        self.validation_split = share;
        self
    }

    /// After how many epochs there is a validation; 1 by default.
    pub fn validation_freq(mut self, epochs: usize) -> Self {
        self.validation_freq = epochs;
        self
    }

    /// The number of samples that a validation computes at once; by default the size of a step.
    pub fn validation_batch_size(mut self, batch_size: usize) -> Self {
        self.validation_batch_size = Some(batch_size);
        self
    }

    /// The most batches of a validation; by default as many as its samples fill.
    pub fn validation_steps(mut self, steps: usize) -> Self {
        self.validation_steps = Some(steps);
        self
    }

    /// How a validation cuts its samples.
    fn validation_batches(&self) -> Batches {
        let size = self.validation_batch_size.unwrap_or(self.batch_size);
        Batches { size, steps: self.validation_steps }
    }

    /// The most steps of an epoch; by default as many as the samples fill.
    pub fn steps_per_epoch(mut self, steps: usize) -> Self {
        self.steps_per_epoch = Some(steps);
        self
    }

    /// Whether each epoch has an order of its own; true by default.
    pub fn shuffle(mut self, shuffle: bool) -> Self {
        self.shuffle = shuffle;
        self
    }

    /// The seed of dropout and shuffling from here on; the model's by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Something that is called while the training runs. Give `&mut callback` to look at it
    /// afterwards.
    pub fn callback(mut self, callback: impl Callback + 'a) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Several of them.
    pub fn callbacks(
        mut self,
        callbacks: impl IntoIterator<Item = Box<dyn Callback + 'a>>,
    ) -> Self {
        self.callbacks.extend(callbacks);
        self
    }

    /// How much is shown: 0, 1, 2, true or false; by default a bar in a terminal, a line for each
    /// epoch elsewhere.
    pub fn verbose(mut self, verbose: impl Into<Verbose>) -> Self {
        self.verbose = verbose.into();
        self
    }
}

/// A training about to run.
pub(crate) struct Trainer<'a> {
    pub(crate) plan: Plan<'a>,
    pub(crate) objectives: &'a [Objective],
    pub(crate) options: &'a Options,
    pub(crate) session: &'a mut Session,
    pub(crate) samples: Samples<'a>,
    pub(crate) validation: Option<Samples<'a>>,
}

impl Trainer<'_> {
    pub(crate) fn run(mut self, mut fit: Fit<'_>) -> Result<History, NnError> {
        self.session.show(fit.verbose);
        let compiled_before = self.session.compilations().len();
        let info = self.prepare(&fit)?;
        if fit.verbose != Verbose::Silent {
            // The last one, so that it shows what the others add to the logs.
            fit.callbacks.push(Box::new(Progress::new(fit.verbose, compiled_before)));
        }
        if let Some(seed) = fit.seed {
            self.session.set_seed(seed)?;
        }
        let mut history = History::default();
        match self.train(&mut fit, &info, &mut history) {
            Ok(()) => Ok(history),
            Err(error) => {
                Err(NnError::Training { error: Box::new(error), history: Box::new(history) })
            }
        }
    }

    /// The epochs. Each that is finished is in the history, whatever happens afterwards.
    fn train(
        &mut self,
        fit: &mut Fit<'_>,
        info: &TrainingPlan,
        history: &mut History,
    ) -> Result<(), NnError> {
        let mut course = Course { first_epoch: fit.initial_epoch, ..Course::default() };
        let (shuffle, validation_freq) = (fit.shuffle, fit.validation_freq.max(1));
        let batches = fit.validation_batches();
        let callbacks = &mut fit.callbacks;
        self.each(callbacks, info, &mut course, |c, training| c.on_train_begin(training))?;
        for epoch in course.first_epoch..fit.epochs {
            if course.stops {
                break;
            }
            self.each(callbacks, info, &mut course, |c, training| {
                c.on_epoch_begin(epoch, training)
            })?;
            let mut logs = Logs::new();
            if let Err(error) = self.epoch(epoch, shuffle, info, &mut logs, callbacks, &mut course)
            {
                self.ends_quietly(error, info, callbacks, &mut course)?;
                break;
            }
            let validates = (epoch + 1).is_multiple_of(validation_freq);
            if let Some(validation) = self.validation.as_ref().filter(|_| validates) {
                let (plan, options) = (&self.plan, self.options);
                let (session, progress) = (&mut *self.session, &mut Progress::silent());
                let pass = Pass { plan, options, session, batches, progress };
                let scores = pass.measure(self.objectives, validation)?;
                scores.iter().for_each(|(name, value)| logs.set(format!("val_{name}"), value));
            }
            let mut training = Training { plan: info, session: self.session, course: &mut course };
            let mut callbacks = callbacks.iter_mut();
            let ended = callbacks
                .try_for_each(|callback| callback.on_epoch_end(epoch, &mut logs, &mut training));
            history.push(epoch, &logs);
            ended?;
        }
        if course.first_epoch < fit.epochs
            && let Some(compiled) = self.plan.compiled
        {
            self.session.take_averages(&*compiled.optimizer)?;
        }
        self.each(callbacks, info, &mut course, |c, training| c.on_train_end(training))
    }

    /// Asks the callbacks whether a number that is not finite is an error.
    fn ends_quietly(
        &mut self,
        error: NnError,
        info: &TrainingPlan,
        callbacks: &mut [Box<dyn Callback + '_>],
        course: &mut Course,
    ) -> Result<(), NnError> {
        let NnError::NonFinite(found) = error else { return Err(error) };
        let mut training = Training { plan: info, session: self.session, course };
        let mut quiet = false;
        for callback in callbacks {
            quiet |= callback.on_non_finite(&found, &mut training)?;
        }
        if quiet { Ok(()) } else { Err(NnError::NonFinite(found)) }
    }

    /// Checks the arguments and compiles the programs, before any memory is allocated for them.
    fn prepare(&mut self, fit: &Fit<'_>) -> Result<TrainingPlan, NnError> {
        let validation_batches = fit.validation_batches();
        arguments::check(
            "fit",
            &[
                Argument::new("batch_size", &fit.batch_size, Range::Count),
                Argument::new("validation_freq", &fit.validation_freq, Range::Count),
                Argument::new("validation_batch_size", &fit.validation_batch_size, Range::Count),
                Argument::new("validation_steps", &fit.validation_steps, Range::Count),
                Argument::new("steps_per_epoch", &fit.steps_per_epoch, Range::Count),
            ],
        )?;
        let samples = self.samples.len();
        let batch_size = fit.batch_size.min(samples);
        let batches = Batches { size: batch_size, steps: fit.steps_per_epoch };
        let before = self.session.compile_time();
        let passes = [
            (Kind::Train, Some(&self.samples), batches),
            (Kind::Evaluate, self.validation.as_ref(), validation_batches),
        ];
        let keys = passes.into_iter().flat_map(|(kind, samples, batches)| {
            samples.into_iter().flat_map(move |samples| {
                let weighted = samples.weighted();
                batches.sizes(samples.len()).map(move |batch| Key { kind, batch, weighted })
            })
        });
        self.session.prepare(&self.plan, self.options, keys, Watch::COPIES)?;
        let compile_time = self.session.compile_time() - before;
        let mut reported = objective::reported(self.objectives);
        if self.validation.is_some() {
            let validated: Vec<_> = reported.iter().map(|name| format!("val_{name}")).collect();
            reported.extend(validated);
        }
        reported.extend(fit.callbacks.iter().flat_map(|callback| callback.reports()));
        Ok(TrainingPlan {
            epochs: fit.epochs,
            steps: batches.count(samples).div_ceil(batch_size),
            samples,
            batch_size,
            compile_time,
            reported,
            directions: objective::directions(self.objectives).into_iter().collect(),
        })
    }

    /// The steps of one epoch.
    fn epoch(
        &mut self,
        epoch: usize,
        shuffle: bool,
        info: &TrainingPlan,
        logs: &mut Logs,
        callbacks: &mut [Box<dyn Callback + '_>],
        course: &mut Course,
    ) -> Result<(), NnError> {
        let mut order = self.order(shuffle)?;
        order.truncate(info.steps.saturating_mul(info.batch_size));
        let mut totals = Totals::new(self.objectives);
        let mut watch = Watch::new(self.session.snapshot()?);
        for (step, batch) in order.chunks(info.batch_size).enumerate() {
            watch.begins(self.session.learning_rate());
            let loss = totals.add(self.step(batch)?, batch.len())?;
            let last = (step + 1) * info.batch_size >= order.len();
            let broken = !loss.is_finite()
                || ((last || watch.is_due()) && non_finite(self.session.state_mut()?).is_some());
            if broken {
                let found = self.explain(
                    watch,
                    During::Epoch(epoch + 1),
                    order.chunks(info.batch_size),
                    step,
                )?;
                return Err(NnError::NonFinite(Box::new(found)));
            }
            totals.report(self.objectives, "", logs);
            let mut training = Training { plan: info, session: self.session, course };
            for callback in callbacks.iter_mut() {
                callback.on_batch_end(step, logs, &mut training)?;
            }
            if self.session.take_changed() || watch.is_due() {
                watch.renew(step + 1, self.session.state_mut()?)?;
            }
        }
        Ok(())
    }

    /// One step on all samples, whose loss and metrics are added to the totals.
    pub(crate) fn one_step(mut self, totals: &mut Totals) -> Result<(), NnError> {
        let batch = in_order(self.samples.len())?;
        let (kind, weighted) = (Kind::Train, self.samples.weighted());
        let key = Key { kind, batch: batch.len(), weighted };
        self.session.prepare(&self.plan, self.options, [key], Watch::COPIES)?;
        let mut watch = Watch::new(self.session.snapshot()?);
        watch.begins(self.session.learning_rate());
        let loss = totals.add(self.step(&batch)?, batch.len())?;
        if loss.is_finite() && non_finite(self.session.state_mut()?).is_none() {
            return Ok(());
        }
        let found = self.explain(watch, During::Batch, batch.chunks(batch.len().max(1)), 0)?;
        Err(NnError::NonFinite(Box::new(found)))
    }

    /// Repeats the last steps and explains the first that gives a number that is not finite. The
    /// session is left in the state before it.
    fn explain(
        &mut self,
        watch: Watch,
        during: During,
        batches: Chunks<'_, usize>,
        last: usize,
    ) -> Result<NonFinite, NnError> {
        let batch = |step: usize| batches.clone().nth(step).unwrap_or_default();
        let broken = watch.find(|step, before| {
            self.session.restore(before.try_clone()?)?;
            let loss = self.step(batch(step))?.output::<f32>(0)?[0];
            Ok((loss, self.session.snapshot()?))
        })?;
        let Some(Broken { step, what, before }) = broken else {
            let what = "the loss is not finite".to_owned();
            return Ok(NonFinite { during, step: last + 1, what, cause: Cause::Unexplained });
        };
        let (samples, weighted) = (batch(step), self.samples.weighted());
        let graph = trace(&self.plan, Key { kind: Kind::Train, batch: samples.len(), weighted })?;
        let cause = self.samples.cause(&graph, &before, samples)?;
        self.session.restore(before)?;
        Ok(NonFinite { during, step: step + 1, what, cause })
    }

    /// One step of training on these samples; returns the program with its outputs.
    fn step(&mut self, samples: &[usize]) -> Result<&Executable, NnError> {
        let weighted = self.samples.weighted();
        let key = Key { kind: Kind::Train, batch: samples.len(), weighted };
        let (program, state) = self.session.ready(&self.plan, self.options, key)?;
        self.samples.run(&mut program.executable, state, samples)?;
        Ok(&program.executable)
    }

    /// The order of the samples in the next epoch: a permutation that follows from the seed and the
    /// number of steps done.
    fn order(&mut self, shuffle: bool) -> Result<Vec<usize>, NnError> {
        let mut order = in_order(self.samples.len())?;
        if shuffle {
            let (seed, step) = self.session.random()?;
            for index in (1..order.len()).rev() {
                let bits = random_bits_at(seed, step, SHUFFLE, index as u64);
                order.swap(index, below(bits, index + 1));
            }
        }
        Ok(order)
    }

    fn each(
        &mut self,
        callbacks: &mut [Box<dyn Callback + '_>],
        info: &TrainingPlan,
        course: &mut Course,
        call: impl Fn(&mut dyn Callback, &mut Training<'_>) -> Result<(), NnError>,
    ) -> Result<(), NnError> {
        let mut training = Training { plan: info, session: self.session, course };
        callbacks.iter_mut().try_for_each(|callback| call(&mut **callback, &mut training))
    }
}

/// The stream of random numbers that shuffles; those of random layers count from 0.
const SHUFFLE: u32 = u32::MAX;

/// A number below `bound` from random bits: the upper part of their product.
fn below(bits: u32, bound: usize) -> usize {
    ((u128::from(bits) * bound as u128) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_places_stay_below_their_bound() {
        assert_eq!(below(u32::MAX, 7), 6);
        assert_eq!(below(0, 7), 0);
        assert_eq!(below(1 << 31, 10), 5);
    }
}
