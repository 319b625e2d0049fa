//! Separable convolution of images.

use super::separable::{SeparableConvolution, separable_layer};

/// `y = f((x ∗ depthwise_kernel) · pointwise_kernel + bias)` over images: a
/// [`DepthwiseConv2D`](super::DepthwiseConv2D), then all channels of each pixel together.
///
/// `x: [batch, height, width, channels]`,
/// `depthwise_kernel: [height, width, channels, depth_multiplier]`,
/// `pointwise_kernel: [1, 1, channels · depth_multiplier, filters]`, `bias: [filters]`,
/// `y: [batch, height', width', filters]`.
///
/// A mistake if the input is no image, or the window does not fit into it.
///
/// Keras: <https://keras.io/api/layers/convolution_layers/separable_convolution2d/>
pub type SeparableConv2D = SeparableConvolution<2>;

separable_layer!(SeparableConv2D);
