//! Constraints, one file each: functions of a weight that are applied after each update of it.
//!
//! A new constraint is a new file and one line in the list below.

use std::sync::Arc;

use brolga_ir::{Mistake, Shape, Var};

use crate::config::Axes;
use crate::registry::{Choice, Object, classes, snake_case};

classes! {
    "constraint" Constraint(snake_case) of "keras.constraints" {
        max_norm: MaxNorm,
        min_max_norm: MinMaxNorm,
        non_neg: NonNeg,
        unit_norm: UnitNorm,
    }
}

/// A function of a weight that gives it a property after each step of training.
pub trait Constraint: Object {
    /// Fails for a shape that the constraint does not take.
    ///
    /// # Errors
    /// The mistake, with the shape that is expected.
    fn check(&self, shape: &Shape) -> Result<(), Mistake> {
        let _ = shape;
        Ok(())
    }

    /// The nearest weight with the property, of the same type.
    fn apply(&self, weight: &Var) -> Var;
}

impl<T: Constraint + 'static> From<T> for Choice<dyn Constraint> {
    fn from(constraint: T) -> Self {
        Self::Object(Arc::new(constraint))
    }
}

/// Norms are raised by this much where they divide, as in Keras.
const EPSILON: f64 = 1e-7;

/// A weight whose norms along some axes become what a function makes of them.
fn with_norms(weight: &Var, axes: &Axes, desired: impl FnOnce(&Var) -> Var) -> Var {
    match axes.of(weight.shape()) {
        Ok(axes) => {
            let norms = (weight * weight).reduce_sum(&axes, true).sqrt();
            weight * (desired(&norms) / (&norms + EPSILON))
        }
        Err(mistake) => weight.tracer().fail(mistake),
    }
}

#[cfg(test)]
mod tests;
