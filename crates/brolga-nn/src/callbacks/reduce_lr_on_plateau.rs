//! A learning rate that falls where a training no longer improves.

use super::learning_rate_scheduler::LEARNING_RATE;
use super::monitor::{Mode, Monitor};
use crate::arguments::{self, Argument, Range};
use crate::callback::{Callback, Training};
use crate::error::NnError;
use crate::history::Logs;
use crate::report::{self, Verbose};

/// Multiplies the learning rate by `factor` when a quantity has not improved by more than
/// `min_delta` for `patience` epochs. After that it waits `cooldown` epochs before it counts again.
/// The rate is reported as `learning_rate`.
///
/// ```
/// use brolga_nn::callbacks::ReduceLROnPlateau;
///
/// let callback = ReduceLROnPlateau::new().factor(0.2).patience(5).min_lr(1e-4);
/// ```
///
/// Keras: <https://keras.io/api/callbacks/reduce_lr_on_plateau/>.
#[derive(Debug, Clone)]
#[must_use]
pub struct ReduceLROnPlateau {
    monitor: Monitor,
    factor: f64,
    patience: usize,
    verbose: Verbose,
    cooldown: usize,
    min_lr: f64,
    /// Epochs without improvement, and epochs in which they are not counted yet.
    wait: usize,
    cooling: usize,
}

impl Default for ReduceLROnPlateau {
    fn default() -> Self {
        Self {
            monitor: Monitor::with_min_delta(1e-4),
            factor: 0.1,
            patience: 10,
            verbose: Verbose::Silent,
            cooldown: 0,
            min_lr: 0.0,
            wait: 0,
            cooling: 0,
        }
    }
}

impl ReduceLROnPlateau {
    /// A tenth of the rate after ten epochs in which `val_loss` does not fall.
    pub fn new() -> Self {
        Self::default()
    }

    /// The quantity; `"val_loss"` by default.
    pub fn monitor(mut self, name: impl Into<String>) -> Self {
        self.monitor.name = name.into();
        self
    }

    /// The factor, below 1; 0.1 by default.
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// After how many epochs without improvement the rate falls; 10 by default.
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

    /// How much better than the best an epoch must be to count as better; 0.0001 by default.
    pub fn min_delta(mut self, min_delta: f64) -> Self {
        self.monitor.min_delta = min_delta;
        self
    }

    /// How many epochs after a fall are not counted; 0 by default.
    pub fn cooldown(mut self, epochs: usize) -> Self {
        self.cooldown = epochs;
        self
    }

    /// The least rate; 0 by default.
    pub fn min_lr(mut self, rate: f64) -> Self {
        self.min_lr = rate;
        self
    }
}

impl Callback for ReduceLROnPlateau {
    fn reports(&self) -> Vec<String> {
        vec![LEARNING_RATE.to_owned()]
    }

    fn on_train_begin(&mut self, training: &mut Training<'_>) -> Result<(), NnError> {
        let arguments = [
            Argument::new("factor", &self.factor, Range::BelowOne),
            Argument::new("min_delta", &self.monitor.min_delta, Range::Finite),
            Argument::new("min_lr", &self.min_lr, Range::AtLeast(0.0)),
        ];
        arguments::check("ReduceLROnPlateau", &arguments)?;
        (self.wait, self.cooling) = (0, 0);
        self.monitor.begin("ReduceLROnPlateau", training.plan)
    }

    fn on_epoch_end(
        &mut self,
        epoch: usize,
        logs: &mut Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        let Some(rate) = training.session.learning_rate() else { return Ok(()) };
        logs.set(LEARNING_RATE, f64::from(rate));
        let Some(value) = self.monitor.value(logs) else { return Ok(()) };
        if self.cooling > 0 {
            self.cooling -= 1;
            self.wait = 0;
        }
        if self.monitor.improves(value, self.monitor.best) {
            self.monitor.best = Some(value);
            self.wait = 0;
            return Ok(());
        }
        if self.cooling > 0 {
            return Ok(());
        }
        self.wait += 1;
        let least = self.min_lr as f32;
        if self.wait >= self.patience && rate > least {
            let lower = ((f64::from(rate) * self.factor) as f32).max(least);
            training.session.set_learning_rate(lower)?;
            if self.verbose != Verbose::Silent {
                report::print(format_args!(
                    "Epoch {}: ReduceLROnPlateau reducing learning rate to {lower}.\n",
                    epoch + 1
                ));
            }
            (self.cooling, self.wait) = (self.cooldown, 0);
        }
        Ok(())
    }
}
