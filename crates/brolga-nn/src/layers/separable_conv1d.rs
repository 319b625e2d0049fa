//! Separable convolution of sequences.

use super::separable::{SeparableConvolution, separable_layer};

/// `y = f((x ∗ depthwise_kernel) · pointwise_kernel + bias)` over sequences: a
/// [`DepthwiseConv1D`](super::DepthwiseConv1D), then all channels of each step together.
///
/// `x: [batch, steps, channels]`, `depthwise_kernel: [width, channels, depth_multiplier]`,
/// `pointwise_kernel: [1, channels · depth_multiplier, filters]`, `bias: [filters]`,
/// `y: [batch, steps', filters]`.
///
/// A mistake if the input is no sequence, or the window does not fit into it.
///
/// Keras: <https://keras.io/api/layers/convolution_layers/separable_convolution1d/>
pub type SeparableConv1D = SeparableConvolution<1>;

separable_layer!(SeparableConv1D);
