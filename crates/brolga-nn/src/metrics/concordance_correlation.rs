//! Lin's coefficient of concordance.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Direction, Metric, mean_statistics, metric};
use crate::config::axis_index;
use crate::losses::{EPSILON, pair};
use crate::setters::setters;
use crate::trace::Prediction;

/// The mean over the samples of `2 · cov(t, p) / (var t + var p + (mean t − mean p)² + 10⁻⁷)`, with
/// labels t and predictions p along an axis.
///
/// Keras: `keras.metrics.ConcordanceCorrelation`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConcordanceCorrelation {
    /// The name under which it is reported; `None`: Keras's name for the class.
    pub name: Option<String>,
    /// The axis; −1, the last, by default.
    pub axis: i64,
}

metric!(ConcordanceCorrelation);

impl Default for ConcordanceCorrelation {
    fn default() -> Self {
        Self { name: None, axis: -1 }
    }
}

impl ConcordanceCorrelation {
    /// Along the last axis.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The axis; −1, the last, by default.
        axis: i64,
    }
}

impl Metric for ConcordanceCorrelation {
    fn given_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn uses_mask(&self) -> bool {
        false
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
        let (t, p) = pair(y_true, &y_pred.output);
        let axis = match axis_index(self.axis, p.shape()) {
            Ok(axis) => axis,
            Err(mistake) => return vec![p.tracer().fail(mistake); 2],
        };
        let mean = |x: &Var| x.reduce_mean(&[axis], true);
        let (t_mean, p_mean) = (mean(&t), mean(&p));
        let (t, p) = (t - &t_mean, p - &p_mean);
        let distance = t_mean - p_mean;
        let spread = mean(&(&t * &t)) + mean(&(&p * &p)) + &distance * &distance;
        let values = (mean(&(t * p)) * 2.0 / (spread + EPSILON)).reduce_mean(&[axis], false);
        mean_statistics(&values, sample_weight)
    }
}
