//! How often the right class is among the most probable ones.

use brolga_ir::{DType, Mistake, Var};
use serde::{Deserialize, Serialize};

use super::{Direction, Metric, mean_statistics, metric};
use crate::losses::sum_last;
use crate::trace::{Prediction, argmax_last};

/// The share of samples where fewer than `k` elements of the prediction are greater than the one
/// whose index is that of the greatest element of the one-hot label.
///
/// Keras: `keras.metrics.TopKCategoricalAccuracy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TopKCategoricalAccuracy {
    /// The name under which it is reported; `None`: Keras's name for the class.
    pub name: Option<String>,
    /// How many classes may be the right one; 5 by default.
    pub k: usize,
}

metric!(TopKCategoricalAccuracy { k: Count });

impl Default for TopKCategoricalAccuracy {
    fn default() -> Self {
        Self::new(5)
    }
}

impl TopKCategoricalAccuracy {
    /// Among so many classes.
    pub fn new(k: usize) -> Self {
        Self { name: None, k }
    }
}

impl Metric for TopKCategoricalAccuracy {
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
        let right = in_top_k(&argmax_last(y_true), &y_pred.output, self.k);
        mean_statistics(&right, sample_weight)
    }
}

/// Whether fewer than `k` elements along the last axis are greater than the one of this class.
#[track_caller]
pub(super) fn in_top_k(classes: &Var, y_pred: &Var, k: usize) -> Var {
    let Some((&count, shape)) = y_pred.shape().split_last() else {
        return y_pred.tracer().fail(Mistake::new("a prediction needs an axis of classes"));
    };
    if classes.shape().elements() != shape.iter().product::<usize>() {
        let message =
            format!("class numbers {} do not fit the prediction {}", classes.ty(), y_pred.ty());
        return y_pred.tracer().fail(Mistake::new(message));
    }
    let hot = classes.cast(DType::I32).reshape(shape).one_hot(count, DType::Bool);
    let own = sum_last(&hot.select(y_pred, &y_pred.constant_like(0.0)));
    let own = own.reshape(shape.iter().copied().chain([1]).collect::<Vec<_>>());
    let greater = sum_last(&y_pred.gt(&own).cast(DType::F32));
    greater.lt(&greater.constant_like(k as f64))
}
