//! How often the most probable class is the right one.

use brolga_ir::{DType, Var};

use super::{Direction, Metric, mean_statistics, plain_metric};
use crate::trace::{Prediction, argmax_last};

plain_metric! {
    /// The share of samples whose label is the index of the greatest element of the prediction.
    SparseCategoricalAccuracy
}

impl Metric for SparseCategoricalAccuracy {
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
        let classes = argmax_last(&y_pred.output);
        let labels =
            if y_true.dtype() == DType::I32 { y_true.clone() } else { y_true.cast(DType::I32) };
        let right = labels.reshape(classes.shape().clone()).eq(&classes);
        mean_statistics(&right, sample_weight)
    }
}
