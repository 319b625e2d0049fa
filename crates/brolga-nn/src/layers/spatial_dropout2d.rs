//! Random channels of zeros.

use super::layer;
use super::spatial_dropout::SpatialDropout;

/// In training, each channel of an image is 0 as a whole with probability `rate` and multiplied by
/// `1 / (1 − rate)` otherwise; in inference nothing is changed.
/// `x: [batch, height, width, channels]`, `y` alike.
///
/// A mistake if the input is no image.
///
/// Keras: <https://keras.io/api/layers/regularization_layers/spatial_dropout2d/>
pub type SpatialDropout2D = SpatialDropout<2>;

layer!(SpatialDropout2D { rate: Share });
