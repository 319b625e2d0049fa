//! A volume without its borders.

use super::cropping::Cropping;
use super::layer;

/// Volumes without so many elements before and after each spatial axis, one element on each side by
/// default: `[batch, depth, height, width, channels]` to
/// `[batch, depth', height', width', channels]`.
///
/// A mistake if the input is no volume, or nothing would be left of it.
///
/// Keras: <https://keras.io/api/layers/reshaping_layers/cropping3d/>
pub type Cropping3D = Cropping<3>;

layer!(Cropping3D);
