//! Random channels of zeros.

use super::layer;
use super::spatial_dropout::SpatialDropout;

/// In training, each channel of a volume is 0 as a whole with probability `rate` and multiplied by
/// `1 / (1 − rate)` otherwise; in inference nothing is changed.
/// `x: [batch, depth, height, width, channels]`, `y` alike.
///
/// A mistake if the input is no volume.
///
/// Keras: <https://keras.io/api/layers/regularization_layers/spatial_dropout3d/>
pub type SpatialDropout3D = SpatialDropout<3>;

layer!(SpatialDropout3D { rate: Share });
