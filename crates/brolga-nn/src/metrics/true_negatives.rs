//! The number of true negatives.

use super::count_metric;

count_metric! {
    /// The number of true negatives, or the sum of their weights: other predictions whose label is
    /// 0.
    ///
    /// Keras: `keras.metrics.TrueNegatives`.
    TrueNegatives: Max = true_negatives
}
