//! Convolution of volumes.

use super::convolution::{Convolution, convolution_layer};

/// `y = f(x ∗ kernel + bias)` over volumes; see [`Conv`](brolga_ir::ops::Conv) for the convolution.
///
/// `x: [batch, depth, height, width, channels]`,
/// `kernel: [depth, height, width, channels / groups, filters]`, `bias: [filters]`,
/// `y: [batch, depth', height', width', filters]`, where `padding` tells how many places the window
/// takes.
///
/// A mistake if the input is no volume, the window does not fit into it, or `groups` does not
/// divide channels and filters.
///
/// Keras: <https://keras.io/api/layers/convolution_layers/convolution3d/>
pub type Conv3D = Convolution<3>;

convolution_layer!(Conv3D);
