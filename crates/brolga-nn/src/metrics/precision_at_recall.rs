//! The best precision at a recall.

use super::constrained_metric;

constrained_metric! {
    /// The greatest precision at all thresholds where the recall is at least `recall`; 0 where
    /// there is none.
    ///
    /// Keras: `keras.metrics.PrecisionAtRecall`.
    PrecisionAtRecall = precision where recall
}
