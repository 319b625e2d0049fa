//! Norms between two bounds.

use brolga_ir::{Mistake, Shape, Var};
use serde::{Deserialize, Serialize};

use super::{Constraint, with_norms};
use crate::arguments::{Argument, Range};
use crate::config::Axes;
use crate::error::NnError;
use crate::registry::{Object, Value, to_value};

/// `w · d / (n + 10⁻⁷)` with the norm n along `axis` and
/// `d = rate · min(max(n, min_value), max_value) + (1 − rate) · n`.
///
/// The inputs of a unit of `Dense` lie along axis 0, those of a filter of `Conv2D` along axes 0, 1
/// and 2.
///
/// Keras: `keras.constraints.MinMaxNorm`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MinMaxNorm {
    /// The least norm; 0 by default.
    pub min_value: f64,
    /// The largest norm; 1 by default.
    pub max_value: f64,
    /// The share of the way that a step goes; 1 by default.
    pub rate: f64,
    /// The axes along which norms are taken; 0 by default.
    pub axis: Axes,
}

impl Object for MinMaxNorm {
    fn class_name(&self) -> &'static str {
        "MinMaxNorm"
    }

    fn config(&self) -> Result<Value, NnError> {
        to_value("MinMaxNorm", self)
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            Argument::new("min_value", &self.min_value, Range::AtLeast(0.0)),
            Argument::new("max_value", &self.max_value, Range::AtLeast(self.min_value)),
            Argument::new("rate", &self.rate, Range::Share),
        ]
    }
}

impl Default for MinMaxNorm {
    fn default() -> Self {
        Self { min_value: 0.0, max_value: 1.0, rate: 1.0, axis: 0.into() }
    }
}

impl Constraint for MinMaxNorm {
    fn check(&self, shape: &Shape) -> Result<(), Mistake> {
        self.axis.of(shape).map(drop)
    }

    fn apply(&self, weight: &Var) -> Var {
        let bound = |value| weight.constant_like(value);
        with_norms(weight, &self.axis, |norms| {
            let within = norms.maximum(&bound(self.min_value)).minimum(&bound(self.max_value));
            match self.rate {
                1.0 => within,
                rate => within * rate + norms * (1.0 - rate),
            }
        })
    }
}
