//! Decay along half a wave of the cosine.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::Schedule;
use super::cosine::half_wave;
use crate::registry::object;
use crate::setters::setters;

/// `r · ((1 − alpha) · (1 + cos(π · p)) / 2 + alpha)` with the first rate r and
/// `p = steps / decay_steps`, at most 1.
///
/// With a `warmup_target` the rate first grows linearly from `initial_learning_rate` to it in
/// `warmup_steps` steps, and then falls from it.
///
/// Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017).
///
/// Keras: `keras.optimizers.schedules.CosineDecay`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CosineDecay {
    /// The learning rate of the first step.
    pub initial_learning_rate: f64,
    /// The number of steps in which the rate falls.
    pub decay_steps: f64,
    /// The last learning rate as a share of the first; 0 by default.
    #[serde(default)]
    pub alpha: f64,
    /// The learning rate after the warmup; `None`: there is none.
    #[serde(default)]
    pub warmup_target: Option<f64>,
    /// The number of steps of the warmup; 0 by default.
    #[serde(default)]
    pub warmup_steps: f64,
}

object!(CosineDecay {
    initial_learning_rate: AtLeast(0.0),
    decay_steps: Positive,
    alpha: Share,
    warmup_target: AtLeast(0.0),
    warmup_steps: AtLeast(0.0),
});

impl CosineDecay {
    /// From this rate on to 0 in so many steps.
    pub fn new(initial_learning_rate: f64, decay_steps: f64) -> Self {
        Self {
            initial_learning_rate,
            decay_steps,
            alpha: 0.0,
            warmup_target: None,
            warmup_steps: 0.0,
        }
    }

    setters! {
        /// The last learning rate as a share of the first; 0 by default.
        alpha: f64,
    }

    /// Grows linearly to `target` in so many steps first.
    #[must_use]
    pub fn warmup(mut self, target: f64, steps: f64) -> Self {
        (self.warmup_target, self.warmup_steps) = (Some(target), steps);
        self
    }
}

impl Schedule for CosineDecay {
    fn rate(&self, steps: &Var) -> Var {
        let (first, alpha) = (self.initial_learning_rate, self.alpha);
        let falling = |steps: &Var, from: f64| {
            let passed = (steps / self.decay_steps).minimum(&steps.constant_like(1.0));
            half_wave(&passed) * (from * (1.0 - alpha)) + from * alpha
        };
        let Some(target) = self.warmup_target else { return falling(steps, first) };
        let zero = steps.constant_like(0.0);
        let fallen = falling(&(steps - self.warmup_steps).maximum(&zero), target);
        if self.warmup_steps == 0.0 {
            return fallen;
        }
        let grown = steps * ((target - first) / self.warmup_steps) + first;
        steps.lt(&steps.constant_like(self.warmup_steps)).select(&grown, &fallen)
    }
}
