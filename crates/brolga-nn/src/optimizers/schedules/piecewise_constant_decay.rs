//! Constants between boundaries.

use brolga_ir::{Mistake, Var};
use serde::{Deserialize, Serialize};

use super::Schedule;
use crate::registry::object;

/// `values[i]`, where i boundaries are less than the number of steps done: the step after
/// `boundaries[0]` steps is the last one with the first value.
///
/// Boundaries ascend, and there is one value more than boundaries.
///
/// Keras: `keras.optimizers.schedules.PiecewiseConstantDecay`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PiecewiseConstantDecay {
    /// The numbers of steps after which the next value begins.
    pub boundaries: Vec<f64>,
    /// The learning rates.
    pub values: Vec<f64>,
}

object!(PiecewiseConstantDecay { boundaries: AtLeast(0.0), values: AtLeast(0.0) });

impl PiecewiseConstantDecay {
    /// These learning rates, each up to one of the boundaries, and the last one from there on.
    pub fn new(boundaries: impl Into<Vec<f64>>, values: impl Into<Vec<f64>>) -> Self {
        Self { boundaries: boundaries.into(), values: values.into() }
    }
}

impl Schedule for PiecewiseConstantDecay {
    fn rate(&self, steps: &Var) -> Var {
        let Self { boundaries, values } = self;
        let (expected, given) = (boundaries.len() + 1, values.len());
        if given != expected || !boundaries.is_sorted() {
            let message = format!(
                "PiecewiseConstantDecay: {} boundaries and {given} values do not fit",
                boundaries.len()
            );
            let help = "boundaries must ascend, and there must be one value more than boundaries";
            return steps.tracer().fail(Mistake::new(message).help(help));
        }
        let first = steps.constant_like(values[0]);
        boundaries.iter().zip(&values[1..]).fold(first, |rate, (&boundary, &value)| {
            let after = steps.gt(&steps.constant_like(boundary));
            after.select(&steps.constant_like(value), &rate)
        })
    }
}
