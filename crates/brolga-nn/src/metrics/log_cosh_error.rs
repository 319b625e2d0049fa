//! The logarithm of the hyperbolic cosine of the error.

use super::mean_metric;
use crate::losses;

mean_metric! {
    /// The mean of [`losses::LogCosh`] over the samples, reported as `logcosh`.
    ///
    /// Keras: `keras.metrics.LogCoshError`.
    LogCoshError ("logcosh"): Min = losses::log_cosh
}
