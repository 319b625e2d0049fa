//! The moving averages that an optimizer keeps of weights.

use super::session::Session;
use crate::error::NnError;

impl Session {
    /// Whether the optimizer keeps moving averages of weights.
    pub fn has_averages(&self) -> bool {
        !self.averages.is_empty()
    }

    /// Whether weights and averages have changed places.
    pub(crate) fn uses_averages(&self) -> bool {
        self.swapped
    }

    /// Lets weights and the moving averages that the optimizer keeps of them change places, or
    /// brings them back. Before the first step there are no averages, and nothing changes.
    ///
    /// # Errors
    /// If the system has no memory left.
    pub fn use_averages(&mut self, averages: bool) -> Result<(), NnError> {
        if self.swapped == averages || (averages && self.iterations()? == 0.0) {
            return Ok(());
        }
        let Some(state) = &mut self.state else { return Ok(()) };
        for (weight, average) in &self.averages {
            let values = (state.get(weight)?, state.get(average)?);
            state.set(weight, &values.1)?;
            state.set(average, &values.0)?;
        }
        self.swapped = averages;
        self.changed = true;
        Ok(())
    }

    /// Gives each weight the moving average that the optimizer keeps of it, if it does.
    pub(crate) fn take_averages(&mut self) -> Result<(), NnError> {
        self.use_averages(false)?;
        let averages = std::mem::take(&mut self.averages);
        let state = self.state_mut()?;
        let taken =
            averages.iter().try_for_each(|(path, average)| state.set(path, &state.get(average)?));
        self.averages = averages;
        Ok(taken?)
    }
}
