//! Decay along half waves of the cosine that start again.

use brolga_ir::{DType, Tensor, Var};
use serde::{Deserialize, Serialize};

use super::Schedule;
use super::cosine::half_wave;
use crate::registry::object;
use crate::setters::setters;

/// [`CosineDecay`](super::CosineDecay) that starts again: the first time after `first_decay_steps`
/// steps, then after `t_mul` times as many each time, from `m_mul` times the rate.
///
/// After 65,536 restarts the rate stays at its end.
///
/// Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017).
///
/// Keras: `keras.optimizers.schedules.CosineDecayRestarts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CosineDecayRestarts {
    /// The learning rate of the first step.
    pub initial_learning_rate: f64,
    /// The number of steps to the first restart.
    pub first_decay_steps: f64,
    /// How many times as long each period is as the one before; 2 by default.
    #[serde(default = "two")]
    pub t_mul: f64,
    /// How many times as large the rate is after each restart; 1 by default.
    #[serde(default = "one")]
    pub m_mul: f64,
    /// The last learning rate as a share of the first; 0 by default.
    #[serde(default)]
    pub alpha: f64,
}

object!(CosineDecayRestarts {
    initial_learning_rate: AtLeast(0.0),
    first_decay_steps: Positive,
    t_mul: AtLeast(1.0),
    m_mul: AtLeast(0.0),
    alpha: Share,
});

fn two() -> f64 {
    2.0
}

fn one() -> f64 {
    1.0
}

/// The largest number of restarts.
const RESTARTS: usize = 1 << 16;

/// The largest number of steps that `f32` counts.
const STEPS: f64 = (1 << 24) as f64;

impl CosineDecayRestarts {
    /// From this rate on to 0 in so many steps, then again in twice as many.
    pub fn new(initial_learning_rate: f64, first_decay_steps: f64) -> Self {
        Self { initial_learning_rate, first_decay_steps, t_mul: two(), m_mul: one(), alpha: 0.0 }
    }

    setters! {
        /// How many times as long each period is as the one before; 2 by default.
        t_mul: f64,
        /// How many times as large the rate is after each restart; 1 by default.
        m_mul: f64,
        /// The last learning rate as a share of the first; 0 by default.
        alpha: f64,
    }
}

impl CosineDecayRestarts {
    /// The number of restarts, and the share of the period that has passed, of growing periods.
    fn growing(&self, steps: &Var) -> (Var, Var) {
        let (mut ends, mut lengths) = (vec![], vec![]);
        let (mut end, mut length) = (0.0, self.first_decay_steps);
        while end < STEPS && ends.len() < RESTARTS {
            end += length;
            ends.push(end as f32);
            lengths.push(length as f32);
            length *= self.t_mul;
        }
        let count = ends.len();
        let last = lengths[count - 1];
        let table = |values: Vec<f32>| {
            let tensor = Tensor::f32([count], values).expect("as many as the shape says");
            steps.tracer().constant(tensor)
        };
        let (ends, lengths) = (table(ends), table(lengths));
        let over = ends.le(steps);
        let zero = ends.constant_like(0.0);
        let restarts = over.cast(DType::F32).reduce_sum(&[0], false);
        let start = over.select(&ends, &zero).reduce_max(&[0], false);
        let longest = lengths.constant_like(f64::from(last));
        let length = over.select(&longest, &lengths).reduce_min(&[0], false);
        let passed = (steps - start) / length;
        let one = passed.constant_like(1.0);
        (restarts, passed.minimum(&one))
    }
}

impl Schedule for CosineDecayRestarts {
    fn rate(&self, steps: &Var) -> Var {
        let (restarts, passed) = match self.t_mul {
            1.0 => {
                let periods = steps / self.first_decay_steps;
                let restarts = periods.floor();
                (restarts.clone(), periods - restarts)
            }
            _ => self.growing(steps),
        };
        let factor = match self.m_mul {
            1.0 => half_wave(&passed),
            m_mul => half_wave(&passed) * restarts.constant_like(m_mul).pow(&restarts),
        };
        let rate = self.initial_learning_rate;
        factor * (rate * (1.0 - self.alpha)) + rate * self.alpha
    }
}
