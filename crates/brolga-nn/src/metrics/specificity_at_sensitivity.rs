//! The best specificity at a sensitivity.

use super::constrained_metric;

constrained_metric! {
    /// The greatest specificity, the share of labels 0 that were not taken for others, at all
    /// thresholds where the sensitivity, which is the recall, is at least `sensitivity`; 0 where
    /// there is none.
    ///
    /// Keras: `keras.metrics.SpecificityAtSensitivity`.
    SpecificityAtSensitivity = specificity where sensitivity
}
