//! Zeros around a sequence.

use super::layer;
use super::zero_padding::ZeroPadding;

/// Sequences with zeros before and after each spatial axis, one by default:
/// `[batch, steps, channels]` to `[batch, steps', channels]`, where each new extent is the old one
/// and the zeros of both sides.
///
/// A mistake if the input is no sequence.
///
/// Keras: <https://keras.io/api/layers/reshaping_layers/zero_padding1d/>
pub type ZeroPadding1D = ZeroPadding<1>;

layer!(ZeroPadding1D);
