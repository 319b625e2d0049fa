//! The root of the mean squared error.

use brolga_ir::Var;

use super::{Direction, Metric, mean, mean_statistics, plain_metric};
use crate::losses;
use crate::trace::Prediction;

plain_metric! {
    /// The square root of the mean of [`losses::MeanSquaredError`] over the samples.
    ///
    /// Keras: `keras.metrics.RootMeanSquaredError`.
    RootMeanSquaredError
}

impl Metric for RootMeanSquaredError {
    fn given_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn uses_mask(&self) -> bool {
        false
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
        mean_statistics(&losses::mean_squared_error(y_true, &y_pred.output), sample_weight)
    }

    fn result(&self, totals: &[Vec<f64>]) -> f64 {
        mean(totals).sqrt()
    }
}
