//! Hooks that the user adds to a training.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::NnError;
use crate::history::Logs;
use crate::metrics::Direction;
use crate::model::Session;
use crate::nonfinite::NonFinite;

/// Hooks that are called while a training runs. Each method does nothing by default; an error ends
/// the training.
pub trait Callback {
    /// The names of the quantities that this callback adds to the logs of an epoch, so that others
    /// may monitor them.
    fn reports(&self) -> Vec<String> {
        vec![]
    }

    /// Called before the first epoch.
    ///
    /// # Errors
    /// Whatever ends the training.
    fn on_train_begin(&mut self, training: &mut Training<'_>) -> Result<(), NnError> {
        let _ = training;
        Ok(())
    }

    /// Called before an epoch.
    ///
    /// # Errors
    /// Whatever ends the training.
    fn on_epoch_begin(&mut self, epoch: usize, training: &mut Training<'_>) -> Result<(), NnError> {
        let _ = (epoch, training);
        Ok(())
    }

    /// Called after a step. The logs are the means of the epoch so far.
    ///
    /// # Errors
    /// Whatever ends the training.
    fn on_batch_end(
        &mut self,
        batch: usize,
        logs: &Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        let _ = (batch, logs, training);
        Ok(())
    }

    /// Called after an epoch and its validation. Numbers added to the logs go into the history.
    ///
    /// # Errors
    /// Whatever ends the training.
    fn on_epoch_end(
        &mut self,
        epoch: usize,
        logs: &mut Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        let _ = (epoch, logs, training);
        Ok(())
    }

    /// Called when a step gave a number that is not finite, with what made it; the state is that
    /// before the step. Returns whether the training ends here without an error.
    ///
    /// # Errors
    /// Whatever the training should return.
    fn on_non_finite(
        &mut self,
        found: &NonFinite,
        training: &mut Training<'_>,
    ) -> Result<bool, NnError> {
        let _ = (found, training);
        Ok(false)
    }

    /// Called after the last epoch.
    ///
    /// # Errors
    /// Whatever the training should return.
    fn on_train_end(&mut self, training: &mut Training<'_>) -> Result<(), NnError> {
        let _ = training;
        Ok(())
    }
}

impl<C: Callback + ?Sized> Callback for &mut C {
    fn reports(&self) -> Vec<String> {
        (**self).reports()
    }

    fn on_train_begin(&mut self, training: &mut Training<'_>) -> Result<(), NnError> {
        (**self).on_train_begin(training)
    }

    fn on_epoch_begin(&mut self, epoch: usize, training: &mut Training<'_>) -> Result<(), NnError> {
        (**self).on_epoch_begin(epoch, training)
    }

    fn on_batch_end(
        &mut self,
        batch: usize,
        logs: &Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        (**self).on_batch_end(batch, logs, training)
    }

    fn on_epoch_end(
        &mut self,
        epoch: usize,
        logs: &mut Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        (**self).on_epoch_end(epoch, logs, training)
    }

    fn on_non_finite(
        &mut self,
        found: &NonFinite,
        training: &mut Training<'_>,
    ) -> Result<bool, NnError> {
        (**self).on_non_finite(found, training)
    }

    fn on_train_end(&mut self, training: &mut Training<'_>) -> Result<(), NnError> {
        (**self).on_train_end(training)
    }
}

/// A training as callbacks see it.
#[derive(Debug)]
pub struct Training<'a> {
    /// The facts known before the first step.
    pub plan: &'a TrainingPlan,
    /// The model's weights and other state.
    pub session: &'a mut Session,
    pub(crate) course: &'a mut Course,
}

/// The begin and the end of a training, as callbacks have decided them.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// Whether this epoch is the last.
    pub(crate) stops: bool,
    /// The epoch with which the training begins.
    pub(crate) first_epoch: usize,
}

impl Training<'_> {
    /// Ends the training after this epoch.
    pub fn stop(&mut self) {
        self.course.stops = true;
    }

    /// Lets the training begin with this epoch, from 0, if it is not that far yet: what came before it
    /// was done by another training. To be called before the first epoch.
    pub fn begin_at(&mut self, epoch: usize) {
        self.course.first_epoch = epoch.max(self.course.first_epoch);
    }

    /// Whether this epoch is the last.
    pub fn stopping(&self) -> bool {
        self.course.stops
    }
}

/// The facts of a training that are known before its first step.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingPlan {
    /// The number of epochs asked for.
    pub epochs: usize,
    /// The number of steps of an epoch.
    pub steps: usize,
    /// The number of samples of an epoch.
    pub samples: usize,
    /// The number of samples of a step; the last may have fewer.
    pub batch_size: usize,
    /// How long compiling the training step took; zero if it was compiled before.
    pub compile_time: Duration,
    /// The names of what is reported: `loss`, the metrics, the same with `val_` where there is
    /// validation data, and what callbacks add.
    pub reported: Vec<String>,
    /// Which values of the loss and of the metrics are better, where that is known.
    pub directions: BTreeMap<String, Direction>,
}

impl TrainingPlan {
    /// Which values of a reported quantity are better, in training or in validation; `None` where
    /// that is not known.
    pub fn direction(&self, name: &str) -> Option<Direction> {
        self.directions.get(name.strip_prefix("val_").unwrap_or(name)).copied()
    }
}
