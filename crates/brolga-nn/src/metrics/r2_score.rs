//! The share of the labels' variance that predictions explain.

use brolga_ir::{Type, Var};
use serde::{Deserialize, Serialize};

use super::f_beta_score::mean_of;
use super::{Direction, Metric, metric};
use crate::losses::{align, pair};
use crate::setters::setters;
use crate::trace::Prediction;

/// `1 − Σ (t − p)² / Σ (t − mean t)²` of each output over the samples, or their average; 0
/// of an output whose labels do not vary.
///
/// With `num_regressors` it is adjusted to `1 − (1 − R²) · (n − 1) / (n − num_regressors − 1)`,
/// where n counts the labels, if there are more than `num_regressors + 1` of them.
///
/// Keras: `keras.metrics.R2Score`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct R2Score {
    /// The name under which it is reported; `None`: Keras's name for the class.
    pub name: Option<String>,
    /// How the outputs' scores become one number, their mean by default; `None`: they stay apart.
    pub class_aggregation: Option<ClassAggregation>,
    /// The number of independent variables for which the score is adjusted; 0 by default: it is
    /// not.
    pub num_regressors: usize,
}

/// How the scores of outputs become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassAggregation {
    /// Their mean.
    #[default]
    UniformAverage,
    /// Their mean, weighted by the variance of the labels.
    VarianceWeightedAverage,
}

metric!(R2Score);

impl Default for R2Score {
    fn default() -> Self {
        let class_aggregation = Some(ClassAggregation::default());
        Self { name: None, class_aggregation, num_regressors: 0 }
    }
}

impl R2Score {
    /// The mean over the outputs, not adjusted.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// How the outputs' scores become one number, their mean by default; `None`: they stay
        /// apart, as `r2_score/0`, `r2_score/1`, ..
        class_aggregation: into Option<ClassAggregation>,
        /// The number of independent variables for which the score is adjusted; 0 by default: it is
        /// not.
        num_regressors: usize,
    }
}

impl Metric for R2Score {
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
        5
    }

    fn statistics(
        &self,
        y_true: &Var,
        y_pred: &Prediction,
        sample_weight: Option<&Var>,
    ) -> Vec<Var> {
        let (t, p) = pair(y_true, &y_pred.output);
        let weight = match sample_weight {
            Some(weight) => align(weight, &t).broadcast(t.shape().clone()),
            None => t.constant_like(1.0).broadcast(t.shape().clone()),
        };
        let sum = |x: &Var| (x * &weight).reduce_sum(&[0], false);
        let error = &t - p;
        vec![
            sum(&t),
            sum(&(&t * &t)),
            sum(&(&error * &error)),
            weight.reduce_sum(&[0], false),
            t.constant_like(t.shape().elements() as f64),
        ]
    }

    fn numbers(&self, sample: &Type) -> Option<usize> {
        match self.class_aggregation {
            Some(_) => None,
            None => Some(sample.shape.last().copied().unwrap_or(1)),
        }
    }

    fn results(&self, totals: &[Vec<f64>]) -> Vec<f64> {
        let [sums, squares, errors, weights, labels] = totals else { return vec![] };
        let outputs = sums.iter().zip(squares).zip(errors.iter().zip(weights));
        let (variances, scores): (Vec<f64>, Vec<f64>) = outputs
            .map(|((sum, square), (error, weight))| {
                let variance = square - sum * sum / weight;
                let score = 1.0 - error / variance;
                (variance, if score.is_infinite() { 0.0 } else { score })
            })
            .unzip();
        let scores = match self.class_aggregation {
            None => scores,
            Some(ClassAggregation::UniformAverage) => vec![mean_of(&scores)],
            Some(ClassAggregation::VarianceWeightedAverage) => {
                let weighted = variances.iter().zip(&scores).map(|(variance, s)| variance * s);
                vec![weighted.sum::<f64>() / variances.iter().sum::<f64>()]
            }
        };
        let (labels, regressors) = (labels.iter().sum::<f64>(), self.num_regressors as f64);
        if self.num_regressors == 0 || regressors >= labels - 1.0 {
            return scores;
        }
        let adjusted = |s: f64| 1.0 - (1.0 - s) * (labels - 1.0) / (labels - regressors - 1.0);
        scores.into_iter().map(adjusted).collect()
    }

    fn result(&self, totals: &[Vec<f64>]) -> f64 {
        mean_of(&self.results(totals))
    }
}
