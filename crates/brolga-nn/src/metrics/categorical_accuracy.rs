//! How often the most probable class is the right one.

use brolga_ir::Var;

use super::{Direction, Metric, mean_statistics, plain_metric};
use crate::trace::{Prediction, argmax_last};

plain_metric! {
    /// The share of samples where the greatest elements of the prediction and of the one-hot label
    /// have the same index.
    CategoricalAccuracy
}

impl Metric for CategoricalAccuracy {
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
        let right = argmax_last(y_true).eq(&argmax_last(&y_pred.output));
        mean_statistics(&right, sample_weight)
    }
}
