//! The area under a curve of rates.

use brolga_ir::{DType, Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::confusion::{Selection, confusion, default_thresholds, even_thresholds, ratio};
use super::{Direction, Metric, metric};
use crate::config::PerChannel;
use crate::losses::align;
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
/// With `multi_label` it is the mean of the areas of the labels, which are on the second axis, else
/// the area of all labels together. `label_weights` say how much each label counts in either.
///
/// Keras: `keras.metrics.AUC`.
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
    /// Whether each label has an area of its own; false by default.
    pub multi_label: bool,
    /// The number of labels, if there is `multi_label`; `None`: as many as predictions have.
    pub num_labels: Option<usize>,
    /// How much each label counts; `None`: all the same.
    pub label_weights: Option<Vec<f64>>,
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

metric!(AUC {
    num_thresholds: AtLeast(2.0),
    thresholds: Share,
    num_labels: Count,
    label_weights: AtLeast(0.0),
});

impl Default for AUC {
    fn default() -> Self {
        Self {
            name: None,
            num_thresholds: default_thresholds(),
            curve: Curve::default(),
            summation_method: SummationMethod::default(),
            thresholds: None,
            multi_label: false,
            num_labels: None,
            label_weights: None,
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
        /// Whether each label has an area of its own; false by default.
        multi_label: bool,
        /// The number of labels, if there is `multi_label`; by default as many as predictions have.
        num_labels: opt usize,
        /// How much each label counts; all the same by default.
        label_weights: some Vec<f64>,
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
            None => even_thresholds(self.num_thresholds),
        };
        let last = thresholds.len() - 1;
        (thresholds[0], thresholds[last]) = (-BEYOND, 1.0 + BEYOND);
        thresholds
    }

    /// Fails if labels are counted that predictions of this type do not have.
    fn check(&self, p: &Type) -> Result<(), Mistake> {
        if self.multi_label && p.shape.rank() != 2 {
            let message = format!("AUC with `multi_label` takes [batch, labels], given {p}");
            return Err(Mistake::new(message).help("reshape the output, or leave multi_label out"));
        }
        if self.num_labels.is_some() && !self.multi_label {
            let mistake = Mistake::new("AUC has `num_labels`, but not `multi_label`");
            return Err(mistake.help("set multi_label, or leave num_labels out"));
        }
        let labels = p.shape.get(1..).and_then(<[_]>::last).copied().unwrap_or(1);
        let weights = self.label_weights.as_ref().map(Vec::len);
        for (name, count) in [("num_labels", self.num_labels), ("label_weights", weights)] {
            if let Some(count) = count.filter(|&count| count != labels) {
                let message = format!("`{name}` is for {count} labels, predictions have {labels}");
                return Err(
                    Mistake::new(message).help("give one for each element of the last axis")
                );
            }
        }
        Ok(())
    }

    /// The area for the totals at all thresholds.
    fn area(&self, counts: &[[f64; 4]]) -> f64 {
        let interpolated = self.summation_method == SummationMethod::Interpolation;
        if self.curve == Curve::PR && interpolated {
            return counts.windows(2).map(|pair| precision_recall(pair[0], pair[1])).sum();
        }
        let points: Vec<(f64, f64)> = counts.iter().map(|&c| self.point(c)).collect();
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

    fn uses_mask(&self) -> bool {
        false
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
        if let Err(mistake) = self.check(output.ty()) {
            return vec![output.tracer().fail(mistake); 4];
        }
        let p = if self.from_logits { output.sigmoid() } else { output.clone() };
        let weight = match &self.label_weights {
            Some(weights) if !self.multi_label => {
                let each = PerChannel::from(weights.clone()).constant(&p.cast(DType::F32));
                let each = each.broadcast(p.shape().clone());
                Some(sample_weight.map_or_else(|| each.clone(), |w| align(w, &p) * &each))
            }
            _ => sample_weight.cloned(),
        };
        let selection = Selection { apart: self.multi_label, ..Selection::default() };
        confusion(y_true, &p, weight.as_ref(), &self.all_thresholds(), selection).all()
    }

    fn result(&self, totals: &[Vec<f64>]) -> f64 {
        let [tp, fp, tn, fn_] = totals else { return 0.0 };
        let counts = tp.iter().zip(fp).zip(tn.iter().zip(fn_));
        let counts: Vec<[f64; 4]> =
            counts.map(|((&tp, &fp), (&tn, &fn_))| [tp, fp, tn, fn_]).collect();
        if !self.multi_label {
            return self.area(&counts);
        }
        let labels = counts.len() / self.all_thresholds().len();
        let of_label = |label: usize| counts.iter().skip(label).step_by(labels).copied();
        let areas = (0..labels).map(|label| self.area(&of_label(label).collect::<Vec<_>>()));
        let weights = self.label_weights.clone().unwrap_or_else(|| vec![1.0; labels]);
        let weighted = areas.zip(&weights).map(|(area, weight)| area * weight);
        ratio(weighted.sum(), weights.iter().sum())
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
