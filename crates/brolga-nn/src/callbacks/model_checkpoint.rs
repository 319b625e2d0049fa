//! Saving the weights while a training runs.

use std::fs;
use std::path::Path;

use brolga_ir::Mistake;

use super::file_name::FileName;
use super::monitor::{Mode, Monitor, check_reported};
use super::step_count::StepCount;
use crate::arguments::{self, Argument, Range};
use crate::callback::{Callback, Training};
use crate::error::NnError;
use crate::history::Logs;
use crate::report::{self, Verbose};

const NAME: &str = "ModelCheckpoint";
const ENDING: &str = ".safetensors";

/// Saves the weights after each epoch, or after each in which a quantity is better than ever.
///
/// The name of the file may contain the number of the epoch, counted from 1, and what the training
/// reports, in Python's form: `weights-{epoch:02d}-{val_loss:.2f}.safetensors`. Missing folders are
/// made; a file is replaced as a whole.
///
/// ```
/// use brolga_nn::callbacks::ModelCheckpoint;
///
/// let callback = ModelCheckpoint::new("best.safetensors")
///     .save_weights_only(true)
///     .save_best_only(true)
///     .monitor("val_accuracy");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ModelCheckpoint {
    filepath: String,
    monitor: Monitor,
    verbose: Verbose,
    save_best_only: bool,
    save_weights_only: bool,
    save_freq: SaveFreq,
    initial_value_threshold: Option<f64>,
    name: Option<FileName>,
    epoch: usize,
    /// The number of steps since the weights were saved.
    waited: usize,
    steps: StepCount,
    /// The message for when the line of the epoch is complete.
    messages: String,
}

/// How often weights are saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SaveFreq {
    /// After each epoch.
    #[default]
    Epoch,
    /// After so many steps, counted across epochs. The quantities are then the means of the epoch
    /// so far, without validation.
    Batches(usize),
}

impl ModelCheckpoint {
    /// Saves to this file. As in Keras, `save_weights_only` is false, which is not possible yet:
    /// set it to true.
    pub fn new(filepath: impl Into<String>) -> Self {
        Self {
            filepath: filepath.into(),
            monitor: Monitor::default(),
            verbose: Verbose::Silent,
            save_best_only: false,
            save_weights_only: false,
            save_freq: SaveFreq::Epoch,
            initial_value_threshold: None,
            name: None,
            epoch: 0,
            waited: 0,
            steps: StepCount::default(),
            messages: String::new(),
        }
    }

    /// The quantity that decides which epoch is the best; `"val_loss"` by default.
    pub fn monitor(mut self, name: impl Into<String>) -> Self {
        self.monitor.name = name.into();
        self
    }

    /// Whether the callback tells what it does, after each epoch; by default it does not.
    pub fn verbose(mut self, verbose: impl Into<Verbose>) -> Self {
        self.verbose = verbose.into();
        self
    }

    /// Whether weights are saved only if the quantity is better than ever; false by default.
    pub fn save_best_only(mut self, best_only: bool) -> Self {
        self.save_best_only = best_only;
        self
    }

    /// Whether the weights are saved alone. Anything but true is an error: there is no format for
    /// whole models yet.
    pub fn save_weights_only(mut self, weights_only: bool) -> Self {
        self.save_weights_only = weights_only;
        self
    }

    /// Which values are better; `"auto"` by default.
    pub fn mode(mut self, mode: impl Into<Mode>) -> Self {
        self.monitor.mode = mode.into();
        self
    }

    /// How often weights are saved; after each epoch by default.
    pub fn save_freq(mut self, save_freq: SaveFreq) -> Self {
        self.save_freq = save_freq;
        self
    }

    /// A value that the first one saved must exceed already, if only the best are saved; none by
    /// default.
    pub fn initial_value_threshold(mut self, value: f64) -> Self {
        self.initial_value_threshold = Some(value);
        self
    }

    /// Checks the arguments, before a training.
    fn check(&mut self, training: &Training<'_>) -> Result<FileName, NnError> {
        let threshold = &self.initial_value_threshold;
        let threshold = Argument::new("initial_value_threshold", threshold, Range::Finite);
        arguments::check(NAME, &[threshold])?;
        let mistake = |message: String, help: &str| {
            Err(NnError::Argument(Mistake::new(format!("{NAME}: {message}")).help(help)))
        };
        if !self.save_weights_only {
            let message = "whole models cannot be saved yet".to_owned();
            return mistake(message, "save the weights: .save_weights_only(true)");
        }
        if !self.filepath.ends_with(ENDING) {
            let message =
                format!("weights are saved as safetensors, `{}` has another ending", self.filepath);
            return mistake(message, "let the name of the file end with `.safetensors`");
        }
        if self.save_freq == SaveFreq::Batches(0) {
            return mistake("a save_freq of 0 steps".to_owned(), "save_freq is 1 step or more");
        }
        let name = FileName::parse(&self.filepath)?;
        if name.names().any(|name| name == "batch") && self.save_freq == SaveFreq::Epoch {
            let message = "`{batch}` is the number of a step, the weights are saved after epochs";
            return mistake(message.to_owned(), "write {epoch} into the name of the file");
        }
        let monitored = self.save_best_only.then_some(self.monitor.name.as_str());
        for quantity in
            name.names().filter(|name| !["epoch", "batch"].contains(name)).chain(monitored)
        {
            check_reported(NAME, quantity, training.plan)?;
            if self.save_freq != SaveFreq::Epoch && quantity.starts_with("val_") {
                let message =
                    format!("`{quantity}` is reported at the end of an epoch, not after a step");
                return mistake(message, "save after each epoch, or use a quantity without `val_`");
            }
        }
        if self.save_best_only {
            self.monitor.begin(NAME, training.plan)?;
        }
        Ok(name)
    }

    fn save(
        &mut self,
        batch: Option<usize>,
        logs: &Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        let Some(name) = &self.name else { return Ok(()) };
        let path = name.format(|name| match name {
            "epoch" => Some((self.epoch + 1) as f64),
            "batch" => batch.map(|batch| (batch + 1) as f64),
            quantity => logs.get(quantity),
        })?;
        if self.save_best_only && !self.is_best(logs, &path) {
            return Ok(());
        }
        if !self.save_best_only {
            self.say(format_args!("saving weights to {path}"));
        }
        let path = Path::new(&path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .map_err(|source| NnError::Io { path: folder.to_owned(), source })?;
        }
        training.session.save_weights(path)
    }

    /// Whether the quantity is better than ever; an epoch that does not report it is not.
    fn is_best(&mut self, logs: &Logs, path: &str) -> bool {
        let Some(value) = self.monitor.value(logs) else { return false };
        let best = self.monitor.best;
        let before = best.map_or("none".to_owned(), |best| format!("{best:.5}"));
        let name = self.monitor.name.clone();
        let better = self.monitor.improves(value, best);
        if better {
            self.say(format_args!(
                "{name} improved from {before} to {value:.5}, saving weights to {path}"
            ));
            self.monitor.best = Some(value);
        } else {
            self.say(format_args!("{name} did not improve from {before}"));
        }
        better
    }

    fn say(&mut self, message: impl std::fmt::Display) {
        if self.verbose != Verbose::Silent {
            self.messages += &format!("Epoch {}: {message}\n", self.epoch + 1);
        }
    }

    /// Tells what was done, now that no bar is being drawn.
    fn tell(&mut self) {
        report::print(&self.messages);
        self.messages.clear();
    }
}

impl Callback for ModelCheckpoint {
    fn on_train_begin(&mut self, training: &mut Training<'_>) -> Result<(), NnError> {
        self.name = Some(self.check(training)?);
        self.monitor.best = self.initial_value_threshold;
        self.waited = 0;
        Ok(())
    }

    fn on_epoch_begin(&mut self, epoch: usize, _: &mut Training<'_>) -> Result<(), NnError> {
        self.tell();
        self.epoch = epoch;
        self.steps.begin();
        Ok(())
    }

    fn on_batch_end(
        &mut self,
        batch: usize,
        logs: &Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        let SaveFreq::Batches(every) = self.save_freq else { return Ok(()) };
        self.waited += self.steps.add(batch);
        if self.waited < every {
            return Ok(());
        }
        self.waited = 0;
        self.save(Some(batch), logs, training)
    }

    fn on_epoch_end(
        &mut self,
        _: usize,
        logs: &mut Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        match self.save_freq {
            SaveFreq::Epoch => self.save(None, logs, training),
            SaveFreq::Batches(_) => Ok(()),
        }
    }

    fn on_train_end(&mut self, _: &mut Training<'_>) -> Result<(), NnError> {
        self.tell();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callbacks::rig::{train, weight_in};

    /// The files that a training leaves, each with the weight in it: the number of the epoch.
    fn files(
        name: &str,
        losses: &[f64],
        change: impl Fn(ModelCheckpoint) -> ModelCheckpoint,
    ) -> Vec<(String, f32)> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name).display().to_string();
        let mut callback = change(ModelCheckpoint::new(path).save_weights_only(true));
        let epochs: Vec<_> = losses.iter().map(|&x| vec![x, x]).collect();
        train(&mut callback, &["val_loss", "loss"], &epochs).expect("a checkpoint");
        let entries = fs::read_dir(folder.path()).expect("the folder").flatten();
        let mut files: Vec<_> = entries
            .map(|entry| {
                (entry.file_name().to_string_lossy().into_owned(), weight_in(&entry.path()))
            })
            .collect();
        files.sort_by(|a, b| a.0.cmp(&b.0));
        files
    }

    fn owned(files: &[(&str, f32)]) -> Vec<(String, f32)> {
        files.iter().map(|&(name, weight)| (name.to_owned(), weight)).collect()
    }

    #[test]
    fn each_epoch_has_its_file() {
        let files = files("{epoch:02d}-{val_loss:.1f}.safetensors", &[0.5, 0.25], |c| c);
        assert_eq!(files, owned(&[("01-0.5.safetensors", 0.0), ("02-0.2.safetensors", 1.0)]));
    }

    #[test]
    fn one_file_holds_the_best_or_the_last() {
        let losses = [0.5, 0.3, 0.4];
        let file = |weight| owned(&[("w.safetensors", weight)]);
        assert_eq!(files("w.safetensors", &losses, |c| c), file(2.0));
        assert_eq!(files("w.safetensors", &losses, |c| c.save_best_only(true)), file(1.0));
        assert_eq!(
            files("w.safetensors", &losses, |c| c.save_best_only(true).mode("max")),
            file(0.0)
        );
        let threshold = |c: ModelCheckpoint| c.save_best_only(true).initial_value_threshold(0.3);
        assert_eq!(files("w.safetensors", &losses, threshold), []);
    }

    /// The rig runs two steps an epoch.
    #[test]
    fn steps_are_counted_across_epochs() {
        let every = |c: ModelCheckpoint| c.save_freq(SaveFreq::Batches(3));
        let files = files("{epoch}-{batch}.safetensors", &[0.5; 3], every);
        assert_eq!(files, owned(&[("2-1.safetensors", 1.0), ("3-2.safetensors", 2.0)]));
    }

    #[test]
    fn mistakes_are_found_before_the_first_step() {
        let error = |callback: ModelCheckpoint| {
            let run = train(&mut callback.clone(), &["loss"], &[vec![0.5]]);
            run.expect_err("a mistake").to_string()
        };
        let weights = |name: &str| ModelCheckpoint::new(name).save_weights_only(true);
        insta::assert_snapshot!(error(ModelCheckpoint::new("w.safetensors")), @"
        ModelCheckpoint: whole models cannot be saved yet
          help: save the weights: .save_weights_only(true)
        ");
        insta::assert_snapshot!(error(weights("w.weights.h5")), @"
        ModelCheckpoint: weights are saved as safetensors, `w.weights.h5` has another ending
          help: let the name of the file end with `.safetensors`
        ");
        insta::assert_snapshot!(error(weights("{val_loss}.safetensors")), @"
        ModelCheckpoint: there is no reported quantity `val_loss`
          help: there are loss; what begins with `val_` needs validation data: Fit::new().validation_data(&x, &y)
        ");
        insta::assert_snapshot!(error(weights("{batch}.safetensors")), @"
        ModelCheckpoint: `{batch}` is the number of a step, the weights are saved after epochs
          help: write {epoch} into the name of the file
        ");
        insta::assert_snapshot!(error(weights("w.safetensors").save_best_only(true)), @"
        ModelCheckpoint: there is no reported quantity `val_loss`
          help: there are loss; what begins with `val_` needs validation data: Fit::new().validation_data(&x, &y)
        ");
        let batches = |n| weights("{loss}.safetensors").save_freq(SaveFreq::Batches(n));
        insta::assert_snapshot!(error(batches(0)), @"
        ModelCheckpoint: a save_freq of 0 steps
          help: save_freq is 1 step or more
        ");
    }

    #[test]
    fn what_is_told_names_the_file() {
        let mut callback = ModelCheckpoint::new("w").save_best_only(true).verbose(1);
        let mut logs = Logs::new();
        for (epoch, loss) in [(0, 0.5), (1, 0.25), (2, 0.25)] {
            callback.epoch = epoch;
            logs.set("val_loss", loss);
            callback.is_best(&logs, "w.safetensors");
        }
        insta::assert_snapshot!(callback.messages, @"
        Epoch 1: val_loss improved from none to 0.50000, saving weights to w.safetensors
        Epoch 2: val_loss improved from 0.50000 to 0.25000, saving weights to w.safetensors
        Epoch 3: val_loss did not improve from 0.25000
        ");
    }
}
