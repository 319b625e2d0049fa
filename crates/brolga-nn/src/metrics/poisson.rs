//! The Poisson loss.

use super::mean_metric;
use crate::losses;

mean_metric! {
    /// The mean of [`losses::Poisson`] over the samples.
    ///
    /// Keras: `keras.metrics.Poisson`.
    Poisson: Min = losses::poisson
}
