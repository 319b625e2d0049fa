//! Ending a training quietly at a loss that is not finite.

use crate::callback::{Callback, Training};
use crate::error::NnError;
use crate::nonfinite::NonFinite;
use crate::report;

/// Ends the training at a step whose loss is NaN or infinite, and prints what made it. Without this
/// callback the training ends with the error [`NnError::NonFinite`] in
/// [`NnError::Training`]. In both cases the weights are those before the step, and the history has
/// the epochs that were finished.
///
/// Keras: <https://keras.io/api/callbacks/terminate_on_nan/>.
#[derive(Debug, Clone, Copy, Default)]
pub struct TerminateOnNaN;

impl TerminateOnNaN {
    /// The callback.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Callback for TerminateOnNaN {
    fn on_non_finite(
        &mut self,
        found: &NonFinite,
        training: &mut Training<'_>,
    ) -> Result<bool, NnError> {
        report::print(format_args!("Invalid loss, terminating training: {found}\n"));
        training.stop();
        Ok(true)
    }
}
