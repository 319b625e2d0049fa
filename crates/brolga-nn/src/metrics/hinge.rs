//! The hinge loss.

use super::mean_metric;
use crate::losses;

mean_metric! {
    /// The mean of [`losses::Hinge`] over the samples.
    ///
    /// Keras: `keras.metrics.Hinge`.
    Hinge: Min = losses::hinge
}
