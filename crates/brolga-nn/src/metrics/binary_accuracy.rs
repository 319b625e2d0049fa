//! How often a yes-or-no answer is right.

use brolga_ir::{DType, Var};
use serde::{Deserialize, Serialize};

use super::{Direction, Metric, mean_statistics, metric};
use crate::losses::pair;
use crate::trace::Prediction;

/// The share of answers, along the last axis and then over the samples, for which `label =
/// (prediction > threshold)`.
///
/// Keras: `keras.metrics.BinaryAccuracy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BinaryAccuracy {
    /// The name under which it is reported; `None`: Keras's name for the class.
    pub name: Option<String>,
    /// Predictions above it mean yes; ½ by default.
    pub threshold: f64,
}

metric!(BinaryAccuracy { threshold: Finite });

impl Default for BinaryAccuracy {
    fn default() -> Self {
        Self { name: None, threshold: 0.5 }
    }
}

impl BinaryAccuracy {
    /// With the threshold ½.
    pub fn new() -> Self {
        Self::default()
    }

    /// Predictions above it mean yes; ½ by default. Of logits it is 0.
    #[must_use]
    pub fn threshold(mut self, threshold: f64) -> Self {
        self.threshold = threshold;
        self
    }
}

impl Metric for BinaryAccuracy {
    fn given_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Max)
    }

    fn statistics(
        &self,
        y_true: &Var,
        y_pred: &Prediction,
        sample_weight: Option<&Var>,
    ) -> Vec<Var> {
        let (y_true, y_pred) = pair(y_true, &y_pred.output);
        let answers = y_pred.gt(&y_pred.constant_like(self.threshold)).cast(y_pred.dtype());
        let right = y_true.eq(&answers).cast(DType::F32);
        mean_statistics(&right, sample_weight)
    }
}
