//! Exponential decay.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::Schedule;
use super::periods;
use crate::registry::object;
use crate::setters::setters;

/// `initial_learning_rate · decay_rate^(steps / decay_steps)`; with `staircase` the exponent is
/// rounded down.
///
/// Keras: `keras.optimizers.schedules.ExponentialDecay`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExponentialDecay {
    /// The learning rate of the first step.
    pub initial_learning_rate: f64,
    /// The number of steps after which the rate is multiplied by `decay_rate`.
    pub decay_steps: f64,
    /// The factor.
    pub decay_rate: f64,
    /// Whether the rate falls in steps; false by default.
    #[serde(default)]
    pub staircase: bool,
}

object!(ExponentialDecay {
    initial_learning_rate: AtLeast(0.0),
    decay_steps: Positive,
    decay_rate: Positive
});

impl ExponentialDecay {
    /// From this rate on, multiplied by `decay_rate` every `decay_steps` steps.
    pub fn new(initial_learning_rate: f64, decay_steps: f64, decay_rate: f64) -> Self {
        Self { initial_learning_rate, decay_steps, decay_rate, staircase: false }
    }

    setters! {
        /// Whether the rate falls in steps; false by default.
        staircase: bool,
    }
}

impl Schedule for ExponentialDecay {
    fn rate(&self, steps: &Var) -> Var {
        let exponent = periods(steps, self.decay_steps, self.staircase);
        exponent.constant_like(self.decay_rate).pow(&exponent) * self.initial_learning_rate
    }
}
