//! Hooks that the user adds to a training.

use std::collections::BTreeMap;
use std::time::Duration;

use ndarray::ArrayViewD;

use crate::error::NnError;
use crate::history::Logs;
use crate::metrics::Direction;
use crate::model::Session;
use crate::nonfinite::NonFinite;

/// Hooks that are called while a model is trained, evaluated or used. Each method does nothing by
/// default; an error ends what is running.
///
/// Of a model compiled with [`steps_per_execution`](crate::Compile::steps_per_execution) those of
/// batches are called once for so many steps: before the first and after the last of them.
///
/// Keras: <https://keras.io/api/callbacks/base_callback/>.
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

    /// Called before a step.
    ///
    /// # Errors
    /// Whatever ends the training.
    fn on_batch_begin(&mut self, batch: usize, training: &mut Training<'_>) -> Result<(), NnError> {
        let _ = (batch, training);
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

    /// Called before an evaluation, those of [`fit`](crate::model::Model::fit) included.
    ///
    /// # Errors
    /// Whatever ends the evaluation.
    fn on_test_begin(&mut self, inference: &mut Inference<'_>) -> Result<(), NnError> {
        let _ = inference;
        Ok(())
    }

    /// Called before a batch of an evaluation.
    ///
    /// # Errors
    /// Whatever ends the evaluation.
    fn on_test_batch_begin(
        &mut self,
        batch: usize,
        inference: &mut Inference<'_>,
    ) -> Result<(), NnError> {
        let _ = (batch, inference);
        Ok(())
    }

    /// Called after a batch of an evaluation. The logs are the means of all batches so far.
    ///
    /// # Errors
    /// Whatever ends the evaluation.
    fn on_test_batch_end(
        &mut self,
        batch: usize,
        logs: &Logs,
        inference: &mut Inference<'_>,
    ) -> Result<(), NnError> {
        let _ = (batch, logs, inference);
        Ok(())
    }

    /// Called after an evaluation, with its result.
    ///
    /// # Errors
    /// Whatever the evaluation should return.
    fn on_test_end(&mut self, logs: &Logs, inference: &mut Inference<'_>) -> Result<(), NnError> {
        let _ = (logs, inference);
        Ok(())
    }

    /// Called before a prediction.
    ///
    /// # Errors
    /// Whatever ends the prediction.
    fn on_predict_begin(&mut self, inference: &mut Inference<'_>) -> Result<(), NnError> {
        let _ = inference;
        Ok(())
    }

    /// Called before a batch of a prediction.
    ///
    /// # Errors
    /// Whatever ends the prediction.
    fn on_predict_batch_begin(
        &mut self,
        batch: usize,
        inference: &mut Inference<'_>,
    ) -> Result<(), NnError> {
        let _ = (batch, inference);
        Ok(())
    }

    /// Called after a batch of a prediction, with the model's outputs for it.
    ///
    /// # Errors
    /// Whatever ends the prediction.
    fn on_predict_batch_end(
        &mut self,
        batch: usize,
        outputs: &[ArrayViewD<'_, f32>],
        inference: &mut Inference<'_>,
    ) -> Result<(), NnError> {
        let _ = (batch, outputs, inference);
        Ok(())
    }

    /// Called after a prediction.
    ///
    /// # Errors
    /// Whatever the prediction should return.
    fn on_predict_end(&mut self, inference: &mut Inference<'_>) -> Result<(), NnError> {
        let _ = inference;
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

    fn on_batch_begin(&mut self, batch: usize, training: &mut Training<'_>) -> Result<(), NnError> {
        (**self).on_batch_begin(batch, training)
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

    fn on_test_begin(&mut self, inference: &mut Inference<'_>) -> Result<(), NnError> {
        (**self).on_test_begin(inference)
    }

    fn on_test_batch_begin(
        &mut self,
        batch: usize,
        inference: &mut Inference<'_>,
    ) -> Result<(), NnError> {
        (**self).on_test_batch_begin(batch, inference)
    }

    fn on_test_batch_end(
        &mut self,
        batch: usize,
        logs: &Logs,
        inference: &mut Inference<'_>,
    ) -> Result<(), NnError> {
        (**self).on_test_batch_end(batch, logs, inference)
    }

    fn on_test_end(&mut self, logs: &Logs, inference: &mut Inference<'_>) -> Result<(), NnError> {
        (**self).on_test_end(logs, inference)
    }

    fn on_predict_begin(&mut self, inference: &mut Inference<'_>) -> Result<(), NnError> {
        (**self).on_predict_begin(inference)
    }

    fn on_predict_batch_begin(
        &mut self,
        batch: usize,
        inference: &mut Inference<'_>,
    ) -> Result<(), NnError> {
        (**self).on_predict_batch_begin(batch, inference)
    }

    fn on_predict_batch_end(
        &mut self,
        batch: usize,
        outputs: &[ArrayViewD<'_, f32>],
        inference: &mut Inference<'_>,
    ) -> Result<(), NnError> {
        (**self).on_predict_batch_end(batch, outputs, inference)
    }

    fn on_predict_end(&mut self, inference: &mut Inference<'_>) -> Result<(), NnError> {
        (**self).on_predict_end(inference)
    }
}

/// A training as callbacks see it.
#[derive(Debug)]
pub struct Training<'a> {
    /// The facts known before the epoch.
    pub plan: &'a TrainingPlan,
    /// The model's weights and other state.
    pub session: &'a mut Session,
    pub(crate) course: &'a mut Course,
}

/// An evaluation or a prediction as callbacks see it.
#[derive(Debug)]
pub struct Inference<'a> {
    /// The number of batches, if it is known.
    pub steps: Option<usize>,
    /// The model's weights and other state.
    pub session: &'a mut Session,
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

    /// Lets the training begin with this epoch, from 0, if it is not that far yet: what came before
    /// it was done by another training. To be called before the first epoch.
    pub fn begin_at(&mut self, epoch: usize) {
        self.course.first_epoch = epoch.max(self.course.first_epoch);
    }

    /// Whether this epoch is the last.
    pub fn stopping(&self) -> bool {
        self.course.stops
    }
}

/// The facts of a training that are known before an epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingPlan {
    /// The number of epochs asked for.
    pub epochs: usize,
    /// The number of steps of the epoch; `None` in the first epoch of a dataset that does not know
    /// how many batches it has.
    pub steps: Option<usize>,
    /// The number of samples of all arrays; `None` of a dataset.
    pub samples: Option<usize>,
    /// The number of samples of a step, of a dataset that of the first; others may have fewer.
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
