//! Ending a training that no longer improves.

use ndarray::ArrayD;

use super::monitor::{Mode, Monitor};
use crate::arguments::{self, Argument, Range};
use crate::callback::{Callback, Training};
use crate::error::NnError;
use crate::history::Logs;
use crate::report::{self, Verbose};

/// Ends the training when a quantity has not improved for `patience` epochs.
///
/// An epoch is an improvement if it is better than the best before by more than `min_delta`.
/// Waiting starts anew with each improvement that is also better than `baseline`. As in Keras, the
/// first epoch never ends the training.
///
/// ```
/// use brolga_nn::callbacks::EarlyStopping;
///
/// let callback = EarlyStopping::new().monitor("val_accuracy").patience(3).restore_best_weights(true);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct EarlyStopping {
    monitor: Monitor,
    patience: usize,
    verbose: Verbose,
    baseline: Option<f64>,
    restore_best_weights: bool,
    start_from_epoch: usize,
    wait: usize,
    stopped_epoch: Option<usize>,
    best_epoch: usize,
    best_weights: Option<Vec<ArrayD<f32>>>,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self {
            monitor: Monitor::default(),
            patience: 0,
            verbose: Verbose::Silent,
            baseline: None,
            restore_best_weights: false,
            start_from_epoch: 0,
            wait: 0,
            stopped_epoch: None,
            best_epoch: 0,
            best_weights: None,
        }
    }
}

impl EarlyStopping {
    /// Ends the training after the first epoch in which `val_loss` does not fall.
    pub fn new() -> Self {
        Self::default()
    }

    /// The quantity; `"val_loss"` by default.
    pub fn monitor(mut self, name: impl Into<String>) -> Self {
        self.monitor.name = name.into();
        self
    }

    /// How much better than the best an epoch must be to count as better; 0 by default.
    pub fn min_delta(mut self, min_delta: f64) -> Self {
        self.monitor.min_delta = min_delta;
        self
    }

    /// After how many epochs without improvement the training ends; 0, as in Keras, does the same
    /// as 1.
    pub fn patience(mut self, epochs: usize) -> Self {
        self.patience = epochs;
        self
    }

    /// Whether the callback tells what it does; by default it does not.
    pub fn verbose(mut self, verbose: impl Into<Verbose>) -> Self {
        self.verbose = verbose.into();
        self
    }

    /// Which values are better; `"auto"` by default.
    pub fn mode(mut self, mode: impl Into<Mode>) -> Self {
        self.monitor.mode = mode.into();
        self
    }

    /// A value that must be exceeded for waiting to start anew; none by default.
    pub fn baseline(mut self, baseline: f64) -> Self {
        self.baseline = Some(baseline);
        self
    }

    /// Whether the weights of the best epoch are set when the training ends, for whatever reason;
    /// false by default.
    pub fn restore_best_weights(mut self, restore: bool) -> Self {
        self.restore_best_weights = restore;
        self
    }

    /// The first epoch that is looked at; 0 by default.
    pub fn start_from_epoch(mut self, epoch: usize) -> Self {
        self.start_from_epoch = epoch;
        self
    }

    /// The epoch after which the last training was ended, if this callback did it.
    pub fn stopped_epoch(&self) -> Option<usize> {
        self.stopped_epoch
    }

    /// The best value of the last training.
    pub fn best(&self) -> Option<f64> {
        self.monitor.best
    }

    /// The epoch of the best value; 0 if there is none.
    pub fn best_epoch(&self) -> usize {
        self.best_epoch
    }
}

impl Callback for EarlyStopping {
    fn on_train_begin(&mut self, training: &mut Training<'_>) -> Result<(), NnError> {
        arguments::check(
            "EarlyStopping",
            &[
                Argument::new("min_delta", &self.monitor.min_delta, Range::Finite),
                Argument::new("baseline", &self.baseline, Range::Finite),
            ],
        )?;
        (self.wait, self.best_epoch) = (0, 0);
        (self.stopped_epoch, self.best_weights) = (None, None);
        self.monitor.begin("EarlyStopping", training.plan)
    }

    fn on_epoch_end(
        &mut self,
        epoch: usize,
        logs: &mut Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        let Some(value) = self.monitor.value(logs).filter(|_| epoch >= self.start_from_epoch)
        else {
            return Ok(());
        };
        let better = self.monitor.improves(value, self.monitor.best);
        if self.restore_best_weights && (better || self.best_weights.is_none()) {
            self.best_weights = Some(training.session.get_weights()?);
            self.best_epoch = epoch;
        }
        self.wait += 1;
        if better {
            (self.monitor.best, self.best_epoch) = (Some(value), epoch);
            if self.baseline.is_none_or(|baseline| self.monitor.improves(value, Some(baseline))) {
                self.wait = 0;
            }
        } else if self.wait >= self.patience && epoch > 0 {
            self.stopped_epoch = Some(epoch);
            training.stop();
        }
        Ok(())
    }

    fn on_train_end(&mut self, training: &mut Training<'_>) -> Result<(), NnError> {
        let told = self.verbose != Verbose::Silent;
        if let Some(epoch) = self.stopped_epoch.filter(|_| told) {
            report::print(format_args!("Epoch {}: early stopping\n", epoch + 1));
        }
        let Some(weights) = self.best_weights.take() else { return Ok(()) };
        if told {
            let epoch = self.best_epoch + 1;
            report::print(format_args!(
                "Restoring model weights from the end of the best epoch: {epoch}.\n"
            ));
        }
        training.session.set_weights(&weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callbacks::rig::{Run, train};

    fn run(callback: &mut EarlyStopping, losses: &[f64]) -> Run {
        train(callback, &["val_loss"], &losses.iter().map(|&x| vec![x]).collect::<Vec<_>>())
            .expect("the quantity is reported")
    }

    fn epochs(mut callback: EarlyStopping, losses: &[f64]) -> usize {
        run(&mut callback, losses).epochs
    }

    const BUMPY: [f64; 8] = [1.0, 0.8, 0.9, 0.7, 0.8, 0.8, 0.8, 0.6];

    #[test]
    fn patience_counts_epochs_without_improvement() {
        assert_eq!(epochs(EarlyStopping::new(), &BUMPY), 3);
        assert_eq!(epochs(EarlyStopping::new().patience(1), &BUMPY), 3);
        assert_eq!(epochs(EarlyStopping::new().patience(2), &BUMPY), 6);
        assert_eq!(epochs(EarlyStopping::new().patience(3), &BUMPY), 7);
        assert_eq!(epochs(EarlyStopping::new().patience(4), &BUMPY), 8);
    }

    #[test]
    fn the_first_epoch_never_ends_the_training() {
        assert_eq!(epochs(EarlyStopping::new(), &[f64::NAN, 1.0, 2.0]), 3);
        assert_eq!(epochs(EarlyStopping::new().start_from_epoch(4), &BUMPY), 6);
    }

    #[test]
    fn small_improvements_do_not_count() {
        assert_eq!(epochs(EarlyStopping::new().min_delta(0.15), &[1.0, 0.9, 0.8]), 2);
        assert_eq!(epochs(EarlyStopping::new().min_delta(-0.05), &[1.0, 0.9, 0.8]), 3);
    }

    #[test]
    fn a_baseline_must_be_exceeded() {
        let callback = EarlyStopping::new().baseline(0.5).patience(3);
        assert_eq!(epochs(callback.clone(), &[1.0, 0.9, 0.8, 0.9, 0.4]), 4);
        assert_eq!(epochs(callback, &[1.0, 0.4, 0.5, 0.5, 0.5, 0.5]), 5);
    }

    #[test]
    fn the_mode_turns_the_comparison() {
        assert_eq!(epochs(EarlyStopping::new().mode("max"), &[1.0, 2.0, 1.5, 3.0]), 3);
    }

    /// The weights of the rig are the number of the epoch.
    #[test]
    fn the_weights_of_the_best_epoch_come_back() {
        let mut callback = EarlyStopping::new().patience(2).restore_best_weights(true);
        let run = run(&mut callback, &BUMPY);
        assert_eq!((run.epochs, run.weight), (6, 3.0));
        assert_eq!((callback.best_epoch(), callback.best()), (3, Some(0.7)));
        assert_eq!(callback.stopped_epoch(), Some(5));
    }

    #[test]
    fn weights_come_back_when_the_training_ends_by_itself() {
        let mut callback = EarlyStopping::new().patience(9).restore_best_weights(true);
        assert_eq!(run(&mut callback, &[1.0, 0.5, 0.6]).weight, 1.0);
        assert_eq!(callback.stopped_epoch(), None);
    }

    #[test]
    fn a_second_training_starts_anew() {
        let mut callback = EarlyStopping::new();
        assert_eq!(run(&mut callback, &[0.1, 0.2]).epochs, 2);
        assert_eq!(run(&mut callback, &[5.0, 4.0, 4.5]).epochs, 3);
    }

    #[test]
    fn an_epoch_that_does_not_report_is_passed_over() {
        let epochs = [vec![1.0], vec![], vec![], vec![0.5], vec![0.6]];
        let run = train(&mut EarlyStopping::new(), &["val_loss"], &epochs).expect("it is reported");
        assert_eq!(run.epochs, 5);
    }
}
