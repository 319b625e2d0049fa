//! A learning rate of its own for each epoch.

use std::fmt;

use crate::callback::{Callback, Training};
use crate::error::NnError;
use crate::history::Logs;
use crate::report::{self, Verbose};

/// The key under which learning rates are reported.
pub(crate) const LEARNING_RATE: &str = "learning_rate";

/// Sets the learning rate before each epoch, to what a function makes of the epoch's number, from
/// 0, and of the rate so far. The rate is reported as `learning_rate`.
///
/// ```
/// use brolga_nn::callbacks::LearningRateScheduler;
///
/// let halved = LearningRateScheduler::new(|epoch, rate| if epoch < 10 { rate } else { rate * 0.5 });
/// ```
///
/// Keras: <https://keras.io/api/callbacks/learning_rate_scheduler/>.
#[must_use]
pub struct LearningRateScheduler<'a> {
    schedule: Box<dyn FnMut(usize, f32) -> f32 + 'a>,
    verbose: Verbose,
}

impl fmt::Debug for LearningRateScheduler<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LearningRateScheduler").finish_non_exhaustive()
    }
}

impl<'a> LearningRateScheduler<'a> {
    /// The rate of an epoch from its number and the rate so far.
    pub fn new(schedule: impl FnMut(usize, f32) -> f32 + 'a) -> Self {
        Self { schedule: Box::new(schedule), verbose: Verbose::Silent }
    }

    /// Whether the callback tells what it does; by default it does not.
    pub fn verbose(mut self, verbose: impl Into<Verbose>) -> Self {
        self.verbose = verbose.into();
        self
    }
}

impl Callback for LearningRateScheduler<'_> {
    fn reports(&self) -> Vec<String> {
        vec![LEARNING_RATE.to_owned()]
    }

    /// # Errors
    /// If the function gives a rate that is negative or not finite.
    fn on_epoch_begin(&mut self, epoch: usize, training: &mut Training<'_>) -> Result<(), NnError> {
        let rate = (self.schedule)(epoch, training.session.learning_rate().unwrap_or_default());
        training.session.set_learning_rate(rate)?;
        if self.verbose != Verbose::Silent {
            report::print(format_args!(
                "Epoch {}: LearningRateScheduler setting learning rate to {rate}.\n",
                epoch + 1
            ));
        }
        Ok(())
    }

    fn on_epoch_end(
        &mut self,
        _: usize,
        logs: &mut Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        let rate = training.session.learning_rate();
        rate.into_iter().for_each(|rate| logs.set(LEARNING_RATE, f64::from(rate)));
        Ok(())
    }
}
