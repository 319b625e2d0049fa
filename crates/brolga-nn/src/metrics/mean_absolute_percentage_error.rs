//! The mean absolute error in percent of the labels.

use super::mean_metric;
use crate::losses;

mean_metric! {
    /// The mean of [`losses::MeanAbsolutePercentageError`] over the samples.
    ///
    /// Keras: `keras.metrics.MeanAbsolutePercentageError`.
    MeanAbsolutePercentageError: Min = losses::mean_absolute_percentage_error
}
