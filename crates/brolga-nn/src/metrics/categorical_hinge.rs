//! The hinge loss of classes.

use super::mean_metric;
use crate::losses;

mean_metric! {
    /// The mean of [`losses::CategoricalHinge`] over the samples.
    ///
    /// Keras: `keras.metrics.CategoricalHinge`.
    CategoricalHinge: Min = losses::categorical_hinge
}
