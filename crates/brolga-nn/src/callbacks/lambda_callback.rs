//! A callback of closures.

use std::fmt;

use crate::callback::{Callback, Training};
use crate::error::NnError;
use crate::history::Logs;

type OfTraining<'a> = Box<dyn FnMut(&mut Training<'_>) -> Result<(), NnError> + 'a>;
type OfEpoch<'a> = Box<dyn FnMut(usize, &mut Training<'_>) -> Result<(), NnError> + 'a>;
type OfLogs<'a> = Box<dyn FnMut(usize, &Logs, &mut Training<'_>) -> Result<(), NnError> + 'a>;

/// Calls closures; see [`Callback`] for when. An error ends the training.
///
/// ```
/// use brolga_nn::callbacks::LambdaCallback;
///
/// let mut losses = vec![];
/// let callback = LambdaCallback::new().on_epoch_end(|_, logs, _| {
///     losses.push(logs.loss());
///     Ok(())
/// });
/// ```
///
/// Keras: <https://keras.io/api/callbacks/lambda_callback/>.
#[derive(Default)]
#[must_use]
pub struct LambdaCallback<'a> {
    train_begin: Option<OfTraining<'a>>,
    epoch_begin: Option<OfEpoch<'a>>,
    batch_end: Option<OfLogs<'a>>,
    epoch_end: Option<OfLogs<'a>>,
    train_end: Option<OfTraining<'a>>,
}

impl fmt::Debug for LambdaCallback<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LambdaCallback").finish_non_exhaustive()
    }
}

impl<'a> LambdaCallback<'a> {
    /// One that does nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Is called before the first epoch.
    pub fn on_train_begin(
        mut self,
        call: impl FnMut(&mut Training<'_>) -> Result<(), NnError> + 'a,
    ) -> Self {
        self.train_begin = Some(Box::new(call));
        self
    }

    /// Is called before each epoch, with its number.
    pub fn on_epoch_begin(
        mut self,
        call: impl FnMut(usize, &mut Training<'_>) -> Result<(), NnError> + 'a,
    ) -> Self {
        self.epoch_begin = Some(Box::new(call));
        self
    }

    /// Is called after each step, with its number and the means of the epoch so far.
    pub fn on_batch_end(
        mut self,
        call: impl FnMut(usize, &Logs, &mut Training<'_>) -> Result<(), NnError> + 'a,
    ) -> Self {
        self.batch_end = Some(Box::new(call));
        self
    }

    /// Is called after each epoch, with its number and what it reports.
    pub fn on_epoch_end(
        mut self,
        call: impl FnMut(usize, &Logs, &mut Training<'_>) -> Result<(), NnError> + 'a,
    ) -> Self {
        self.epoch_end = Some(Box::new(call));
        self
    }

    /// Is called after the last epoch.
    pub fn on_train_end(
        mut self,
        call: impl FnMut(&mut Training<'_>) -> Result<(), NnError> + 'a,
    ) -> Self {
        self.train_end = Some(Box::new(call));
        self
    }
}

impl Callback for LambdaCallback<'_> {
    fn on_train_begin(&mut self, training: &mut Training<'_>) -> Result<(), NnError> {
        self.train_begin.as_mut().map_or(Ok(()), |call| call(training))
    }

    fn on_epoch_begin(&mut self, epoch: usize, training: &mut Training<'_>) -> Result<(), NnError> {
        self.epoch_begin.as_mut().map_or(Ok(()), |call| call(epoch, training))
    }

    fn on_batch_end(
        &mut self,
        batch: usize,
        logs: &Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        self.batch_end.as_mut().map_or(Ok(()), |call| call(batch, logs, training))
    }

    fn on_epoch_end(
        &mut self,
        epoch: usize,
        logs: &mut Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        self.epoch_end.as_mut().map_or(Ok(()), |call| call(epoch, logs, training))
    }

    fn on_train_end(&mut self, training: &mut Training<'_>) -> Result<(), NnError> {
        self.train_end.as_mut().map_or(Ok(()), |call| call(training))
    }
}
