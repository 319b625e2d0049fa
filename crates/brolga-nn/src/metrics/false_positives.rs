//! The number of false positives.

use super::count_metric;

count_metric! {
    /// The number of false positives, or the sum of their weights: predictions above the threshold
    /// whose label is 0.
    ///
    /// Keras: `keras.metrics.FalsePositives`.
    FalsePositives: Min = false_positives
}
