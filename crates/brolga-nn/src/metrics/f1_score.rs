//! The harmonic mean of precision and recall.

use brolga_ir::{Type, Var};
use serde::{Deserialize, Serialize};

use super::f_beta_score::{Average, answers, mean_of, number_of_scores, scores};
use super::{Direction, Metric, metric};
use crate::setters::setters;
use crate::trace::Prediction;

/// `2 · precision · recall / (precision + recall)` of each class, or their average:
/// [`FBetaScore`](super::FBetaScore) with `beta` 1.
///
/// Without `average` there is a number for each class: `f1_score/0`, `f1_score/1`, ..
///
/// Keras: `keras.metrics.F1Score`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct F1Score {
    /// The name under which it is reported; `None`: Keras's name for the class.
    pub name: Option<String>,
    /// How the classes' scores become one number; `None`: they stay apart.
    pub average: Option<Average>,
    /// Predictions above it mean yes, from 0 to 1; `None`: the greatest of a sample.
    pub threshold: Option<f64>,
}

metric!(F1Score { threshold: Share });

impl F1Score {
    /// A number for each class, of the greatest element of each sample.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// How the classes' scores become one number; by default they stay apart.
        average: opt Average,
        /// Predictions above it mean yes, from 0 to 1; the greatest of a sample by default.
        threshold: opt f64,
    }
}

impl Metric for F1Score {
    fn given_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn uses_mask(&self) -> bool {
        false
    }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Max)
    }

    fn parts(&self) -> usize {
        3
    }

    fn statistics(
        &self,
        y_true: &Var,
        y_pred: &Prediction,
        sample_weight: Option<&Var>,
    ) -> Vec<Var> {
        answers(y_true, &y_pred.output, sample_weight, self.threshold, self.average)
    }

    fn numbers(&self, sample: &Type) -> Option<usize> {
        number_of_scores(self.average, sample)
    }

    fn results(&self, totals: &[Vec<f64>]) -> Vec<f64> {
        scores(totals, self.average, 1.0)
    }

    fn result(&self, totals: &[Vec<f64>]) -> f64 {
        mean_of(&self.results(totals))
    }
}
