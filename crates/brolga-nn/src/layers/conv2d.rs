//! Convolution of images.

use super::convolution::{Convolution, convolution_layer};

/// `y = f(x ∗ kernel + bias)` over images; see [`Conv`](brolga_ir::ops::Conv) for the convolution.
///
/// `x: [batch, height, width, channels]`, `kernel: [height, width, channels / groups, filters]`,
/// `bias: [filters]`, `y: [batch, height', width', filters]`, where `padding` tells how many places
/// the window takes.
///
/// A mistake if the input is no image, the window does not fit into it, or `groups` does not divide
/// channels and filters.
///
/// Keras: <https://keras.io/api/layers/convolution_layers/convolution2d/>
pub type Conv2D = Convolution<2>;

convolution_layer!(Conv2D);
