//! The mean squared error of logarithms.

use super::mean_metric;
use crate::losses;

mean_metric! {
    /// The mean of [`losses::MeanSquaredLogarithmicError`] over the samples.
    ///
    /// Keras: `keras.metrics.MeanSquaredLogarithmicError`.
    MeanSquaredLogarithmicError: Min = losses::mean_squared_logarithmic_error
}
