//! The squared hinge loss.

use super::mean_metric;
use crate::losses;

mean_metric! {
    /// The mean of [`losses::SquaredHinge`] over the samples.
    ///
    /// Keras: `keras.metrics.SquaredHinge`.
    SquaredHinge: Min = losses::squared_hinge
}
