//! The best sensitivity at a specificity.

use super::constrained_metric;

constrained_metric! {
    /// The greatest sensitivity, which is the recall, at all thresholds where the specificity, the
    /// share of labels 0 that were not taken for others, is at least `specificity`; 0 where there
    /// is none.
    ///
    /// Keras: `keras.metrics.SensitivityAtSpecificity`.
    SensitivityAtSpecificity = sensitivity where specificity
}
