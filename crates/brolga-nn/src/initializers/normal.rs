//! Normally distributed values.

use brolga_ir::Shape;
use serde::{Deserialize, Serialize};

use super::{Draw, Initializer, Random, RandomDistribution};
use crate::registry::object;

/// Values of a normal distribution; by default of mean 0 and standard deviation 0.05.
///
/// Keras: `keras.initializers.RandomNormal`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RandomNormal {
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub stddev: f64,
    /// A seed of its own, instead of the model's.
    pub seed: Option<u64>,
}

/// As [`RandomNormal`], but values beyond two standard deviations are drawn again.
///
/// Keras: `keras.initializers.TruncatedNormal`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TruncatedNormal {
    /// The mean.
    pub mean: f64,
    /// The standard deviation before truncation.
    pub stddev: f64,
    /// A seed of its own, instead of the model's.
    pub seed: Option<u64>,
}

object!(RandomNormal { mean: Finite, stddev: AtLeast(0.0) });
object!(TruncatedNormal { mean: Finite, stddev: AtLeast(0.0) });

impl Default for RandomNormal {
    fn default() -> Self {
        Self { mean: 0.0, stddev: 0.05, seed: None }
    }
}

impl Default for TruncatedNormal {
    fn default() -> Self {
        Self { mean: 0.0, stddev: 0.05, seed: None }
    }
}

impl Initializer for RandomNormal {
    fn fill(&self, _: &Shape, random: Random, start: usize, values: &mut [f32]) {
        let Self { mean, stddev, seed } = *self;
        RandomDistribution { draw: Draw::Normal, offset: mean, factor: stddev, divisor: 1.0 }.fill(
            random.or_seed(seed),
            start as u64,
            values,
        );
    }
}

impl Initializer for TruncatedNormal {
    fn fill(&self, _: &Shape, random: Random, start: usize, values: &mut [f32]) {
        let Self { mean, stddev, seed } = *self;
        let draw = Draw::TruncatedNormal;
        RandomDistribution { draw, offset: mean, factor: stddev, divisor: 1.0 }.fill(
            random.or_seed(seed),
            start as u64,
            values,
        );
    }
}
