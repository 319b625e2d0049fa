//! Polynomial decay.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::Schedule;
use crate::registry::object;
use crate::setters::setters;

/// `(initial_learning_rate − end_learning_rate) · (1 − p)^power + end_learning_rate` with
/// `p = steps / decay_steps`, at most 1.
///
/// With `cycle` the number of steps to the end is the next multiple of `decay_steps` instead.
///
/// Keras: `keras.optimizers.schedules.PolynomialDecay`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolynomialDecay {
    /// The learning rate of the first step.
    pub initial_learning_rate: f64,
    /// The number of steps after which the rate is `end_learning_rate`.
    pub decay_steps: f64,
    /// The last learning rate; 0.0001 by default.
    #[serde(default = "end")]
    pub end_learning_rate: f64,
    /// The power; 1 by default: the rate falls linearly.
    #[serde(default = "one")]
    pub power: f64,
    /// Whether the rate rises again after its end; false by default.
    #[serde(default)]
    pub cycle: bool,
}

object!(PolynomialDecay {
    initial_learning_rate: AtLeast(0.0),
    decay_steps: Positive,
    end_learning_rate: AtLeast(0.0),
    power: AtLeast(0.0),
});

fn end() -> f64 {
    1e-4
}

fn one() -> f64 {
    1.0
}

impl PolynomialDecay {
    /// From this rate on, linearly to 0.0001 in so many steps.
    pub fn new(initial_learning_rate: f64, decay_steps: f64) -> Self {
        Self {
            initial_learning_rate,
            decay_steps,
            end_learning_rate: end(),
            power: one(),
            cycle: false,
        }
    }

    setters! {
        /// The last learning rate; 0.0001 by default.
        end_learning_rate: f64,
        /// The power; 1 by default: the rate falls linearly.
        power: f64,
        /// Whether the rate rises again after its end; false by default.
        cycle: bool,
    }
}

impl Schedule for PolynomialDecay {
    fn rate(&self, steps: &Var) -> Var {
        let one = steps.constant_like(1.0);
        let passed = if self.cycle {
            // The number of periods begun, 1 at least.
            let begun = -(-(steps / self.decay_steps)).floor();
            steps / (begun.maximum(&one) * self.decay_steps)
        } else {
            (steps / self.decay_steps).minimum(&one)
        };
        let left = one - passed;
        let curve = match self.power {
            1.0 => left,
            2.0 => &left * &left,
            power => left.pow(&left.constant_like(power)),
        };
        curve * (self.initial_learning_rate - self.end_learning_rate) + self.end_learning_rate
    }
}
