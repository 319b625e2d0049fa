//! Training as `fit` shows it.

use crate::callback::{Callback, Training};
use crate::error::NnError;
use crate::history::Logs;
use crate::report::Progress;

impl Callback for Progress {
    fn on_train_begin(&mut self, training: &mut Training<'_>) -> Result<(), NnError> {
        self.compiled(training.session.compilations(), training.plan.batch_size);
        Ok(())
    }

    fn on_epoch_begin(&mut self, epoch: usize, training: &mut Training<'_>) -> Result<(), NnError> {
        if training.plan.epochs > 1 {
            self.say(format_args!("Epoch {}/{}", epoch + 1, training.plan.epochs));
        }
        self.begin(training.plan.steps);
        Ok(())
    }

    fn on_batch_end(
        &mut self,
        batch: usize,
        logs: &Logs,
        _: &mut Training<'_>,
    ) -> Result<(), NnError> {
        self.step(batch + 1, logs);
        Ok(())
    }

    fn on_epoch_end(
        &mut self,
        _: usize,
        logs: &mut Logs,
        _: &mut Training<'_>,
    ) -> Result<(), NnError> {
        self.finish(logs);
        Ok(())
    }
}
