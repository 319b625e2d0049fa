//! The weighted harmonic mean of precision and recall.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::confusion::is_flat;
use super::{Direction, Metric, metric};
use crate::losses::{EPSILON, align, pair};
use crate::setters::setters;
use crate::trace::Prediction;

/// `(1 + beta²) · precision · recall / (beta² · precision + recall)` of each class, or their
/// average.
///
/// Labels and predictions are matrices of samples and classes. Without a threshold the greatest
/// element of a sample counts as its prediction. Without `average` there is a number for each
/// class: `fbeta_score/0`, `fbeta_score/1`, ..
///
/// Keras: `keras.metrics.FBetaScore`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FBetaScore {
    /// The name under which it is reported; `None`: `fbeta_score`.
    pub name: Option<String>,
    /// How the classes' scores become one number; `None`: they stay apart.
    pub average: Option<Average>,
    /// How many times as much the recall counts as the precision; 1 by default.
    pub beta: f64,
    /// Predictions above it mean yes, from 0 to 1; `None`: the greatest of a sample.
    pub threshold: Option<f64>,
}

/// How the scores of classes become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Average {
    /// The score of all classes counted together.
    Micro,
    /// Their mean.
    Macro,
    /// Their mean, weighted by the labels of each class.
    Weighted,
}

metric!(FBetaScore { beta: Positive, threshold: Share });

impl Default for FBetaScore {
    fn default() -> Self {
        Self::new(1.0)
    }
}

impl FBetaScore {
    /// With this weight of the recall: a number for each class, of the greatest element of each
    /// sample.
    pub fn new(beta: f64) -> Self {
        Self { name: None, average: None, beta, threshold: None }
    }

    setters! {
        /// How the classes' scores become one number; by default they stay apart.
        average: opt Average,
        /// Predictions above it mean yes, from 0 to 1; the greatest of a sample by default.
        threshold: opt f64,
    }
}

impl Metric for FBetaScore {
    fn given_name(&self) -> Option<&str> {
        self.name.as_deref().or(Some("fbeta_score"))
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
        scores(totals, self.average, self.beta)
    }

    fn result(&self, totals: &[Vec<f64>]) -> f64 {
        mean_of(&self.results(totals))
    }
}

/// True positives, false positives and false negatives of each class, or of all together.
#[track_caller]
pub(super) fn answers(
    y_true: &Var,
    y_pred: &Var,
    sample_weight: Option<&Var>,
    threshold: Option<f64>,
    average: Option<Average>,
) -> Vec<Var> {
    let (t, p) = pair(y_true, y_pred);
    if !is_flat(p.shape()) {
        let message = format!("the metric takes [batch, classes], given {}", p.ty());
        return vec![p.tracer().fail(Mistake::new(message)); 3];
    }
    let last = p.shape().rank() - 1;
    let yes = match threshold {
        Some(threshold) => p.gt(&p.constant_like(threshold)),
        None => {
            // As in Keras, a sample of zeros predicts nothing.
            let greatest = p.ge(&p.reduce_max(&[last], true));
            greatest.logical_and(&p.abs().gt(&p.constant_like(1e-9)))
        }
    };
    let yes = yes.cast(p.dtype());
    let axes: Vec<usize> =
        if average == Some(Average::Micro) { (0..=last).collect() } else { vec![0] };
    let sum = |x: Var| {
        let weighted = sample_weight.map_or_else(|| x.clone(), |w| &x * align(w, &x));
        weighted.reduce_sum(&axes, false)
    };
    vec![sum(&yes * &t), sum(&yes * (1.0 - &t)), sum((1.0 - &yes) * &t)]
}

/// The number of scores for a sample of this type; `None`: one, of all classes.
pub(super) fn number_of_scores(average: Option<Average>, sample: &Type) -> Option<usize> {
    match average {
        Some(_) => None,
        None => Some(sample.shape.last().copied().unwrap_or(1)),
    }
}

/// The scores for the totals of [`answers`]: of each class, or their average.
pub(super) fn scores(totals: &[Vec<f64>], average: Option<Average>, beta: f64) -> Vec<f64> {
    let [right, wrong, missed] = totals else { return vec![] };
    let square = beta * beta;
    let counts = right.iter().zip(wrong).zip(missed);
    let scores = counts.map(|((right, wrong), missed)| {
        let precision = right / (right + wrong + EPSILON);
        let recall = right / (right + missed + EPSILON);
        (1.0 + square) * precision * recall / (square * precision + recall + EPSILON)
    });
    let scores: Vec<f64> = scores.collect();
    match average {
        None => scores,
        Some(Average::Micro | Average::Macro) => vec![mean_of(&scores)],
        Some(Average::Weighted) => {
            let labels = right.iter().zip(missed).map(|(right, missed)| right + missed);
            let labels: Vec<f64> = labels.collect();
            let total = labels.iter().sum::<f64>() + EPSILON;
            vec![scores.iter().zip(labels).map(|(score, labels)| score * labels / total).sum()]
        }
    }
}

/// The mean of several numbers of a metric.
pub(super) fn mean_of(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len().max(1) as f64
}
