//! The mean absolute error.

use super::mean_metric;
use crate::losses;

mean_metric! {
    /// The mean of [`losses::MeanAbsoluteError`] over the samples.
    ///
    /// Keras: `keras.metrics.MeanAbsoluteError`.
    MeanAbsoluteError: Min = losses::mean_absolute_error
}
