//! Schedules, one file each: learning rates that follow from the number of steps done.
//!
//! A schedule is a part of the training step: it is computed by the same arithmetic as everything
//! else. A new schedule is a new file and one line in the list below.

mod cosine;

use std::sync::Arc;

use brolga_ir::Var;

use crate::registry::{Choice, Object, classes, snake_case};

classes! {
    "schedule" Schedule(snake_case) of "keras.optimizers.schedules" {
        cosine_decay: CosineDecay,
        cosine_decay_restarts: CosineDecayRestarts,
        exponential_decay: ExponentialDecay,
        inverse_time_decay: InverseTimeDecay,
        piecewise_constant_decay: PiecewiseConstantDecay,
        polynomial_decay: PolynomialDecay,
    }
}

/// A learning rate that follows from the number of steps done.
pub trait Schedule: Object {
    /// The learning rate of the step after so many steps, a scalar of `f32`.
    fn rate(&self, steps: &Var) -> Var;
}

impl<T: Schedule + 'static> From<T> for Choice<dyn Schedule> {
    fn from(schedule: T) -> Self {
        Self::Object(Arc::new(schedule))
    }
}

/// The share of a period that has passed, or the number of whole periods in a staircase.
fn periods(steps: &Var, length: f64, staircase: bool) -> Var {
    let passed = steps / length;
    if staircase { passed.floor() } else { passed }
}

#[cfg(test)]
mod tests;
