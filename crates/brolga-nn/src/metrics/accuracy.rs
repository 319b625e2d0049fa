//! How often predictions are the labels.

use super::mean_metric;
use crate::losses::pair;

mean_metric! {
    /// The share of predictions that equal their labels, number by number.
    ///
    /// The name `"accuracy"` in `compile` is another metric, as in Keras: the one of
    /// [`BinaryAccuracy`](super::BinaryAccuracy),
    /// [`CategoricalAccuracy`](super::CategoricalAccuracy) and
    /// [`SparseCategoricalAccuracy`](super::SparseCategoricalAccuracy) that fits labels and
    /// predictions.
    ///
    /// Keras: `keras.metrics.Accuracy`.
    Accuracy: Max = |y_true, y_pred| {
        let (y_true, y_pred) = pair(y_true, y_pred);
        y_true.eq(&y_pred)
    }
}
