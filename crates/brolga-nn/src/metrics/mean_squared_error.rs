//! The mean squared error.

use super::mean_metric;
use crate::losses;

mean_metric! {
    /// The mean of [`losses::MeanSquaredError`] over the samples.
    ///
    /// Keras: `keras.metrics.MeanSquaredError`.
    MeanSquaredError: Min = losses::mean_squared_error
}
