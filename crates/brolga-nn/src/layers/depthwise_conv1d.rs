//! Convolution of each channel of a sequence by itself.

use super::depthwise::{DepthwiseConvolution, depthwise_layer};

/// `y = f(x ∗ kernel + bias)` over sequences, where each channel has filters of its own.
///
/// `x: [batch, steps, channels]`, `kernel: [width, channels, depth_multiplier]`,
/// `bias: [channels · depth_multiplier]`, `y: [batch, steps', channels · depth_multiplier]`, where
/// output `c · depth_multiplier + m` is channel `c` under its filter `m`.
///
/// A mistake if the input is no sequence, or the window does not fit into it.
///
/// Keras: <https://keras.io/api/layers/convolution_layers/depthwise_convolution1d/>
pub type DepthwiseConv1D = DepthwiseConvolution<1>;

depthwise_layer!(DepthwiseConv1D);
