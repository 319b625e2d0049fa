//! Convolution of each channel of an image by itself.

use super::depthwise::{DepthwiseConvolution, depthwise_layer};

/// `y = f(x ∗ kernel + bias)` over images, where each channel has filters of its own.
///
/// `x: [batch, height, width, channels]`, `kernel: [height, width, channels, depth_multiplier]`,
/// `bias: [channels · depth_multiplier]`,
/// `y: [batch, height', width', channels · depth_multiplier]`, where output
/// `c · depth_multiplier + m` is channel `c` under its filter `m`.
///
/// A mistake if the input is no image, or the window does not fit into it.
///
/// Keras: <https://keras.io/api/layers/convolution_layers/depthwise_convolution2d/>
pub type DepthwiseConv2D = DepthwiseConvolution<2>;

depthwise_layer!(DepthwiseConv2D);
