//! How often the right class is among the most probable ones.

use brolga_ir::{DType, Mistake, Var};
use serde::{Deserialize, Serialize};

use super::top_k_categorical_accuracy::in_top_k;
use super::{Direction, Metric, mean_statistics, metric};
use crate::setters::setters;
use crate::trace::Prediction;

/// The share of samples where fewer than `k` elements of the prediction are greater than the one of
/// the class that the label is.
///
/// With `from_sorted_ids` predictions are class numbers, the most probable first, and it is the
/// share of samples whose label is among the first `k` of them.
///
/// Keras: `keras.metrics.SparseTopKCategoricalAccuracy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SparseTopKCategoricalAccuracy {
    /// The name under which it is reported; `None`: Keras's name for the class.
    pub name: Option<String>,
    /// How many classes may be the right one; 5 by default.
    pub k: usize,
    /// Whether predictions are sorted class numbers instead of a number for each class; false by
    /// default.
    pub from_sorted_ids: bool,
}

metric!(SparseTopKCategoricalAccuracy { k: Count });

impl Default for SparseTopKCategoricalAccuracy {
    fn default() -> Self {
        Self::new(5)
    }
}

impl SparseTopKCategoricalAccuracy {
    /// Among so many classes.
    pub fn new(k: usize) -> Self {
        Self { name: None, k, from_sorted_ids: false }
    }

    setters! {
        /// Whether predictions are sorted class numbers instead of a number for each class; false
        /// by default.
        from_sorted_ids: bool,
    }
}

impl Metric for SparseTopKCategoricalAccuracy {
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
        let found = match self.from_sorted_ids {
            true => among_first(y_true, &y_pred.output, self.k),
            false => in_top_k(y_true, &y_pred.output, self.k),
        };
        mean_statistics(&found, sample_weight)
    }
}

/// Whether a class number is among the first `k` along the last axis.
#[track_caller]
fn among_first(y_true: &Var, ids: &Var, k: usize) -> Var {
    let Some((&count, shape)) = ids.shape().split_last() else {
        return ids.tracer().fail(Mistake::new("a prediction needs an axis of class numbers"));
    };
    if y_true.shape().elements() != shape.iter().product::<usize>() {
        let message = format!("class numbers {} do not fit {}", y_true.ty(), ids.ty());
        return ids.tracer().fail(Mistake::new(message));
    }
    let (mut limits, axis) = (ids.shape().to_vec(), shape.len());
    limits[axis] = k.min(count);
    let first = ids.slice(&vec![0; axis + 1], &limits, &vec![1; axis + 1]);
    let labels = shape.iter().copied().chain([1]).collect::<Vec<_>>();
    let labels = y_true.cast(ids.dtype()).reshape(labels);
    first.eq(&labels).cast(DType::F32).reduce_max(&[axis], false)
}
