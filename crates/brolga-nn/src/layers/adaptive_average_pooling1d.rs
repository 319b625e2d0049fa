//! The average over windows of a sequence that make a result of a given size.

use super::adaptive_pooling::AdaptivePooling;
use super::layer;
use super::pooling::Mean;

/// The average of each of `output_size` windows over sequences: `[batch, steps, channels]` to
/// `[batch, output_size, channels]`. On each axis, window `i` begins at `⌊i·input / output⌋` and
/// ends before `⌈(i + 1)·input / output⌉`.
///
/// A mistake if the input is no sequence, or smaller than the result, which Keras would fill with
/// windows of one or two elements.
///
/// Keras: <https://keras.io/api/layers/pooling_layers/adaptive_average_pooling1d/>
pub type AdaptiveAveragePooling1D = AdaptivePooling<Mean, 1>;

layer!(AdaptiveAveragePooling1D { output_size: Count });
