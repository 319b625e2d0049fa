//! The best recall at a precision.

use super::constrained_metric;

constrained_metric! {
    /// The greatest recall at all thresholds where the precision is at least `precision`; 0 where
    /// there is none.
    ///
    /// Keras: `keras.metrics.RecallAtPrecision`.
    RecallAtPrecision = recall where precision
}
