//! Uniformly distributed values.

use brolga_ir::Shape;
use serde::{Deserialize, Serialize};

use super::{Draw, Initializer, Random, RandomDistribution};
use crate::arguments::{Argument, Range};
use crate::error::NnError;
use crate::registry::{Object, Value, to_value};

/// Values uniformly distributed over `[minval, maxval)`; by default from −0.05 to 0.05.
///
/// Keras: `keras.initializers.RandomUniform`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RandomUniform {
    /// The least value.
    pub minval: f64,
    /// The bound above.
    pub maxval: f64,
    /// A seed of its own, instead of the model's.
    pub seed: Option<u64>,
}

impl Object for RandomUniform {
    fn class_name(&self) -> &'static str {
        "RandomUniform"
    }

    fn config(&self) -> Result<Value, NnError> {
        to_value("RandomUniform", self)
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            Argument::new("minval", &self.minval, Range::Finite),
            Argument::new("maxval", &self.maxval, Range::AtLeast(self.minval)),
        ]
    }
}

impl Default for RandomUniform {
    fn default() -> Self {
        Self { minval: -0.05, maxval: 0.05, seed: None }
    }
}

impl RandomUniform {
    /// From `minval` to `maxval`.
    pub fn new(minval: f64, maxval: f64) -> Self {
        Self { minval, maxval, seed: None }
    }
}

impl Initializer for RandomUniform {
    fn fill(&self, _: &Shape, random: Random, start: usize, values: &mut [f32]) {
        let factor = self.maxval - self.minval;
        RandomDistribution { draw: Draw::Uniform, offset: self.minval, factor, divisor: 1.0 }.fill(
            random.or_seed(self.seed),
            start as u64,
            values,
        );
    }
}
