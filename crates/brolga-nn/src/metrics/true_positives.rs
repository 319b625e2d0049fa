//! The number of true positives.

use super::count_metric;

count_metric! {
    /// The number of true positives, or the sum of their weights: predictions above the threshold
    /// whose label is not 0.
    ///
    /// Keras: `keras.metrics.TruePositives`.
    TruePositives: Max = true_positives
}
