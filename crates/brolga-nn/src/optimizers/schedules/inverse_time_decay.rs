//! Decay by the inverse of the time.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::Schedule;
use super::periods;
use crate::registry::object;
use crate::setters::setters;

/// `initial_learning_rate / (1 + decay_rate · steps / decay_steps)`; with `staircase` the fraction
/// is rounded down.
///
/// Keras: `keras.optimizers.schedules.InverseTimeDecay`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InverseTimeDecay {
    /// The learning rate of the first step.
    pub initial_learning_rate: f64,
    /// The number of steps in which the divisor grows by `decay_rate`.
    pub decay_steps: f64,
    /// The growth of the divisor.
    pub decay_rate: f64,
    /// Whether the rate falls in steps; false by default.
    #[serde(default)]
    pub staircase: bool,
}

object!(InverseTimeDecay {
    initial_learning_rate: AtLeast(0.0),
    decay_steps: Positive,
    decay_rate: AtLeast(0.0)
});

impl InverseTimeDecay {
    /// From this rate on, with a divisor that grows by `decay_rate` every `decay_steps` steps.
    pub fn new(initial_learning_rate: f64, decay_steps: f64, decay_rate: f64) -> Self {
        Self { initial_learning_rate, decay_steps, decay_rate, staircase: false }
    }

    setters! {
        /// Whether the rate falls in steps; false by default.
        staircase: bool,
    }
}

impl Schedule for InverseTimeDecay {
    fn rate(&self, steps: &Var) -> Var {
        let passed = periods(steps, self.decay_steps, self.staircase);
        self.initial_learning_rate / (passed * self.decay_rate + 1.0)
    }
}
