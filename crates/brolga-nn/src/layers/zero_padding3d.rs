//! Zeros around a volume.

use super::layer;
use super::zero_padding::ZeroPadding;

/// Volumes with zeros before and after each spatial axis, one by default:
/// `[batch, depth, height, width, channels]` to `[batch, depth', height', width', channels]`, where
/// each new extent is the old one and the zeros of both sides.
///
/// A mistake if the input is no volume.
///
/// Keras: <https://keras.io/api/layers/reshaping_layers/zero_padding3d/>
pub type ZeroPadding3D = ZeroPadding<3>;

layer!(ZeroPadding3D);
