//! Metrics, one file each: a statistic of each batch that adds up, and a function of the total.
//!
//! The statistics are computed inside the step's program, by the same arithmetic as everything
//! else; the totals are kept on the host in `f64`. A new metric is a new file and one line in the
//! list below.

use std::sync::Arc;

use brolga_ir::{DType, Type, Var};

use crate::losses::{align, weighted};
use crate::registry::{Choice, Object, classes, snake_case};
use crate::trace::Prediction;

classes! {
    "metric" Metric(snake_case) of "keras.metrics" {
        accuracy: Accuracy ["acc"],
        auc: AUC,
        binary_accuracy: BinaryAccuracy,
        binary_crossentropy: BinaryCrossentropy ["bce"],
        binary_iou: BinaryIoU,
        categorical_accuracy: CategoricalAccuracy,
        categorical_crossentropy: CategoricalCrossentropy,
        categorical_hinge: CategoricalHinge,
        concordance_correlation: ConcordanceCorrelation,
        cosine_similarity: CosineSimilarity,
        f1_score: F1Score,
        f_beta_score: FBetaScore,
        false_negatives: FalseNegatives,
        false_positives: FalsePositives,
        hinge: Hinge,
        iou: IoU,
        kl_divergence: KLDivergence ["kld"],
        log_cosh_error: LogCoshError ["logcosh"],
        mean: Mean,
        mean_absolute_error: MeanAbsoluteError ["mae"],
        mean_absolute_percentage_error: MeanAbsolutePercentageError ["mape"],
        mean_iou: MeanIoU,
        mean_squared_error: MeanSquaredError ["mse"],
        mean_squared_logarithmic_error: MeanSquaredLogarithmicError ["msle"],
        one_hot_iou: OneHotIoU,
        one_hot_mean_iou: OneHotMeanIoU,
        pearson_correlation: PearsonCorrelation,
        poisson: Poisson,
        precision: Precision,
        precision_at_recall: PrecisionAtRecall,
        r2_score: R2Score,
        recall: Recall,
        recall_at_precision: RecallAtPrecision,
        root_mean_squared_error: RootMeanSquaredError ["rmse"],
        sensitivity_at_specificity: SensitivityAtSpecificity,
        sparse_categorical_accuracy: SparseCategoricalAccuracy,
        sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
        sparse_top_k_categorical_accuracy: SparseTopKCategoricalAccuracy,
        specificity_at_sensitivity: SpecificityAtSensitivity,
        squared_hinge: SquaredHinge,
        sum: Sum,
        top_k_categorical_accuracy: TopKCategoricalAccuracy,
        true_negatives: TrueNegatives,
        true_positives: TruePositives,
    }
}

mod confusion;
mod fitting_accuracy;
mod mean_metric_wrapper;
mod overlap;

pub use auc::{Curve, SummationMethod};
pub use f_beta_score::Average;
pub use mean_metric_wrapper::MeanMetricWrapper;
pub use r2_score::ClassAggregation;

pub(crate) use fitting_accuracy::FittingAccuracy;

use confusion::{constrained_metric, count_metric, share_metric};

/// Which values of a quantity are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Lower ones.
    Min,
    /// Higher ones.
    Max,
}

/// A measure of how good predictions are.
///
/// Keras: `keras.metrics.Metric`.
pub trait Metric: Object {
    /// A name of the object's own, if it was given one.
    fn given_name(&self) -> Option<&str> {
        None
    }

    /// Which values are better; `None` where that is not known. Callbacks ask for it.
    fn direction(&self) -> Option<Direction> {
        None
    }

    /// The number of tensors of the statistic.
    fn parts(&self) -> usize {
        2
    }

    /// Whether steps that the mask of an output leaves out do not count, so that the mask is part
    /// of the sample weight; true by default. As in Keras it is so for means over samples, and not
    /// for metrics of another kind.
    fn uses_mask(&self) -> bool {
        true
    }

    /// The statistic of a batch: [`Metric::parts`] tensors of which each adds up over batches.
    fn statistics(
        &self,
        y_true: &Var,
        y_pred: &Prediction,
        sample_weight: Option<&Var>,
    ) -> Vec<Var>;

    /// The metric for the totals of the statistic, one list of elements for each tensor.
    fn result(&self, totals: &[Vec<f64>]) -> f64 {
        mean(totals)
    }

    /// How many numbers the metric consists of for outputs whose samples have this type, as one of
    /// a number for each class; `None`, the default: it is one number.
    fn numbers(&self, sample: &Type) -> Option<usize> {
        let _ = sample;
        None
    }

    /// All numbers that the metric consists of for the totals of the statistic: reported as
    /// `name/0`, `name/1`, .. if [`Metric::numbers`] says so.
    fn results(&self, totals: &[Vec<f64>]) -> Vec<f64> {
        vec![self.result(totals)]
    }
}

/// The names under which a metric's numbers are reported: its own, or if there are several those
/// with the number's index.
pub(crate) fn names(metric: &dyn Metric, name: &str, sample: &Type) -> Vec<String> {
    match metric.numbers(sample) {
        None => vec![name.to_owned()],
        Some(count) => (0..count).map(|index| format!("{name}/{index}")).collect(),
    }
}

/// The name under which a metric is reported.
pub fn name(metric: &dyn Metric) -> String {
    metric.given_name().map_or_else(|| snake_case(metric.class_name()), str::to_owned)
}

/// The mean: the first total over the second; 0 without any sample, as in Keras.
pub fn mean(totals: &[Vec<f64>]) -> f64 {
    match totals {
        [sum, count] if count.first().is_some_and(|&count| count != 0.0) => {
            sum.first().copied().unwrap_or(0.0) / count[0]
        }
        _ => 0.0,
    }
}

/// The statistic of a mean over samples: the sum of the samples' values times their weights, and
/// the sum of the weights.
///
/// The further axes of a sample are averaged first, of the weights as well. Truth values, `bf16` and `f16` are summed in
/// f32.
#[track_caller]
pub fn mean_statistics(values: &Var, sample_weight: Option<&Var>) -> Vec<Var> {
    let values = values.cast(match values.dtype() {
        DType::Bool => DType::F32,
        dtype => dtype.accumulator(),
    });
    let inner: Vec<usize> = (1..values.shape().rank()).collect();
    let mean = |x: &Var| if inner.is_empty() { x.clone() } else { x.reduce_mean(&inner, false) };
    let sum = |x: &Var| x.reduce_sum(&(0..x.shape().rank()).collect::<Vec<_>>(), false);
    match sample_weight {
        None => {
            let samples = values.shape().first().copied().unwrap_or(1);
            vec![sum(&mean(&values)), values.constant_like(samples as f64)]
        }
        Some(weight) => {
            let aligned = align(weight, &values);
            let weighted = mean(&weighted(&values, &aligned));
            let weights = if weight.shape().rank() > 1 { mean(&aligned) } else { weight.clone() };
            vec![sum(&weighted), sum(&weights)]
        }
    }
}

impl<T: Metric + 'static> From<T> for Choice<dyn Metric> {
    fn from(metric: T) -> Self {
        Self::Object(Arc::new(metric))
    }
}

/// Implements for a metric struct with the field `name: Option<String>` what all of them have:
/// `name`, [`Object`]. A table says which numbers its arguments may be.
///
/// ```
/// use brolga_ir::Var;
/// use brolga_nn::metrics::{Metric, mean_statistics};
/// use brolga_nn::trace::Prediction;
/// use serde::{Deserialize, Serialize};
///
/// /// The mean of the predictions.
/// #[derive(Debug, Default, Serialize, Deserialize)]
/// #[serde(default)]
/// struct Output {
///     name: Option<String>,
/// }
///
/// brolga_nn::metric!(Output);
///
/// impl Metric for Output {
///     fn given_name(&self) -> Option<&str> {
///         self.name.as_deref()
///     }
///
///     fn statistics(&self, _: &Var, y_pred: &Prediction, weight: Option<&Var>) -> Vec<Var> {
///         mean_statistics(&y_pred.output, weight)
///     }
/// }
/// ```
#[macro_export]
macro_rules! metric {
    ($type:ident $($arguments:tt)?) => {
        $crate::object!($type $($arguments)?);

        impl $type {
            /// Reports the metric under another name.
            #[must_use]
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.name = Some(name.into());
                self
            }
        }
    };
}
pub use metric;

/// Declares the struct of a metric whose only argument is its name.
macro_rules! plain_metric {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            /// The name under which it is reported; `None`: Keras's name for the class.
            pub name: Option<String>,
        }

        crate::metrics::metric!($name);

        impl $name {
            /// The metric under Keras's name.
            pub fn new() -> Self {
                Self::default()
            }
        }
    };
}
pub(crate) use plain_metric;

/// Declares a metric whose only argument is its name: the mean over the samples of a function of
/// labels and predictions. A name in parentheses is that under which it is reported, instead of the
/// one of the class.
macro_rules! mean_metric {
    ($(#[$doc:meta])* $name:ident $(($reported:literal))?: $direction:ident = $function:expr) => {
        crate::metrics::mean_metric! {
            @ $(#[$doc])* $name $(($reported))?,
            Some(crate::metrics::Direction::$direction),
            $function
        }
    };
    ($(#[$doc:meta])* $name:ident (none) = $function:expr) => {
        crate::metrics::mean_metric! { @ $(#[$doc])* $name, None, $function }
    };
    (
        @ $(#[$doc:meta])* $name:ident $(($reported:literal))?, $direction:expr, $function:expr
    ) => {
        crate::metrics::plain_metric! { $(#[$doc])* $name }

        impl crate::metrics::Metric for $name {
            fn given_name(&self) -> Option<&str> {
                self.name.as_deref()$(.or(Some($reported)))?
            }

            fn direction(&self) -> Option<crate::metrics::Direction> {
                $direction
            }

            fn statistics(
                &self,
                y_true: &brolga_ir::Var,
                y_pred: &crate::trace::Prediction,
                sample_weight: Option<&brolga_ir::Var>,
            ) -> Vec<brolga_ir::Var> {
                let function: fn(&brolga_ir::Var, &brolga_ir::Var) -> brolga_ir::Var = $function;
                let values = function(y_true, &y_pred.output);
                crate::metrics::mean_statistics(&values, sample_weight)
            }
        }
    };
}
pub(crate) use mean_metric;
