//! Right and wrong answers of yes or no, counted at thresholds.

use brolga_ir::{DType, Mistake, Shape, Tensor, Var};

use crate::config::OneOrMany;
use crate::losses::{align, pair};

/// The predictions that are compared with thresholds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Selection {
    /// The greatest elements of each sample, of which the others count as no.
    pub(super) top_k: Option<usize>,
    /// One class of the last axis.
    pub(super) class_id: Option<usize>,
    /// Whether the elements of the last axis are counted apart.
    pub(super) apart: bool,
}

/// The weights of all answers of a kind, one sum for each threshold: of all elements, or one for
/// each element of the last axis.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    pub(super) true_positives: Var,
    pub(super) false_positives: Var,
    pub(super) true_negatives: Var,
    pub(super) false_negatives: Var,
}

/// Counts the answers of a batch: a prediction above a threshold says yes, a label that is not 0
/// too.
#[track_caller]
pub(super) fn confusion(
    y_true: &Var,
    y_pred: &Var,
    sample_weight: Option<&Var>,
    thresholds: &[f64],
    selection: Selection,
) -> Counts {
    let (y_true, y_pred) = pair(y_true, y_pred);
    if thresholds.is_empty() {
        let mistake = Mistake::new("the metric has no thresholds").help("give one at least");
        return Counts::void(&y_pred.tracer().fail(mistake));
    }
    let selected = selection.top_k.map(|k| among_top_k(&y_pred, k));
    let of_class = |x: &Var| selection.class_id.map_or_else(|| x.clone(), |id| class(x, id));
    // Thresholds, samples, and what is counted apart.
    let columns = if selection.apart { y_pred.shape().last().copied().unwrap_or(1) } else { 1 };
    let line = |x: &Var| x.reshape([1, x.shape().elements() / columns.max(1), columns]);
    let weight = sample_weight
        .map(|weight| align(weight, &y_pred).broadcast(y_pred.shape().clone()).cast(DType::F32));
    let weight = weight.map(|weight| line(&of_class(&weight)));
    let p = line(&of_class(&y_pred));
    let mut yes = p.gt(&thresholds_of(thresholds, &p));
    if let Some(selected) = selected {
        yes = yes.logical_and(&line(&of_class(&selected)));
    }
    let labels = line(&of_class(&y_true));
    let labels = labels.ne(&labels.constant_like(0.0));
    let count = |answers: Var| {
        let answers = answers.cast(DType::F32);
        let weighted = weight.as_ref().map_or_else(|| answers.clone(), |w| &answers * w);
        let counts = weighted.reduce_sum(&[1], false);
        if selection.apart { counts } else { counts.reshape([thresholds.len()]) }
    };
    let (no, others) = (yes.logical_not(), labels.logical_not());
    Counts {
        true_positives: count(yes.logical_and(&labels)),
        false_positives: count(yes.logical_and(&others)),
        true_negatives: count(no.logical_and(&others)),
        false_negatives: count(no.logical_and(&labels)),
    }
}

/// A column of thresholds.
fn thresholds_of(thresholds: &[f64], p: &Var) -> Var {
    let values: Vec<f32> = thresholds.iter().map(|&threshold| threshold as f32).collect();
    let column = Tensor::f32([values.len(), 1, 1], values).expect("as many as the shape says");
    p.tracer().constant(column).cast(p.dtype())
}

/// Which elements are among the `k` greatest along the last axis; of equal ones the first.
#[track_caller]
fn among_top_k(y_pred: &Var, k: usize) -> Var {
    let classes = y_pred.shape().last().copied().unwrap_or(0);
    if k > classes {
        let message = format!("the metric takes the {k} greatest of {classes} elements");
        let help = "`top_k` must not exceed the extent of the last axis";
        return y_pred.tracer().fail(Mistake::new(message).help(help));
    }
    let (_, indices) = y_pred.top_k(k);
    let hot = indices.one_hot(classes, DType::F32);
    let chosen = hot.reduce_sum(&[hot.shape().rank() - 2], false);
    chosen.gt(&chosen.constant_like(0.5))
}

/// One class of the last axis.
#[track_caller]
fn class(x: &Var, id: usize) -> Var {
    let rank = x.shape().rank();
    match x.shape().last() {
        Some(&classes) if id < classes && rank > 1 => {
            let (mut starts, mut limits) = (vec![0; rank], x.shape().to_vec());
            (starts[rank - 1], limits[rank - 1]) = (id, id + 1);
            x.slice(&starts, &limits, &vec![1; rank])
        }
        _ => {
            let message = format!("the metric looks at class {id} of {}", x.ty());
            let help = "`class_id` must be an index of the last axis";
            x.tracer().fail(Mistake::new(message).help(help))
        }
    }
}

/// So many thresholds from 0 to 1, or ½ alone.
pub(super) fn even_thresholds(count: usize) -> Vec<f64> {
    match count {
        0 | 1 => vec![0.5],
        _ => (0..count).map(|index| index as f64 / (count - 1) as f64).collect(),
    }
}

/// `a / b`, and 0 where b is 0.
pub(super) fn ratio(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}

/// One threshold or several; `None`: the default of the metric.
pub(super) type Thresholds = Option<OneOrMany<f64>>;

/// How many numbers a metric has at these thresholds: one, unless there are several.
pub(super) fn several(thresholds: &Thresholds) -> Option<usize> {
    let count = thresholds.as_ref().map_or(1, |thresholds| thresholds.as_slice().len());
    (count != 1).then_some(count)
}

/// Whether a shape is that of a vector or a matrix.
pub(super) fn is_flat(shape: &Shape) -> bool {
    (1..=2).contains(&shape.rank())
}

/// The totals of [`Counts`] at one threshold, as shares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    pub(super) precision: f64,
    pub(super) recall: f64,
    /// The same as the recall.
    pub(super) sensitivity: f64,
    pub(super) specificity: f64,
}

impl Counts {
    fn void(x: &Var) -> Self {
        let [tp, fp, tn, fn_] = [0; 4].map(|_| x.clone());
        Self { true_positives: tp, false_positives: fp, true_negatives: tn, false_negatives: fn_ }
    }

    /// The statistic that [`Rates::of`] reads.
    pub(super) fn all(self) -> Vec<Var> {
        vec![self.true_positives, self.false_positives, self.true_negatives, self.false_negatives]
    }
}

impl Rates {
    /// The shares at each threshold.
    pub(super) fn of(totals: &[Vec<f64>]) -> Vec<Self> {
        let [tp, fp, tn, fn_] = totals else { return vec![] };
        let pairs = tp.iter().zip(fp).zip(tn.iter().zip(fn_));
        let rates = pairs.map(|((&tp, &fp), (&tn, &fn_))| {
            let recall = ratio(tp, tp + fn_);
            Self {
                precision: ratio(tp, tp + fp),
                recall,
                sensitivity: recall,
                specificity: ratio(tn, tn + fp),
            }
        });
        rates.collect()
    }
}

/// Declares a metric that counts answers of one kind at one threshold.
macro_rules! count_metric {
    ($(#[$doc:meta])* $name:ident: $direction:ident = $count:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            /// The name under which it is reported; `None`: Keras's name for the class.
            pub name: Option<String>,
            /// The threshold or thresholds, from 0 to 1; `None`: ½.
            pub thresholds: Option<crate::config::OneOrMany<f64>>,
        }

        crate::metrics::metric!($name { thresholds: Share });

        impl $name {
            /// At the threshold ½.
            pub fn new() -> Self {
                Self::default()
            }

            crate::setters::setters! {
                /// The threshold, from 0 to 1, or several, for each of which the metric has a
                /// number; ½ by default.
                thresholds: some crate::config::OneOrMany<f64>,
            }
        }

        impl crate::metrics::Metric for $name {
            fn given_name(&self) -> Option<&str> {
                self.name.as_deref()
            }

            fn uses_mask(&self) -> bool {
                false
            }

            fn direction(&self) -> Option<crate::metrics::Direction> {
                Some(crate::metrics::Direction::$direction)
            }

            fn parts(&self) -> usize {
                1
            }

            fn statistics(
                &self,
                y_true: &brolga_ir::Var,
                y_pred: &crate::trace::Prediction,
                sample_weight: Option<&brolga_ir::Var>,
            ) -> Vec<brolga_ir::Var> {
                use crate::metrics::confusion::{Selection, confusion};
                let thresholds = self.thresholds.as_ref().map_or(&[0.5][..], |t| t.as_slice());
                let all = Selection::default();
                vec![confusion(y_true, &y_pred.output, sample_weight, thresholds, all).$count]
            }

            fn numbers(&self, _: &brolga_ir::Type) -> Option<usize> {
                crate::metrics::confusion::several(&self.thresholds)
            }

            fn results(&self, totals: &[Vec<f64>]) -> Vec<f64> {
                totals.first().cloned().unwrap_or_default()
            }

            fn result(&self, totals: &[Vec<f64>]) -> f64 {
                self.results(totals).first().copied().unwrap_or(0.0)
            }
        }
    };
}
pub(super) use count_metric;

/// Declares a metric that is the share of true positives among them and another count.
macro_rules! share_metric {
    ($(#[$doc:meta])* $name:ident of $other:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            /// The name under which it is reported; `None`: Keras's name for the class.
            pub name: Option<String>,
            /// The threshold or thresholds, from 0 to 1; `None`: ½, or none if there is `top_k`.
            pub thresholds: Option<crate::config::OneOrMany<f64>>,
            /// How many of the greatest elements of a sample count as predictions; `None`: all.
            pub top_k: Option<usize>,
            /// The class of the last axis that is looked at; `None`: all.
            pub class_id: Option<usize>,
        }

        crate::metrics::metric!($name { thresholds: Share, top_k: Count });

        impl $name {
            /// Of all elements, at the threshold ½.
            pub fn new() -> Self {
                Self::default()
            }

            crate::setters::setters! {
                /// The threshold, from 0 to 1, or several, for each of which the metric has a
                /// number; ½ by default, or none if there is `top_k`.
                thresholds: some crate::config::OneOrMany<f64>,
                /// How many of the greatest elements of a sample count as predictions; all by
                /// default.
                top_k: opt usize,
                /// The class of the last axis that is looked at; all by default.
                class_id: opt usize,
            }
        }

        impl crate::metrics::Metric for $name {
            fn given_name(&self) -> Option<&str> {
                self.name.as_deref()
            }

            fn uses_mask(&self) -> bool {
                false
            }

            fn direction(&self) -> Option<crate::metrics::Direction> {
                Some(crate::metrics::Direction::Max)
            }

            fn statistics(
                &self,
                y_true: &brolga_ir::Var,
                y_pred: &crate::trace::Prediction,
                sample_weight: Option<&brolga_ir::Var>,
            ) -> Vec<brolga_ir::Var> {
                use crate::metrics::confusion::{Selection, confusion};
                let default = [if self.top_k.is_some() { f64::NEG_INFINITY } else { 0.5 }];
                let thresholds = self.thresholds.as_ref().map_or(&default[..], |t| t.as_slice());
                let selection = Selection { top_k: self.top_k, class_id: self.class_id, apart: false };
                let counts =
                    confusion(y_true, &y_pred.output, sample_weight, thresholds, selection);
                vec![counts.true_positives, counts.$other]
            }

            fn numbers(&self, _: &brolga_ir::Type) -> Option<usize> {
                crate::metrics::confusion::several(&self.thresholds)
            }

            fn results(&self, totals: &[Vec<f64>]) -> Vec<f64> {
                let [right, other] = totals else { return vec![] };
                let share = |(right, other)| crate::metrics::confusion::ratio(right, right + other);
                right.iter().copied().zip(other.iter().copied()).map(share).collect()
            }

            fn result(&self, totals: &[Vec<f64>]) -> f64 {
                self.results(totals).first().copied().unwrap_or(0.0)
            }
        }
    };
}
pub(super) use share_metric;

/// Declares a metric that is the best of one rate at all thresholds where another one is at least a
/// given number.
macro_rules! constrained_metric {
    ($(#[$doc:meta])* $name:ident = $best:ident where $given:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            /// The name under which it is reported; `None`: Keras's name for the class.
            #[serde(default)]
            pub name: Option<String>,
            #[doc = concat!("The least ", stringify!($given), ", from 0 to 1.")]
            pub $given: f64,
            /// The number of thresholds, evenly from 0 to 1; 200 by default, ½ alone if it is 1.
            #[serde(default = "crate::metrics::confusion::default_thresholds")]
            pub num_thresholds: usize,
            /// The class of the last axis that is looked at; `None`: all.
            #[serde(default)]
            pub class_id: Option<usize>,
        }

        crate::metrics::metric!($name { $given: Share, num_thresholds: Count });

        impl $name {
            #[doc = concat!("For this least ", stringify!($given), ", at 200 thresholds.")]
            pub fn new($given: f64) -> Self {
                let num_thresholds = crate::metrics::confusion::default_thresholds();
                Self { name: None, $given, num_thresholds, class_id: None }
            }

            /// The number of thresholds, evenly from 0 to 1; 200 by default, ½ alone if it is 1.
            #[must_use]
            pub fn num_thresholds(mut self, num_thresholds: usize) -> Self {
                self.num_thresholds = num_thresholds;
                self
            }

            /// The class of the last axis that is looked at; all by default.
            #[must_use]
            pub fn class_id(mut self, class: usize) -> Self {
                self.class_id = Some(class);
                self
            }
        }

        impl crate::metrics::Metric for $name {
            fn given_name(&self) -> Option<&str> {
                self.name.as_deref()
            }

            fn uses_mask(&self) -> bool {
                false
            }

            fn direction(&self) -> Option<crate::metrics::Direction> {
                Some(crate::metrics::Direction::Max)
            }

            fn parts(&self) -> usize {
                4
            }

            fn statistics(
                &self,
                y_true: &brolga_ir::Var,
                y_pred: &crate::trace::Prediction,
                sample_weight: Option<&brolga_ir::Var>,
            ) -> Vec<brolga_ir::Var> {
                use crate::metrics::confusion::{Selection, confusion, even_thresholds};
                let thresholds = even_thresholds(self.num_thresholds);
                let selection = Selection { class_id: self.class_id, ..Selection::default() };
                confusion(y_true, &y_pred.output, sample_weight, &thresholds, selection).all()
            }

            fn result(&self, totals: &[Vec<f64>]) -> f64 {
                let rates = crate::metrics::confusion::Rates::of(totals);
                let allowed = rates.iter().filter(|rates| rates.$given >= self.$given);
                allowed.map(|rates| rates.$best).fold(0.0, f64::max)
            }
        }
    };
}
pub(super) use constrained_metric;

/// Keras's number of thresholds.
pub(super) fn default_thresholds() -> usize {
    200
}
