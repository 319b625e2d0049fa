//! Zeros around an image.

use super::layer;
use super::zero_padding::ZeroPadding;

/// Images with zeros before and after each spatial axis, one by default:
/// `[batch, height, width, channels]` to `[batch, height', width', channels]`, where each new
/// extent is the old one and the zeros of both sides.
///
/// A mistake if the input is no image.
///
/// Keras: <https://keras.io/api/layers/reshaping_layers/zero_padding2d/>
pub type ZeroPadding2D = ZeroPadding<2>;

layer!(ZeroPadding2D);
