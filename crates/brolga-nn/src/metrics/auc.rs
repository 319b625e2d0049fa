//! The area under a curve of rates.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::confusion::{Selection, confusion, default_thresholds, even_thresholds, ratio};
use super::{Direction, Metric, metric};
use crate::setters::setters;
use crate::trace::Prediction;

/// The area under a curve of rates at many thresholds.
///
/// The thresholds are evenly distributed from 0 to 1, or those given between 0 and 1; 0 itself
/// counts as above the first one, 1 as not above the last one.
///
/// Davis and Goadrich, "The relationship between precision-recall and ROC curves" (2006); Flach and
/// Kull, "Precision-recall-gain curves: PR analysis done right" (2015).
///
/// Keras: `keras.metrics.AUC`, of which `multi_label` and `label_weights` do not exist here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AUC {
    /// The name under which it is reported; `None`: Keras's name for the class.
    pub name: Option<String>,
    /// The number of thresholds, 2 at least; 200 by default.
    pub num_thresholds: usize,
    /// The curve; [`Curve::ROC`] by default.
    pub curve: Curve,
    /// The height of the curve between two thresholds.
    pub summation_method: SummationMethod,
    /// The thresholds between 0 and 1, instead of `num_thresholds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Vec<f64>>,
    /// Whether predictions are logits instead of probabilities; false by default.
    pub from_logits: bool,
}

/// A curve of rates at thresholds from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Curve {
    /// The recall over the share of labels 0 that are taken for others.
    #[default]
    #[serde(alias = "roc")]
    ROC,
    /// The precision over the recall.
    #[serde(alias = "pr")]
    PR,
    /// The gain of the precision over that of the recall.
    #[serde(alias = "prgain")]
    PRGain,
}

/// The height of a curve between two of its points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SummationMethod {
    /// The mean of both; of [`Curve::PR`] the interpolation of Davis and Goadrich.
    #[default]
    Interpolation,
    /// The lower one.
    Minoring,
    /// The higher one.
    Majoring,
}

metric!(AUC { num_thresholds: Count, thresholds: Share });

impl Default for AUC {
    fn default() -> Self {
        Self {
            name: None,
            num_thresholds: default_thresholds(),
            curve: Curve::default(),
            summation_method: SummationMethod::default(),
            thresholds: None,
            from_logits: false,
        }
    }
}

impl AUC {
    /// Under the curve ROC of 200 thresholds.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The number of thresholds, 2 at least; 200 by default.
        num_thresholds: usize,
        /// The curve; [`Curve::ROC`] by default.
        curve: Curve,
        /// The height of the curve between two thresholds; interpolated by default.
        summation_method: SummationMethod,
        /// The thresholds between 0 and 1, instead of `num_thresholds`.
        thresholds: some Vec<f64>,
        /// Whether predictions are logits instead of probabilities; false by default.
        from_logits: bool,
    }

    /// All thresholds, ascending, with the ends moved so that 0 is above and 1 is not.
    fn all_thresholds(&self) -> Vec<f64> {
        const BEYOND: f64 = 1e-7;
        let mut thresholds = match &self.thresholds {
            Some(given) => {
                let mut all: Vec<f64> = [0.0].iter().chain(given).chain(&[1.0]).copied().collect();
                all.sort_by(f64::total_cmp);
                all
            }
            None => even_thresholds(self.num_thresholds.max(2)),
        };
        let last = thresholds.len() - 1;
        (thresholds[0], thresholds[last]) = (-BEYOND, 1.0 + BEYOND);
        thresholds
    }

    /// The coordinates of the curve for the totals at one threshold.
    fn point(&self, [tp, fp, tn, fn_]: [f64; 4]) -> (f64, f64) {
        let recall = ratio(tp, tp + fn_);
        match self.curve {
            Curve::ROC => (ratio(fp, fp + tn), recall),
            Curve::PR => (recall, ratio(tp, tp + fp)),
            Curve::PRGain if tp == 0.0 => (0.0, 1.0),
            Curve::PRGain => {
                let scale = ratio(tp + fn_, tn + fp);
                ((1.0 - scale * ratio(fn_, tp)).max(0.0), 1.0 - scale * ratio(fp, tp))
            }
        }
    }
}

impl Metric for AUC {
    fn given_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Max)
    }

    fn parts(&self) -> usize {
        4
    }

    fn statistics(
        &self,
        y_true: &Var,
        y_pred: &Prediction,
        sample_weight: Option<&Var>,
    ) -> Vec<Var> {
        let output = &y_pred.output;
        let p = if self.from_logits { output.sigmoid() } else { output.clone() };
        confusion(y_true, &p, sample_weight, &self.all_thresholds(), Selection::default()).all()
    }

    fn result(&self, totals: &[Vec<f64>]) -> f64 {
        let [tp, fp, tn, fn_] = totals else { return 0.0 };
        let counts = tp.iter().zip(fp).zip(tn.iter().zip(fn_));
        let counts: Vec<[f64; 4]> =
            counts.map(|((&tp, &fp), (&tn, &fn_))| [tp, fp, tn, fn_]).collect();
        let interpolated = self.summation_method == SummationMethod::Interpolation;
        if self.curve == Curve::PR && interpolated {
            return counts.windows(2).map(|pair| precision_recall(pair[0], pair[1])).sum();
        }
        let points: Vec<(f64, f64)> = counts.into_iter().map(|c| self.point(c)).collect();
        let areas = points.windows(2).map(|pair| {
            let [(x, y), (x_next, y_next)] = [pair[0], pair[1]];
            let height = match self.summation_method {
                SummationMethod::Interpolation => (y + y_next) / 2.0,
                SummationMethod::Minoring => y.min(y_next),
                SummationMethod::Majoring => y.max(y_next),
            };
            (x - x_next) * height
        });
        areas.sum()
    }
}

/// The area between two thresholds, where true positives grow in proportion to all positives.
fn precision_recall([tp, fp, ..]: [f64; 4], [tp_next, fp_next, _, fn_next]: [f64; 4]) -> f64 {
    let (positives, positives_next) = (tp + fp, tp_next + fp_next);
    let slope = ratio(tp - tp_next, (positives - positives_next).max(0.0));
    let intercept = tp_next - slope * positives_next;
    let growth =
        if positives > 0.0 && positives_next > 0.0 { positives / positives_next } else { 1.0 };
    ratio(slope * (tp - tp_next + intercept * growth.ln()), (tp_next + fn_next).max(0.0))
}
