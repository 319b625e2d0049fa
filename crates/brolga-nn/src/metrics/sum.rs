//! The sum of the predictions.

use brolga_ir::{DType, Var};

use super::{Metric, plain_metric};
use crate::losses::{align, weighted};
use crate::trace::Prediction;

plain_metric! {
    /// The sum of the model's output over the samples, times their weights.
    ///
    /// Keras: `keras.metrics.Sum`, which is given values instead of labels and predictions.
    Sum
}

impl Metric for Sum {
    fn given_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn uses_mask(&self) -> bool {
        false
    }

    fn parts(&self) -> usize {
        1
    }

    fn statistics(&self, _: &Var, y_pred: &Prediction, sample_weight: Option<&Var>) -> Vec<Var> {
        let values = y_pred.output.cast(DType::F32);
        let values = match sample_weight {
            Some(weight) => weighted(&values, &align(weight, &values)),
            None => values,
        };
        vec![values.reduce_sum(&(0..values.shape().rank()).collect::<Vec<_>>(), false)]
    }

    fn result(&self, totals: &[Vec<f64>]) -> f64 {
        totals.iter().flatten().next().copied().unwrap_or(0.0)
    }
}
