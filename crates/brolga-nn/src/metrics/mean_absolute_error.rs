//! The mean absolute error.

use brolga_ir::Var;

use super::{Direction, Metric, mean_statistics, plain_metric};
use crate::losses;
use crate::trace::Prediction;

plain_metric! {
    /// The mean of [`losses::MeanAbsoluteError`] over the samples.
    MeanAbsoluteError
}

impl Metric for MeanAbsoluteError {
    fn given_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Min)
    }

    fn statistics(
        &self,
        y_true: &Var,
        y_pred: &Prediction,
        sample_weight: Option<&Var>,
    ) -> Vec<Var> {
        let values = losses::mean_absolute_error(y_true, &y_pred.output);
        mean_statistics(&values, sample_weight)
    }
}
