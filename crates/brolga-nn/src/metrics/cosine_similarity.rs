//! The cosine of the angle between labels and predictions.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Direction, Metric, mean_statistics, metric};
use crate::losses;
use crate::setters::setters;
use crate::trace::Prediction;

/// The mean over the samples of the cosine, which is the negative of
/// [`losses::CosineSimilarity`].
///
/// Keras: `keras.metrics.CosineSimilarity`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CosineSimilarity {
    /// The name under which it is reported; `None`: Keras's name for the class.
    pub name: Option<String>,
    /// The axis; −1, the last, by default.
    pub axis: i64,
}

metric!(CosineSimilarity);

impl Default for CosineSimilarity {
    fn default() -> Self {
        Self { name: None, axis: -1 }
    }
}

impl CosineSimilarity {
    /// Along the last axis.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The axis; −1, the last, by default.
        axis: i64,
    }
}

impl Metric for CosineSimilarity {
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
        let cosine = losses::cosine_similarity(y_true, &y_pred.output, self.axis);
        mean_statistics(&cosine, sample_weight)
    }
}
