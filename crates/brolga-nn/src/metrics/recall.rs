//! The share of labels that were found.

use super::share_metric;

share_metric! {
    /// `true positives / (true positives + false negatives)`: the share of labels other than 0
    /// whose prediction is above the threshold; 0 where there are none.
    ///
    /// Keras: `keras.metrics.Recall`.
    Recall of false_negatives
}
