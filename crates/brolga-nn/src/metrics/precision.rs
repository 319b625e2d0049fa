//! The share of yes answers that are right.

use super::share_metric;

share_metric! {
    /// `true positives / (true positives + false positives)`: the share of predictions above the
    /// threshold whose label is not 0; 0 where there are none.
    ///
    /// Keras: `keras.metrics.Precision`.
    Precision of false_positives
}
