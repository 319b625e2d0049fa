//! Training.

use brolga_runtime::{Executable, Options};

use super::checks;
use super::fit::Fit;
use super::objective::{self, Objective};
use super::pass::Pass;
use super::run::BATCH_SIZE;
use super::session::{Key, Kind, Session, trace};
use super::step::Plan;
use super::supply::{Lot, Opened, Supply, refuse};
use super::totals::Totals;
use super::watch::{Broken, Watch, non_finite};
use crate::arguments::{self, Argument, Range};
use crate::callback::{Callback, Course, Training, TrainingPlan};
use crate::error::NnError;
use crate::history::{History, Logs};
use crate::nonfinite::{Cause, During, NonFinite};
use crate::report::{Progress, Verbose};

/// A training about to run.
pub(crate) struct Trainer<'t, 'scope, 'a> {
    pub(crate) plan: Plan<'t>,
    pub(crate) objectives: &'t [Objective],
    pub(crate) options: &'t Options,
    pub(crate) session: &'t mut Session,
    pub(crate) supply: Supply<'scope, 'a, 't>,
    pub(crate) validation: Option<Supply<'scope, 'a, 't>>,
}

impl<'a: 't, 't> Trainer<'t, '_, 'a> {
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
        match self.train(&mut fit, info, &mut history) {
            Ok(()) => Ok(history),
            Err(error) => {
                self.session.use_averages(false)?;
                Err(NnError::Training { error: Box::new(error), history: Box::new(history) })
            }
        }
    }

    /// The epochs. Each that is finished is in the history, whatever happens afterwards.
    fn train(
        &mut self,
        fit: &mut Fit<'_>,
        mut info: TrainingPlan,
        history: &mut History,
    ) -> Result<(), NnError> {
        let mut course = Course { first_epoch: fit.initial_epoch, ..Course::default() };
        let validation_freq = fit.validation_freq.max(1);
        let shuffle = fit.shuffle.unwrap_or(true);
        let callbacks = &mut fit.callbacks;
        self.each(callbacks, &info, &mut course, |c, training| c.on_train_begin(training))?;
        for epoch in course.first_epoch..fit.epochs {
            let random = if shuffle { Some(self.session.random()?) } else { None };
            if course.stops || !self.supply.begin(epoch, random)? {
                break;
            }
            info.steps = self.supply.steps();
            self.each(callbacks, &info, &mut course, |c, training| {
                c.on_epoch_begin(epoch, training)
            })?;
            let mut logs = Logs::new();
            if let Err(error) = self.epoch(epoch, &info, &mut logs, callbacks, &mut course) {
                self.ends_quietly(error, &info, callbacks, &mut course)?;
                break;
            }
            if (epoch + 1).is_multiple_of(validation_freq) {
                self.validate(&mut logs, callbacks)?;
            }
            let mut training = Training { plan: &info, session: self.session, course: &mut course };
            let ended = callbacks
                .iter_mut()
                .try_for_each(|callback| callback.on_epoch_end(epoch, &mut logs, &mut training));
            history.push(epoch, &logs);
            ended?;
            if self.supply.ran_out() {
                let warning = checks::out_of_data(epoch, self.supply.done(), fit.steps_per_epoch);
                self.session.warn(warning);
            }
        }
        if course.first_epoch < fit.epochs {
            self.session.take_averages()?;
        }
        self.each(callbacks, &info, &mut course, |c, training| c.on_train_end(training))
    }

    /// Writes loss and metrics of the validation data, if there are any, into the logs.
    fn validate(
        &mut self,
        logs: &mut Logs,
        callbacks: &mut [Box<dyn Callback + '_>],
    ) -> Result<(), NnError> {
        let Some(validation) = &mut self.validation else { return Ok(()) };
        let (plan, options) = (&self.plan, self.options);
        let (session, progress) = (&mut *self.session, &mut Progress::silent());
        let pass = Pass { plan, options, session, progress, callbacks };
        let scores = pass.measure(self.objectives, validation)?;
        scores.iter().for_each(|(name, value)| logs.set(format!("val_{name}"), value));
        Ok(())
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

    /// Compiles the programs whose sizes are known, before any memory is allocated for them.
    fn prepare(&mut self, fit: &Fit<'_>) -> Result<TrainingPlan, NnError> {
        let before = self.session.compile_time();
        let keys = |kind, supply: &Supply<'_, 'a, 't>, epochs| {
            let weighted = supply.weighted();
            supply.sizes(epochs).map(move |batch| Key { kind, batch, weighted })
        };
        let epochs = fit.initial_epoch..fit.epochs;
        let validation = self.validation.iter().flat_map(|v| keys(Kind::Evaluate, v, 0..1));
        let keys: Vec<Key> = keys(Kind::Train, &self.supply, epochs).chain(validation).collect();
        self.session.prepare(&self.plan, self.options, keys, Watch::COPIES)?;
        let mut reported = objective::reported(self.objectives);
        if self.validation.is_some() {
            let validated: Vec<_> = reported.iter().map(|name| format!("val_{name}")).collect();
            reported.extend(validated);
        }
        reported.extend(fit.callbacks.iter().flat_map(|callback| callback.reports()));
        Ok(TrainingPlan {
            epochs: fit.epochs,
            steps: self.supply.steps(),
            samples: self.supply.samples(),
            batch_size: self.supply.batch_size(),
            compile_time: self.session.compile_time() - before,
            reported,
            directions: objective::directions(self.objectives).into_iter().collect(),
        })
    }

    /// The steps of one epoch.
    fn epoch(
        &mut self,
        epoch: usize,
        info: &TrainingPlan,
        logs: &mut Logs,
        callbacks: &mut [Box<dyn Callback + '_>],
        course: &mut Course,
    ) -> Result<(), NnError> {
        let every = self.plan.steps_per_execution();
        let mut totals = Totals::new(self.objectives);
        let mut watch = Watch::new(self.session.snapshot()?);
        let (during, mut step, mut checked) = (During::Epoch(epoch + 1), 0, false);
        while self.supply.advance()? {
            if step % every == 0 {
                self.each(callbacks, info, course, |c, training| c.on_batch_begin(step, training))?;
            }
            if step == 0 && epoch == course.first_epoch {
                // Not earlier: callbacks may have set it.
                let warning = checks::learning_rate(&self.plan, self.session)?;
                warning.into_iter().for_each(|warning| self.session.warn(warning));
            }
            watch.begins(self.session.learning_rate());
            let loss = self.step_into(&mut totals)?;
            // Batches of a dataset are kept only while they take less memory than the state, whose
            // copy lets go of them.
            let due = watch.is_due() || self.supply.kept_bytes() > self.session.state_size();
            checked = due || self.supply.is_last();
            let broken = |session: &mut Session| {
                Ok::<_, NnError>(non_finite(session.state_mut()?).is_some())
            };
            if !loss.is_finite() || (checked && broken(self.session)?) {
                return Err(self.explain(watch, during, step)?);
            }
            totals.report(self.objectives, "", logs);
            step += 1;
            if step % every == 0 {
                self.each(callbacks, info, course, |c, training| {
                    c.on_batch_end(step - 1, logs, training)
                })?;
            }
            if self.session.take_changed() || due {
                watch.renew(step, self.session.state_mut()?)?;
                self.supply.forget();
            }
        }
        // The last batch of a dataset is not known as such before it is asked for another.
        if !checked && non_finite(self.session.state_mut()?).is_some() {
            return Err(self.explain(watch, during, step.saturating_sub(1))?);
        }
        if step % every != 0 {
            self.each(callbacks, info, course, |c, training| {
                c.on_batch_end(step - 1, logs, training)
            })?;
        }
        Ok(())
    }

    /// One step on all samples, whose loss and metrics are added to the totals.
    pub(crate) fn one_step(mut self, totals: &mut Totals) -> Result<(), NnError> {
        self.supply.begin(0, None)?;
        self.supply.advance()?;
        let (batch, weighted) = (self.supply.lot().len(), self.supply.weighted());
        let key = Key { kind: Kind::Train, batch, weighted };
        self.session.prepare(&self.plan, self.options, [key], Watch::COPIES)?;
        let mut watch = Watch::new(self.session.snapshot()?);
        watch.begins(self.session.learning_rate());
        let loss = self.step_into(totals)?;
        if loss.is_finite() && non_finite(self.session.state_mut()?).is_none() {
            return Ok(());
        }
        Err(self.explain(watch, During::Batch, 0)?)
    }

    /// One step of training on the batch, whose loss, which is returned, and metrics are added to
    /// the totals.
    fn step_into(&mut self, totals: &mut Totals) -> Result<f32, NnError> {
        let lot = self.supply.lot();
        totals.add(step(&self.plan, self.options, self.session, lot)?, lot.len())
    }

    /// Repeats the last steps and explains the first that gives a number that is not finite. The
    /// session is left in the state before it.
    fn explain(&mut self, watch: Watch, during: During, last: usize) -> Result<NnError, NnError> {
        let (plan, options) = (&self.plan, self.options);
        let (supply, session) = (&self.supply, &mut *self.session);
        let broken = watch.find(|number, before| {
            session.restore(before.try_clone()?)?;
            let loss = step(plan, options, session, supply.again(number))?.output::<f32>(0)?[0];
            Ok((loss, session.snapshot()?))
        })?;
        let Some(Broken { step, what, before }) = broken else {
            let what = "the loss is not finite".to_owned();
            let found = NonFinite { during, step: last + 1, what, cause: Cause::Unexplained };
            return Ok(NnError::NonFinite(Box::new(found)));
        };
        let lot = supply.again(step);
        let graph = trace(plan, key(lot))?;
        let cause = lot.samples.cause(&graph, &before, lot.rows)?;
        session.restore(before)?;
        Ok(NnError::NonFinite(Box::new(NonFinite { during, step: step + 1, what, cause })))
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

/// The program that trains on a batch.
fn key(lot: Lot<'_>) -> Key {
    Key { kind: Kind::Train, batch: lot.len(), weighted: lot.samples.weighted() }
}

/// One step of training on a batch; returns the program with its outputs.
fn step<'s>(
    plan: &Plan<'_>,
    options: &Options,
    session: &'s mut Session,
    lot: Lot<'_>,
) -> Result<&'s Executable, NnError> {
    let (program, state) = session.ready(plan, options, key(lot))?;
    lot.run(&mut program.executable, state)?;
    Ok(&program.executable)
}

/// Checks the arguments that are numbers.
pub(crate) fn check_arguments(fit: &Fit<'_>) -> Result<(), NnError> {
    let counts = [
        Argument::new("batch_size", &fit.batch_size, Range::Count),
        Argument::new("validation_freq", &fit.validation_freq, Range::Count),
        Argument::new("validation_batch_size", &fit.validation_batch_size, Range::Count),
        Argument::new("validation_steps", &fit.validation_steps, Range::Count),
        Argument::new("steps_per_epoch", &fit.steps_per_epoch, Range::Count),
    ];
    Ok(arguments::check("fit", &counts)?)
}

/// Fails if an argument was given that a dataset does not take, as Keras does.
pub(crate) fn check_sources(
    fit: &Fit<'_>,
    given: &Opened<'_, '_>,
    validation: Option<&Opened<'_, '_>>,
) -> Result<(), NnError> {
    let epochs = fit.epochs.saturating_sub(fit.initial_epoch);
    if let Opened::Dataset(stream) = given {
        if fit.batch_size.is_some() {
            return Err(refuse("fit", "batch_size", BATCH_SIZE));
        }
        if fit.validation_split != 0.0 {
            let help = "give validation_data: nobody knows where the last part of a dataset begins";
            return Err(refuse("fit", "validation_split", help));
        }
        stream.check_passes(epochs)?;
    }
    if let Some(Opened::Dataset(stream)) = validation {
        if fit.validation_batch_size.is_some() {
            return Err(refuse("fit", "validation_batch_size", BATCH_SIZE));
        }
        stream.check_passes(epochs / fit.validation_freq)?;
    }
    Ok(())
}
