//! Evaluations with the moving averages of the weights.

use brolga_ir::Mistake;

use crate::callback::{Callback, Inference, Training};
use crate::error::NnError;
use crate::history::Logs;
use crate::model::Session;

/// Lets evaluations and predictions, the validations of a training included, use the moving
/// averages of the weights in place of the weights. It is for an optimizer with `use_ema(true)`;
/// before its first step there are no averages, and the weights stay.
///
/// In Keras the averages stay in the model after a prediction, and the raw weights after a training
/// with `swap_on_epoch` that another callback has ended early; here the weights are back after each
/// prediction, and are the averages after each training.
///
/// Keras: <https://keras.io/api/callbacks/swap_ema_weights/>.
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct SwapEMAWeights {
    swap_on_epoch: bool,
}

impl SwapEMAWeights {
    /// Swaps for evaluations and predictions alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the averages also are in place from the end of an epoch to the begin of the next
    /// one; false by default. Callbacks that are given after this one then see them:
    /// `ModelCheckpoint` saves them.
    pub fn swap_on_epoch(mut self, swap: bool) -> Self {
        self.swap_on_epoch = swap;
        self
    }
}

impl Callback for SwapEMAWeights {
    fn on_train_begin(&mut self, training: &mut Training<'_>) -> Result<(), NnError> {
        training.session.use_averages(false)?;
        checked(training.session)
    }

    fn on_epoch_begin(&mut self, _: usize, training: &mut Training<'_>) -> Result<(), NnError> {
        training.session.use_averages(false)
    }

    fn on_epoch_end(
        &mut self,
        _: usize,
        _: &mut Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        if self.swap_on_epoch { training.session.use_averages(true) } else { Ok(()) }
    }

    fn on_test_begin(&mut self, inference: &mut Inference<'_>) -> Result<(), NnError> {
        checked(inference.session)?;
        inference.session.use_averages(true)
    }

    fn on_test_end(&mut self, _: &Logs, inference: &mut Inference<'_>) -> Result<(), NnError> {
        inference.session.use_averages(false)
    }

    fn on_predict_begin(&mut self, inference: &mut Inference<'_>) -> Result<(), NnError> {
        checked(inference.session)?;
        inference.session.use_averages(true)
    }

    fn on_predict_end(&mut self, inference: &mut Inference<'_>) -> Result<(), NnError> {
        inference.session.use_averages(false)
    }
}

/// Fails if there are no averages.
fn checked(session: &Session) -> Result<(), NnError> {
    if session.has_averages() {
        return Ok(());
    }
    let mistake = Mistake::new("SwapEMAWeights: the optimizer keeps no averages of weights");
    let help = "give the optimizer `use_ema(true)`, such as SGD::new(0.01).use_ema(true)";
    Err(mistake.help(help).into())
}
