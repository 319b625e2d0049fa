//! The mean of the predictions.

use super::mean_metric;

mean_metric! {
    /// The mean of the model's output over the samples.
    ///
    /// Keras: `keras.metrics.Mean`, which is given values instead of labels and predictions.
    Mean (none) = |_, y_pred| y_pred.clone()
}
