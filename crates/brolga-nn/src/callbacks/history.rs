//! The history as a callback.

use crate::callback::{Callback, Training};
use crate::error::NnError;
use crate::history::{History, Logs};

/// Appends what each epoch reports. `fit` returns a history anyway; as a callback one can collect
/// several trainings, and keeps what a training that fails has reported before.
impl Callback for History {
    fn on_epoch_end(
        &mut self,
        epoch: usize,
        logs: &mut Logs,
        _: &mut Training<'_>,
    ) -> Result<(), NnError> {
        self.push(epoch, logs);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callbacks::rig::train;

    #[test]
    fn trainings_are_appended() {
        let mut history = History::default();
        train(&mut history, &["loss"], &[vec![0.5], vec![0.25]]).expect("no mistake");
        train(&mut history, &["loss"], &[vec![0.125]]).expect("no mistake");
        assert_eq!(history.get("loss"), Some([0.5, 0.25, 0.125].as_slice()));
        assert_eq!(history.epoch, [0, 1, 0]);
    }
}
