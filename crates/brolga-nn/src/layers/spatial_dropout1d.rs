//! Random channels of zeros.

use super::layer;
use super::spatial_dropout::SpatialDropout;

/// In training, each channel of a sequence is 0 as a whole with probability `rate` and multiplied
/// by `1 / (1 − rate)` otherwise; in inference nothing is changed. `x: [batch, steps, channels]`,
/// `y` alike.
///
/// A mistake if the input is no sequence.
///
/// Keras: <https://keras.io/api/layers/regularization_layers/spatial_dropout1d/>
pub type SpatialDropout1D = SpatialDropout<1>;

layer!(SpatialDropout1D { rate: Share });
