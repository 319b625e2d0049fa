//! An image without its borders.

use super::cropping::Cropping;
use super::layer;

/// Images without so many elements before and after each spatial axis, nothing by default:
/// `[batch, height, width, channels]` to `[batch, height', width', channels]`.
///
/// A mistake if the input is no image, or nothing would be left of it.
///
/// Keras: <https://keras.io/api/layers/reshaping_layers/cropping2d/>
pub type Cropping2D = Cropping<2>;

layer!(Cropping2D);
