//! The divergence of Kullback and Leibler.

use super::mean_metric;
use crate::losses;

mean_metric! {
    /// The mean of [`losses::KLDivergence`] over the samples.
    ///
    /// Keras: `keras.metrics.KLDivergence`.
    KLDivergence: Min = losses::kl_divergence
}
