//! How often the most probable class is the right one.

use super::mean_metric;
use crate::trace::argmax_last;

mean_metric! {
    /// The share of samples where the greatest elements of the prediction and of the one-hot label
    /// have the same index.
    ///
    /// Keras: `keras.metrics.CategoricalAccuracy`.
    CategoricalAccuracy: Max = |y_true, y_pred| argmax_last(y_true).eq(&argmax_last(y_pred))
}
