//! The number of false negatives.

use super::count_metric;

count_metric! {
    /// The number of false negatives, or the sum of their weights: other predictions whose label is
    /// not 0.
    ///
    /// Keras: `keras.metrics.FalseNegatives`.
    FalseNegatives: Min = false_negatives
}
