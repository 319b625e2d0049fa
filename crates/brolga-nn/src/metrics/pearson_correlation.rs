//! Pearson's coefficient of correlation.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Direction, Metric, mean_statistics, metric};
use crate::config::axis_index;
use crate::losses::pair;
use crate::setters::setters;
use crate::trace::Prediction;

/// The mean over the samples of `cov(t, p) / √(var t · var p)`, with labels t and predictions p
/// along an axis; 0 where one of them does not vary.
///
/// Keras: `keras.metrics.PearsonCorrelation`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PearsonCorrelation {
    /// The name under which it is reported; `None`: Keras's name for the class.
    pub name: Option<String>,
    /// The axis; −1, the last, by default.
    pub axis: i64,
}

metric!(PearsonCorrelation);

impl Default for PearsonCorrelation {
    fn default() -> Self {
        Self { name: None, axis: -1 }
    }
}

impl PearsonCorrelation {
    /// Along the last axis.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The axis; −1, the last, by default.
        axis: i64,
    }
}

impl Metric for PearsonCorrelation {
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
        let deviation = |y: &Var| y - y.reduce_mean(&[axis], true);
        let (t, p) = (deviation(&t), deviation(&p));
        let mean = |x: &Var| x.reduce_mean(&[axis], false);
        let spread = (mean(&(&t * &t)) * mean(&(&p * &p))).sqrt();
        let varies = spread.gt(&spread.constant_like(0.0));
        let divisor = varies.select(&spread, &spread.constant_like(1.0));
        mean_statistics(&(mean(&(t * p)) / divisor), sample_weight)
    }
}
